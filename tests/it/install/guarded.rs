//! What a client's file, or whoever wrote a project's, can't have this program do or tell.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use serde_json::{Value, json};

use super::{Home, client, read};
use crate::support::server::KEY;

const TOKEN: &str = "tok_of_my_http_server_123456";

/// Something that listens on this machine, and what it was sent.
struct Listener {
    address: String,
    heard: mpsc::Receiver<String>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (tell, heard) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut bytes = [0; 8_192];
                let length = stream.read(&mut bytes).unwrap_or_default();
                let _ = tell.send(String::from_utf8_lossy(&bytes[..length]).into_owned());
                let _ =
                    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.try_iter().collect()
    }
}

fn asked(home: &Home, arguments: &[&str]) -> (Value, String) {
    let output = home
        .command(arguments)
        .env("NEON_HTTP_TOKEN", TOKEN)
        // What doctor asks beside the clients is nothing to these tests.
        .env("NEON_API_HOST", "http://127.0.0.1:1/api/v2")
        .env("NEON_MCP_DOCS_URL", "off")
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains(TOKEN) && !said.contains(KEY), "{said}");
    (serde_json::from_str(&said).unwrap_or_default(), said)
}

#[test]
fn program_is_started_with_neither_settings_nor_variables_of_its_entry() {
    let (home, listener) = (Home::new(), Listener::start());
    let host = format!("http://{}/api/v2", listener.address);
    let witness = home.path().join("started");
    let own = crate::support::program();
    let entries = json!({"mcpServers": {
        "neon": {"command": own, "args": ["--api-host", host], "env": {"NEON_API_HOST": host, "NEON_API_KEY": KEY}},
        "neon-call": {"command": own, "args": ["call", "list_projects", "--api-host", host]},
        "neon-log": {"command": own, "args": ["--audit-log", witness]},
    }});
    home.put(client("cursor"), &entries.to_string());
    let (all, said) = asked(&home, &["install", "cursor", "--list", "--json"]);
    let states: Vec<&Value> = all[0]["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| &entry["answer"]["state"])
        .collect();
    assert_eq!(states, ["answers", "silent", "answers"], "{said}");
    assert_eq!(listener.heard(), Vec::<String>::new());
    assert!(!witness.exists());
}

#[test]
fn link_of_a_project_to_this_program_is_not_started() {
    let (home, listener) = (Home::new(), Listener::start());
    std::fs::create_dir(home.project().join("tools")).expect("made");
    std::os::unix::fs::symlink(crate::support::program(), home.project().join("tools/neon-mcp")).expect("linked");
    let host = format!("http://{}", listener.address);
    let planted = json!({"mcpServers": {
        "neon": {"command": "tools/neon-mcp", "args": ["call", "list_projects"], "env": {"NEON_API_HOST": host}},
        "neon-web": {"url": format!("http://{}/mcp", listener.address), "headers": {"Authorization": "Bearer ${NEON_HTTP_TOKEN}"}},
    }});
    std::fs::write(home.project().join(".mcp.json"), planted.to_string()).expect("written");
    let (all, said) = asked(&home, &["install", "claude-code", "--list", "--project", "--json"]);
    for entry in all[0]["entries"].as_array().expect("a list") {
        assert_eq!(entry["answer"]["state"], "not_asked", "{said}");
    }
    assert_eq!(listener.heard(), Vec::<String>::new());
    // In the user's own file, too: where it leads depends on the folder.
    home.put(client("claude-code"), &planted.to_string().replace("neon-web", "web"));
    let (all, said) = asked(&home, &["install", "claude-code", "--list", "--json"]);
    assert_eq!(all[0]["entries"][0]["answer"]["state"], "not_asked", "{said}");
}

#[test]
fn token_goes_to_the_entry_that_refers_to_it_alone() {
    let (home, listener) = (Home::new(), Listener::start());
    let url = format!("http://{}/mcp", listener.address);
    let reference = json!({"Authorization": "Bearer ${env:NEON_HTTP_TOKEN}"});
    for (name, entry, is_asked, is_told) in [
        ("figma", json!({"url": url}), false, false),
        ("neon", json!({"url": url}), true, false),
        (
            "neon",
            json!({"url": url, "headers": {"Authorization": "Bearer ${env:OTHER}"}}),
            true,
            false,
        ),
        ("figma", json!({"url": url, "headers": reference}), true, false),
        ("neon", json!({"url": url, "headers": reference}), true, true),
    ] {
        home.put(client("cursor"), &json!({"mcpServers": {name: entry}}).to_string());
        for command in [&["install", "cursor", "--list", "--json"][..], &["doctor", "--json"]] {
            asked(&home, command);
            let heard = listener.heard();
            let ours: Vec<&String> = heard.iter().filter(|text| text.starts_with("POST /mcp")).collect();
            assert_eq!(!ours.is_empty(), is_asked, "{name} {entry} {command:?}: {heard:?}");
            assert_eq!(
                heard.iter().any(|text| text.contains(TOKEN)),
                is_told,
                "{name} {entry} {command:?}"
            );
        }
    }
}

#[test]
fn server_of_another_product_on_this_machine_is_left_alone() {
    let home = Home::new();
    let other = json!({"mcpServers": {"neon": {"url": "http://localhost:9911/other-product/mcp"}}}).to_string();
    let path = home.put(client("cursor"), &other);
    let ran = home.run(&["uninstall", "cursor", "--yes"]);
    assert_eq!((ran.code, read(&path)), (1, other), "{}", ran.all());
}

#[test]
fn secrets_of_other_servers_are_shown_nowhere() {
    let secrets: Vec<String> = (1..9).map(|number| format!("s3cret{number}")).collect();
    let [a, b, c, d, e, f, g, h] = secrets.as_slice() else {
        panic!("eight");
    };
    for (id, text) in [
        (
            "cursor",
            format!(
                "{{\n  \"mcpServers\": {{\n    \"mine\": {{\n      \"args\": [\"--token\", \"{a}\", \"-p\", \"{b}\"],\n      \"env\": \
                 {{ \"GITHUB_PAT\": \"{c}\", \"FOO\": \"{d}\" }},\n      \"url\": \"https://h.example/?key={e}\", \"headers\": {{\"X-Foo\": \
                 \"{f}\"}} // {g}\n    }} /* {h} */\n  }}\n}}\n"
            ),
        ),
        (
            "codex",
            format!(
                "[mcp_servers.mine]\nenv = {{ FOO = '{a}', MY_AUTH = \"{b}\" }}\nargs = [\"-p\", \"{c}\"] # {d}\nlong = \"\"\"\n{e}\n{f} and {g}\n\"\"\"\nlast = '{h}'\n"
            ),
        ),
        (
            "goose",
            format!(
                "extensions:\n  mine:\n    args:\n      - --password\n      - {a}\n      - '{b}'\n      - \"{c}\" # {d}\n    envs:\n      FOO: {e}\n      BAR: '{f}'\n      BAZ: \"{g}\"\n    note: {h}\n"
            ),
        ),
    ] {
        let home = Home::new();
        home.put(client(id), &text);
        for arguments in [
            &["install", id, "--dry-run"][..],
            &["install", id, "--yes"],
            &["uninstall", id, "--dry-run"],
        ] {
            let ran = home.run(arguments);
            assert_eq!(ran.code, 0, "{id}: {}", ran.all());
            for secret in &secrets {
                assert!(!ran.all().contains(secret.as_str()), "{id} {secret}: {}", ran.all());
            }
            assert!(
                ran.stdout.contains(crate::support::program()),
                "ours is shown: {}",
                ran.stdout
            );
        }
    }
    let home = Home::new();
    let key = format!("napi_{}", "0a".repeat(32));
    let entry = json!({"mcpServers": {"neon": {"command": "npx", "args": ["neon-mcp", key, "Bearer abcdef0123456789abcdef", "--token=s3cret1"]}}});
    home.put(client("cursor"), &entry.to_string());
    let ran = home.run(&["install", "cursor", "--list"]);
    for secret in [key.as_str(), "abcdef0123456789", "s3cret1"] {
        assert!(!ran.all().contains(secret), "{}", ran.all());
    }
}

#[test]
fn project_that_others_can_write_to_is_not_written_to() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let mode = |mode| std::fs::set_permissions(home.project(), std::fs::Permissions::from_mode(mode)).expect("set");
    mode(0o777);
    let ran = home.run(&["install", "gemini-cli", "--project", "--yes"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_eq!(
        std::fs::read_dir(home.project()).expect("read").count(),
        0,
        "not even a folder is made"
    );
    mode(0o755);
    assert_eq!(home.run(&["install", "gemini-cli", "--project", "--yes"]).code, 0);
}

#[test]
fn file_with_very_many_servers_is_read_in_no_time() {
    let home = Home::new();
    let servers: serde_json::Map<String, Value> = (0..60_000).map(|number| (format!("s{number}"), json!({}))).collect();
    let path = home.put(client("cursor"), &json!({"mcpServers": servers}).to_string());
    let before = read(&path);
    let began = std::time::Instant::now();
    assert_eq!(home.run(&["uninstall", "cursor", "--yes"]).code, 0);
    // With a look at all for each of them it would be a billion comparisons.
    assert!(
        began.elapsed() < std::time::Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(read(&path), before);
}
