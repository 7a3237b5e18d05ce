//! Arguments: everything that is wrong at once, nothing sent.

use serde_json::{Value, json};

use super::{BRANCH, PROJECT, catalog, error, neon};
use crate::support::arguments::arguments;
use crate::support::server::Server;
use crate::support::upstream::Upstream;
use crate::support::world::World;

#[tokio::test]
async fn all_problems_are_told_at_once_with_the_nearest_name() {
    let upstream = Upstream::route(neon).await;
    let server = Server::start(&[], &upstream.url()).await;
    let (value, is_error) = server
        .call(
            "create_branch",
            json!({"projct_id": "x", "name": 7, "expires_at": "tomorrow"}),
        )
        .await;
    assert!(is_error);
    let problems = error(&value)["problems"].as_array().expect("problems");
    let says = |argument: &str| {
        problems
            .iter()
            .find(|problem| problem["argument"] == argument)
            .map(|problem| problem["message"].to_string())
    };
    assert!(says("projct_id").expect("unknown").contains("`project_id`"), "{value}");
    assert!(says("project_id").expect("missing").contains("required"), "{value}");
    assert!(says("name").is_some() && says("expires_at").is_some(), "{value}");
    assert_eq!(upstream.count(), 0);
    assert!(value.to_string().len() <= 2_000);
}

#[tokio::test]
async fn rules_that_no_schema_publishes_are_checked() {
    let upstream = Upstream::route(neon).await;
    let server = Server::start(&[], &upstream.url()).await;
    let both = json!({"project_id": PROJECT, "parent_lsn": "0/1", "parent_timestamp": "2026-01-01T00:00:00Z"});
    let (value, is_error) = server.call("create_branch", both).await;
    assert!(is_error && value.to_string().contains("parent_lsn"), "{value}");
    let nothing = json!({"project_id": PROJECT, "branch_id": BRANCH});
    let (value, is_error) = server.call("update_branch", nothing).await;
    assert!(is_error && error(&value)["kind"] == "invalid_arguments", "{value}");
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn null_counts_as_not_given_where_the_schema_knows_no_null() {
    let upstream = Upstream::route(neon).await;
    let server = Server::start(&[], &upstream.url()).await;
    let (value, is_error) = server
        .call("list_branches", json!({"project_id": PROJECT, "search": null}))
        .await;
    assert!(!is_error, "{value}");
    assert!(!upstream.requests()[0].query().contains("search"));
}

#[tokio::test]
async fn every_tool_that_may_run_sends_what_its_declaration_says() {
    let world = World::start().await;
    let server = Server::start(&["--toolsets", "all"], &world.url()).await;
    let mut sent = 0;
    for tool in catalog()
        .tools()
        .iter()
        .filter(|tool| !tool.declaration.effect.needs_consent() && tool.declaration.workflow.is_none())
    {
        let mut given = arguments(tool, false);
        if tool.declaration.reveals && tool.property("branch_id").is_some() {
            given.insert("branch_id".into(), BRANCH.into());
        }
        let (value, is_error) = server.call(tool.name(), Value::Object(given)).await;
        let escalated = is_error && value["error"]["kind"] == "needs_confirmation";
        assert!(!is_error || escalated, "{}: {value}", tool.name());
        if !is_error {
            let last = world.upstream.requests().pop().expect("a request");
            assert_eq!(last.method, tool.declaration.method.as_str(), "{}", tool.name());
            let shape = |path: &str| path.split('/').count();
            assert_eq!(
                shape(last.path().trim_start_matches("/api/v2")),
                shape(&tool.declaration.path),
                "{}",
                last.path()
            );
            sent += 1;
        }
    }
    assert!(sent >= 40, "{sent}");
}
