//! Schemas that models' APIs refuse, and arguments as strict clients send them.

use harness::assert_worded;
use neon_mcp::server::published_list_problems;
use serde_json::{Value, json};

use crate::support::server::{Era, TestClient, TestServer, program};

#[test]
fn somebody_handed_the_list_to_a_model_that_takes_few_schemas() {
    let problems = published_list_problems().expect("the lists");
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

async fn sandbox(more: &[&str]) -> TestServer {
    let mut arguments = vec!["--sandbox"];
    arguments.extend(more);
    let mut command = program(&arguments, "", "");
    command
        .env_remove("NEON_API_HOST")
        .env_remove("NEON_API_KEY")
        .env("NEON_MCP_LOG", "error");
    TestServer::run(command, TestClient::alone(), Era::Legacy).await
}

async fn call(server: &TestServer, tool: &str, arguments: Value) -> Value {
    let (value, is_error) = server.call(tool, arguments).await;
    assert!(!is_error, "{tool}: {value}");
    value
}

/// A new project, in the first organization: personal keys name one.
async fn project(server: &TestServer) -> String {
    let all = call(server, "list_organizations", json!({})).await;
    let organization = all["result"]["organizations"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{all}"));
    let made = call(
        server,
        "create_project",
        json!({"name": "shop", "org_id": organization}),
    )
    .await;
    id(&made, "project")
}

fn id(value: &Value, what: &str) -> String {
    value["result"][what]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

#[tokio::test]
async fn somebody_renamed_a_branch_with_a_client_that_sends_null_for_the_rest() {
    let server = sandbox(&["--toolsets", "all"]).await;
    let project = project(&server).await;
    let soon = (chrono::Utc::now() + chrono::TimeDelta::hours(5)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let made =
        json!({"project_id": project, "name": "short", "expires_at": soon, "pg_settings": null, "parent_id": null});
    let branch = id(&call(&server, "create_branch", made).await, "branch");
    let shown = |value: Value| value["result"]["branch"]["expires_at"].clone();
    let rename =
        json!({"project_id": project, "branch_id": branch, "name": "renamed", "expires_at": null, "protected": null});
    call(&server, "update_branch", rename).await;
    let look = json!({"project_id": project, "branch_id": branch});
    assert_eq!(
        shown(call(&server, "describe_branch", look.clone()).await),
        json!(soon),
        "the expiry went with a null"
    );
    let never = json!({"project_id": project, "branch_id": branch, "expires_at": "never"});
    call(&server, "update_branch", never).await;
    assert_eq!(shown(call(&server, "describe_branch", look).await), Value::Null);
}

#[tokio::test]
async fn somebody_sent_a_map_as_a_list_of_names_and_values() {
    let server = sandbox(&["--toolsets", "all"]).await;
    let project = project(&server).await;
    let with = |labels: Value| json!({"project_id": project, "name": format!("b{}", labels.to_string().len()), "annotation_value": labels});
    for labels in [json!([{"name": "team", "value": "shop"}]), json!({"team": "shop-2"})] {
        call(&server, "create_branch", with(labels)).await;
    }
    for wrong in [
        json!([{"name": "team", "value": "a"}, {"name": "team", "value": "b"}]),
        json!([{"name": "team"}]),
        json!(["team"]),
        json!([{"name": "team", "value": "a", "more": 1}]),
    ] {
        let (value, is_error) = server.call("create_branch", with(wrong.clone())).await;
        assert!(is_error, "{wrong}: {value}");
        assert_worded!(
            "errors",
            &format!("labels that are none: {wrong}"),
            value["error"]["problems"][0]["message"]
        );
    }
    let twice = json!({"project_id": project, "branch_id": "main", "checks": ["cache", "cache"]});
    let (value, is_error) = server.call("inspect_database", twice).await;
    assert!(is_error && value.to_string().contains("checks"), "{value}");
}

#[tokio::test]
async fn somebody_called_through_discovery_with_arguments_as_text() {
    let server = sandbox(&["--discovery"]).await;
    for arguments in [
        json!("{\"limit\": 5}"),
        json!({"limit": 5}),
        json!(""),
        json!("{}"),
        Value::Null,
    ] {
        call(
            &server,
            "call_read_tool",
            json!({"name": "list_projects", "arguments": arguments}),
        )
        .await;
    }
    for wrong in [json!("[1]"), json!("{"), json!(5), json!("text"), json!([])] {
        let (value, is_error) = server
            .call("call_read_tool", json!({"name": "list_projects", "arguments": wrong}))
            .await;
        assert!(is_error, "{wrong}: {value}");
        assert_worded!(
            "errors",
            &format!("arguments that are no object: {wrong}"),
            value["error"]["problems"][0]["message"]
        );
    }
}
