//! What the server costs over a bare one: start, memory, and the time that a call adds. Fails when it is too much.
//!
//! `cargo bench --bench overhead -- --binary FILE` measures another binary than cargo's, as what `packaging/build` makes for a release.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs
)]

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use neon_mcp::catalog::{Catalog, Selection, SelectionOptions};
use neon_mcp::engine::{CallLimits, Engine, Guards, Service};
use neon_mcp::guard::{ApprovalFlow, Policy, Sealer};
use neon_mcp::neon::{Client, ClientConfig, Credential, LimitSettings, Rate, RateLimits, api_base};
use neon_mcp::server::NeonServer;
use rmcp::model::{
    CallToolRequestParams, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

/// How often each server is started, and how many calls are made each way.
const STARTS: usize = 15;
const BATCHES: usize = 10;
const BATCH: usize = 50;

/// The bounds that this bench holds us to: of the start, of idle memory, and of what a call adds.
const MAX_START: f64 = 1.5;
const MAX_IDLE: f64 = 1.35;
const MAX_ADDED: Duration = Duration::from_millis(1);

const PROJECT: &str = "quiet-sun-12345678";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if let Some(at) = arguments.iter().position(|argument| argument == "--bare") {
        runtime.block_on(bare(Path::new(&arguments[at + 1])));
        return;
    }
    let ours = match arguments.iter().position(|argument| argument == "--binary") {
        Some(at) => arguments[at + 1].as_str(),
        None => env!("CARGO_BIN_EXE_neon-mcp"),
    };
    let fine = runtime.block_on(async { startup(ours).await & added().await });
    std::process::exit(i32::from(!fine));
}

/// A server that does nothing but list tools.
struct Bare(Vec<Tool>);

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.0.clone()))
    }
}

async fn bare(tools: &Path) {
    let tools = serde_json::from_slice(&std::fs::read(tools).expect("a file")).expect("tools");
    let running = Bare(tools)
        .serve(rmcp::transport::io::stdio_pipes())
        .await
        .expect("serves");
    running.waiting().await.expect("ends");
}

/// Start to an answered `tools/list` over stdio, and resident memory: idle, and after the first request to Neon.
async fn startup(ours: &str) -> bool {
    let list = Command::new(ours)
        .args(["tools", "--toolsets", "all", "--json"])
        .output()
        .await
        .expect("runs")
        .stdout;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &list).expect("written");
    let own = std::env::current_exe().expect("this program");
    let upstream = upstream().await;
    let (mut our_times, mut bare_times) = (vec![], vec![]);
    let (mut our_memory, mut later_memory, mut bare_memory) = (vec![], vec![], vec![]);
    for _ in 0..STARTS {
        let mut command = Command::new(ours);
        command.args(["stdio", "--toolsets", "all"]).env_clear();
        command
            .env("NEON_API_HOST", &upstream)
            .env("NEON_API_KEY", "napi_x")
            .env("NEON_MCP_LOG", "error");
        let (time, idle, later) = measure(command).await;
        our_times.push(time);
        our_memory.push(idle);
        later_memory.push(later);
        let mut command = Command::new(&own);
        command.arg("--bare").arg(file.path()).env_clear();
        let (time, idle, _) = measure(command).await;
        bare_times.push(time);
        bare_memory.push(idle);
    }
    let (ours, bare) = (median(our_times), median(bare_times));
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!(
        "start to tools/list ({} bytes): {ours:?}, bare {bare:?}, ratio {ratio:.2}",
        list.len()
    );
    let (idle, later, bare) = (median(our_memory), median(later_memory), median(bare_memory));
    let share = |memory: u64| memory as f64 / bare as f64;
    println!("idle memory: {idle} kB, bare {bare} kB, ratio {:.2}", share(idle));
    println!(
        "memory after the first request to Neon: {later} kB, ratio {:.2}",
        share(later)
    );
    ratio <= MAX_START && share(idle) <= MAX_IDLE
}

/// An upstream that answers whatever is asked with a project and the kind of key; its base URL.
async fn upstream() -> String {
    let router = axum::Router::new().fallback(|| async {
        axum::Json(json!({
            "project": {"id": PROJECT, "name": "shop", "region_id": "aws-us-east-1", "pg_version": 17},
            "account_id": "user", "auth_method": "api_key_user",
        }))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/api/v2", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        use axum::serve::ListenerExt as _;
        axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), router).await
    });
    url
}

async fn measure(mut command: Command) -> (Duration, u64, u64) {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let mut input = child.stdin.take().expect("stdin");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}});
    input.write_all(format!("{hello}\n").as_bytes()).await.expect("written");
    lines.next_line().await.expect("a line").expect("an answer");
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    input
        .write_all(format!("{ready}\n{list}\n").as_bytes())
        .await
        .expect("written");
    let answer = lines.next_line().await.expect("a line").expect("an answer");
    let time = started.elapsed();
    assert!(answer.contains("list_projects"));
    let id = child.id().expect("an id");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let idle = resident(id);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let later = resident(id);
    drop(input);
    let _ = child.wait().await;
    (time, idle, later)
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

/// What a tool call adds to the request that it makes.
async fn added() -> bool {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = upstream().await;
    let plenty = Rate {
        burst: 1_000_000,
        per_second: 1_000_000,
    };
    let base = api_base(&url).expect("an address");
    let mut config = ClientConfig::new(base, Credential::new("sandbox_x".into()).expect("a key"));
    config.limits = RateLimits::new(LimitSettings {
        credential: plenty,
        route: plenty,
    });
    let catalog = Catalog::embedded().expect("a catalogue");
    let selection = Selection::new(catalog, &SelectionOptions::default(), &Policy::default()).expect("a selection");
    let policy = Policy::default();
    let guards = Guards {
        approval_flow: ApprovalFlow::new(Sealer::random(), policy.approval().clone(), None),
        policy: Arc::new(policy),
        audit: None,
    };
    let engine = Engine::new(
        Client::new(config),
        selection,
        Service::Sandbox,
        CallLimits::default(),
        guards,
        neon_mcp::workflows::all(),
    );
    let (near, far) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        NeonServer::new(engine)
            .serve(near)
            .await
            .expect("serves")
            .waiting()
            .await
    });
    let client = ().serve(far).await.expect("a client");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let (mut direct, mut called) = (Vec::new(), Vec::new());
    for batch in 0..BATCHES + 1 {
        for _ in 0..BATCH {
            let started = Instant::now();
            let request = http.get(format!("{url}/projects/{PROJECT}")).bearer_auth("sandbox_x");
            let value: Value = request.send().await.expect("an answer").json().await.expect("JSON");
            assert!(value["project"].is_object());
            direct.push(started.elapsed());
        }
        for _ in 0..BATCH {
            let started = Instant::now();
            let arguments = json!({"project_id": PROJECT}).as_object().cloned().expect("an object");
            let request = CallToolRequestParams::new("describe_project").with_arguments(arguments);
            let result = client.call_tool(request).await.expect("a result");
            assert_eq!(result.is_error, Some(false));
            called.push(started.elapsed());
        }
        if batch == 0 {
            // The first batch opens connections and compiles schemas.
            direct.clear();
            called.clear();
        }
    }
    let (direct, called) = (median(direct), median(called));
    let added = called.saturating_sub(direct);
    println!("a request with bare reqwest: {direct:?}; as a tool call: {called:?}; added {added:?} at the median");
    added <= MAX_ADDED
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}
