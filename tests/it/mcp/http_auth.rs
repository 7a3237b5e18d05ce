//! Who is let in over HTTP: whoever shows the token.

use harness::assert_worded;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::{PROJECT, neon};
use crate::support::fake_neon::FakeNeon;
use crate::support::http::{OverHttp, plain};
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};

const LISTEN: [&str; 3] = ["http", "--listen", "127.0.0.1:0"];

async fn serve(upstream: &FakeNeon, more: &[&str], state: &Path) -> OverHttp {
    OverHttp::start(program(&[&LISTEN[..], more].concat(), &upstream.url(), KEY), state).await
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
}

/// Asks for a session, with this shown.
async fn begin(server: &OverHttp, shown: &[&str]) -> reqwest::Response {
    let mut request = plain().post(&server.url);
    for value in shown {
        request = request.header("authorization", *value);
    }
    let request = request.header("accept", "application/json, text/event-stream");
    request.json(&initialize()).send().await.expect("an answer")
}

/// Ends the server as its operator does, and gives what it said on standard error.
async fn stop(mut server: OverHttp) -> String {
    let id = server.child.id().expect("an id").to_string();
    let killed = tokio::process::Command::new("kill").args(["-TERM", &id]).status().await;
    assert!(killed.expect("kill").success());
    let mut said = String::new();
    let mut stderr = server.child.stderr.take().expect("stderr");
    stderr.read_to_string(&mut said).await.expect("text");
    assert!(server.child.wait().await.expect("ends").success());
    said
}

#[tokio::test]
async fn token_of_a_run_lets_in_and_nothing_else_does() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let server = serve(&upstream, &[], &state).await;
    let token = server.token.clone().expect("a token");
    assert_eq!(token.len(), 43, "256 bits");
    let files: Vec<_> = std::fs::read_dir(state.join("neon-mcp"))
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "token"))
        .collect();
    assert_eq!(files.len(), 1);
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&files[0]), mode(&state.join("neon-mcp"))), (0o600, 0o700));
    let right = format!("Bearer {token}");
    let other = format!("Bearer {}", token.chars().rev().collect::<String>());
    for wrong in [
        vec![],
        vec![""],
        vec![token.as_str()],
        vec!["Bearer"],
        vec![&right[..right.len() - 1]],
        vec![&other],
        vec!["Basic bmVvbjpuZW9u"],
        vec![&right, &right],
        vec![&other, &right],
    ] {
        let answer = begin(&server, &wrong).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{wrong:?}");
        assert!(answer.headers().get("mcp-session-id").is_none());
        // Whoever showed one token, and another one, isn't asked for it as if they had shown none.
        let is_another = wrong == [&right[..right.len() - 1]] || wrong == [other.as_str()];
        let asks = answer.headers()["www-authenticate"].to_str().expect("text");
        let expected = match is_another {
            true => "Bearer error=\"invalid_token\", error_description=\"it is not the token of this server\"",
            false => "Bearer",
        };
        assert_eq!(asks, expected, "{wrong:?}");
        let text = answer.text().await.expect("text");
        assert_eq!(text.contains("Authorization: Bearer"), !is_another, "{text}");
        assert!(!text.contains(&token), "{text}");
    }
    // Whatever else is asked of it, but for the page, which has a secret of its own.
    for (method, path) in [
        (Method::GET, "/mcp"),
        (Method::DELETE, "/mcp"),
        (Method::OPTIONS, "/mcp"),
        (Method::POST, "/mcp/"),
        (Method::POST, "/mcp/x"),
        (Method::GET, "/"),
        (Method::GET, "/metrics"),
        (Method::GET, "/.well-known/oauth-protected-resource"),
        (Method::POST, "/approve"),
    ] {
        let asked = plain().request(method.clone(), format!("{}{path}", server.origin()));
        let answer = asked.header("mcp-session-id", "x").send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    let page = plain().get(format!("{}/approve/BCDF-GHJK", server.origin()));
    assert_eq!(page.send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
    assert_eq!(begin(&server, &[&right]).await.status(), StatusCode::OK);
    assert_eq!(upstream.count(), 0);
    // Without a log, too, the start says how clients get in; and the end takes the file away.
    let said = stop(server).await;
    let path = files[0].display().to_string();
    assert!(
        said.contains(&path) && said.contains("Authorization: Bearer") && !said.contains(&token),
        "{said}"
    );
    assert!(!files[0].exists());
}

#[tokio::test]
async fn body_of_a_request_without_the_token_is_not_waited_for() {
    use tokio::io::AsyncWriteExt as _;
    let upstream = FakeNeon::route(neon).await;
    let server = serve(&upstream, &[], &state_home()).await;
    let mut stream = tokio::net::TcpStream::connect(server.origin().trim_start_matches("http://"))
        .await
        .expect("connects");
    let head =
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_exact(&mut answer));
    read.await.expect("at once").expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 401");
}

