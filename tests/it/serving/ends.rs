//! An orderly end, while many call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::wait::{until, until_async};
use rmcp::model::CallToolRequestParams;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{PROJECT, look, modern, post, serve, signal};
use crate::mcp::neon;
use crate::support::fake_neon::{FakeNeon, Gate, Recorded};
use crate::support::http::{OverHttp, plain};
use crate::support::server::{Era, KEY, TestClient, program, state_home};

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

/// Sends a look on a connection that is open, and gives its status and head.
async fn look_on(stream: &mut TcpStream) -> std::io::Result<String> {
    let params = serde_json::json!({"name": "describe_project", "arguments": {"project_id": PROJECT}});
    let body = modern("tools/call", params).to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
         mcp-name: describe_project\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 4_096];
        match stream.read(&mut part).await? {
            0 => break,
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).to_lowercase())
}

#[tokio::test]
async fn server_behind_a_proxy_takes_no_new_connection_and_closes_the_open_ones_when_their_answers_are_out() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let count = Arc::new(AtomicUsize::new(0));
    let upstream = FakeNeon::route(move |request: &Recorded| match count.fetch_add(1, Ordering::SeqCst) {
        1 => neon(request).behind(&shut),
        _ => neon(request),
    })
    .await;
    // The URL that the server tells is the public one, so its port is chosen here.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let address = port.expect("a free port").to_string();
    let public = format!("http://{address}");
    let proxy = ["--behind-proxy", "127.0.0.1", "--public-url", &public];
    let arguments = [&["http", "--no-auth", "--listen", &address][..], &proxy].concat();
    let mut server = OverHttp::start(program(&arguments, &upstream.url(), KEY), &state_home()).await;
    let mut idle = TcpStream::connect(&address).await.expect("connects");
    let first = look_on(&mut idle).await.expect("an answer");
    assert!(
        first.starts_with("http/1.1 200") && !first.contains("connection: close"),
        "{first}"
    );
    let url = server.url.clone();
    let running = tokio::spawn(async move { look(&plain(), &url).send().await });
    upstream.reached(2).await;
    signal(&server.child, "-TERM").await;
    // So the proxy has sent nothing, and goes to another server.
    let nobody = async || TcpStream::connect(&address).await.is_err();
    until_async("no more connections", nobody).await;
    // It closes by itself, while the call still runs: nothing is sent on it any more.
    let mut end = [0; 16];
    let read = tokio::time::timeout(Duration::from_secs(5), idle.read(&mut end)).await;
    assert_eq!(read.expect("in time").expect("no error"), 0);
    gate.open();
    let answer = running.await.expect("ends").expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["connection"].as_bytes()),
        (200, &b"close"[..])
    );
    assert!(server.child.wait().await.expect("ends").success());
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
        // Clients look the result up in the list of tools: it is told, though no work is taken.
        let list = post(&plain(), &url, "tools/list", serde_json::json!({})).send().await;
        assert_eq!(list.expect("an answer").status(), 200);
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
