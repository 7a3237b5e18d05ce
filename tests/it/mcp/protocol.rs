//! MCP itself, in both eras: identity, the list, unknown tools, cancellation, progress.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::wait::until;
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProgressNotificationParam};
use rmcp::service::NotificationContext;
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt as _};
use serde_json::json;

use super::{PROJECT, catalog, neon};
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::server::{self, Era, KEY, program};

#[tokio::test]
async fn both_eras_list_the_same_tools_with_title_hints_and_schema() {
    let upstream = FakeNeon::route(neon).await;
    let mut lists = Vec::new();
    for era in [Era::Legacy, Era::Modern] {
        let server = server::start_with(&["--toolsets", "all"], &upstream.url(), KEY, era, "error").await;
        let list = server.client.list_tools(None).await.expect("a list");
        assert_eq!(list.next_cursor, None, "one page");
        assert_eq!(
            list.ttl_ms.is_some(),
            era == Era::Modern,
            "cache hints are for those who know them"
        );
        let names: Vec<String> = list.tools.iter().map(|tool| tool.name.to_string()).collect();
        let declared: Vec<String> = catalog().tools().iter().map(|tool| tool.name().to_owned()).collect();
        assert_eq!(names, declared, "the order of the catalogue");
        for tool in &list.tools {
            let hints = tool.annotations.as_ref().expect("hints");
            assert!(tool.title.is_some());
            let all = [
                hints.read_only_hint,
                hints.destructive_hint,
                hints.idempotent_hint,
                hints.open_world_hint,
            ];
            assert!(all.iter().all(Option::is_some), "{}", tool.name);
        }
        lists.push(serde_json::to_string(&list.tools).expect("JSON"));
        let peer = server.client.peer_info().expect("a server");
        let identity = peer.server_info.clone().expect("an identity");
        assert_eq!(
            (identity.name.as_str(), identity.version.as_str()),
            ("neon-mcp", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(
            identity.website_url.as_deref(),
            Some(env!("CARGO_PKG_REPOSITORY")),
            "the project's own place"
        );
        assert!(identity.icons.is_some_and(|icons| !icons.is_empty()));
        let instructions = peer.instructions.clone().expect("instructions");
        assert!(instructions.len() < 2_000, "{} bytes", instructions.len());
    }
    assert_eq!(lists[0], lists[1]);
}

#[tokio::test]
async fn modern_results_say_who_made_them() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start_with(&[], &upstream.url(), KEY, Era::Modern, "error").await;
    let request = CallToolRequestParams::new("describe_project")
        .with_arguments(json!({"project_id": PROJECT}).as_object().cloned().expect("an object"));
    let result = server.client.call_tool(request).await.expect("a result");
    let meta = serde_json::to_value(result.meta.expect("meta")).expect("JSON");
    assert_eq!(meta["io.modelcontextprotocol/serverInfo"]["name"], "neon-mcp");
}

#[tokio::test]
async fn an_unknown_tool_is_a_protocol_error_that_names_the_nearest() {
    let upstream = FakeNeon::route(neon).await;
    let server = server::start(&[], &upstream.url()).await;
    let error = server
        .client
        .call_tool(CallToolRequestParams::new("list_project"))
        .await
        .expect_err("an error")
        .to_string();
    assert!(error.contains("list_projects"), "{error}");
    assert_eq!(upstream.count(), 0);
}

#[derive(Debug, Clone, Default)]
struct Listener(Arc<Mutex<Vec<f64>>>);

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("test", "1"))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.lock().expect("a lock").push(params.progress);
    }
}

/// A branch is made, and its two operations end after a few looks.
fn operations() -> impl Fn(&Recorded) -> Reply + Send + Sync + 'static {
    let looks = Mutex::new(0);
    let ids = [
        "11111111-1111-4111-8111-111111111111",
        "22222222-2222-4222-8222-222222222222",
    ];
    move |request: &Recorded| {
        if request.method == "POST" {
            let operations = json!([
                {"id": ids[0], "action": "create_branch", "status": "running"},
                {"id": ids[1], "action": "start_compute", "status": "scheduling"},
            ]);
            return Reply::json(
                201,
                json!({"branch": {"id": "br-a", "name": "dev"}, "operations": operations}),
            );
        }
        let mut looks = looks.lock().expect("a lock");
        *looks += 1;
        let id = if request.path().ends_with(ids[0]) {
            ids[0]
        } else {
            ids[1]
        };
        let status = if *looks % 2 == 0 { "finished" } else { "running" };
        Reply::json(
            200,
            json!({"operation": {"id": id, "action": "work", "status": status}}),
        )
    }
}

#[tokio::test]
async fn progress_grows_while_operations_run_and_each_is_reported() {
    let upstream = FakeNeon::route(operations()).await;
    let heard = Listener::default();
    let transport = TokioChildProcess::new(program(&[], &upstream.url(), KEY)).expect("starts");
    let client = heard.clone().serve(transport).await.expect("serves");
    let request = CallToolRequestParams::new("create_branch").with_arguments(
        json!({"project_id": PROJECT, "name": "dev"})
            .as_object()
            .cloned()
            .expect("an object"),
    );
    let result = client.call_tool(request).await.expect("a result");
    let value = result.structured_content.expect("content");
    let statuses: Vec<&str> = value["operations"]
        .as_array()
        .expect("operations")
        .iter()
        .filter_map(|one| one["status"].as_str())
        .collect();
    assert_eq!(statuses, ["finished", "finished"]);
    until("the progress", || heard.0.lock().expect("a lock").len() >= 3).await;
    let heard = heard.0.lock().expect("a lock").clone();
    assert!(heard.len() >= 3, "{heard:?}");
    assert!(
        heard.windows(2).all(|pair| pair[0] < pair[1]),
        "progress must grow: {heard:?}"
    );
    client.cancel().await.expect("ends");
}

#[tokio::test]
async fn cancelling_a_call_stops_its_wait() {
    let upstream = FakeNeon::route(|request: &Recorded| {
        let operation = json!({"id": "11111111-1111-4111-8111-111111111111", "action": "work", "status": "running"});
        match request.method.as_str() {
            "POST" => Reply::json(201, json!({"branch": {"id": "br-a"}, "operations": [operation]})),
            _ => Reply::json(200, json!({"operation": operation})),
        }
    })
    .await;
    let server = server::start(&[], &upstream.url()).await;
    let request = CallToolRequestParams::new("create_branch")
        .with_arguments(json!({"project_id": PROJECT}).as_object().cloned().expect("an object"));
    let handle = server
        .client
        .send_cancellable_request(
            rmcp::model::ClientRequest::CallToolRequest(rmcp::model::CallToolRequest::new(request)),
            rmcp::service::PeerRequestOptions::no_options(),
        )
        .await
        .expect("sent");
    // The branch, and two looks at its operation.
    upstream.reached(3).await;
    handle.cancel(Some("enough".into())).await.expect("cancelled");
    // The server still serves, and what it does now it does after the cancellation.
    let (_, is_error) = server.call("list_organizations", json!({})).await;
    assert!(!is_error);
    let looks = upstream.count();
    // The next look would come in less than a second.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(upstream.count(), looks, "nobody looks at the operation any more");
}
