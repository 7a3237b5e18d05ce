//! A running MCP server with a real client on it, over stdio.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, FormElicitationCapability, Implementation, ProtocolVersion, UrlElicitationCapability,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RequestContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Map, Value};
use tokio::process::Command;

use crate::human::Human;
use crate::told;

/// Which protocol the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25: a handshake first.
    Legacy,
    /// 2026-07-28: none.
    Modern,
}

/// Goes to a page that the client is sent to: what the client answers then.
pub type Visits = dyn Fn(String) -> BoxFuture<'static, ElicitationAction> + Send + Sync;

/// The client, with the human behind it.
#[derive(Clone, Default)]
pub struct TestClient {
    human: Option<Human>,
    name: Option<String>,
    visits: Option<Arc<Visits>>,
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
            ..Self::default()
        }
    }

    /// A client that declares URL elicitation, and whose human goes to each page so.
    pub fn visiting(visits: impl Fn(String) -> BoxFuture<'static, ElicitationAction> + Send + Sync + 'static) -> Self {
        Self {
            visits: Some(Arc::new(visits)),
            ..Self::default()
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

impl std::fmt::Debug for TestClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TestClient")
            .field("human", &self.human)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ClientHandler for TestClient {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.human.is_some() {
            capabilities.elicitation = Some(ElicitationCapability::new().with_form(FormElicitationCapability::new()));
        } else if self.visits.is_some() {
            capabilities.elicitation = Some(ElicitationCapability::new().with_url(UrlElicitationCapability::default()));
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
        match (&self.human, &self.visits, request) {
            (Some(human), _, request) => human.answer(request).await,
            (None, Some(visits), ElicitRequestParams::UrlElicitationParams { url, .. }) => {
                Ok(ElicitResult::new(visits(url).await))
            }
            _ => panic!("a client without elicitation was asked"),
        }
    }
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
pub struct TestServer {
    pub client: RunningService<RoleClient, TestClient>,
    stderr: tokio::task::JoinHandle<()>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl TestServer {
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

    /// Calls a tool: its value, and whether it is an error. The text must say all that the structured content says, and that must
    /// fit the tool's schema of results.
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
    match tool {
        "search_tools" => told::search_is_complete(&value, &text),
        _ => told::is_complete(&value, &text),
    }
    told::fits_schema(client, tool, &value).await;
    (value, result.is_error.unwrap_or(false))
}
