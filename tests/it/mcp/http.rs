//! Streamable HTTP on loopback: both eras, Host and Origin, body limit, graceful stop.

use std::time::Duration;

use harness::wait::until_async;
use serde_json::json;

use super::{PROJECT, neon};
use crate::support::fake_neon::{FakeNeon, Gate, Recorded, Reply};
use crate::support::http::{OverHttp, plain};
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};

async fn serve(upstream: &FakeNeon) -> OverHttp {
    let command = program(&["http", "--listen", "127.0.0.1:0"], &upstream.url(), KEY);
    OverHttp::start(command, &state_home()).await
}

/// A request of a client that has the token.
fn post(server: &OverHttp) -> reqwest::RequestBuilder {
    plain()
        .post(&server.url)
        .bearer_auth(server.token.as_deref().expect("a token"))
        .header("accept", "application/json, text/event-stream")
}

#[tokio::test]
async fn both_eras_list_and_call() {
    let upstream = FakeNeon::route(neon).await;
    let server = serve(&upstream).await;
    for era in [Era::Legacy, Era::Modern] {
        let client = server.client(TestClient::alone(), era).await;
        assert!(client.list_all_tools().await.expect("a list").len() > 20);
        let (value, is_error) = call(&client, "describe_project", json!({"project_id": PROJECT})).await;
        assert!(!is_error && value["service"] == "sandbox", "{era:?}: {value}");
        client.cancel().await.expect("ends");
    }
}

#[tokio::test]
async fn a_foreign_host_or_origin_and_a_large_body_are_refused() {
    let upstream = FakeNeon::route(neon).await;
    let server = serve(&upstream).await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let post = || post(&server);
    assert!(
        post()
            .json(&body)
            .send()
            .await
            .expect("an answer")
            .status()
            .is_success()
    );
    let foreign = post()
        .header("host", "evil.example")
        .json(&body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(foreign.status(), 403);
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        let foreign = post()
            .header("origin", origin)
            .json(&body)
            .send()
            .await
            .expect("an answer");
        assert_eq!(foreign.status(), 403, "{origin}");
    }
    let large = post()
        .header("content-type", "application/json")
        .body(vec![b' '; 2 * 1024 * 1024])
        .send()
        .await
        .expect("an answer");
    assert_eq!(large.status(), 413);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_session_that_is_ended_is_gone_when_that_is_answered() {
    let upstream = FakeNeon::route(neon).await;
    let server = serve(&upstream).await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let begun = post(&server).json(&body).send().await.expect("an answer");
    let session = begun.headers().get("mcp-session-id").expect("a session").clone();
    let end = || {
        plain()
            .delete(&server.url)
            .bearer_auth(server.token.as_deref().expect("a token"))
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-11-25")
    };
    // The official Python SDK takes anything but 200 and 204 for a failure.
    assert_eq!(end().send().await.expect("an answer").status(), 204);
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let gone = post(&server)
        .header("mcp-session-id", &session)
        .header("mcp-protocol-version", "2025-11-25")
        .json(&list)
        .send()
        .await
        .expect("an answer");
    assert_eq!(gone.status(), 404);
    let foreign = end().header("host", "evil.example").send().await.expect("an answer");
    assert_eq!(foreign.status(), 403);
}

#[tokio::test]
async fn another_address_than_loopback_is_refused_at_the_start() {
    let output = program(&["http", "--listen", "0.0.0.0:0"], "http://127.0.0.1:1", KEY)
        .output()
        .await
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("loopback"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_stop_lets_a_running_call_end() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let upstream = FakeNeon::route(move |_: &Recorded| {
        Reply::json(200, json!({"project": {"id": PROJECT, "name": "shop"}})).behind(&shut)
    })
    .await;
    let mut server = serve(&upstream).await;
    let client = server.client(TestClient::alone(), Era::Modern).await;
    let id = server.child.id().expect("an id").to_string();
    let origin = server.origin().to_owned();
    let stop = async {
        upstream.reached(1).await;
        let killed = tokio::process::Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .expect("kill");
        assert!(killed.success());
        // Whoever asks is told so while the call still runs.
        let ready = format!("{origin}/readyz");
        let stops = async || {
            plain()
                .get(&ready)
                .send()
                .await
                .is_ok_and(|answer| answer.status() == 503)
        };
        until_async("the stop", stops).await;
        gate.open();
    };
    let ((value, is_error), ()) = tokio::join!(call(&client, "describe_project", json!({"project_id": PROJECT})), stop);
    assert!(!is_error, "{value}");
    let ended = tokio::time::timeout(Duration::from_secs(8), server.child.wait())
        .await
        .expect("it ends")
        .expect("a status");
    assert!(ended.success(), "{ended}");
}
