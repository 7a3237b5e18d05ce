//! What clients may have at once, and what one is told that wants more.

use std::time::Duration;

use neon_mcp::server::http::HttpLimits;
use serde_json::{Value, json};

use super::small::Small;
use super::{PROJECT, look, post};
use crate::mcp::neon;
use crate::support::fake_neon::{FakeNeon, Gate, Recorded};
use crate::support::http::plain;

/// A Neon that keeps whoever looks at the project waiting.
async fn waiting() -> (FakeNeon, Gate) {
    let gate = Gate::shut();
    let shut = gate.clone();
    let upstream = FakeNeon::route(move |request: &Recorded| neon(request).behind(&shut)).await;
    (upstream, gate)
}

/// That an answer says to come again, with the id of its request.
async fn comes_later(answer: reqwest::Response, status: u16, words: &str) {
    assert_eq!(answer.status().as_u16(), status);
    let seconds: u64 = answer.headers()["retry-after"]
        .to_str()
        .expect("text")
        .parse()
        .expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["id"], 7, "{body}");
    assert_eq!(body["error"]["code"], -32_000, "{body}");
    assert_eq!(body["error"]["data"]["retry_after_seconds"], seconds, "{body}");
    let message = body["error"]["message"].as_str().expect("a message");
    assert!(
        message.contains(words) && message.contains("nothing was done"),
        "{message}"
    );
}

#[tokio::test]
async fn call_that_is_one_too_many_is_refused_and_lists_are_not() {
    for (limits, status, words) in [
        (
            HttpLimits {
                calls_of_one: 2,
                ..HttpLimits::default()
            },
            429,
            "your tool calls",
        ),
        (
            HttpLimits {
                calls: 2,
                ..HttpLimits::default()
            },
            503,
            "as many tool calls run",
        ),
    ] {
        let (upstream, gate) = waiting().await;
        let server = Small::start(&upstream, limits).await;
        let calls: Vec<_> = (0..2)
            .map(|_| tokio::spawn(look(&plain(), &server.url).send()))
            .collect();
        upstream.reached(2).await;
        comes_later(
            look(&plain(), &server.url).send().await.expect("an answer"),
            status,
            words,
        )
        .await;
        // What is no call goes on.
        let list = post(&plain(), &server.url, "tools/list", json!({}))
            .send()
            .await
            .expect("an answer");
        assert_eq!(list.status(), 200);
        assert_eq!(upstream.count(), 2);
        gate.open();
        for call in calls {
            assert_eq!(call.await.expect("ends").expect("an answer").status(), 200);
        }
        // There is room again.
        assert_eq!(
            look(&plain(), &server.url).send().await.expect("an answer").status(),
            200
        );
    }
}

#[tokio::test]
async fn calls_of_a_minute_are_bounded() {
    let upstream = FakeNeon::route(neon).await;
    let limits = HttpLimits {
        calls_per_minute: 3,
        ..HttpLimits::default()
    };
    let server = Small::start(&upstream, limits).await;
    for _ in 0..3 {
        assert_eq!(
            look(&plain(), &server.url).send().await.expect("an answer").status(),
            200
        );
    }
    let over = look(&plain(), &server.url).send().await.expect("an answer");
    comes_later(over, 429, "in a minute").await;
}

#[tokio::test]
async fn call_whose_client_left_in_a_session_counts_until_it_ends() {
    let (upstream, gate) = waiting().await;
    let limits = HttpLimits {
        calls_of_one: 1,
        ..HttpLimits::default()
    };
    let server = Small::start(&upstream, limits).await;
    let session = server.begin("t").await;
    let call = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params":
        {"name": "describe_project", "arguments": {"project_id": PROJECT}}});
    let answer = server.post(Some(&session), &call).send().await.expect("an answer");
    upstream.reached(1).await;
    drop(answer);
    assert_eq!(
        look(&plain(), &server.url).send().await.expect("an answer").status(),
        429
    );
    gate.open();
    let room = async || look(&plain(), &server.url).send().await.expect("an answer").status() == 200;
    harness::wait::until_async("room", room).await;
}

