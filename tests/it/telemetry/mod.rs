//! What a server tells its operator: metrics, traces, lines of its log; and that none of it tells a secret.

mod canaries;
mod collector;
mod deployment;
mod lines;
mod metrics;
mod traces;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use harness::wait::until;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::support::http::{OverHttp, plain};
use crate::support::server::{KEY, program, state_home};

/// A server over HTTP whose log is read.
struct Watched {
    http: OverHttp,
    log: Arc<Mutex<Vec<u8>>>,
    state: PathBuf,
}

impl Watched {
    /// A server without a token on that API, with these variables and arguments beside the usual.
    async fn start(api: &str, key: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let usual = ["http", "--listen", "127.0.0.1:0", "--no-auth"];
        let mut command = program(&[&usual, arguments].concat(), api, key);
        command.envs(variables.iter().copied());
        Self::run(command).await
    }

    async fn run(command: Command) -> Self {
        let state = state_home();
        let mut http = OverHttp::start(command, &state).await;
        let log = Arc::new(Mutex::new(Vec::new()));
        let (told, mut stderr) = (log.clone(), http.child.stderr.take().unwrap());
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1_024];
            while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
                told.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { http, log, state }
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// Where its metrics are.
    async fn metrics_url(&self) -> String {
        let url = || {
            let log = self.log();
            let rest = log.split_once("metrics at ")?.1;
            let end = rest.find(|character: char| character.is_whitespace() || character == '"')?;
            Some(rest[..end].to_owned())
        };
        until("the address of the metrics", || url().is_some()).await;
        url().unwrap()
    }

    /// Ends it by a signal to stop, and waits.
    async fn stop(&mut self) {
        let id = self.http.child.id().unwrap().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(killed.success());
        let ended = tokio::time::timeout(std::time::Duration::from_secs(15), self.http.child.wait()).await;
        assert!(ended.expect("it ends").unwrap().success(), "{}", self.log());
    }
}

/// A call of a 2026-07-28 client, with this beside the usual in its `_meta`.
fn call_body(tool: &str, arguments: &Value, meta: &Value) -> Value {
    let mut body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }}});
    for (name, value) in meta.as_object().unwrap() {
        body["params"]["_meta"][name] = value.clone();
    }
    body
}

/// Sends it.
async fn post(url: &str, body: &Value, headers: &[(&str, &str)]) -> String {
    let mut request = plain()
        .post(url)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", body["params"]["name"].as_str().unwrap())
        .body(body.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

const PROJECT: &str = "quiet-sun-12345678";

/// A server on that API, with metrics.
async fn measured(api: &str) -> Watched {
    Watched::start(api, KEY, &["--metrics-listen", "127.0.0.1:0"], &[]).await
}
