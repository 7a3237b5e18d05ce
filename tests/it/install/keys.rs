//! No key is in any file: an entry refers to one, or has nothing of it.

use super::{CLIENTS, Home, client, read};
use crate::support::server::KEY;

const URL: &str = "http://127.0.0.1:7373/mcp";

#[test]
fn key_is_in_no_file_of_any_client() {
    for client in &CLIENTS {
        let home = Home::new();
        let file = home.path().join("key");
        std::fs::write(&file, KEY).expect("written");
        for more in [
            &[][..],
            &["--api-key-file", file.to_str().expect("a path")],
            &["--sandbox"],
        ] {
            let ran = home.run(&[&["install", client.id, "--yes"], more].concat());
            assert_eq!(ran.code, 0, "{}: {}", client.id, ran.all());
            let text = read(&home.file(client));
            assert!(!text.contains(KEY), "{text}");
            // What this machine holds, or a sandbox, needs no reference.
            let refers = text.contains("NEON_API_KEY") || text.contains("neon_api_key");
            let can = !["claude-desktop", "zed", "antigravity"].contains(&client.id);
            assert_eq!(refers, can && more.is_empty(), "{} {more:?}:\n{text}", client.id);
        }
    }
}

#[test]
fn file_with_a_key_that_a_variable_names_is_named_by_the_entry() {
    let home = Home::new();
    let file = home.path().join("key");
    std::fs::write(&file, KEY).expect("written");
    let ran = home
        .command(&["install", "claude-desktop", "--yes"])
        .env_remove("NEON_API_KEY")
        .env("NEON_MCP_API_KEY_FILE", &file)
        .output()
        .expect("runs");
    assert!(ran.status.success());
    let text = read(&home.file(client("claude-desktop")));
    assert!(
        text.contains("--api-key-file") && text.contains(file.to_str().expect("a path")),
        "{text}"
    );
    assert!(!text.contains(KEY));
}

#[test]
fn url_is_written_with_a_reference_to_the_token() {
    for client in &CLIENTS {
        let home = Home::new();
        let mut command = home.command(&["install", client.id, "--yes", "--url", URL]);
        let ran = command
            .env("NEON_HTTP_TOKEN", "a-token-0123456789")
            .output()
            .expect("runs");
        assert_eq!(ran.status.success(), client.http, "{}", client.id);
        if !client.http {
            assert!(!home.file(client).exists());
            continue;
        }
        let text = read(&home.file(client));
        assert!(text.contains(URL) && !text.contains("a-token"), "{text}");
        assert!(!text.contains(crate::support::program()), "{text}");
        let refers = text.contains("NEON_HTTP_TOKEN") || text.contains("neon_http_token");
        assert_eq!(refers, !["zed", "antigravity"].contains(&client.id), "{text}");
        let ran = home.run(&["install", client.id, "--yes", "--url", URL, "--no-token"]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let without = read(&home.file(client));
        assert!(
            !without.to_lowercase().contains("${neon_http") && !without.contains("Authorization"),
            "{without}"
        );
        // From one kind to the other and back, nothing of the first is left.
        assert_eq!(
            home.run(&["install", client.id, "--yes", "--sandbox", "--name", "neon"])
                .code,
            0
        );
        assert!(!read(&home.file(client)).contains(URL));
        assert_eq!(
            home.run(&["install", client.id, "--yes", "--url", URL, "--no-token", "--replace"])
                .code,
            0
        );
        let back = read(&home.file(client));
        assert!(back.contains(URL) && !back.contains("--sandbox"), "{back}");
    }
}

#[test]
fn input_of_vs_code_goes_with_the_last_that_asks_for_it() {
    let home = Home::new();
    let path = home.file(client("vscode"));
    for name in ["one", "two"] {
        assert_eq!(home.run(&["install", "vscode", "--yes", "--name", name]).code, 0);
    }
    assert_eq!(read(&path).matches("promptString").count(), 1, "{}", read(&path));
    assert_eq!(home.run(&["uninstall", "vscode", "--yes", "--name", "one"]).code, 0);
    assert_eq!(read(&path).matches("promptString").count(), 1, "{}", read(&path));
    assert_eq!(home.run(&["uninstall", "vscode", "--yes", "--name", "two"]).code, 0);
    assert!(!read(&path).contains("promptString"), "{}", read(&path));
    // Another's inputs stay.
    std::fs::write(
        &path,
        "{\n  \"inputs\": [{\"id\": \"x\", \"type\": \"promptString\"}], // mine\n  \"servers\": {}\n}\n",
    )
    .expect("written");
    let before = read(&path);
    assert_eq!(home.run(&["install", "vscode", "--yes"]).code, 0);
    assert_eq!(read(&path).matches("promptString").count(), 2);
    assert_eq!(home.run(&["uninstall", "vscode", "--yes"]).code, 0);
    assert_eq!(read(&path), before);
}

#[tokio::test]
async fn reference_that_a_client_left_unexpanded_is_no_key() {
    let home = Home::new();
    let mut command = home.command(&["stdio"]);
    command
        .env("NEON_API_KEY", "${env:NEON_API_KEY}")
        .env("NEON_MCP_CONTEXT_FILE", "off");
    let ran = command.output().expect("runs");
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(told.contains("unexpanded"), "{told}");
}
