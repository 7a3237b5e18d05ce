//! `neon-mcp http` for many: where it listens, what it takes of clients, how it ends, and what it reads again.

mod bounds;
mod ends;
mod health;
mod leaks;
mod listens;
mod lost;
mod proxies;
mod reloads;
mod sleeping;
pub mod small;
mod tls;

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::Child;

use crate::support::fake_neon::FakeNeon;
use crate::support::http::OverHttp;
use crate::support::server::{KEY, program, state_home};

const PROJECT: &str = "quiet-sun-12345678";

/// A server without a token on that upstream, with these flags.
async fn serve(upstream: &FakeNeon, flags: &[&str]) -> OverHttp {
    let all = [&["http", "--listen", "127.0.0.1:0", "--no-auth"][..], flags].concat();
    OverHttp::start(program(&all, &upstream.url(), KEY), &state_home()).await
}

/// A message of 2026-07-28.
fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

/// A request of 2026-07-28, which needs no session.
fn post(client: &reqwest::Client, url: &str, method: &str, params: Value) -> reqwest::RequestBuilder {
    let mut request = client
        .post(url)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    if let Some(name) = params.get("name").and_then(Value::as_str) {
        request = request.header("mcp-name", name.to_owned());
    }
    request.json(&modern(method, params))
}

/// A look at the project.
fn look(client: &reqwest::Client, url: &str) -> reqwest::RequestBuilder {
    let params = json!({"name": "describe_project", "arguments": {"project_id": PROJECT}});
    post(client, url, "tools/call", params)
}

/// Sends a signal, as `kill` has it.
async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("an id").to_string();
    let killed = tokio::process::Command::new("kill").args([name, &id]).status().await;
    assert!(killed.expect("kill").success());
}

/// What a server says on standard error to its end.
async fn said(server: &mut OverHttp) -> String {
    let mut said = String::new();
    let mut stderr = server.child.stderr.take().expect("stderr");
    stderr.read_to_string(&mut said).await.expect("text");
    said
}

/// What a program says that doesn't start.
async fn refused(flags: &[&str]) -> String {
    let all = [&["http"][..], flags].concat();
    let output = program(&all, "http://127.0.0.1:1", KEY).output().await.expect("runs");
    assert_eq!(output.status.code(), Some(1), "{flags:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a file that only its owner reads, whole at once.
fn put(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let aside = path.with_extension("new");
    std::fs::write(&aside, text).expect("written");
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    std::fs::rename(&aside, path).expect("in place");
}
