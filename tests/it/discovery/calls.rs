//! Calls through a caller: the right one, the wrong one, and names that no tool has.

use rmcp::model::CallToolRequestParams;

use serde_json::{Value, json};

use super::{CALLERS, NOTHING, catalog, level, start};
use crate::support::arguments::arguments;
use crate::support::http::OverHttp;
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

#[tokio::test]
async fn what_was_found_is_called_and_answers_as_a_direct_call_does() {
    let world = World::start().await;
    for era in [Era::Legacy, Era::Modern] {
        let started = start(&world, TestClient::alone(), era, &[]).await;
        let found = started.search(json!({"query": "which branches are there"})).await;
        let hit = &found["tools"][0];
        let (name, caller) = (
            hit["name"].as_str().expect("a name"),
            hit["caller"].as_str().expect("a caller"),
        );
        assert_eq!((name, caller), ("list_branches", "call_read_tool"));
        let (value, is_error) = started.through(caller, name, json!({"project_id": PROJECT})).await;
        assert!(!is_error && value["service"] == "sandbox", "{value}");
        let direct = crate::support::server::start(&["--toolsets", "all"], &world.url()).await;
        let (mut direct, _) = direct.call(name, json!({"project_id": PROJECT})).await;
        // Each call has its time.
        direct["now"] = value["now"].clone();
        assert_eq!(direct, value);
        // A tool without arguments, and one that a caller for more runs too.
        let (value, is_error) = started
            .server
            .call("call_read_tool", json!({"name": "list_projects"}))
            .await;
        assert!(!is_error, "{value}");
        let (value, is_error) = started
            .through("call_destructive_tool", "list_projects", json!({}))
            .await;
        assert!(!is_error, "{value}");
        // A write of a tool that doesn't ask, recorded under its own name.
        let (value, is_error) = started
            .through(
                "call_write_tool",
                "create_branch",
                json!({"project_id": PROJECT, "name": "x"}),
            )
            .await;
        assert!(!is_error, "{value}");
        // What takes it back isn't listed either: it says through which it is called.
        assert_eq!(
            (&value["undo"]["tool"], &value["undo"]["caller"]),
            (&json!("delete_branch"), &json!("call_destructive_tool"))
        );
        let lines = started.audit();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(
            (&lines[0]["tool"], &lines[0]["outcome"]),
            (&json!("create_branch"), &json!("done"))
        );
    }
}

#[tokio::test]
async fn every_tool_is_refused_by_every_caller_for_less() {
    let world = World::start().await;
    let mut started = start(&world, TestClient::alone(), Era::Legacy, &[]).await;
    let (mut recorded, mut all) = (0, 0);
    for tool in catalog().tools() {
        // Of more refusals of one caller than that, some have no line of their own.
        if recorded > 50 {
            assert_eq!(started.audit().len(), recorded, "each refusal has its line");
            started = start(&world, TestClient::alone(), Era::Legacy, &[]).await;
            recorded = 0;
        }
        for caller in &CALLERS[..level(tool)] {
            let (value, is_error) = started
                .through(caller, tool.name(), Value::Object(arguments(tool, false)))
                .await;
            let error = &value["error"];
            assert!(
                is_error && error["kind"] == "wrong_caller",
                "{} through {caller}: {value}",
                tool.name()
            );
            assert_eq!(error["caller"], CALLERS[level(tool)]);
            assert!(error["next"].as_str().expect("a text").contains(CALLERS[level(tool)]));
            assert_eq!((&error["changed"], &value["tool"]), (&json!("no"), &json!(tool.name())));
            recorded += 1;
            all += 1;
        }
    }
    assert!(all > 100, "{all}");
    assert_eq!(world.upstream.count(), 0);
    let lines = started.audit();
    assert_eq!(lines.len(), recorded, "each refusal has its line");
    assert!(lines.iter().all(|line| line["outcome"] == "refused"));
}

