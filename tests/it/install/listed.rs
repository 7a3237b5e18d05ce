//! `install --list`: where it is, which version, whether it answers.

use serde_json::{Value, json};

use super::{Home, Ran, client};

fn listed(ran: &Ran, id: &str) -> Value {
    let all: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let all = all.as_array().expect("a list");
    all.iter().find(|one| one["client"] == id).expect("a client").clone()
}

#[test]
fn list_says_where_it_is_and_which_version_answers() {
    let home = Home::new();
    let sandbox = ["--name", "neon", "--sandbox", "--sandbox-postgres", "off", "--yes"];
    assert_eq!(
        home.run(&[&["install", "cursor", "codex", "goose"], &sandbox[..]].concat())
            .code,
        0
    );
    std::fs::create_dir_all(home.path().join(".kiro")).expect("made");
    let ran = home.run(&["install", "--list", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    for id in ["cursor", "codex", "goose"] {
        let one = listed(&ran, id);
        let entry = &one["entries"][0];
        assert_eq!(entry["path"], home.file(client(id)).to_str().expect("a path"), "{one}");
        assert_eq!(entry["name"], "neon");
        assert_eq!(entry["answer"]["state"], "answers", "{one}");
        assert!(
            entry["answer"]["version"]
                .as_str()
                .expect("a version")
                .starts_with(env!("CARGO_PKG_VERSION")),
            "{one}"
        );
    }
    assert_eq!(listed(&ran, "kiro")["found"], true);
    assert_eq!(listed(&ran, "kiro")["entries"], json!([]));
    assert_eq!(listed(&ran, "zed")["found"], false);
    let table = home.run(&["install", "--list", "cursor", "zed"]);
    assert_eq!(table.code, 0);
    assert!(
        table.stdout.contains("/.cursor/mcp.json") && !table.stdout.contains("codex"),
        "{}",
        table.stdout
    );
}

#[test]
fn list_says_what_does_not_answer_and_why() {
    let home = Home::new();
    let gone = json!({"mcpServers": {"gone": {"command": "/nowhere/neon-mcp"}, "mute": {"command": "/bin/false", "args": ["neon-mcp"]}}});
    home.put(client("cursor"), &gone.to_string());
    home.put(client("windsurf"), r#"{"mcpServers": {"wrong": {"command": "BIN", "args": ["--toolsets=nonsense"]}, "neon-web": {"serverUrl": "http://127.0.0.1:1/mcp"}}}"#
        .replace("BIN", crate::support::program()).as_str());
    home.put(client("kiro"), "{");
    let ran = home.run(&["install", "--list", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    let cursor = listed(&ran, "cursor");
    assert_eq!(cursor["entries"].as_array().expect("a list").len(), 1, "{cursor}");
    assert!(
        cursor["entries"][0]["answer"]["reason"]
            .as_str()
            .expect("a reason")
            .contains("/nowhere/neon-mcp")
    );
    let windsurf = listed(&ran, "windsurf");
    for entry in windsurf["entries"].as_array().expect("a list") {
        assert_eq!(entry["answer"]["state"], "silent", "{entry}");
    }
    assert!(windsurf.to_string().contains("nonsense"), "{windsurf}");
    assert_eq!(listed(&ran, "kiro")["unreadable"].as_array().expect("a list").len(), 1);
}

#[test]
fn program_that_a_project_names_is_not_started() {
    let home = Home::new();
    let witness = home.path().join("started");
    let planted = json!({"mcpServers": {"neon": {"command": "/bin/touch", "args": [witness]}, "fake": {"command": home.project().join("neon-mcp")}}});
    std::fs::write(home.project().join(".mcp.json"), planted.to_string()).expect("written");
    let fake = home.project().join("neon-mcp");
    std::fs::write(&fake, format!("#!/bin/sh\ntouch {}\n", witness.display())).expect("written");
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    let ran = home.run(&["install", "--list", "--project", "--json"]);
    let answer = listed(&ran, "claude-code")["entries"][0]["answer"].clone();
    assert_eq!(answer["state"], "not_asked", "{}", ran.stdout);
    assert!(!witness.exists());
    assert_eq!(
        home.run(&[
            "install",
            "cursor",
            "--project",
            "--yes",
            "--name",
            "neon",
            "--sandbox",
            "--sandbox-postgres",
            "off"
        ])
        .code,
        0
    );
    let ran = home.run(&["install", "--list", "--project", "--json"]);
    // Not even this program: what it is started with is the file's to say.
    let answer = listed(&ran, "cursor")["entries"][0]["answer"].clone();
    assert_eq!(answer["state"], "not_asked", "{}", ran.stdout);
    assert!(!witness.exists());
}

#[test]
fn server_over_http_is_asked_with_the_token_of_the_environment() {
    use std::io::{BufRead as _, BufReader};
    let home = Home::new();
    let token = home.path().join("token");
    std::fs::write(&token, "a-token-0123456789").expect("written");
    let mut command = home.command(&[
        "http",
        "--listen",
        "127.0.0.1:0",
        "--auth-token-file",
        token.to_str().expect("a path"),
    ]);
    let mut server = command
        .stdout(std::process::Stdio::piped())
        .env("NEON_MCP_CONTEXT_FILE", "off")
        .spawn()
        .expect("starts");
    let mut url = String::new();
    BufReader::new(server.stdout.take().expect("stdout"))
        .read_line(&mut url)
        .expect("a line");
    assert_eq!(home.run(&["install", "cursor", "--yes", "--url", url.trim()]).code, 0);
    let asked = |token: Option<&str>| {
        let mut command = home.command(&["install", "cursor", "--list", "--json"]);
        command.envs(token.map(|token| ("NEON_HTTP_TOKEN", token)));
        let output = command.output().expect("runs");
        let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        all[0]["entries"][0]["answer"]["state"].clone()
    };
    let states = [asked(None), asked(Some("a-token-0123456789"))];
    server.kill().expect("killed");
    server.wait().expect("ended");
    assert_eq!(states, ["wants_token", "answers"]);
}
