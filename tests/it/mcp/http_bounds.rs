//! What clients may hold of a server over HTTP: sessions, connections, time.

use std::time::{Duration, Instant};

use harness::wait::until_async;
use neon_mcp::server::NeonServer;
use neon_mcp::server::http::{HttpLimits, HttpServer};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{PROJECT, neon};
use crate::serving::small::engine;
use crate::support::fake_neon::{FakeNeon, Gate, Recorded};
use crate::support::http::{connect, plain};
use crate::support::server::{Era, TestClient, call};

/// A server in this process, with bounds of its own.
struct Small {
    url: String,
    stop: CancellationToken,
    upstream: FakeNeon,
}

impl Drop for Small {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Small {
    async fn start(limits: HttpLimits) -> Self {
        Self::on(FakeNeon::route(neon).await, limits).await
    }

    async fn on(upstream: FakeNeon, limits: HttpLimits) -> Self {
        let engine = engine(&upstream);
        let http = HttpServer::bind("127.0.0.1:0".parse().expect("an address"))
            .await
            .expect("listens");
        let http = http.with_limits(limits);
        let (url, stop) = (http.url(), CancellationToken::new());
        let stopped = stop.clone();
        tokio::spawn(async move { http.serve(NeonServer::new(engine), stopped).await });
        Self { url, stop, upstream }
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/mcp")
    }

    /// Opens a session: its id, or why there is none.
    async fn begin(&self) -> Result<String, reqwest::Response> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let answer = self.post(None, &body).await;
        match answer.headers().get("mcp-session-id") {
            Some(id) => Ok(id.to_str().expect("text").to_owned()),
            None => Err(answer),
        }
    }

    async fn post(&self, session: Option<&str>, body: &Value) -> reqwest::Response {
        let mut request = plain()
            .post(&self.url)
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
            request = request.header("mcp-protocol-version", "2025-11-25");
        }
        request.json(body).send().await.expect("an answer")
    }

    /// Whether a session is there. It counts as a use.
    async fn lives(&self, session: &str) -> bool {
        let list = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
        self.post(Some(session), &list).await.status() == StatusCode::OK
    }

    /// A stream of a session that only listens.
    async fn listen(&self, session: &str) -> reqwest::Response {
        let request = plain().get(&self.url).header("accept", "text/event-stream");
        let request = request.header("mcp-session-id", session);
        let stream = request
            .header("mcp-protocol-version", "2025-11-25")
            .send()
            .await
            .expect("an answer");
        assert_eq!(stream.status(), StatusCode::OK);
        stream
    }
}

fn limits() -> HttpLimits {
    HttpLimits {
        sessions: 4,
        sessions_of_one: 4,
        ..HttpLimits::default()
    }
}

#[tokio::test]
async fn idle_session_makes_room_and_one_with_a_stream_never_does() {
    let server = Small::start(limits()).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(server.begin().await.expect("a session"));
    }
    let _streams = [server.listen(&open[0]).await, server.listen(&open[1]).await];
    // The third was used after the fourth was opened: the fourth goes, which was never used at all, then the third.
    assert!(server.lives(&open[2]).await);
    let fifth = server.begin().await.expect("a session");
    assert!(!server.lives(&open[3]).await && server.lives(&open[2]).await && server.lives(&fifth).await);
    let _more = [server.listen(&open[2]).await, server.listen(&fifth).await];
    for _ in 0..3 {
        let refused = server.begin().await.expect_err("no session");
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        let seconds: u64 = refused.headers()["retry-after"]
            .to_str()
            .expect("text")
            .parse()
            .expect("seconds");
        assert!((1..=60).contains(&seconds));
        let text = refused.text().await.expect("text");
        assert!(text.contains("session") && text.contains("in use"), "{text}");
    }
    for session in [&open[0], &open[1], &open[2], &fifth] {
        assert!(server.lives(session).await);
    }
    // What needs no session is served nevertheless.
    let client = connect(&server.url, None, TestClient::alone(), Era::Modern).await;
    let (value, is_error) = call(&client, "describe_project", json!({"project_id": PROJECT})).await;
    assert!(!is_error, "{value}");
}