#[tokio::test]
async fn body_over_the_bound_is_refused() {
    let upstream = FakeNeon::route(neon).await;
    let limits = HttpLimits {
        body_bytes: 2_048,
        ..HttpLimits::default()
    };
    let server = Small::start(&upstream, limits).await;
    let with = |length: usize| {
        let params = json!({"name": "describe_project", "arguments": {"project_id": "x".repeat(length)}});
        post(&plain(), &server.url, "tools/call", params).send()
    };
    let over = with(3_000).await.expect("an answer");
    assert_eq!(over.status(), 413);
    let over: Value = over.json().await.expect("JSON");
    assert_eq!((&over["jsonrpc"], &over["id"]), (&json!("2.0"), &Value::Null), "{over}");
    for part in ["2048", "--max-body-bytes"] {
        assert!(
            over["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains(part)),
            "{over}"
        );
    }
    assert_eq!(with(10).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn session_that_made_room_is_told_to_its_client() {
    let upstream = FakeNeon::route(neon).await;
    let limits = HttpLimits {
        sessions: 2,
        ..HttpLimits::default()
    };
    let server = Small::start(&upstream, limits).await;
    let first = server.begin("t").await;
    assert_eq!(server.ask(&first, "ping", json!({})).await.0, 200);
    let others = [server.begin("t").await, server.begin("t").await];
    // The second was never used, and went first.
    assert_eq!(server.ask(&first, "ping", json!({})).await.0, 200);
    let (status, body) = server.ask(&others[0], "ping", json!({})).await;
    assert_eq!(status, 404);
    let message = body["error"]["message"].as_str().expect("a message");
    assert!(
        message.contains("makes room") && message.contains("initialize"),
        "{message}"
    );
    // The same words for one that never was.
    let (status, never) = server
        .ask("11111111-2222-4333-8444-555555555555", "ping", json!({}))
        .await;
    assert_eq!((status, &never["error"]), (404, &body["error"]));
}

#[tokio::test]
async fn drain_time_and_body_time_are_settings_too() {
    let upstream = FakeNeon::route(neon).await;
    let server = super::serve(&upstream, &["--body-timeout-seconds", "1", "--max-body-bytes", "4096"]).await;
    let address = server.origin().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let head =
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    let _ = read.await.expect("in time");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(
        answer.contains(r#""jsonrpc":"2.0""#) && answer.contains("--body-timeout-seconds"),
        "{answer}"
    );
}

#[tokio::test]
async fn heads_and_bodies_hold_no_more_memory_than_they_may() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let upstream = FakeNeon::route(neon).await;
    let server = Small::start(&upstream, HttpLimits::default()).await;
    let address = server
        .url
        .trim_start_matches("http://")
        .trim_end_matches("/mcp")
        .to_owned();
    let long = format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\nx: {}", "a".repeat(40 * 1024));
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connects");
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut answer));
    read.await.expect("in time").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 431");
    // Of one caller's bodies that are under way, eight of the largest are held.
    let head =
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1048576\r\n\r\n";
    let all_but_one = " ".repeat(1_048_575);
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connects");
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(all_but_one.as_bytes()).await.expect("sent");
        held.push(stream);
    }
    let refused = || async {
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let answer = server.post(None, &ping).send().await.expect("an answer");
        let wait = answer.headers().get("retry-after").cloned();
        let status = answer.status().as_u16();
        assert_eq!(wait.is_some(), status == 503);
        status == 503
    };
    let mut tries = 0;
    while !refused().await {
        tries += 1;
        assert!(tries < 1_000, "all of them are held");
    }
    drop(held);
    while refused().await {
        tries += 1;
        assert!(tries < 1_000, "nothing is let go of");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn message_of_very_many_values_is_refused_before_it_is_read() {
    let upstream = FakeNeon::start(vec![]).await;
    let server = Small::start(&upstream, HttpLimits::default()).await;
    let with = |values: usize| {
        let list: Vec<serde_json::Value> = (0..values).map(|_| json!({})).collect();
        json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": {"list": list}}})
    };
    let answer = server.post(None, &with(20_000)).send().await.expect("an answer");
    assert_eq!(answer.status(), 413);
    let told: serde_json::Value = answer.json().await.expect("JSON");
    assert!(
        told["error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("10000 values")),
        "{told}"
    );
    // What comes as a text and is read as JSON counts the same, however it is escaped.
    for object in ["{}", "\\u007b}", "{\"a\":0}"] {
        let objects = vec![object; 3_000].join(",");
        let arguments = format!("{{\"sql\":\"SELECT 1\",\"params\":[{objects}]}}");
        let text = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "query_database", "arguments": arguments}});
        let within = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query_database",
            "arguments": {"sql": "SELECT 1", "params": format!(" [{objects}]")}}});
        for message in [text, within] {
            let answer = server.post(None, &message).send().await.expect("an answer");
            assert_eq!(answer.status(), 413, "{object}");
        }
    }
    // Separators within a text are no values, as many as there are.
    let text =
        json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": {"text": ",[{\\\"".repeat(30_000)}}});
    for few in [with(1_500), text] {
        let session = server.begin("t").await;
        let answer = server.post(Some(&session), &few).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn call_of_a_session_holds_its_room_to_its_end() {
    let (upstream, gate) = waiting().await;
    let server = Small::start(&upstream, HttpLimits::default()).await;
    let session = server.begin("t").await;
    let call = |id: u64| {
        let objects: Vec<Value> = (0..1_500).map(|_| json!({})).collect();
        let arguments = json!({"project_id": PROJECT, "sql": "SELECT $1", "params": [objects]});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "query_database", "arguments": arguments}})
    };
    // The stream of the answer begins at once, and nobody need listen to it.
    for id in [1, 2] {
        let answer = server.post(Some(&session), &call(id)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        drop(answer);
    }
    upstream.reached(2).await;
    let third = server.post(Some(&session), &call(7)).send().await.expect("an answer");
    assert_eq!(third.status(), 503);
    gate.open();
    let mut tries = 0;
    while server
        .post(Some(&session), &call(7 + tries))
        .send()
        .await
        .expect("an answer")
        .status()
        != 200
    {
        tries += 1;
        assert!(tries < 1_000, "nothing is let go of");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_bounded() {
    let upstream = FakeNeon::start(vec![]).await;
    let server = Small::start(&upstream, HttpLimits::default()).await;
    // A hundred levels of one object.
    let deep = |many: usize| {
        let level = format!("{}{{}}{}", "{\"a\":".repeat(100), "}".repeat(100));
        let all: Vec<String> = (0..many).map(|number| format!("\"k{number}\":{level}")).collect();
        serde_json::from_str::<serde_json::Value>(&format!("{{{}}}", all.join(","))).expect("JSON")
    };
    let hello = |capabilities: serde_json::Value, icon: &str| {
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18",
            "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1", "icons": [{"src": icon}]}}})
    };
    // Of what isn't looked at, nothing is kept.
    let icon = format!("data:image/png;base64,{}", "A".repeat(100_000));
    let answer = server
        .post(None, &hello(json!({"experimental": deep(15)}), &icon))
        .send()
        .await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("mcp-session-id"));
    // Of the rest, some.
    let answer = server
        .post(None, &hello(json!({"extensions": deep(15)}), ""))
        .send()
        .await;
    let answer = answer.expect("an answer");
    assert!(!answer.headers().contains_key("mcp-session-id"));
    let told: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(told["error"]["code"], -32602, "{told}");
    // However many levels its objects have, no message is read of which more would be made than is held.
    let meta = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": deep(150)}});
    let answer = server.post(None, &meta).send().await.expect("an answer");
    assert_eq!(answer.status(), 413);
    let session = server.begin("t").await;
    for (id, method) in [("i".repeat(300), "ping".to_owned()), ("1".to_owned(), "m".repeat(300))] {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method});
        let answer = server.post(Some(&session), &message).send().await.expect("an answer");
        assert_eq!(answer.status(), 400);
        assert!(answer.text().await.expect("a text").len() < 300);
    }
}

#[tokio::test]
async fn second_request_with_an_id_that_is_in_use_is_refused() {
    let (upstream, gate) = waiting().await;
    let server = Small::start(&upstream, HttpLimits::default()).await;
    let (one, other) = (server.begin("t").await, server.begin("t").await);
    let look = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params":
        {"name": "describe_project", "arguments": {"project_id": PROJECT}}});
    let first = server.post(Some(&one), &look).send().await.expect("an answer");
    upstream.reached(1).await;
    let second = server.post(Some(&one), &look).send().await.expect("an answer");
    assert_eq!(second.status(), 400);
    let told: serde_json::Value = second.json().await.expect("JSON");
    assert_eq!(
        (&told["id"], &told["error"]["code"]),
        (&json!(7), &json!(-32600)),
        "{told}"
    );
    // Of another session it is another's.
    let elsewhere = server.post(Some(&other), &look).send().await.expect("an answer");
    assert_eq!(elsewhere.status(), 200);
    gate.open();
    assert!(first.text().await.expect("text").contains("\"isError\":false"));
    // Once it is answered, the id is free.
    let again = server.post(Some(&one), &look).send().await.expect("an answer");
    assert_eq!(again.status(), 200);
}
