//! What was written is read by others than us, and what it says starts a server.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::{CLIENTS, Client, Home, Kind, read};
use crate::support::server::{Era, TestClient, TestServer};

/// The file, by a parser that isn't the one which wrote it.
fn parsed(client: &Client, text: &str) -> Value {
    match client.kind {
        Kind::Json => serde_json::from_str(text).expect("JSON"),
        Kind::Toml => toml::from_str(text).expect("TOML"),
        Kind::Yaml => yaml_serde::from_str(text).expect("YAML"),
    }
}

#[tokio::test]
async fn entry_of_every_client_starts_a_server() {
    for client in &CLIENTS {
        let home = Home::new();
        let others = match client.kind {
            Kind::Json => format!("{{\"{}\": {{\"mine\": {{}}}}}}", client.key),
            Kind::Toml => format!("[{}.mine]\ncommand = 'x'\n", client.key),
            Kind::Yaml => format!("{}:\n  mine:\n    enabled: true\n", client.key),
        };
        home.put(client, &others);
        let ran = home.run(&[
            "install",
            client.id,
            "--yes",
            "--name",
            "neon",
            "--sandbox",
            "--sandbox-postgres",
            "off",
            "--toolsets",
            "regions",
        ]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let file = parsed(client, &read(&home.file(client)));
        assert_eq!(file, parsed(client, &read(&home.file(client))));
        assert!(file[client.key].get("mine").is_some(), "{}: {file}", client.id);
        let entry = &file[client.key]["neon"];
        let words = |value: &Value| -> Vec<String> {
            let all = value.as_array().into_iter().flatten();
            all.map(|word| word.as_str().expect("a text").to_owned()).collect()
        };
        let (program, arguments) = match (entry.get("command"), entry.get("cmd")) {
            (Some(Value::Array(all)), _) => (all[0].as_str(), words(&Value::from(all[1..].to_vec()))),
            (Some(command), _) | (None, Some(command)) => (command.as_str(), words(&entry["args"])),
            _ => panic!("{}: {entry}", client.id),
        };
        let program = program.expect("a program");
        assert!(std::path::Path::new(program).is_absolute(), "{program}");
        let mut command = Command::new(program);
        // As a desktop application starts it: with no PATH that would lead to it.
        command
            .args(arguments)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/nowhere")
            .stderr(Stdio::piped());
        let server = TestServer::run(command, TestClient::alone().called(client.id), Era::Legacy).await;
        let tools = server.client.list_all_tools().await.expect("a list");
        assert!(tools.iter().any(|tool| tool.name == "list_regions"), "{}", client.id);
        server.stop().await;
    }
}
