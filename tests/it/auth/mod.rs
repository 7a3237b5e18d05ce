//! Who may call over HTTP: tokens of our own, an OAuth issuer's, and callers' own Neon keys.

mod bearer;
pub mod issuer;
mod map;
mod neon_key;
mod oauth;
mod opaque;
mod reloads;
mod scopes;
mod strangers;

pub use bearer::made;

use std::path::Path;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::http::{OverHttp, plain};
use crate::support::server::{Era, KEY, TestClient, call, program};

pub const PROJECT: &str = "quiet-sun-12345678";

/// A Neon with one project.
fn neon(request: &Recorded) -> Reply {
    let project = json!({"id": PROJECT, "name": "shop"});
    let branch = json!({"id": "br-root", "project_id": PROJECT, "name": "main", "default": true, "protected": false});
    match request.path().rsplit('/').next().unwrap_or_default() {
        "auth" => Reply::json(200, json!({"auth_method": "api_key_user", "account_id": "a"})),
        "api_keys" => Reply::json(200, json!([])),
        _ => Reply::json(
            200,
            json!({"project": project, "projects": [project], "branch": branch, "branches": [branch], "operations": [],
                "endpoints": [], "pagination": {}}),
        ),
    }
}

/// A server that tells its callers apart.
async fn serve(upstream: &FakeNeon, more: &[&str], state: &Path) -> OverHttp {
    serve_as(upstream, more, state, KEY).await
}

async fn serve_as(upstream: &FakeNeon, more: &[&str], state: &Path, key: &str) -> OverHttp {
    let anywhere: &[&str] = match more.contains(&"--listen") {
        true => &[],
        false => &["--listen", "127.0.0.1:0"],
    };
    let arguments = [&["http"], anywhere, more].concat();
    OverHttp::start(program(&arguments, &upstream.url(), key), state).await
}

/// A request with that body, and what it shows.
async fn post(server: &OverHttp, shown: &[&str], era: Era, body: &Value) -> Response {
    let mut request = plain().post(&server.url);
    for value in shown {
        request = request.header("authorization", *value);
    }
    if era == Era::Modern {
        request = request.header("mcp-protocol-version", "2026-07-28");
        request = request.header("mcp-method", body["method"].as_str().expect("a method"));
        if let Some(name) = body["params"]["name"].as_str() {
            request = request.header("mcp-name", name);
        }
    }
    let request = request.header("accept", "application/json, text/event-stream");
    request.json(body).send().await.expect("an answer")
}

/// Asks for a session, with this shown.
async fn begin(server: &OverHttp, shown: &[&str]) -> Response {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    post(server, shown, Era::Legacy, &body).await
}

/// The status and the challenge of a request with that token.
async fn answered(server: &OverHttp, token: &str) -> (StatusCode, String) {
    let answer = begin(server, &[&format!("Bearer {token}")]).await;
    challenge(&answer)
}

fn challenge(answer: &Response) -> (StatusCode, String) {
    let asks = answer.headers().get("www-authenticate");
    let asks = asks.map(|asks| asks.to_str().expect("a text").to_owned());
    (answer.status(), asks.unwrap_or_default())
}

/// A call of a tool, in that era.
fn calling(tool: &str, arguments: &Value, era: Era) -> Value {
    let mut body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments}});
    if era == Era::Modern {
        body["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    body
}

/// Whether a real client with that token gets in and reads, in both eras.
async fn gets_in(server: &mut OverHttp, token: &str) {
    server.token = Some(token.to_owned());
    for era in [Era::Legacy, Era::Modern] {
        let client = server.client(TestClient::alone(), era).await;
        let (value, is_error) = call(&client, "describe_project", json!({"project_id": PROJECT})).await;
        assert!(!is_error, "{era:?}: {value}");
    }
}

/// Ends a server as its operator does, and gives what it said on standard error.
pub async fn ended(mut server: OverHttp) -> String {
    let id = server.child.id().expect("an id").to_string();
    let killed = tokio::process::Command::new("kill").args(["-TERM", &id]).status().await;
    assert!(killed.expect("kill").success());
    let mut said = String::new();
    let mut stderr = server.child.stderr.take().expect("stderr");
    stderr.read_to_string(&mut said).await.expect("text");
    assert!(server.child.wait().await.expect("ends").success());
    said
}
