//! What a client is told before it calls anything: hints, instructions, and what more there is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use neon_mcp::catalog::{Selection, SelectionOptions};
use neon_mcp::guard::{Effect, Policy};
use neon_mcp::server::published;
use serde_json::{Value, json};

use super::{PROJECT, catalog, error, neon};
use crate::support::fake_neon::FakeNeon;
use crate::support::own_catalog;
use crate::support::server::{self, KEY, program};

fn everything() -> Selection {
    let options = SelectionOptions {
        toolsets: Some(vec!["all".to_owned()]),
        ..SelectionOptions::default()
    };
    Selection::new(own_catalog(), &options, &Policy::default()).expect("a selection")
}

#[test]
fn hints_say_what_the_plain_call_does() {
    let selection = everything();
    let mut destructive = Vec::new();
    for (selected, tool) in selection.tools().iter().zip(published(&selection)) {
        let name = selected.tool.name();
        let hints = tool.annotations.expect("hints");
        let safety = &selected.tool.declaration.safety;
        if hints.read_only_hint == Some(true) {
            assert!(safety.effect == Effect::Read && !safety.reveals, "{name}");
            assert_eq!(
                (hints.destructive_hint, hints.idempotent_hint),
                (Some(false), Some(true)),
                "{name}"
            );
        }
        if safety.effect == Effect::Destructive {
            assert_eq!(hints.destructive_hint, Some(true), "{name}");
        }
        if safety.reveals {
            assert_eq!(hints.read_only_hint, Some(false), "{name}");
        }
        // What makes another thing each time isn't idempotent.
        if name.starts_with("create_") || name.starts_with("run_") || name.starts_with("restart_") {
            assert_eq!(hints.idempotent_hint, Some(false), "{name}");
        }
        if name.starts_with("update_") || name.starts_with("set_") || name.starts_with("list_") {
            assert_eq!(hints.idempotent_hint, Some(true), "{name}");
        }
        if hints.destructive_hint == Some(true) {
            destructive.push(name);
        }
        let deletes = ["delete_", "reset_", "revoke_", "remove_"];
        if deletes.iter().any(|verb| name.starts_with(verb)) {
            assert!(destructive.contains(&name), "{name}");
        }
    }
    for harmless in [
        "create_branch",
        "create_project",
        "create_database",
        "update_branch",
        "prepare_database_migration",
    ] {
        assert!(!destructive.contains(&harmless), "{harmless}");
    }
    assert!(destructive.contains(&"delete_throwaway_branches"));
}

/// Each combination of flags, with whether it is one with more to find.
const MODES: [(&[&str], bool); 8] = [
    (&[], true),
    (&["--read-only"], true),
    (&["--project-id", PROJECT], true),
    (&["--toolsets", "all"], false),
    (&["--toolsets", "regions"], false),
    (&["--tools", "list_projects,run_sql"], false),
    (&["--discovery"], false),
    (&["--discovery", "--read-only"], false),
];

#[tokio::test]
async fn instructions_name_what_is_offered_alone() {
    let upstream = FakeNeon::route(neon).await;
    for (flags, finds_more) in MODES {
        let server = server::start(flags, &upstream.url()).await;
        let listed = server.client.list_all_tools().await.expect("a list");
        let is_listed = |name: &str| listed.iter().any(|tool| tool.name == name);
        let peer = server.client.peer_info().expect("a server");
        let instructions = peer.instructions.clone().expect("instructions");
        assert!(instructions.len() < 2_048, "{flags:?}: {} bytes", instructions.len());
        let words = instructions.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| catalog().tool(word).is_some() && word.contains('_')) {
            // In discovery mode the tools are reached by the callers.
            assert!(is_listed(word) || flags.contains(&"--discovery"), "{flags:?}: {word}");
        }
        assert_eq!(instructions.contains("--toolsets"), finds_more, "{instructions}");
        assert_eq!(
            is_listed("search_tools"),
            finds_more || flags.contains(&"--discovery"),
            "{flags:?}"
        );
        if is_listed("create_throwaway_branch") {
            assert!(instructions.contains("Start with: "), "{instructions}");
        }
    }
}

#[tokio::test]
async fn search_beside_the_default_list_finds_what_is_off_and_says_the_flag() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&[], &upstream.url()).await;
    let (found, is_error) = server
        .call(
            "search_tools",
            json!({"query": "run a function every night by a trigger", "limit": "3"}),
        )
        .await;
    assert!(!is_error, "{found}");
    let hit = &found["tools"][0];
    assert_eq!(hit["toolset"], "triggers", "{found}");
    assert_eq!(hit["turned_on_by"], "--toolsets default,triggers", "{found}");
    let (found, _) = server.call("search_tools", json!({"query": "list branches"})).await;
    let hit = &found["tools"][0];
    assert_eq!(hit["name"], "list_branches");
    assert!(hit.get("turned_on_by").is_none(), "{found}");
    // What a read-only server can't offer isn't found either.
    let server = server::start(&["--read-only"], &upstream.url()).await;
    let (found, _) = server
        .call("search_tools", json!({"query": "delete a branch", "limit": 10}))
        .await;
    assert!(!found["tools"].to_string().contains("\"delete_branch\""), "{found}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn call_of_a_tool_that_is_off_says_its_toolset_and_the_flag() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&[], &upstream.url()).await;
    let listed = server.client.list_all_tools().await.expect("a list");
    let mut off = 0;
    for tool in catalog().tools() {
        if listed.iter().any(|listed| listed.name == tool.name()) {
            continue;
        }
        let (value, is_error) = server.call(tool.name(), json!({})).await;
        let error = error(&value);
        assert!(is_error && error["kind"] == "not_offered", "{value}");
        let message = error["message"].as_str().expect("a message");
        assert!(
            message.contains(&format!("--toolsets default,{}", tool.toolset)),
            "{message}"
        );
        assert_eq!(error["changed"], "no");
        off += 1;
    }
    assert!(off > 100, "{off}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn result_is_json_for_who_knows_no_structured_content_and_lines_for_who_does() {
    let upstream = FakeNeon::route(neon).await;
    for (version, is_json) in [
        ("2024-11-05", true),
        ("2025-03-26", true),
        ("2025-06-18", false),
        ("2025-11-25", false),
    ] {
        let url = upstream.url();
        let text = tokio::task::spawn_blocking(move || first_text(version, &url))
            .await
            .expect("a text");
        let read = serde_json::from_str::<Value>(&text);
        assert_eq!(read.is_ok(), is_json, "{version}: {text}");
        assert!(text.contains(PROJECT), "{version}: {text}");
        if !is_json {
            assert!(
                text.starts_with("service: sandbox\n") || text.starts_with("service: neon\n"),
                "{version}: {text}"
            );
        }
    }
}

/// The text of a call's result, by a client of that protocol.
fn first_text(version: &str, url: &str) -> String {
    let mut command = program(&["stdio"], url, KEY).into_std();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut input = child.stdin.take().expect("an input");
    let mut output = BufReader::new(child.stdout.take().expect("an output"));
    let hello = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let call = json!({"name": "describe_project", "arguments": {"project_id": PROJECT}});
    let mut answer = Value::Null;
    for message in [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}),
    ] {
        writeln!(input, "{message}").expect("sent");
        if message.get("id").is_some() {
            let mut line = String::new();
            output.read_line(&mut line).expect("an answer");
            answer = serde_json::from_str(&line).expect("JSON");
        }
    }
    drop(input);
    child.wait().expect("ends");
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}
