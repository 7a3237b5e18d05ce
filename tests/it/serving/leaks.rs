//! Clients that misbehave: nothing of theirs stays.

use std::time::Duration;

use harness::wait::until;
use neon_mcp::server::http::HttpLimits;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::small::Small;
use super::{modern, post, serve};
use crate::mcp::neon;
use crate::support::fake_neon::FakeNeon;
use crate::support::http::plain;

/// Clients of one kind at once.
const CLIENTS: usize = 40;

fn address(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches("/mcp")
}

/// Connections that send half a head and no more.
async fn slow_loris(address: &str) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..CLIENTS {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let half = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\nx-slow: ";
        stream.write_all(half).await.expect("sent");
        all.push(stream);
    }
    all
}

/// Connections that ask for much, and read nothing.
async fn never_reading(address: &str) -> Vec<TcpStream> {
    let body = modern("tools/list", json!({})).to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: application/json, text/event-stream\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut all = Vec::new();
    for _ in 0..4 {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        let mut stream = socket
            .connect(address.parse().expect("an address"))
            .await
            .expect("connects");
        stream.write_all(request.repeat(60).as_bytes()).await.expect("sent");
        all.push(stream);
    }
    all
}

/// Everything that misbehaves, once. What is given back is still open at the client.
async fn misbehave(url: &str) -> Vec<TcpStream> {
    let address = address(url);
    let mut open = slow_loris(address).await;
    open.extend(never_reading(address).await);
    for _ in 0..CLIENTS {
        let params = json!({"name": "describe_project", "arguments": {"project_id": "x".repeat(5_000)}});
        let answer = post(&plain(), url, "tools/call", params).send().await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 413));
    }
    for _ in 0..200 {
        drop(TcpStream::connect(address).await.expect("connects"));
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_clients_that_misbehave_end() {
    let upstream = FakeNeon::route(neon).await;
    let limits = HttpLimits {
        head: Duration::from_millis(500),
        body: Duration::from_millis(500),
        body_bytes: 4_096,
        ..HttpLimits::default()
    };
    let server = Small::start(&upstream, limits).await;
    // What is made once.
    drop(misbehave(&server.url).await);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut before = usize::MAX;
    until("a quiet server", || std::mem::replace(&mut before, tasks()) == tasks()).await;
    let open = misbehave(&server.url).await;
    until("the end of their tasks", || tasks() <= before).await;
    drop(open);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn descriptors_and_memory_of_clients_that_misbehave_are_free_again() {
    let upstream = FakeNeon::route(neon).await;
    let flags = [
        "--header-timeout-seconds",
        "1",
        "--body-timeout-seconds",
        "1",
        "--max-body-bytes",
        "4096",
    ];
    let server = serve(&upstream, &flags).await;
    let id = server.child.id().expect("an id");
    let descriptors = || {
        std::fs::read_dir(format!("/proc/{id}/fd"))
            .expect("descriptors")
            .count()
    };
    let kilobytes = || -> usize {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a size");
        line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
    };
    let idle = descriptors();
    // What is made once: schemas, the list, room in the allocator.
    for _ in 0..2 {
        let open = misbehave(&server.url).await;
        until("their end", || descriptors() <= idle + 1).await;
        drop(open);
    }
    let before = kilobytes();
    for _ in 0..3 {
        let open = misbehave(&server.url).await;
        until("their end", || descriptors() <= idle + 1).await;
        drop(open);
    }
    let after = kilobytes();
    eprintln!("resident: {before} kB before, {after} kB after");
    assert!(after < before + 8 * 1024, "{before} kB before, {after} kB after");
}
