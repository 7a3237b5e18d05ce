//! What is listed in discovery mode, what its hints promise, and what a search gives.

use neon_mcp::catalog::{Selection, SelectionOptions};
use neon_mcp::guard::Policy;
use neon_mcp::server::{published, published_bytes};
use serde_json::{Value, json};

use super::{CALLERS, level, start};
use crate::support::own_catalog;
use crate::support::server::{Era, KEY, TestClient, TestServer, program};
use crate::support::world::{PROJECT, World};

fn selection(discovery: bool, options: SelectionOptions) -> Selection {
    let toolsets = (!discovery).then(|| vec!["all".to_owned()]);
    let options = SelectionOptions {
        discovery,
        toolsets,
        ..options
    };
    Selection::new(own_catalog(), &options, &Policy::default()).expect("a selection")
}

async fn names(server: &TestServer) -> Vec<String> {
    let tools = server.client.list_all_tools().await.expect("a list");
    tools.iter().map(|tool| tool.name.to_string()).collect()
}

fn with_search(callers: &[&str]) -> Vec<String> {
    ["search_tools"]
        .iter()
        .chain(callers)
        .map(|name| (*name).to_owned())
        .collect()
}

#[tokio::test]
async fn a_search_and_the_callers_that_have_something_to_call_are_listed() {
    let world = World::start().await;
    for (more, callers) in [
        (&[][..], &CALLERS[..]),
        (&["--project-id", PROJECT], &CALLERS[..]),
        (&["--read-only"], &CALLERS[..1]),
        (&["--toolsets", "regions"], &CALLERS[..1]),
        (
            &["--tools", "list_projects,delete_project"],
            &["call_read_tool", "call_destructive_tool"],
        ),
    ] {
        for era in [Era::Legacy, Era::Modern] {
            let started = start(&world, TestClient::alone(), era, more).await;
            assert_eq!(names(&started.server).await, with_search(callers), "{more:?}");
            let instructions = started
                .server
                .client
                .peer_info()
                .expect("a server")
                .instructions
                .clone();
            let instructions = instructions.expect("instructions");
            assert!(instructions.contains("search_tools"), "{instructions}");
            assert!(instructions.len() < 2_048, "{} bytes", instructions.len());
        }
    }
    let mut command = program(&[], &world.url(), KEY);
    command.env("NEON_MCP_DISCOVERY", "1").env("NEON_MCP_LOG", "error");
    let server = TestServer::run(command, TestClient::alone(), Era::Legacy).await;
    assert_eq!(names(&server).await, with_search(&CALLERS));
    assert_eq!(world.upstream.count(), 0);
}

#[test]
fn the_list_is_at_most_4_000_bytes() {
    let bytes = published_bytes(&published(&selection(true, SelectionOptions::default())));
    eprintln!("{bytes} bytes");
    assert!(bytes <= 4_000, "{bytes} bytes");
}

/// Clients let a tool run, or ask, by its hints: those of a caller must hold for whatever it runs.
#[test]
fn the_hints_of_a_caller_hold_for_every_tool_that_it_runs() {
    let callers = published(&selection(true, SelectionOptions::default()));
    let everything = selection(false, SelectionOptions::default());
    let tools = published(&everything);
    for (index, caller) in CALLERS.iter().enumerate() {
        let caller = callers.iter().find(|tool| tool.name == *caller).expect("a caller");
        let promised = caller.annotations.clone().expect("hints");
        assert_eq!(promised.read_only_hint, Some(index == 0), "{}", caller.name);
        for (selected, tool) in everything.tools().iter().zip(&tools) {
            if level(&selected.tool) > index {
                continue;
            }
            let hints = tool.annotations.clone().expect("hints");
            let name = &tool.name;
            assert!(
                promised.read_only_hint == Some(false) || hints.read_only_hint == Some(true),
                "{name}"
            );
            assert!(
                promised.destructive_hint == Some(true) || hints.destructive_hint == Some(false),
                "{name}"
            );
            assert!(
                promised.idempotent_hint == Some(false) || hints.idempotent_hint == Some(true),
                "{name}"
            );
        }
    }
    // What clients run without asking changes nothing and hands over no secret: what a read-only server offers.
    let read_only = selection(
        false,
        SelectionOptions {
            read_only: true,
            ..SelectionOptions::default()
        },
    );
    let lowest = everything.tools().iter().filter(|selected| level(&selected.tool) == 0);
    let lowest: Vec<&str> = lowest.map(|selected| selected.tool.name()).collect();
    // Beside them a read-only server offers what takes statements, of which it runs those that read.
    let offered = read_only.tools().iter().map(|selected| &selected.tool);
    let offered = offered.filter(|tool| tool.declaration.statements().is_none());
    let offered: Vec<&str> = offered.map(|tool| tool.name()).collect();
    assert_eq!(lowest, offered);
}

