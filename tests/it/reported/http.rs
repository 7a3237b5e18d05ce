//! HTTP's edges: what is no message, no path and no session, what is no setting, and a stop in the middle of a change.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::http::{OverHttp, plain};
use crate::support::server::{KEY, program, state_home};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

async fn server(api: &str) -> OverHttp {
    let command = program(
        &["http", "--listen", "127.0.0.1:0", "--no-auth", "--toolsets", "all"],
        api,
        KEY,
    );
    OverHttp::start(command, &state_home()).await
}

async fn nowhere() -> OverHttp {
    server("http://127.0.0.1:1/api/v2").await
}

fn post(url: &str) -> reqwest::RequestBuilder {
    let request = plain().post(url).header("content-type", "application/json");
    request.header("accept", "application/json, text/event-stream")
}

#[tokio::test]
async fn somebody_posted_what_is_no_message() {
    let server = nowhere().await;
    for (body, status, code) in [
        ("{", 400, -32_700),
        ("", 400, -32_700),
        ("garbage", 400, -32_700),
        ("\u{1}", 400, -32_700),
        ("[]", 400, -32_600),
        ("{}", 400, -32_600),
        ("null", 400, -32_600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, 400, -32_600),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":5}}"#,
            200,
            -32_602,
        ),
    ] {
        let answer = post(&server.url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{body}");
        // JSON-RPC 2.0, section 5: the id is there, and null, where none could be read.
        let id = if code == -32_602 { json!(7) } else { Value::Null };
        assert_eq!(answer.get("id"), Some(&id), "{body}");
    }
    // What no session asked for.
    let nobodys = post(&server.url).header("mcp-protocol-version", "2026-07-28");
    let answer = nobodys
        .body(r#"{"jsonrpc":"2.0","id":9,"result":{}}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer.get("id"), Some(&Value::Null), "{answer}");
    assert_eq!(answer["error"]["code"], -32_600, "{answer}");
    let answer = plain()
        .post(&server.url)
        .header("content-type", "text/plain")
        .body("{")
        .send();
    assert_eq!(answer.await.unwrap().status(), 406);
}

#[tokio::test]
async fn somebody_posted_a_name_twice() {
    let server = nowhere().await;
    for (body, place) in super::wire::TWICE {
        let answer = post(&server.url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"]["code"], -32_700, "{body}: {answer}");
        let text = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(text.contains(&format!("{place} ")), "{body}: {answer}");
    }
}

/// Requests that would be answered in many ways, were they from here.
fn of_many_kinds(origin: &str) -> Vec<(&'static str, reqwest::RequestBuilder)> {
    let mcp = format!("{origin}/mcp");
    vec![
        ("a message", post(&mcp).body(HELLO)),
        ("no JSON", post(&mcp).body("{")),
        ("no", post(&mcp)),
        ("a name twice", post(&mcp).body(r#"{"jsonrpc":"2.0","id":1,"id":2}"#)),
        (
            "another type",
            plain().post(&mcp).header("content-type", "text/plain").body("{"),
        ),
        ("too large", post(&mcp).body(vec![b' '; 2 * 1024 * 1024])),
        ("a setting", post(&format!("{mcp}?readonly=true")).body(HELLO)),
        ("a header", post(&mcp).header("x-neon-mcp-readonly", "true").body(HELLO)),
        ("no session", post(&mcp).header("mcp-session-id", "x").body(HELLO)),
        ("another path", post(&format!("{origin}/nothing")).body(HELLO)),
        ("a path below", plain().get(format!("{mcp}/more"))),
        ("the root", plain().get(format!("{origin}/"))),
        ("another method", plain().put(&mcp)),
        ("a stream", plain().get(&mcp)),
        ("an end", plain().delete(&mcp).header("mcp-session-id", "x")),
        ("a preflight", plain().request(reqwest::Method::OPTIONS, &mcp)),
    ]
}

#[tokio::test]
async fn somebody_elses_page_asked_and_learned_nothing() {
    // With a token and without one.
    for arguments in [
        &["http", "--listen", "127.0.0.1:0"][..],
        &["http", "--listen", "127.0.0.1:0", "--no-auth"],
    ] {
        let command = program(arguments, "http://127.0.0.1:1/api/v2", KEY);
        let server = OverHttp::start(command, &state_home()).await;
        let mut first = None;
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("host", "evil.example"),
        ] {
            for (what, request) in of_many_kinds(server.origin()) {
                let answer = match request.header(name, value).send().await {
                    Ok(answer) => answer,
                    // The connection may be closed before all of it is written.
                    Err(error) if what == "too large" && error.is_request() => continue,
                    Err(error) => panic!("{what} from {value}: {error}"),
                };
                let status = answer.status();
                assert_eq!(status, StatusCode::FORBIDDEN, "{what} from {value}");
                let mut names: Vec<String> = answer.headers().keys().map(ToString::to_string).collect();
                names.sort();
                // The same word for word, whatever was asked for.
                let said = (names, answer.text().await.unwrap());
                assert_eq!(first.get_or_insert_with(|| said.clone()), &said, "{what} from {value}");
            }
        }
        // Of who comes from here without the token, all is refused alike, too.
        if server.token.is_some() {
            for (what, request) in of_many_kinds(server.origin()) {
                match request.send().await {
                    Ok(answer) => assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{what}"),
                    Err(error) => assert!(what == "too large" && error.is_request(), "{what}: {error}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn somebody_asked_for_other_paths_and_sessions() {
    let server = nowhere().await;
    for path in ["/mcp/more", "/mcp/more/", "/mcpx", "/", "/sse", "/mcp//"] {
        let answer = post(&format!("{}{path}", server.origin()))
            .body(HELLO)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    let end = |session: &str| {
        let request = plain().delete(&server.url).header("mcp-session-id", session);
        request.header("mcp-protocol-version", "2025-11-25").send()
    };
    assert_eq!(end("of-another-server").await.unwrap().status(), 404);
    let hello = post(&server.url).body(HELLO).send().await.unwrap();
    let session = hello.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    assert_eq!(end(&session).await.unwrap().status(), 204);
    assert_eq!(end(&session).await.unwrap().status(), 404);
}

#[tokio::test]
async fn somebody_copied_settings_from_another_server() {
    let server = nowhere().await;
    for query in [
        "?readonly",
        "?readonly=perhaps",
        "?projectId=x/y",
        "?category=querying&read=true",
        "?=",
        "?%72eadnly=1",
    ] {
        let answer = post(&format!("{}{query}", server.url))
            .body(HELLO)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        let text = answer.text().await.unwrap();
        assert!(
            text.contains("the query parameter") && text.contains("Nothing was run"),
            "{text}"
        );
    }
    for header in ["X-Neon-MCP-Readnly", "x-neon-project-id", "X-Neon-MCP-Project"] {
        let answer = post(&server.url)
            .header(header, "true")
            .body(HELLO)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{header}");
        assert!(
            answer.text().await.unwrap().contains(&header.to_lowercase()),
            "{header}"
        );
    }
    assert!(
        post(&server.url)
            .body(HELLO)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
}

#[tokio::test]
async fn somebody_broke_the_framing_of_a_body() {
    let server = nowhere().await;
    let address = server.origin().trim_start_matches("http://").to_owned();
    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-5\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n",
        "2\r\n{}xx\r\n0\r\n\r\n",
        "5\r\n{}",
    ] {
        let mut client = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut answer)).await;
        read.expect("an end").ok();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{body:?}: {answer}"
        );
    }
    assert_eq!(
        post(&server.url).body(HELLO).send().await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn somebody_stopped_a_server_in_the_middle_of_a_change() {
    // An upstream that takes the change and never answers.
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}/api/v2", upstream.local_addr().unwrap());
    let server = server(&api).await;
    let hello = post(&server.url).body(HELLO).send().await.unwrap();
    let session = hello.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "create_project", "arguments": {"name": "p", "org_id": "org-plain-moon-12345678"}}});
    let changing = post(&server.url)
        .header("mcp-session-id", session)
        .header("mcp-protocol-version", "2025-11-25")
        .body(call.to_string())
        .send();
    let changing = tokio::spawn(changing);
    let (mut taken, _) = upstream.accept().await.unwrap();
    let mut some = [0; 64];
    taken.read_exact(&mut some).await.unwrap();
    assert!(some.starts_with(b"POST "), "{}", String::from_utf8_lossy(&some));
    let pid = rustix::process::Pid::from_raw(server.child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let answer = changing.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    // As one event of a stream, or by itself.
    let text = answer.text().await.unwrap();
    let text = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("data:"))
        .unwrap_or(&text);
    let answer: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let error = &answer["result"]["structuredContent"]["error"];
    assert_eq!(error["changed"], "unknown", "{answer}");
    assert!(
        error["next"].as_str().unwrap_or_default().contains("list_projects"),
        "{answer}"
    );
}
