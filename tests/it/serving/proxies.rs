//! Proxies in front: whose requests are whose, and by which name the server is reached.

use neon_mcp::server::http::{Hops, HttpLimits, Reach};
use serde_json::{Value, json};

use super::small::{Small, here};
use crate::mcp::neon;
use crate::support::fake_neon::FakeNeon;

/// A server that any number of addresses may open one session each on, behind proxies at these.
async fn behind(networks: &[&str]) -> Small {
    let networks: Vec<String> = networks.iter().map(|network| (*network).to_owned()).collect();
    let reach = Reach {
        public: Some("https://mcp.example.com".parse().expect("a URL")),
        hops: Hops::parse(&networks).expect("networks"),
        ..here()
    };
    let limits = HttpLimits {
        sessions_of_one: 1,
        ..HttpLimits::default()
    };
    Small::reached(reach, &FakeNeon::route(neon).await, limits).await
}

fn hello() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
}

/// Opens a session that stays in use, as one whom a proxy passes on with that header. The status.
async fn open(server: &Small, forwarded: &str, streams: &mut Vec<reqwest::Response>) -> u16 {
    let request = server.post(None, &hello()).header("x-forwarded-for", forwarded);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    if let Some(id) = answer.headers().get("mcp-session-id") {
        let listen = crate::support::http::plain()
            .get(&server.url)
            .header("accept", "text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .header("mcp-session-id", id)
            .header("x-forwarded-for", forwarded);
        let stream = listen.send().await.expect("an answer");
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    status
}

#[tokio::test]
async fn limits_count_the_client_behind_a_known_proxy() {
    let server = behind(&["127.0.0.0/8"]).await;
    let mut streams = Vec::new();
    assert_eq!(open(&server, "192.0.2.1", &mut streams).await, 200);
    assert_eq!(open(&server, "192.0.2.2", &mut streams).await, 200);
    // What the client wrote itself stands before what its proxy added.
    assert_eq!(open(&server, "198.51.100.9, 192.0.2.2", &mut streams).await, 503);
    assert_eq!(open(&server, "192.0.2.1", &mut streams).await, 503);
}

#[tokio::test]
async fn forwarding_headers_of_nobodys_proxy_say_nothing() {
    let server = behind(&["10.0.0.0/8"]).await;
    let mut streams = Vec::new();
    assert_eq!(open(&server, "192.0.2.1", &mut streams).await, 200);
    assert_eq!(open(&server, "192.0.2.2", &mut streams).await, 503);
}

#[tokio::test]
async fn public_name_and_its_origin_are_the_servers_own() {
    let server = behind(&["127.0.0.1"]).await;
    for (host, origin, status) in [
        ("mcp.example.com", None, 200),
        ("localhost", None, 200),
        ("mcp.example.com", Some("https://mcp.example.com"), 200),
        ("evil.example", None, 403),
        ("mcp.example.com", Some("https://evil.example"), 403),
        ("mcp.example.com", Some("http://mcp.example.com"), 403),
    ] {
        let mut request = super::post(&crate::support::http::plain(), &server.url, "tools/list", json!({}));
        request = request.header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{host} {origin:?}");
    }
}

/// An address of this machine that isn't loopback; nothing where it has none.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system says from where it would be.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

#[tokio::test]
async fn who_comes_past_the_proxy_in_clear_text_is_served_nothing() {
    let Some(own) = own_address() else {
        eprintln!("not tested: this machine has no address but loopback");
        return;
    };
    for (network, is_served) in [(own.to_string(), true), ("10.99.0.0".to_owned(), false)] {
        let reach = Reach {
            public: Some("https://mcp.example.com".parse().expect("a URL")),
            hops: Hops::parse(&[format!("{network}/32")]).expect("networks"),
            callers_are_known: true,
            ..Reach::at("0.0.0.0:0".parse().expect("an address"))
        };
        let server = Small::reached(reach, &FakeNeon::route(neon).await, HttpLimits::default()).await;
        let elsewhere = server.url.replace("0.0.0.0", &own.to_string());
        let asked = |path: &str| {
            let url = elsewhere.replace("/mcp", path);
            let request = crate::support::http::plain()
                .post(url)
                .header("host", "mcp.example.com");
            request
                .header("accept", "application/json, text/event-stream")
                .json(&hello())
                .send()
        };
        let answer = asked("/mcp").await.expect("an answer");
        assert_eq!(answer.status().as_u16(), if is_served { 200 } else { 403 });
        if !is_served {
            let said = answer.text().await.expect("text");
            assert!(said.contains("--behind-proxy"), "{said}");
            let probe = crate::support::http::plain().get(elsewhere.replace("/mcp", "/healthz"));
            assert_eq!(probe.send().await.expect("an answer").status().as_u16(), 200);
        }
    }
}

#[tokio::test]
async fn log_of_requests_from_elsewhere_names_what_came_and_is_no_flood() {
    let upstream = FakeNeon::route(neon).await;
    let mut server = super::serve(&upstream, &[]).await;
    let client = crate::support::http::plain();
    let long = format!("evil{}.example", "x".repeat(4_000));
    for (name, value) in [
        ("host", "evil\".example"),
        ("host", &long),
        ("origin", "https://evil.example"),
    ] {
        for _ in 0..40 {
            let request = super::post(&client, &server.url, "tools/list", json!({})).header(name, value);
            assert_eq!(request.send().await.expect("an answer").status(), 403);
        }
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    }
    super::signal(&server.child, "-TERM").await;
    let said = super::said(&mut server).await;
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("from elsewhere")).collect();
    assert!((3..=12).contains(&lines.len()), "{} lines: {said}", lines.len());
    assert!(lines.iter().all(|line| line.len() < 500), "{said}");
    assert!(
        lines[0].contains(r#"Host is "evil\".example""#) && lines[0].contains("localhost, 127.0.0.1"),
        "{said}"
    );
    let last = lines.last().expect("a line");
    assert!(last.contains(r#"Origin is "https://evil.example""#), "{said}");
    let left_out = |line: &&str| line.contains("left_out=") && !line.contains("left_out=0");
    assert!(lines.iter().any(left_out), "{said}");
}
