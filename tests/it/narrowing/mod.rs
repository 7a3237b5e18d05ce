//! What a request asks for of what is offered: by its URL or its headers, in both eras; never more than the operator allows.

use std::collections::HashMap;

use reqwest::StatusCode;
use rmcp::RoleClient;
use rmcp::service::{ClientServiceExt as _, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};

use crate::support::http::{OverHttp, plain};
use crate::support::policy::write_policy;
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

type Client = RunningService<RoleClient, TestClient>;

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

async fn serve(world: &World, more: &[&str], policy: &str) -> OverHttp {
    let state = state_home();
    let file = state.join("policy.toml");
    write_policy(&file, policy);
    let file = file.to_str().expect("a path").to_owned();
    let arguments = [&["http", "--listen", "127.0.0.1:0", "--policy", &file], more].concat();
    let mut command = program(&arguments, &world.url(), KEY);
    command.env("NEON_MCP_LOG", "error");
    OverHttp::start(command, &state).await
}

/// A client whose every request asks for that.
async fn asking(server: &OverHttp, query: &str, headers: &[(&'static str, &str)], era: Era) -> Client {
    let mut config = StreamableHttpClientTransportConfig::with_uri(format!("{}{query}", server.url));
    if let Some(token) = &server.token {
        config = config.auth_header(token);
    }
    let headers: HashMap<_, _> = headers
        .iter()
        .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
        .collect();
    let transport = StreamableHttpClientTransport::from_config(config.custom_headers(headers));
    let client = TestClient::alone().serve_with_lifecycle(transport, harness::server::lifecycle(era));
    client.await.expect("serves")
}

/// The tools that are listed, with the arguments of each.
async fn listed(client: &Client) -> HashMap<String, Vec<String>> {
    let tools = client.list_all_tools().await.expect("a list");
    let of = |tool: &rmcp::model::Tool| {
        let properties = tool.input_schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    tools.iter().map(|tool| (tool.name.to_string(), of(tool))).collect()
}

fn hello() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
}

/// A request by hand.
fn by_hand(server: &OverHttp, url: &str) -> reqwest::RequestBuilder {
    let request = plain()
        .post(url)
        .header("accept", "application/json, text/event-stream");
    match &server.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// What is said to a request that isn't served.
async fn refused(server: &OverHttp, query: &str, headers: &[(&'static str, &str)]) -> String {
    let mut request = by_hand(server, &format!("{}{query}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.json(&hello()).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query} {headers:?}");
    assert!(answer.headers().get("mcp-session-id").is_none());
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["error"]["code"], -32_600, "{answer}");
    // What isn't understood is refused before its message is read.
    assert!(answer["id"].is_null() || answer["id"] == hello()["id"], "{answer}");
    answer["error"]["message"].as_str().expect("text").to_owned()
}

/// The kind of a refused call.
fn kind(value: &Value) -> &str {
    value["error"]["kind"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn tools_that_a_request_asks_for_are_listed_and_called_and_no_others() {
    let world = World::start().await;
    let server = serve(&world, &[], "").await;
    for era in ERAS {
        let all = listed(&asking(&server, "", &[], era).await).await;
        assert!(all.contains_key("delete_branch") && all.contains_key("list_projects"));
        for (query, headers, stays, goes) in [
            ("?readonly=true", &[][..], "list_branches", "delete_branch"),
            ("", &[("x-read-only", "true")], "list_branches", "delete_branch"),
            ("", &[("x-neon-mcp-readonly", "1")], "list_branches", "delete_branch"),
            ("?toolsets=branches", &[], "delete_branch", "list_projects"),
            ("?category=branches", &[], "delete_branch", "list_projects"),
            ("?category=querying", &[], "query_database", "list_projects"),
            (
                "",
                &[("x-neon-mcp-toolsets", "branches")],
                "delete_branch",
                "list_projects",
            ),
            (
                "?tools=list_projects,list_branches",
                &[],
                "list_branches",
                "delete_branch",
            ),
            (
                "",
                &[("x-neon-mcp-tools", "list_branches")],
                "list_branches",
                "delete_branch",
            ),
            ("?exclude_tools=delete_branch", &[], "list_branches", "delete_branch"),
            (
                "",
                &[("x-neon-mcp-exclude-tools", "delete_branch")],
                "list_branches",
                "delete_branch",
            ),
        ] {
            let client = asking(&server, query, headers, era).await;
            let tools = listed(&client).await;
            assert!(
                tools.contains_key(stays) && !tools.contains_key(goes),
                "{query} {headers:?} {era:?}"
            );
            assert!(
                tools.keys().all(|name| all.contains_key(name)),
                "{query} {headers:?} lists more"
            );
            let arguments = json!({"project_id": PROJECT, "branch_id": BRANCH});
            let (value, is_error) = call(&client, goes, arguments).await;
            assert!(is_error && kind(&value) == "not_offered", "{query} {headers:?} {value}");
        }
        for (query, headers) in [("?discovery=true", &[][..]), ("", &[("x-neon-mcp-discovery", "yes")])] {
            let client = asking(&server, query, headers, era).await;
            let tools = listed(&client).await;
            assert!(
                tools.contains_key("search_tools") && !tools.contains_key("list_branches"),
                "{tools:?}"
            );
            let inner = json!({"project_id": PROJECT}).to_string();
            let arguments = json!({"name": "list_branches", "arguments": inner});
            let (value, is_error) = call(&client, "call_read_tool", arguments).await;
            assert!(!is_error, "{value}");
        }
    }
    assert_eq!(world.changes().len(), 0);
}

#[tokio::test]
async fn pins_of_a_request_take_the_arguments_away_and_bound_its_calls() {
    let world = World::start().await;
    let server = serve(&world, &["--toolsets", "all"], "").await;
    for era in ERAS {
        for (query, header, tool, argument) in [
            (
                "?project_id=quiet-sun-12345678",
                ("x-neon-mcp-project-id", PROJECT),
                "list_branches",
                "project_id",
            ),
            (
                "?projectId=quiet-sun-12345678",
                ("x-neon-mcp-projectid", PROJECT),
                "list_branches",
                "project_id",
            ),
            (
                "?org_id=org-quiet-sun-12345678",
                ("x-neon-mcp-org-id", "org-quiet-sun-12345678"),
                "list_projects",
                "org_id",
            ),
            (
                "?branch=dev",
                ("x-neon-mcp-branch", "dev"),
                "describe_branch",
                "branch_id",
            ),
            (
                "?role=abc",
                ("x-neon-mcp-role", "abc"),
                "get_connection_string",
                "role_name",
            ),
            (
                "?roleName=abc",
                ("x-neon-mcp-role-name", "abc"),
                "get_connection_string",
                "role_name",
            ),
            (
                "?database=abc",
                ("x-neon-mcp-database", "abc"),
                "get_connection_string",
                "database_name",
            ),
        ] {
            for client in [
                asking(&server, query, &[], era).await,
                asking(&server, "", &[header], era).await,
            ] {
                let tools = listed(&client).await;
                let arguments = tools.get(tool).unwrap_or_else(|| panic!("{query} lists no {tool}"));
                assert!(
                    !arguments.iter().any(|name| name == argument),
                    "{query} {tool} {arguments:?}"
                );
            }
        }
        let pinned = asking(&server, &format!("?projectId={PROJECT}&branch=dev"), &[], era).await;
        let (value, is_error) = call(&pinned, "describe_branch", json!({})).await;
        assert!(!is_error && value.to_string().contains(BRANCH), "{value}");
        let (value, is_error) = call(&pinned, "list_branches", json!({"project_id": "red-moon-87654321"})).await;
        assert!(is_error && kind(&value) == "invalid_arguments", "{value}");
        // Another branch by another way: the policy holds, as it does for the flag.
        let only = asking(&server, "?branch=dev", &[], era).await;
        let (value, is_error) = call(
            &only,
            "describe_branch",
            json!({"project_id": PROJECT, "branch_id": "br-root"}),
        )
        .await;
        assert!(is_error, "{value}");
        let tells = match era {
            Era::Legacy => only.peer_info().and_then(|info| info.instructions.clone()),
            Era::Modern => None,
        };
        if era == Era::Legacy {
            assert!(
                tells.unwrap_or_default().contains("branch dev alone"),
                "the instructions follow it"
            );
        }
    }
    assert_eq!(world.changes().len(), 0);
}

#[tokio::test]
async fn request_for_more_than_the_operator_allows_is_refused_before_anything_runs() {
    let world = World::start().await;
    let bounds =
        "allowed_projects = [\"quiet-sun-12345678\"]\nallowed_roles = [\"app\"]\ndenied_branches = [\"prod\"]\n";
    for (flags, policy, query, headers, says) in [
        (&["--read-only"][..], "", "?readonly=false", &[][..], "readonly"),
        (
            &["--read-only"],
            "",
            "",
            &[("x-neon-mcp-readonly", "false")],
            "readonly",
        ),
        (&[], "read_only = true", "?readonly=false", &[], "readonly"),
        (
            &["--project-id", PROJECT],
            "",
            "?projectId=red-moon-87654321",
            &[],
            PROJECT,
        ),
        (
            &["--org-id", "org-quiet-sun-12345678"],
            "",
            "?org_id=org-b",
            &[],
            "org-quiet-sun-12345678",
        ),
        (&["--branch", "dev"], "", "?branch=main", &[], "dev"),
        (&["--role", "app"], "", "", &[("x-neon-mcp-role", "owner")], "app"),
        (&["--database", "shop"], "", "?database=other", &[], "shop"),
        (&["--discovery"], "", "?discovery=false", &[], "discovery"),
        (&["--toolsets", "branches"], "", "?toolsets=snapshots", &[], "branches"),
        (
            &["--toolsets", "branches"],
            "",
            "?tools=list_projects",
            &[],
            "list_branches",
        ),
        (&[], "", "?tools=create_api_key", &[], "create_api_key"),
        (
            &["--exclude-tools", "delete_branch"],
            "",
            "?tools=delete_branch",
            &[],
            "excluded",
        ),
        (&[], bounds, "?project_id=red-moon-87654321", &[], "allowed_projects"),
        (&[], bounds, "?role=owner", &[], "allowed_roles"),
        (&[], bounds, "?branch=prod", &[], "denied_branches"),
        (&[], "", "?tools=delete_branch&readonly=true", &[], "leave no tool"),
        (&[], "", "?readonly=true", &[("x-read-only", "false")], "differ"),
        (&[], "", "?toolsets=branches&category=sql", &[], "differ"),
        (&[], "", "?readnly=true", &[], "did you mean `readonly`"),
    ] {
        let server = serve(&world, flags, policy).await;
        let told = refused(&server, query, headers).await;
        assert!(
            told.contains(says) && told.contains("Nothing was run"),
            "{query}: {told}"
        );
        // What says the same as the operator is no more.
        let same = by_hand(&server, &server.url)
            .json(&hello())
            .send()
            .await
            .expect("an answer");
        assert_eq!(same.status(), StatusCode::OK, "{flags:?}");
    }
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn request_may_say_what_the_operator_fixed() {
    let world = World::start().await;
    let server = serve(&world, &["--read-only", "--project-id", PROJECT, "--branch", "dev"], "").await;
    let query = format!("?readonly=true&project_id={PROJECT}&branch=dev");
    let client = asking(&server, &query, &[], Era::Modern).await;
    let (value, is_error) = call(&client, "describe_branch", json!({})).await;
    assert!(!is_error && value.to_string().contains(BRANCH), "{value}");
}

#[tokio::test]
async fn every_request_of_a_session_has_its_own_narrowing() {
    let world = World::start().await;
    let server = serve(&world, &[], "").await;
    let narrow = format!("{}?readonly=true", server.url);
    let answer = by_hand(&server, &narrow)
        .json(&hello())
        .send()
        .await
        .expect("an answer");
    let session = answer.headers()["mcp-session-id"].to_str().expect("text").to_owned();
    let list = async |url: &str| {
        let message = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
        let request = by_hand(&server, url)
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-11-25");
        request
            .json(&message)
            .send()
            .await
            .expect("an answer")
            .text()
            .await
            .expect("text")
    };
    assert!(!list(&narrow).await.contains("\"delete_branch\""));
    assert!(list(&server.url).await.contains("\"delete_branch\""));
    assert!(
        !list(&format!("{}?tools=list_branches", server.url))
            .await
            .contains("\"list_projects\"")
    );
    assert!(
        list(&format!("{}?tools=nothing", server.url))
            .await
            .contains("not offered")
            || list(&format!("{}?tools=nothing", server.url)).await.contains("no tool")
    );
}

#[tokio::test]
async fn path_below_has_no_narrowing_and_is_not_found() {
    let world = World::start().await;
    let server = serve(&world, &[], "").await;
    for path in ["/x", "/x?readonly=true", "/x?nonsense", "x?readonly=true"] {
        let answer = by_hand(&server, &format!("{}{path}", server.url)).json(&hello()).send();
        assert_eq!(
            answer.await.expect("an answer").status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let slash = by_hand(&server, &format!("{}/?readonly=perhaps", server.url))
        .json(&hello())
        .send();
    assert_eq!(slash.await.expect("an answer").status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn rate_cap_is_not_reset_by_another_query() {
    for era in ERAS {
        let world = World::start().await;
        let server = serve(&world, &[], "[caps]\nchanges_per_minute = 1\n").await;
        for (index, query) in ["", "?toolsets=branches", "?database=a", "?database=b"]
            .into_iter()
            .enumerate()
        {
            let client = asking(&server, query, &[], era).await;
            let arguments = json!({"project_id": PROJECT, "name": format!("b{index}")});
            let (value, is_error) = call(&client, "create_branch", arguments).await;
            assert_eq!(is_error, index > 0, "{query} {value}");
            if is_error {
                assert_eq!(value["error"]["rule"], "caps.changes_per_minute", "{value}");
            }
        }
        assert_eq!(world.changes().len(), 1, "{era:?}");
    }
}
