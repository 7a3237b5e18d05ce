//! Every tool that gives access or destroys, through its caller: approved as a direct call is.

use std::sync::Arc;

use futures::future::join_all;
use neon_mcp::catalog::Tool;
use rmcp::model::{CallToolRequestParams, CallToolResponse};
use serde_json::{Map, Value, json};

use super::{NOTHING, Started, catalog, start};
use crate::support::arguments::{arguments, ready};
use crate::support::human::{Human, Manner, filled};
use crate::support::server::{Era, TestClient};
use crate::support::world::{BRANCH, ENDPOINT, PROJECT, ROOT, SNAPSHOT, World};

/// How many calls one server gets: as many as one client may have waiting.
const AT_ONCE: usize = 20;

/// Every call that asks by its declaration: with the required arguments alone, and with all.
fn calls() -> Vec<(Arc<Tool>, Map<String, Value>)> {
    let catalog = catalog();
    let asking = catalog
        .tools()
        .iter()
        .filter(|tool| tool.declaration.safety.effect.needs_consent());
    let calls: Vec<_> = asking
        .flat_map(|tool| [false, true].map(|all| (tool.clone(), arguments(tool, all))))
        .collect();
    assert!(calls.len() >= 100, "{}", calls.len());
    calls
}

/// The same arguments with a handle in them, where the tool completes something.
async fn prepared(world: &World, started: &Started, tool: &Tool, arguments: Map<String, Value>) -> Map<String, Value> {
    let catalog = catalog();
    ready(world, tool, arguments, async |name, given| {
        started.call(catalog.tool(name).expect("a tool"), given).await
    })
    .await
}

/// Makes every call, and sees to it that none reaches Neon.
async fn nothing_is_sent(client: TestClient, era: Era, kind: &str) {
    let calls = calls();
    join_all(
        calls
            .chunks(AT_ONCE)
            .map(|calls| none_of_these(calls, client.clone(), era, kind)),
    )
    .await;
}

async fn none_of_these(calls: &[(Arc<Tool>, Map<String, Value>)], client: TestClient, era: Era, kind: &str) {
    let world = World::start().await;
    let started = start(&world, client, era, &[]).await;
    let mut ready_calls = Vec::new();
    for (tool, arguments) in calls {
        ready_calls.push((tool.clone(), prepared(&world, &started, tool, arguments.clone()).await));
    }
    let calls = ready_calls;
    let results = calls
        .iter()
        .map(|(tool, arguments)| started.call(tool, Value::Object(arguments.clone())));
    for ((tool, _), (value, is_error)) in calls.iter().zip(join_all(results).await) {
        assert!(is_error, "{} ran: {value}", tool.name());
        assert_eq!(value["error"]["kind"], kind, "{}: {value}", tool.name());
        assert_eq!(
            (&value["error"]["changed"], &value["tool"]),
            (&json!("no"), &json!(tool.name()))
        );
        if kind == "requires_approval" {
            assert_eq!(value["error"]["plan"]["tool"], tool.name());
        }
    }
    assert_eq!(world.changes(), NOTHING);
    let lines = started.audit();
    // In the modern era a line says that it was asked, another what was answered.
    let ended = |line: &&Value| (line["outcome"] != "asked") == (kind != "requires_approval");
    let prepares = |line: &&Value| line["tool"].as_str().is_some_and(|tool| tool.starts_with("prepare_"));
    let ended: Vec<&Value> = lines.iter().filter(|line| !prepares(line)).filter(ended).collect();
    assert_eq!(ended.len(), calls.len(), "each refusal has its line");
    assert!(
        ended
            .iter()
            .all(|line| calls.iter().any(|(tool, _)| line["tool"] == tool.name()))
    );
}

#[tokio::test]
async fn without_a_human_nothing_changes() {
    for era in [Era::Legacy, Era::Modern] {
        nothing_is_sent(TestClient::alone(), era, "requires_approval").await;
    }
}

#[tokio::test]
async fn a_no_changes_nothing() {
    for era in [Era::Legacy, Era::Modern] {
        let client = TestClient::with(Human::who(Manner::Declines));
        nothing_is_sent(client, era, "rejected").await;
    }
}

