//! Sessions that sleep: their clients notice nothing.

use std::time::Duration;

use neon_mcp::server::http::HttpLimits;
use serde_json::json;

use super::PROJECT;
use super::small::Small;
use crate::mcp::neon;
use crate::support::fake_neon::{FakeNeon, Gate, Recorded};
use crate::support::http::connect;
use crate::support::server::{Era, TestClient, call};

/// Every session sleeps that nothing uses.
fn sleepy() -> HttpLimits {
    HttpLimits {
        sessions_awake: 0,
        ..HttpLimits::default()
    }
}

#[tokio::test]
async fn session_wakes_for_its_client_again_and_again() {
    let upstream = FakeNeon::route(neon).await;
    let server = Small::start(&upstream, sleepy()).await;
    let mut sessions = Vec::new();
    for number in 0..5 {
        sessions.push(server.begin(&format!("client {number}")).await);
    }
    for _ in 0..3 {
        for session in &sessions {
            let (status, answer) = server.ask(session, "tools/list", json!({})).await;
            assert_eq!(status, 200);
            assert!(
                answer["result"]["tools"]
                    .as_array()
                    .is_some_and(|tools| tools.len() > 5),
                "{answer:.200}"
            );
        }
    }
    let (status, answer) = server
        .ask(
            &sessions[0],
            "tools/call",
            json!({"name": "describe_project", "arguments": {"project_id": PROJECT}}),
        )
        .await;
    assert_eq!((status, &answer["result"]["isError"]), (200, &json!(false)), "{answer}");
    // One that its client ends is gone, asleep or not.
    let end = crate::support::http::plain()
        .delete(&server.url)
        .header("mcp-session-id", &sessions[1])
        .header("mcp-protocol-version", "2025-11-25");
    assert_eq!(end.send().await.expect("an answer").status(), 204);
    assert_eq!(server.ask(&sessions[1], "ping", json!({})).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_of_many_clients_at_once_wake_each_session_whole() {
    let upstream = FakeNeon::route(neon).await;
    let server = Small::start(&upstream, sleepy()).await;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(server.begin("t").await);
    }
    // Several at once for each session, so that some find it asleep, some waking, some awake.
    for _ in 0..10 {
        let asked = sessions.iter().chain(&sessions).chain(&sessions);
        let all = futures::future::join_all(asked.map(|session| server.ask(session, "ping", json!({})))).await;
        for (status, answer) in all {
            assert_eq!((status, &answer["result"]), (200, &json!({})), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_breaks_off_leaves_a_session_that_wakes() {
    let upstream = FakeNeon::route(neon).await;
    let server = Small::start(&upstream, sleepy()).await;
    let session = server.begin("t").await;
    for round in 0..60_u64 {
        // Another comes, and sends it to sleep.
        server.begin("other").await;
        let broken_off = Duration::from_micros(round * 50);
        let _ = tokio::time::timeout(broken_off, server.ask(&session, "ping", json!({}))).await;
        let (status, answer) = server.ask(&session, "ping", json!({})).await;
        assert_eq!((status, &answer["result"]), (200, &json!({})), "{round}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn session_that_ends_while_it_wakes_is_over() {
    let upstream = FakeNeon::route(neon).await;
    let server = Small::start(&upstream, sleepy()).await;
    let http = crate::support::http::plain();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut before = 0;
    for round in 0..80_u64 {
        let session = server.begin("t").await;
        // Another comes, and sends it to sleep.
        let other = server.begin("other").await;
        let end = async |session: &str| {
            let end = http
                .delete(&server.url)
                .header("mcp-session-id", session)
                .header("mcp-protocol-version", "2025-11-25");
            end.send().await.expect("an answer").status()
        };
        let ends = async {
            tokio::time::sleep(Duration::from_micros(round * 25)).await;
            end(&session).await
        };
        let ping = json!({"jsonrpc": "2.0", "id": "a", "method": "ping"});
        let (asked, ended) = tokio::join!(server.post(Some(&session), &ping).send(), ends);
        // It was answered, or came too late.
        let status = asked.expect("an answer").status();
        assert!(status == 200 || status == 404, "{status}");
        assert!(ended == 204 || ended == 404, "{ended}");
        assert_eq!(server.ask(&session, "ping", json!({})).await.0, 404, "{round}");
        end(&other).await;
        if round == 0 {
            before = tasks();
        }
    }
    // Nothing serves what nobody can name any more.
    harness::wait::until("tasks of sessions that are over end", || tasks() <= before + 2).await;
}

#[tokio::test]
async fn session_does_not_sleep_while_its_call_runs_whose_client_broke_off() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let upstream = FakeNeon::route(move |request: &Recorded| neon(request).behind(&shut)).await;
    let server = Small::start(&upstream, sleepy()).await;
    let session = server.begin("t").await;
    let look = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params":
        {"name": "describe_project", "arguments": {"project_id": PROJECT}}});
    let answer = server.post(Some(&session), &look).send().await.expect("an answer");
    upstream.reached(1).await;
    drop(answer);
    // Others come, and would send it to sleep.
    for _ in 0..3 {
        server.begin("t").await;
    }
    let client = connect(&server.url, None, TestClient::alone(), Era::Modern).await;
    gate.open();
    let (value, is_error) = call(&client, "describe_project", json!({"project_id": PROJECT})).await;
    assert!(!is_error, "{value}");
    // The request of the call that nobody listens to was not broken off.
    assert!(
        upstream
            .requests()
            .iter()
            .all(|request| request.path().ends_with(PROJECT))
    );
    assert_eq!(server.ask(&session, "ping", json!({})).await.0, 200);
}