#[tokio::test]
async fn session_in_whose_name_a_call_runs_is_in_use() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let upstream = FakeNeon::route(move |request: &Recorded| {
        let reply = neon(request);
        if request.path().ends_with(PROJECT) {
            reply.behind(&shut)
        } else {
            reply
        }
    })
    .await;
    let one = HttpLimits {
        sessions: 1,
        ..limits()
    };
    let server = Small::on(upstream, one).await;
    let client = connect(&server.url, None, TestClient::alone(), Era::Legacy).await;
    // The client's own stream that listens counts too, so this must hold without it: a bare session.
    client.cancel().await.expect("ends");
    let session = server.begin().await.expect("a session");
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    server.post(Some(&session), &initialized).await;
    let look = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params":
        {"name": "describe_project", "arguments": {"project_id": PROJECT}}});
    let (called, refused) = tokio::join!(server.post(Some(&session), &look), async {
        server.upstream.reached(1).await;
        let refused = server.begin().await.expect_err("no session").status();
        gate.open();
        refused
    });
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    assert!(called.status().is_success() && called.text().await.expect("text").contains("shop"));
    assert!(server.begin().await.is_ok(), "it is idle now");
}

#[tokio::test]
async fn unused_session_ends_by_itself_and_one_that_listens_does_not() {
    let idle_for = Duration::from_millis(600);
    let short = HttpLimits {
        session_idle: idle_for,
        ..HttpLimits::default()
    };
    let server = Small::start(short).await;
    let (idle, listening, used) = (
        server.begin().await.expect("a session"),
        server.begin().await.expect("a session"),
        server.begin().await.expect("a session"),
    );
    let stream = server.listen(&listening).await;
    let mut last = Instant::now();
    for _ in 0..12 {
        tokio::time::sleep(idle_for / 4).await;
        let lives = server.lives(&used).await;
        // On a machine that is too busy to use it in time, it may have ended.
        assert!(lives || last.elapsed() > idle_for);
        last = Instant::now();
    }
    // MCP's word for a session that is over, at which a client opens another.
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    assert_eq!(server.post(Some(&idle), &ping).await.status(), StatusCode::NOT_FOUND);
    assert!(server.lives(&listening).await);
    drop(stream);
    // Each look is a use.
    let mut looks = 0;
    while server.lives(&listening).await {
        looks += 1;
        assert!(looks < 10, "it lives on");
        tokio::time::sleep(idle_for * 2).await;
    }
}

#[tokio::test]
async fn share_of_one_address_leaves_room_for_another() {
    let shares = HttpLimits {
        sessions: 3,
        sessions_of_one: 2,
        ..HttpLimits::default()
    };
    let server = Small::start(shares).await;
    let (one, two) = (
        server.begin().await.expect("a session"),
        server.begin().await.expect("a session"),
    );
    let _streams = [server.listen(&one).await, server.listen(&two).await];
    let refused = server.begin().await.expect_err("no session");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    // Another address of loopback is another peer.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.2:0".parse().expect("an address")).expect("bound");
    let mut stream = socket
        .connect(server.address().parse().expect("an address"))
        .await
        .expect("connects");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let body = body.to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 15];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 200 OK");
}

/// How long the server lets a connection stay that sends only this.
async fn lasts(server: &Small, sent: &[u8]) -> (Duration, Vec<u8>) {
    let mut stream = TcpStream::connect(server.address()).await.expect("connects");
    stream.write_all(sent).await.expect("sent");
    let since = tokio::time::Instant::now();
    let mut answer = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    let _ = end.expect("it ends");
    (since.elapsed(), answer)
}

#[tokio::test]
async fn half_a_request_is_not_waited_for_long() {
    let short = HttpLimits {
        head: Duration::from_millis(700),
        body: Duration::from_millis(700),
        ..HttpLimits::default()
    };
    let server = Small::start(short).await;
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: application/json, text/event-stream\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{\"half\":";
    let whole = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (sent, answered) in [
        ("", ""),
        ("G", ""),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        ("POST /mcp HTTP/1.1\r\nhost: local", ""),
        (head, "HTTP/1.1 408"),
        // What was answered and asks no more.
        (whole, "HTTP/1.1 404"),
    ] {
        let (lasted, answer) = lasts(&server, sent.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(lasted < Duration::from_secs(4), "{sent:?}: {lasted:?}");
        assert!(answer.starts_with(answered), "{sent:?}: {answer}");
    }
}

#[tokio::test]
async fn connections_are_bounded_and_those_that_end_make_room() {
    let few = HttpLimits {
        connections: 5,
        connections_of_one: 3,
        ..HttpLimits::default()
    };
    let server = Small::start(few).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(server.address()).await.expect("connects"));
    }
    // Connections are taken in the order in which they come.
    let (lasted, answer) = lasts(&server, b"").await;
    assert!(
        lasted < Duration::from_secs(2) && answer.starts_with(b"HTTP/1.1 503"),
        "{lasted:?}"
    );
    let answer = String::from_utf8_lossy(&answer);
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert!(
        body["error"]["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("3 connections") && text.contains("--max-connections-per-address")),
        "{body}"
    );
    held.pop();
    until_async("room", async || server.begin().await.is_ok()).await;
}