#[tokio::test]
async fn approval_sends_exactly_one_request_of_each_tool() {
    for era in [Era::Legacy, Era::Modern] {
        for (tool, arguments) in calls().into_iter().step_by(2) {
            let world = World::start().await;
            let human = Human::who(Manner::Accepts);
            let started = start(&world, TestClient::with(human.clone()), era, &[]).await;
            let arguments = prepared(&world, &started, &tool, arguments).await;
            let (value, _) = started.call(&tool, Value::Object(arguments)).await;
            let mut changes = world.changes();
            if tool.declaration.completes().is_some() {
                // It cleans up, too.
                assert!(
                    changes.pop().is_some_and(|last| last.contains("/branches/br-made-")),
                    "{value}"
                );
            }
            assert_eq!(changes.len(), 1, "{}: {changes:?} {value}", tool.name());
            assert!(
                changes[0].starts_with(tool.declaration.request.method.as_str()),
                "{changes:?}"
            );
            assert_eq!(human.asked().len(), 1, "one question, one approval");
            assert_eq!(
                (&value["approved_by"], &value["tool"]),
                (&json!("client"), &Value::Null),
                "{value}"
            );
        }
    }
}

/// What arguments and facts raise asks in `call_write_tool` and `call_access_tool` too.
#[tokio::test]
async fn a_raised_call_asks() {
    let world = World::start().await;
    let started = start(&world, TestClient::alone(), Era::Legacy, &[]).await;
    let restore =
        json!({"project_id": PROJECT, "snapshot_id": SNAPSHOT, "target_branch_id": BRANCH, "finalize_restore": true});
    let connect = json!({"project_id": PROJECT, "branch_id": ROOT, "database_name": "d", "role_name": "owner"});
    for (caller, tool, arguments) in [
        ("call_write_tool", "restore_snapshot", restore),
        ("call_access_tool", "get_connection_string", connect),
    ] {
        let (value, is_error) = started.through(caller, tool, arguments).await;
        assert!(is_error && value["error"]["kind"] == "requires_approval", "{value}");
    }
    assert_eq!(world.changes(), NOTHING);
}

/// Calls once through a caller, with an answer or without.
async fn once(started: &Started, tool: &str, arguments: Value, answer: Option<(&str, &Value)>) -> CallToolResponse {
    let mut request = CallToolRequestParams::new("call_destructive_tool");
    request.arguments = json!({"name": tool, "arguments": arguments}).as_object().cloned();
    if let Some((seal, response)) = answer {
        request.request_state = Some(seal.to_owned());
        request.input_responses = Some(serde_json::from_value(json!({"approval": response})).expect("input responses"));
    }
    started.server.client.call_tool_once(request).await.expect("an answer")
}

/// Why a call was refused; nothing when it ran.
fn refusal(response: CallToolResponse) -> Option<String> {
    match response {
        CallToolResponse::Complete(result) => {
            let value = result.structured_content.expect("structured content");
            value["error"]["kind"].as_str().map(str::to_owned)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn approval_is_for_the_inner_tool_and_its_arguments() {
    let world = World::start().await;
    let human = Human::who(Manner::Accepts);
    let started = start(&world, TestClient::with(human), Era::Modern, &[]).await;
    let branch = json!({"project_id": PROJECT, "branch_id": BRANCH});
    let CallToolResponse::InputRequired(required) = once(&started, "delete_branch", branch.clone(), None).await else {
        panic!("no question");
    };
    let required = serde_json::to_value(&required).expect("JSON");
    let form = &required["inputRequests"]["approval"]["params"];
    let seal = required["requestState"].as_str().expect("a seal");
    let message = form["message"].as_str().expect("a message");
    let approved = json!({"action": "accept", "content": filled(message, &form["requestedSchema"])});
    let mut hard = branch.clone();
    hard["hard_delete"] = true.into();
    let compute = json!({"project_id": PROJECT, "endpoint_id": ENDPOINT});
    let project = json!({"project_id": PROJECT});
    for (tool, arguments) in [
        ("delete_branch", hard),
        ("delete_compute", compute),
        ("delete_project", project),
    ] {
        let kind = refusal(once(&started, tool, arguments, Some((seal, &approved))).await);
        assert_eq!(kind.as_deref(), Some("approval_invalid"), "{tool}");
    }
    assert_eq!(world.changes(), NOTHING);
    assert_eq!(
        refusal(once(&started, "delete_branch", branch.clone(), Some((seal, &approved))).await),
        None
    );
    assert_eq!(world.changes().len(), 1);
    let again = refusal(once(&started, "delete_branch", branch, Some((seal, &approved))).await);
    assert_eq!(again.as_deref(), Some("approval_used"));
    assert_eq!(world.changes().len(), 1);
}
