//! A server in this process, with bounds and a place of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use neon_mcp::catalog::{Selection, SelectionOptions};
use neon_mcp::engine::{CallLimits, Engine, Guards, Service};
use neon_mcp::guard::{ApprovalFlow, Policy, Sealer};
use neon_mcp::neon::{Client, ClientConfig, Credential, api_base};
use neon_mcp::server::NeonServer;
use neon_mcp::server::http::{HttpLimits, HttpServer, Listen, Reach};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::fake_neon::FakeNeon;
use crate::support::http::plain;
use crate::support::own_catalog;
use crate::support::server::KEY;

pub struct Small {
    /// Where it listens: it ends in `/mcp`.
    pub url: String,
    pub stop: CancellationToken,
}

impl Drop for Small {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An engine on that upstream.
pub fn engine(upstream: &FakeNeon) -> Engine {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let base = api_base(&upstream.url()).expect("an address");
    let credential = Credential::new(KEY.to_owned()).expect("a key");
    let policy = Policy::default();
    let selection = Selection::new(own_catalog(), &SelectionOptions::default(), &policy).expect("a selection");
    let guards = Guards {
        approval_flow: ApprovalFlow::new(Sealer::random(), policy.approval().clone(), None),
        policy: Arc::new(policy),
        audit: None,
    };
    Engine::new(
        Client::new(ClientConfig::new(base, credential)),
        selection,
        Service::Sandbox,
        CallLimits::default(),
        guards,
        neon_mcp::workflows::all(),
    )
}

/// How a server on a free port of loopback is reached.
pub fn here() -> Reach {
    Reach::at("127.0.0.1:0".parse::<Listen>().expect("an address"))
}

impl Small {
    pub async fn start(upstream: &FakeNeon, limits: HttpLimits) -> Self {
        Self::reached(here(), upstream, limits).await
    }

    pub async fn reached(reach: Reach, upstream: &FakeNeon, limits: HttpLimits) -> Self {
        let engine = engine(upstream);
        let http = HttpServer::listen(reach).await.expect("listens").with_limits(limits);
        let (url, stop) = (format!("http://{}/mcp", http.listens_on()), CancellationToken::new());
        let stopped = stop.clone();
        tokio::spawn(async move {
            http.serve(NeonServer::new(engine), stopped).await.expect("serves");
        });
        Self { url, stop }
    }

    /// A request of a session, or for one.
    pub fn post(&self, session: Option<&str>, body: &Value) -> reqwest::RequestBuilder {
        let mut request = plain()
            .post(&self.url)
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
            request = request.header("mcp-protocol-version", "2025-11-25");
        }
        request.json(body)
    }

    /// Opens a session: its id.
    pub async fn begin(&self, client: &str) -> String {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": client, "version": "1"}}});
        let answer = self.post(None, &body).send().await.expect("an answer");
        let id = answer.headers().get("mcp-session-id").expect("a session");
        id.to_str().expect("text").to_owned()
    }

    /// Asks a session for something: the status, and the message, which names its request.
    pub async fn ask(&self, session: &str, method: &str, params: Value) -> (u16, Value) {
        // Of two requests of one session that are under way with one id, one is never answered.
        static NEXT: AtomicU64 = AtomicU64::new(2);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let answer = self.post(Some(session), &body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        let mut data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let message = data.rfind(|data| data.starts_with('{')).unwrap_or(&text);
        let message: Value = serde_json::from_str(message).unwrap_or_default();
        assert_eq!(message["id"], id, "{message}");
        (status, message)
    }
}
