//! The running program with a real MCP client on it, and an upstream that the test knows.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationCapability,
    FormElicitationCapability, Implementation, ProtocolVersion,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RequestContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Map, Value};
use tokio::process::Command;

use super::human::Human;

/// A key that no result, log or error may show. It is one of a sandbox: of others the server asks Neon at its start what
/// kind they are, which would be a request more to count.
pub const KEY: &str = "sandbox_canary_key_0123456789abcdef";

/// Which protocol the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25: a handshake first.
    Legacy,
    /// 2026-07-28: none.
    Modern,
}

/// The client, with the human behind it.
#[derive(Debug, Clone, Default)]
pub struct TestClient {
    human: Option<Human>,
    name: Option<String>,
}

impl TestClient {
    /// A client that can't ask anyone.
    pub fn alone() -> Self {
        Self::default()
    }

    /// A client that declares form elicitation, and whose human answers so.
    pub fn with(human: Human) -> Self {
        Self {
            human: Some(human),
            name: None,
        }
    }

    /// The same client under another name.
    pub fn called(self, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..self
        }
    }
}

impl ClientHandler for TestClient {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.human.is_some() {
            capabilities.elicitation = Some(ElicitationCapability::new().with_form(FormElicitationCapability::new()));
        }
        ClientConfig::new(
            capabilities,
            Implementation::new(self.name.clone().unwrap_or_else(|| "test".to_owned()), "1"),
        )
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, rmcp::ErrorData> {
        match &self.human {
            Some(human) => human.answer(request).await,
            None => panic!("a client without elicitation was asked"),
        }
    }
}

/// A directory of its own for the state of a program: what waits for a yes in one test is nothing to another.
pub fn state_home() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("state");
        // What earlier runs left.
        for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            if !Path::new("/proc").join(pid).exists() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        root.join(std::process::id().to_string())
    });
    let home = ROOT.join(NUMBER.fetch_add(1, Ordering::Relaxed).to_string());
    std::fs::create_dir_all(&home).expect("a directory for state");
    home
}

/// The program, with an environment that holds nothing of the tester's, and a state directory of its own.
pub fn program(arguments: &[&str], api: &str, key: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neon-mcp"));
    command
        .args(arguments)
        .env_clear()
        .env("NEON_API_HOST", api)
        .env("NEON_API_KEY", key)
        .env("XDG_STATE_HOME", state_home())
        // No test reads documentation over a network: where one wants a host, it names its own.
        .env("NEON_MCP_DOCS_URL", "http://127.0.0.1:1/docs")
        // A sandbox starts sooner without data, and these tests need none.
        .env("NEON_MCP_SANDBOX_POSTGRES", "off")
        // How requests are kept to Neon's limits is tested by itself; the others needn't take their time.
        .env("NEON_MCP_SANDBOX_RATE_LIMITS", "false")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub fn lifecycle(era: Era) -> ClientLifecycleMode {
    match era {
        Era::Legacy => ClientLifecycleMode::Initialize,
        Era::Modern => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
    }
}

/// A stdio server on that API, with a client.
pub struct Server {
    pub client: RunningService<RoleClient, TestClient>,
    stderr: tokio::task::JoinHandle<()>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    pub async fn start(arguments: &[&str], api: &str) -> Self {
        Self::start_with(arguments, api, KEY, Era::Legacy, "trace").await
    }

    pub async fn start_with(arguments: &[&str], api: &str, key: &str, era: Era, log: &str) -> Self {
        let mut command = program(arguments, api, key);
        command.env("NEON_MCP_LOG", log);
        Self::run(command, TestClient::alone(), era).await
    }

    /// Any command that serves over stdio.
    pub async fn run(command: Command, client: TestClient, era: Era) -> Self {
        let (transport, stderr) = TokioChildProcess::builder(command)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stderr = stderr.expect("stderr");
        let log = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&log);
        let stderr = tokio::spawn(async move {
            use tokio::io::AsyncReadExt as _;
            let mut buffer = vec![0; 64 * 1_024];
            while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
                told.lock().expect("a lock").extend_from_slice(&buffer[..length]);
            }
        });
        let client = client
            .serve_with_lifecycle(transport, lifecycle(era))
            .await
            .expect("serves");
        Self { client, stderr, log }
    }

    /// Calls a tool: its value, and whether it is an error. The text and the structured content must be the same value.
    pub async fn call(&self, tool: &str, arguments: Value) -> (Value, bool) {
        call(&self.client, tool, arguments).await
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().expect("a lock")).into_owned()
    }

    /// Ends the server and gives what it wrote to standard error.
    pub async fn stop(self) -> String {
        self.client.cancel().await.expect("ends");
        self.stderr.await.expect("stderr");
        let log = std::mem::take(&mut *self.log.lock().expect("a lock"));
        String::from_utf8_lossy(&log).into_owned()
    }
}

pub async fn call(client: &RunningService<RoleClient, TestClient>, tool: &str, arguments: Value) -> (Value, bool) {
    let arguments: Map<String, Value> = arguments.as_object().cloned().unwrap_or_default();
    let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    let result = client
        .call_tool(request)
        .await
        .unwrap_or_else(|error| panic!("{tool}: {error}"));
    let value = result.structured_content.expect("structured content");
    let text = result.content[0].as_text().expect("text").text.clone();
    assert_eq!(
        serde_json::from_str::<Value>(&text).expect("JSON"),
        value,
        "text and structured content differ"
    );
    (value, result.is_error.unwrap_or(false))
}
