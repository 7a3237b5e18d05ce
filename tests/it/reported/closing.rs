//! A client that goes while a call of its runs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

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

/// An API whose every answer takes this long; one of them lists a project.
fn slow(pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                while let Ok(1..) = stream.read(&mut head) {
                    std::thread::sleep(pause);
                    let body = r#"{"projects":[{"id":"plain-moon-12345678","name":"shop"}],"organizations":[{"id":"org-quiet-sun-12345678","name":"o"}]}"#;
                    let length = body.len();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                    );
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    url
}

/// Gives a server all that it gets at once, and closes its input: the ids that it answers, and its audit log.
fn piped(url: &str, arguments: &[&str], lines: &[Value]) -> (Vec<Value>, String) {
    let place = tempfile::tempdir().unwrap();
    let mut command = program(arguments, url, KEY).into_std();
    command
        .env("NEON_MCP_STATE_DIR", place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let log = std::fs::read_to_string(place.path().join("audit.jsonl")).unwrap_or_default();
    (answers, log)
}

fn request(id: u32, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn hello() -> Value {
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    request(1, "initialize", params)
}

#[test]
fn somebody_piped_all_messages_at_once_and_read_on() {
    let url = slow(Duration::from_millis(300));
    // Without an organization, each call asks first which there are: two answers of the API for one of ours.
    let (answers, _) = piped(
        &url,
        &["stdio"],
        &[
            hello(),
            request(2, "tools/list", json!({})),
            request(3, "tools/call", json!({"name": "list_projects", "arguments": {}})),
            request(4, "tools/call", json!({"name": "list_projects", "arguments": {}})),
        ],
    );
    let mut ids: Vec<u64> = answers.iter().filter_map(|answer| answer["id"].as_u64()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4], "{answers:?}");
    let called = answers.iter().find(|answer| answer["id"] == 3).unwrap();
    assert!(
        called["result"]["isError"] != true && called.to_string().contains("plain-moon-12345678"),
        "{called}"
    );
}

#[test]
fn somebody_piped_a_change_that_takes_longer_than_anyone_waits() {
    let url = slow(Duration::from_secs(5));
    let change = json!({"name": "create_project", "arguments": {"name": "shop"}});
    let (answers, log) = piped(
        &url,
        &["stdio", "--org-id", "org-quiet-sun-12345678"],
        &[hello(), request(2, "tools/call", change)],
    );
    assert_eq!(answers[0]["id"], 1, "{answers:?}");
    let last = log
        .lines()
        .rfind(|line| line.contains("create_project"))
        .expect("it was recorded");
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["outcome"], "unknown", "{last}");
}
