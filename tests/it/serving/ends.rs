//! An orderly end, while many call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::wait::{until, until_async};
use rmcp::model::CallToolRequestParams;
use serde_json::Value;

use super::{PROJECT, look, post, serve, signal};
use crate::mcp::neon;
use crate::support::fake_neon::{FakeNeon, Gate, Recorded};
use crate::support::http::plain;
use crate::support::server::{Era, TestClient};

/// How many call at once.
const CLIENTS: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_under_load_loses_no_answer_of_a_call_that_began() {
    let upstream = FakeNeon::route(|request: &Recorded| neon(request).after(Duration::from_millis(20))).await;
    let flags = ["--calls-per-minute", "100000"];
    let mut server = serve(&upstream, &flags).await;
    let (whole, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (url, whole, refused) = (server.url.clone(), whole.clone(), refused.clone());
            tokio::spawn(async move {
                let client = plain();
                // Whoever finds nobody was not heard, and nothing was done: the count at Neon says so below.
                while let Ok(answer) = look(&client, &url).send().await {
                    let status = answer.status().as_u16();
                    let body: Value = answer.json().await.expect("a whole answer");
                    match status {
                        200 => {
                            assert_eq!(body["result"]["isError"], false, "{body}");
                            assert!(
                                body["result"]["structuredContent"].to_string().contains(PROJECT),
                                "{body}"
                            );
                            whole.fetch_add(1, Ordering::SeqCst);
                        }
                        503 => {
                            assert!(
                                body["error"]["message"]
                                    .as_str()
                                    .is_some_and(|text| text.contains("stopping"))
                            );
                            refused.fetch_add(1, Ordering::SeqCst);
                            return;
                        }
                        other => panic!("{other}: {body}"),
                    }
                }
            })
        })
        .collect();
    until("some load", || whole.load(Ordering::SeqCst) > 3 * CLIENTS).await;
    signal(&server.child, "-TERM").await;
    for client in clients {
        client.await.expect("a client that is content");
    }
    assert!(server.child.wait().await.expect("ends").success());
    assert_eq!(
        whole.load(Ordering::SeqCst),
        upstream.count(),
        "answers and calls differ"
    );
    assert!(refused.load(Ordering::SeqCst) > 0, "nobody was told");
}

#[tokio::test]
async fn new_work_is_refused_and_a_session_gets_its_answer() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let upstream = FakeNeon::route(move |request: &Recorded| neon(request).behind(&shut)).await;
    let mut server = serve(&upstream, &[]).await;
    let client = server.client(TestClient::alone(), Era::Legacy).await;
    let url = server.url.clone();
    let stopping = async {
        upstream.reached(1).await;
        signal(&server.child, "-TERM").await;
        let refused = async || {
            let answer = look(&plain(), &url).send().await.expect("an answer");
            let headers = answer.headers().clone();
            answer.status() == 503 && headers.contains_key("retry-after") && headers["connection"] == "close"
        };
        until_async("a refusal", refused).await;
        gate.open();
    };
    let arguments = serde_json::json!({"project_id": PROJECT})
        .as_object()
        .cloned()
        .expect("an object");
    let request = CallToolRequestParams::new("describe_project").with_arguments(arguments);
    let (result, ()) = tokio::join!(client.call_tool(request), stopping);
    assert_eq!(result.expect("a result").is_error, Some(false));
    drop(client);
    assert!(server.child.wait().await.expect("ends").success());
}

#[tokio::test]
async fn what_only_reads_is_answered_while_the_server_stops() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let upstream = FakeNeon::route(move |request: &Recorded| neon(request).behind(&shut)).await;
    let mut server = serve(&upstream, &[]).await;
    let url = server.url.clone();
    let running = {
        let url = url.clone();
        tokio::spawn(async move { look(&plain(), &url).send().await.expect("an answer").status() })
    };
    upstream.reached(1).await;
    signal(&server.child, "-TERM").await;
    let is_refused = async || look(&plain(), &url).send().await.expect("an answer").status() == 503;
    until_async("a refusal", is_refused).await;
    let refusal: Value = look(&plain(), &url)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    harness::assert_worded!(
        "errors",
        "http: a call while the server stops",
        refusal["error"]["message"].as_str().expect("text")
    );
    let reads = [
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "server/discover",
    ];
    for method in reads {
        let answer = post(&plain(), &url, method, serde_json::json!({}))
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        let body: Value = answer.json().await.expect("JSON");
        assert!(
            status == 200 && body.get("result").is_some(),
            "{method}: {status} {body}"
        );
    }
    let resource = serde_json::json!({"uri": "neon-mcp://nothing"});
    let answer = post(&plain(), &url, "resources/read", resource)
        .send()
        .await
        .expect("an answer");
    assert_ne!(answer.status(), 503);
    // Whoever was given a result looks by the list whether it is as promised.
    gate.open();
    assert_eq!(running.await.expect("ends"), 200);
    let listed = post(&plain(), &url, "tools/list", serde_json::json!({})).send().await;
    assert_eq!(listed.expect("an answer").status(), 200);
    assert!(server.child.wait().await.expect("ends").success());
}

#[tokio::test]
async fn call_beyond_the_drain_time_says_that_it_was_cancelled() {
    let upstream = FakeNeon::route(|request: &Recorded| neon(request).behind(&Gate::shut())).await;
    let mut server = serve(&upstream, &["--drain-seconds", "1"]).await;
    let url = server.url.clone();
    let running = tokio::spawn(async move {
        look(&plain(), &url)
            .send()
            .await
            .expect("an answer")
            .json::<Value>()
            .await
    });
    upstream.reached(1).await;
    signal(&server.child, "-TERM").await;
    let body = running.await.expect("ends").expect("a whole answer");
    assert_eq!(body["result"]["isError"], true, "{body}");
    let error = &body["result"]["structuredContent"]["error"];
    assert_eq!(error["changed"], "no", "{body}");
    assert_eq!(error["kind"], "cancelled", "{body}");
    let ended = tokio::time::timeout(Duration::from_secs(30), server.child.wait()).await;
    assert!(ended.expect("in time").expect("ends").success());
}