#[tokio::test]
async fn own_token_of_the_operator_lets_in_and_is_no_other_after_a_restart() {
    let upstream = FakeNeon::route(neon).await;
    let state = state_home();
    let file = state.join("token");
    std::fs::write(&file, " own-token_of.the~operator+/=\n").expect("a token");
    let file = file.to_str().expect("a path");
    for _ in 0..2 {
        let mut server = serve(&upstream, &["--auth-token-file", file], &state).await;
        assert!(server.token.is_none(), "none is made");
        assert_eq!(begin(&server, &[]).await.status(), StatusCode::UNAUTHORIZED);
        server.token = Some("own-token_of.the~operator+/=".to_owned());
        for era in [Era::Legacy, Era::Modern] {
            let client = server.client(TestClient::alone(), era).await;
            let (value, is_error) = call(&client, "describe_project", json!({"project_id": PROJECT})).await;
            assert!(!is_error, "{value}");
        }
        let said = stop(server).await;
        assert!(said.contains(file) && !said.contains("own-token"), "{said}");
    }
}

#[tokio::test]
async fn without_a_token_the_start_says_so() {
    let upstream = FakeNeon::route(neon).await;
    for (more, variable) in [(vec!["--no-auth"], None), (vec![], Some(("NEON_MCP_NO_AUTH", "true")))] {
        let mut command = program(&[&LISTEN[..], &more].concat(), &upstream.url(), KEY);
        command.env("NEON_MCP_LOG", "off");
        if let Some((name, value)) = variable {
            command.env(name, value);
        }
        let server = OverHttp::start(command, &state_home()).await;
        assert!(server.token.is_none());
        assert_eq!(begin(&server, &[]).await.status(), StatusCode::OK);
        let said = stop(server).await;
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("--no-auth"), "{said}");
        assert_worded!("cli", "server without authorization", said);
    }
}

#[tokio::test]
async fn token_that_is_none_stops_the_start() {
    let state = state_home();
    let file = state.join("token");
    let path = file.to_str().expect("a path").to_owned();
    for text in [
        "",
        "short",
        "two words that are long enough",
        "zwölf-und-noch-mehr-zeichen",
    ] {
        std::fs::write(&file, text).expect("a token");
        let mut command = program(
            &[&LISTEN[..], &["--auth-token-file", &path]].concat(),
            "http://127.0.0.1:1",
            KEY,
        );
        let output = command.output().await.expect("runs");
        assert_eq!(output.status.code(), Some(1), "{text}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains(&path) && (text.is_empty() || !said.contains(text)),
            "{said}"
        );
    }
    for (more, says) in [
        (vec!["--auth-token-file", "/nowhere/token"], "/nowhere/token"),
        (
            vec!["--auth-token-file", path.as_str(), "--no-auth"],
            "exclude each other",
        ),
    ] {
        let mut command = program(&[&LISTEN[..], &more].concat(), "http://127.0.0.1:1", KEY);
        let output = command.output().await.expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(says), "{said}");
    }
    // No place to put one, and nothing said about it.
    let mut command = program(&LISTEN, "http://127.0.0.1:1", KEY);
    let output = command.env_remove("XDG_STATE_HOME").output().await.expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && said.contains("--no-auth") || said.contains("--auth-token-file"),
        "{said}"
    );
}