#[tokio::test]
async fn a_listed_tool_is_the_only_way() {
    let world = World::start().await;
    let started = start(&world, TestClient::alone(), Era::Legacy, &[]).await;
    for (tool, says) in [
        ("delete_branch", "call_destructive_tool"),
        ("get_connection_string", "call_access_tool"),
        ("list_project", "list_projects"),
    ] {
        let request = CallToolRequestParams::new(tool);
        let refused = started
            .server
            .client
            .call_tool(request)
            .await
            .expect_err("refused")
            .to_string();
        assert!(refused.contains(says), "{refused}");
    }
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn names_that_no_tool_has_are_told_the_nearest() {
    let world = World::start().await;
    let started = start(
        &world,
        TestClient::alone(),
        Era::Legacy,
        &["--exclude-tools", "delete_project"],
    )
    .await;
    for (name, nearest, says) in [
        ("create_branches", "create_branch", "did you mean `create_branch`"),
        ("remove_a_branch", "delete_branch", ""),
        (
            "get_organization_members",
            "list_organization_members",
            "`call_read_tool`",
        ),
        ("delete_project", "", "the operator excluded it"),
    ] {
        for caller in CALLERS {
            let (value, is_error) = started.through(caller, name, json!({})).await;
            let error = &value["error"];
            assert!(is_error && error["kind"] == "unknown_tool", "{value}");
            assert!(error["message"].as_str().expect("a text").contains(says), "{value}");
            let near = error["nearest"].as_array().expect("names");
            assert!(
                near.len() <= 3 && near.iter().all(|one| one["caller"].is_string()),
                "{value}"
            );
            assert!(
                nearest.is_empty() || near.iter().any(|one| one["name"] == nearest),
                "{value}"
            );
        }
    }
    // That somebody tried what is excluded is on record, as in a direct call.
    let lines = started.audit();
    assert!(
        lines
            .iter()
            .all(|line| line["tool"] == "delete_project" && line["outcome"] == "refused")
    );
    assert_eq!(lines.len(), CALLERS.len());
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn arguments_are_checked_as_those_of_the_tool() {
    let world = World::start().await;
    let started = start(&world, TestClient::alone(), Era::Modern, &["--project-id", PROJECT]).await;
    for (inner, says) in [
        (json!({"name": "describe_branch", "arguments": {}}), "list_branches"),
        (
            json!({"name": "describe_branch", "arguments": {"branch": BRANCH}}),
            "did you mean `branch_id`",
        ),
        (
            json!({"name": "list_branches", "arguments": {"project_id": PROJECT}}),
            "project_id",
        ),
        (json!({"name": "describe_branch", "arguments": "branch_id"}), "object"),
        (json!({"name": "describe_branch", "branch_id": BRANCH}), "branch_id"),
        (json!({"arguments": {}}), "name"),
    ] {
        let (value, is_error) = started.server.call("call_read_tool", inner.clone()).await;
        assert!(
            is_error && value["error"]["kind"] == "invalid_arguments",
            "{inner}: {value}"
        );
        assert!(
            value["error"]["problems"].to_string().contains(says),
            "{inner}: {value}"
        );
    }
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn over_http_it_is_the_same() {
    let world = World::start().await;
    let command = program(&["http", "--listen", "127.0.0.1:0", "--discovery"], &world.url(), KEY);
    let server = OverHttp::start(command, &state_home()).await;
    for era in [Era::Legacy, Era::Modern] {
        let client = server.client(TestClient::alone(), era).await;
        assert_eq!(client.list_all_tools().await.expect("a list").len(), 5);
        let (value, _) = call(&client, "search_tools", json!({"query": "details of one project"})).await;
        assert_eq!(value["tools"][0]["name"], "describe_project", "{value}");
        let inner = json!({"name": "describe_project", "arguments": {"project_id": PROJECT}});
        let (value, is_error) = call(&client, "call_read_tool", inner).await;
        assert!(!is_error && value["service"] == "sandbox", "{era:?}: {value}");
        let inner = json!({"name": "delete_project", "arguments": {"project_id": PROJECT}});
        let (value, is_error) = call(&client, "call_destructive_tool", inner).await;
        assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
        client.cancel().await.expect("ends");
    }
    assert_eq!(world.changes(), NOTHING);
}
