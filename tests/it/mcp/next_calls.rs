//! Errors of Neon's with the call that comes next: a row of the table each, and for every operation each of its ids that isn't there.

use neon_mcp::catalog::Tool;
use serde_json::{Map, Value, json};

use super::{catalog, error};
use crate::support::arguments::arguments;
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, KEY, TestClient, TestServer, program};
use crate::support::world::{self, BRANCH, Facts};

/// The table that the program carries.
fn table() -> Value {
    serde_json::from_str(include_str!("../../../src/engine/present/advice.json")).expect("the table")
}

/// A Neon that answers a tool's own request so, and everything else as if all were well.
async fn refusing(tool: &'static Tool, status: u16, code: &str, message: &str) -> FakeNeon {
    let (code, message) = (code.to_owned(), message.to_owned());
    FakeNeon::route(move |request| match is_own(tool, request) {
        true => Reply::error(status, &code, &message),
        false => world::answer(&Facts::default(), request),
    })
    .await
}

fn is_own(tool: &Tool, request: &Recorded) -> bool {
    let request_of = &tool.declaration.request;
    let path: Vec<&str> = request.path().trim_start_matches("/api/v2").split('/').collect();
    let route: Vec<&str> = request_of.path.split('/').collect();
    let fits = |(part, wanted): (&&str, &&str)| part == wanted || wanted.starts_with('{');
    request.method == request_of.method.as_str() && path.len() == route.len() && path.iter().zip(&route).all(fits)
}

/// A server whose human approves everything.
async fn server(upstream: &FakeNeon, more: &[&str]) -> TestServer {
    let human = Human::who(Manner::Accepts);
    let mut command = program(more, &upstream.url(), KEY);
    command.env("NEON_MCP_LOG", "error");
    TestServer::run(command, TestClient::with(human), Era::Legacy).await
}

/// Arguments with whatever the row's call is filled from.
fn given(tool: &Tool) -> Map<String, Value> {
    let mut given = arguments(tool, false);
    // What is on for the branch already isn't turned on again, and a schedule is a root branch's.
    let apart = ["set_backup_schedule", "provision_neon_auth", "provision_neon_data_api"].contains(&tool.name());
    if tool.property("branch_id").is_some() && !apart {
        given.insert("branch_id".into(), BRANCH.into());
    }
    given
}

/// The tools whose operation a row is about, or one that has all arguments that its call needs.
fn tools_of(row: &Value) -> Vec<&'static Tool> {
    let operations: Vec<&str> = row["operations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let needs: Vec<String> = row["call"]["arguments"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, value)| Some(value.as_str()?.strip_prefix('{')?.strip_suffix('}')?.to_owned()))
        .collect();
    let plain = catalog()
        .tools()
        .iter()
        .map(|tool| &**tool)
        .filter(|tool| tool.declaration.workflow.is_none());
    if operations.is_empty() {
        let has_all = |tool: &&Tool| needs.iter().all(|name| given(tool).contains_key(name));
        return plain.filter(has_all).take(1).collect();
    }
    let of_operation = |tool: &&Tool| tool.declaration.operation.iter().any(|id| operations.contains(&id));
    plain.filter(of_operation).collect()
}

#[tokio::test]
async fn refusal_of_each_row_is_told_with_the_call_that_helps() {
    let table = table();
    for row in table["refusals"].as_array().expect("rows") {
        let tools = tools_of(row);
        assert!(!tools.is_empty(), "{row}");
        let said = |key: &str| row[key][0].as_str().unwrap_or_default().to_owned();
        for status in row["status"].as_array().expect("statuses") {
            let status = status
                .as_u64()
                .and_then(|status| u16::try_from(status).ok())
                .expect("a status");
            for tool in &tools {
                let message = format!("It can't be done: {}.", said("says"));
                let upstream = refusing(tool, status, &said("codes"), &message).await;
                let server = server(&upstream, &["--toolsets", "all"]).await;
                let (value, is_error) = server.call(tool.name(), given(tool).into()).await;
                assert!(is_error, "{row}: {value}");
                let error = error(&value);
                assert_eq!(error["status"], status, "{row}: {value}");
                assert!(
                    error["next"].to_string().contains(row["next"].as_str().expect("next")),
                    "{row}: {value}"
                );
                if row.get("call").is_some() {
                    assert_eq!(error["next_call"]["tool"], row["call"]["tool"], "{row}: {value}");
                    takes(&error["next_call"]);
                }
            }
        }
    }
}