#[tokio::test]
async fn a_search_gives_all_that_a_call_needs() {
    let world = World::start().await;
    let started = start(&world, TestClient::alone(), Era::Legacy, &[]).await;
    let listed = selection(false, SelectionOptions::default());
    let found = started.search(json!({"query": "get rid of the preview branch"})).await;
    let hits = found["tools"].as_array().expect("tools");
    assert_eq!(hits.len(), 5);
    assert_eq!(hits[0]["name"], "delete_branch");
    for (rank, hit) in hits.iter().enumerate() {
        let name = hit["name"].as_str().expect("a name");
        let selected = listed.tool(name).expect("a tool");
        assert_eq!(hit["caller"], CALLERS[level(&selected.tool)], "{name}");
        assert_eq!(hit["effect"], selected.tool.declaration.safety.effect.name());
        assert_eq!(hit["title"], selected.tool.declaration.title);
        // The first two are whole, the others a line.
        if rank < 2 {
            assert_eq!(hit["description"], selected.description());
            assert_eq!(hit["input_schema"], Value::Object(selected.published()));
        } else {
            assert!(
                hit.get("description").is_none() && hit.get("input_schema").is_none(),
                "{hit}"
            );
        }
    }
    let one = started
        .search(json!({"query": "branches", "limit": 1, "effect": "destructive"}))
        .await;
    assert_eq!(one["tools"].as_array().expect("tools").len(), 1);
    assert_eq!(one["tools"][0]["effect"], "destructive");
    // All of a toolset can be seen, whatever the query.
    let regions = started.search(json!({"query": "zzzz", "toolset": "regions"})).await;
    assert_eq!(regions["tools"][0]["name"], "list_regions");
    let nothing = started.search(json!({"query": "zzzz"})).await;
    assert_eq!(nothing["tools"], json!([]));
    assert!(
        nothing["next"].as_str().expect("a text").contains("snapshots"),
        "{nothing}"
    );
    assert_eq!(world.upstream.count(), 0, "a search asks nobody");
}

#[tokio::test]
async fn a_search_finds_what_is_offered_as_it_is_offered() {
    let world = World::start().await;
    let narrowed = ["--project-id", PROJECT, "--exclude-tools", "delete_branch"];
    let started = start(&world, TestClient::alone(), Era::Modern, &narrowed).await;
    for query in [
        "delete a branch",
        "delete_branch",
        "list my projects",
        "change a branch",
    ] {
        let found = started.search(json!({"query": query, "limit": 10})).await;
        for hit in found["tools"].as_array().expect("tools") {
            assert_ne!(hit["name"], "delete_branch");
            assert_ne!(hit["name"], "list_projects", "it reaches beyond the project");
            assert!(hit["input_schema"]["properties"].get("project_id").is_none(), "{hit}");
        }
    }
}

#[tokio::test]
async fn task_that_no_tool_does_is_said_to_be_so() {
    let world = World::start().await;
    let started = start(&world, TestClient::alone(), Era::Modern, &[]).await;
    for (query, instead) in [
        ("upgrade Postgres 16 to 17", "create_project"),
        ("move the project to another region", "create_project"),
        ("who changed what", "list_operations"),
        ("cancel a running query", "inspect_database"),
    ] {
        let found = started.search(json!({"query": query})).await;
        assert_eq!(found["tools"], json!([]), "{query}: {found}");
        let next = found["next"].as_str().expect("what to do instead");
        assert!(next.contains(instead), "{query}: {next}");
    }
    // Whoever asks for a tool by its name, or says what kind it is, is given it.
    for more in [
        json!({"query": "inspect_database"}),
        json!({"query": "cancel a running query", "effect": "read"}),
    ] {
        let found = started.search(more).await;
        assert_ne!(found["tools"], json!([]), "{found}");
    }
}

#[tokio::test]
async fn the_largest_answers_are_small() {
    let world = World::start().await;
    let started = start(&world, TestClient::alone(), Era::Legacy, &[]).await;
    for query in [
        "change auth settings",
        "create a branch",
        "update project settings",
        "deploy function",
        "query logs",
    ] {
        let usual = started.search(json!({"query": query})).await.to_string().len();
        let most = started
            .search(json!({"query": query, "limit": 10}))
            .await
            .to_string()
            .len();
        eprintln!("{query}: {usual} bytes, of ten tools {most}");
        assert!(usual <= 12_000 && most <= 13_000, "{query}: {usual} and {most} bytes");
    }
}

#[tokio::test]
async fn a_search_that_is_none_says_what_is_wrong() {
    let world = World::start().await;
    let started = start(&world, TestClient::alone(), Era::Legacy, &[]).await;
    for (arguments, says) in [
        (json!({}), "query"),
        (json!({"query": 1}), "string"),
        (json!({"query": "x", "limit": 0}), "limit"),
        (json!({"query": "x", "limit": 11}), "limit"),
        (json!({"query": "x", "effect": "none"}), "destructive"),
        (json!({"query": "x", "toolset": "nothing"}), "snapshots"),
        (json!({"query": "x", "more": 1}), "more"),
    ] {
        let (value, is_error) = started.server.call("search_tools", arguments.clone()).await;
        assert!(
            is_error && value["error"]["kind"] == "invalid_arguments",
            "{arguments}: {value}"
        );
        assert!(
            value["error"]["problems"].to_string().contains(says),
            "{arguments}: {value}"
        );
    }
}
