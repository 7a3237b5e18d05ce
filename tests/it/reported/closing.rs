//! A client that goes while a call of its runs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::server::{KEY, program};

const BEGIN: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"#,
    r#""clientInfo":{"name":"t","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n",
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"create_project","arguments":{"name":"shop","org_id":"org-quiet-sun-12345678"}}}"#,
    "\n"
);

/// An API that takes requests and never answers; it tells of a request that changes something.
fn silent() -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut head) {
                    if head[..length].starts_with(b"POST ") {
                        let _ = tell.send(());
                    } else if head[..length].starts_with(b"GET ") {
                        let nothing =
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                        let _ = stream.write_all(nothing.as_bytes());
                    }
                }
            });
        }
    });
    (url, told)
}

#[test]
fn somebody_closed_the_input_while_a_change_was_running() {
    let place = tempfile::tempdir().unwrap();
    let (url, told) = silent();
    let mut command = program(&["stdio"], &url, KEY).into_std();
    command
        .env("NEON_MCP_STATE_DIR", place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(BEGIN.as_bytes()).unwrap();
    told.recv_timeout(Duration::from_secs(20))
        .expect("the change is under way");
    drop(input);
    let closed = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(closed.elapsed() < Duration::from_secs(10), "it runs on");
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = closed.elapsed();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    let log = std::fs::read_to_string(place.path().join("audit.jsonl")).unwrap();
    let last = log
        .lines()
        .rfind(|line| line.contains("create_project"))
        .expect("it was recorded");
    assert!(last.contains("unknown"), "{last}");
}