/// Checks that a call fits the schema of its tool.
fn takes(call: &Value) {
    let tool = catalog().tool(call["tool"].as_str().expect("a tool")).expect("a tool");
    let validator = tool.validator().expect("a schema");
    assert!(validator.is_valid(&call["arguments"]), "{call}");
}

/// The ids of a call that somebody may have got wrong, with how Neon calls what they name.
fn ids(tool: &Tool) -> Vec<(String, String)> {
    let table = table();
    let rows = table["missing"].as_array().expect("rows").clone();
    let word = |name: &str| {
        let row = rows.iter().find(|row| row["argument"] == name)?;
        row["says"][0].as_str().map(str::to_owned)
    };
    tool.placeholders
        .iter()
        .filter_map(|name| Some((name.clone(), word(name)?)))
        .collect()
}

#[tokio::test]
async fn each_id_of_every_operation_that_is_not_found_is_named_with_its_list() {
    let mut looked_at = 0;
    for tool in catalog().tools().iter().map(|tool| &**tool) {
        if tool.declaration.workflow.is_some() {
            continue;
        }
        // One list of what there is for each id of the path but these, which nothing lists.
        let unlisted = ["request_id", "auth_user_id"];
        let ids = ids(tool);
        let listed = tool
            .placeholders
            .iter()
            .filter(|name| !unlisted.contains(&name.as_str()));
        assert_eq!(listed.count(), ids.len(), "{}: {:?}", tool.name(), tool.placeholders);
        for (name, word) in ids {
            let given = given(tool);
            let message = format!("{word} {} not found", given[&name]);
            let upstream = refusing(tool, 404, "", &message).await;
            let server = server(&upstream, &["--toolsets", "all"]).await;
            let (value, is_error) = server.call(tool.name(), given.into()).await;
            assert!(is_error, "{} {name}: {value}", tool.name());
            let error = error(&value);
            assert_eq!(error["status"], 404, "{} {name}: {value}", tool.name());
            let next = error["next"].as_str().expect("next");
            assert!(next.contains(&format!("`{name}`")), "{} {name}: {value}", tool.name());
            let lists = error["next_call"]["tool"]
                .as_str()
                .unwrap_or_else(|| panic!("{} {name}: {value}", tool.name()));
            assert!(lists.starts_with("list_") && next.contains(lists), "{value}");
            takes(&error["next_call"]);
            looked_at += 1;
        }
    }
    assert!(looked_at >= 200, "{looked_at}");
}

#[tokio::test]
async fn tool_that_is_not_offered_is_named_with_its_toolset_and_no_call() {
    let tool = catalog().tool("describe_branch").expect("a tool");
    let upstream = refusing(tool, 422, "", "branch br-x has no endpoint").await;
    let server = server(&upstream, &["--tools", "describe_branch"]).await;
    let (value, is_error) = server.call(tool.name(), given(tool).into()).await;
    assert!(is_error, "{value}");
    assert!(error(&value).get("next_call").is_none(), "{value}");
    harness::assert_worded!("errors", "next call that is not offered", error(&value)["next"]);
}

#[tokio::test]
async fn not_found_without_words_names_the_innermost_id() {
    let tool = catalog().tool("describe_compute").expect("a tool");
    let upstream = refusing(tool, 404, "", "").await;
    let server = server(&upstream, &["--toolsets", "all"]).await;
    let (value, _) = server.call(tool.name(), given(tool).into()).await;
    assert_eq!(error(&value)["next_call"]["tool"], "list_computes", "{value}");
    assert_eq!(
        error(&value)["next_call"]["arguments"],
        json!({"project_id": given(tool)["project_id"]}),
        "{value}"
    );
    harness::assert_worded!("errors", "not found without words", error(&value)["next"]);
}
