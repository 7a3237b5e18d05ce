//! Entries that call a server which runs elsewhere: known again without a token, and at its right address.

use serde_json::{Value, json};

use super::{CLIENTS, Home, client, read};

const URL: &str = "https://mcp.example.com/mcp";

#[test]
fn entry_without_a_token_is_known_again_in_every_client() {
    for client in CLIENTS.iter().filter(|client| client.http) {
        let home = Home::new();
        let installed = home.run(&["install", client.id, "--yes", "--url", URL, "--no-token"]);
        assert_eq!(installed.code, 0, "{}", installed.all());
        // Nobody is asked: the address isn't ours to call.
        let told = home.run(&["doctor", "--offline", "--json"]);
        let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
        let checks = told["checks"].as_array().expect("a list");
        let of_client = checks.iter().find(|check| check["found"]["client"] == client.id);
        let of_client = of_client.unwrap_or_else(|| panic!("no {}: {told}", client.id));
        assert_eq!(of_client["found"]["name"], "neon", "{told}");
        let gone = home.run(&["uninstall", "--yes"]);
        assert_eq!(gone.code, 0, "{}", gone.all());
        assert!(!read(&home.file(client)).contains(URL), "{}: {}", client.id, gone.all());
    }
}

#[test]
fn entry_whose_address_narrows_is_known_and_neons_own_is_not() {
    let home = Home::new();
    let servers = json!({"mcpServers": {
        "neon": {"url": "http://127.0.0.1:1/mcp?readonly=true"},
        "neon-hosted": {"url": "https://mcp.neon.tech/mcp"},
        "team": {"url": URL},
    }});
    home.put(client("cursor"), &servers.to_string());
    let ran = home.run(&["install", "cursor", "--list", "--json"]);
    let all: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let entries = all[0]["entries"].as_array().expect("a list");
    let names: Vec<&str> = entries.iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names, ["neon"], "{all}");
}

#[test]
fn address_is_completed_or_the_right_one_is_named() {
    let home = Home::new();
    for given in [
        "https://mcp.example.com",
        "https://mcp.example.com/",
        "https://mcp.example.com/mcp/",
    ] {
        let ran = home.run(&["install", "cursor", "--print", "--url", given]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let printed: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(printed["mcpServers"]["neon"]["url"], URL, "{given}");
    }
    let ran = home.run(&["install", "cursor", "--yes", "--url", "https://mcp.example.com/sse"]);
    assert_ne!(ran.code, 0);
    assert!(
        ran.stderr.contains(URL) && !home.file(client("cursor")).exists(),
        "{}",
        ran.all()
    );
}

#[test]
fn what_the_variable_must_hold_is_said_for_each_way_of_knowing_callers() {
    let home = Home::new();
    let ran = home.run(&["install", "cursor", "--yes", "--url", URL]);
    for part in [
        "NEON_HTTP_TOKEN",
        "--auth token",
        "--auth bearer",
        "`neon-mcp token",
        "neon-key",
        "--no-token",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}
