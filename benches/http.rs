//! What the server costs over HTTP beside a bare one: requests a second at 64 connections, and memory of 10,000 idle sessions. Fails
//! when it is too much.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs
)]

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Connections at once.
const CONNECTIONS: usize = 64;

/// How long each server is asked in a round, and how many rounds there are: they take turns.
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

/// The least share of the bare server's rate.
const LEAST: f64 = 0.85;

/// The sessions that idle, and the most memory that one may cost.
const SESSIONS: usize = 10_000;
const MAX_SESSION_KB: f64 = 8.0;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if let Some(at) = arguments.iter().position(|argument| argument == "--bare") {
        runtime.block_on(bare(&arguments[at + 1]));
        return;
    }
    let fine = runtime.block_on(async { rates().await & sessions().await });
    std::process::exit(i32::from(!fine));
}

/// A server that lists tools, and refuses every call with the same words.
#[derive(Clone)]
struct Bare {
    tools: Vec<Tool>,
    refusal: Value,
}

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.clone()))
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut result = CallToolResult::error(vec![ContentBlock::text(self.refusal.to_string())]);
        result.structured_content = Some(self.refusal.clone());
        Ok(result.into())
    }
}

/// Serves what the file holds, and prints where.
async fn bare(file: &str) {
    let given: Value = serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("JSON");
    let server = Bare {
        tools: serde_json::from_value(given["tools"].clone()).expect("tools"),
        refusal: given["refusal"].clone(),
    };
    let config = StreamableHttpServerConfig::default().with_json_response(true);
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let router = axum::Router::new().route_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("http://{}/mcp", listener.local_addr().expect("an address"));
    use axum::serve::ListenerExt as _;
    axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), router)
        .await
        .expect("serves");
}

/// A server that runs, and its address.
async fn started(mut command: Command) -> (Child, String) {
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
        .env("NEON_API_HOST", "http://127.0.0.1:1/api/v2")
        .env("NEON_API_KEY", "sandbox_x");
    command.env("NEON_MCP_LOG", "error");
    let mut child = command.spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let url = lines.next_line().await.expect("a line").expect("a URL");
    (
        child,
        url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned(),
    )
}

fn ours(more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neon-mcp"));
    command.args(["http", "--listen", "127.0.0.1:0", "--no-auth", "--toolsets", "all"]);
    command.args([
        "--calls-per-minute",
        "1000000",
        "--max-calls-per-caller",
        "1000",
        "--max-calls",
        "1000",
    ]);
    command.args(more);
    command
}

/// A request of 2026-07-28.
fn request(method: &str, mut params: Value) -> Vec<u8> {
    let name = params
        .get("name")
        .and_then(Value::as_str)
        .map(|name| format!("mcp-name: {name}\r\n"));
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\n{}\
         content-length: {}\r\n\r\n{body}",
        name.unwrap_or_default(),
        body.len()
    )
    .into_bytes()
}

/// Sends a request on a connection, and reads its whole answer: the body.
async fn answer<'a>(stream: &mut TcpStream, request: &[u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
    stream.write_all(request).await.expect("sent");
    buffer.clear();
    let head = loop {
        assert!(
            stream.read_buf(buffer).await.expect("an answer") > 0,
            "the connection was closed"
        );
        if let Some(at) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = std::str::from_utf8(&buffer[..head])
        .expect("a head")
        .to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200"), "{text}");
    let length = text.split("content-length: ").nth(1).expect("a length");
    let length: usize = length.split("\r\n").next().expect("a line").parse().expect("a number");
    while buffer.len() < head + length {
        assert!(
            stream.read_buf(buffer).await.expect("an answer") > 0,
            "the connection was closed"
        );
    }
    &buffer[head..]
}

/// One request by itself.
async fn once(address: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    answer(&mut stream, request, &mut Vec::new()).await.to_vec()
}

/// Requests a second, with all connections.
async fn rate(address: &str, request: &Arc<Vec<u8>>, round: Duration) -> f64 {
    let count = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (address, request, count) = (address.to_owned(), request.clone(), count.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("connects");
                let _ = stream.set_nodelay(true);
                let mut buffer = Vec::new();
                while began.elapsed() < round {
                    answer(&mut stream, &request, &mut buffer).await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client");
    }
    count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// `tools/list`, and calls that are refused before anything is sent.
async fn rates() -> bool {
    let (_child, own) = started(ours(&[])).await;
    let list = Arc::new(request("tools/list", json!({})));
    // A name is missing.
    let refused = Arc::new(request(
        "tools/call",
        json!({"name": "describe_project", "arguments": {}}),
    ));
    let tools: Value = serde_json::from_slice(&once(&own, &list).await).expect("JSON");
    let refusal: Value = serde_json::from_slice(&once(&own, &refused).await).expect("JSON");
    let refusal = &refusal["result"]["structuredContent"];
    assert!(refusal["error"].is_object(), "{refusal}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let given = json!({"tools": tools["result"]["tools"], "refusal": refusal});
    std::fs::write(file.path(), given.to_string()).expect("written");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("--bare").arg(file.path());
    let (_bare, bare) = started(command).await;
    let mut fine = true;
    for (what, request) in [("tools/list", &list), ("refused calls", &refused)] {
        let (mut ours, mut bares) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let (one, other) = (rate(&own, request, ROUND).await, rate(&bare, request, ROUND).await);
            // The first opens, compiles and fills what is kept.
            if round > 0 {
                ours.push(one);
                bares.push(other);
            }
        }
        let (one, other) = (median(ours), median(bares));
        let share = one / other;
        println!("{what} at {CONNECTIONS} connections: {one:.0} a second, bare {other:.0}, ratio {share:.2}");
        fine &= share >= LEAST;
    }
    fine
}

/// Resident memory with many idle sessions.
async fn sessions() -> bool {
    let most = SESSIONS.to_string();
    let (child, address) = started(ours(&["--max-sessions", &most, "--max-sessions-per-caller", &most])).await;
    let id = child.id().expect("an id");
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}});
    let hello = hello.to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{hello}",
        hello.len()
    );
    let open = async |count: usize| {
        for _ in 0..count {
            let mut stream = TcpStream::connect(&address).await.expect("connects");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.expect("an answer");
            assert!(
                answer.starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    };
    open(500).await;
    let before = resident(id);
    let began = Instant::now();
    open(SESSIONS - 500).await;
    let each = began.elapsed() / (SESSIONS as u32 - 500);
    let after = resident(id);
    let one = after.saturating_sub(before) as f64 / (SESSIONS - 500) as f64;
    println!(
        "{SESSIONS} idle sessions: {after} kB resident, {one:.1} kB each beyond the first 500, {each:?} to open one"
    );
    one <= MAX_SESSION_KB
}

/// Resident memory of a process, in kB.
fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a status");
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    memory.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
