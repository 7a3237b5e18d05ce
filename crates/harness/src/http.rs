//! The running program over HTTP, with as many clients as a test wants.

use std::path::{Path, PathBuf};

use rmcp::RoleClient;
use rmcp::service::{ClientServiceExt as _, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::server::{Era, TestClient, lifecycle};

/// A server over HTTP.
pub struct OverHttp {
    pub child: Child,
    /// Where clients reach it: it ends in `/mcp`.
    pub url: String,
    /// What its clients must show; nothing with `--no-auth`.
    pub token: Option<String>,
    pub state: PathBuf,
}

impl OverHttp {
    /// Starts a command that serves over HTTP, with its state below that directory (`XDG_STATE_HOME`).
    pub async fn start(mut command: Command, state: &Path) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        command.env("XDG_STATE_HOME", state);
        let mut child = command.spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let url = lines.next_line().await.expect("a line").expect("a URL");
        Self {
            token: token(state, &url),
            child,
            url,
            state: state.to_owned(),
        }
    }

    /// A client of its own.
    pub async fn client(&self, client: TestClient, era: Era) -> RunningService<RoleClient, TestClient> {
        connect(&self.url, self.token.as_deref(), client, era).await
    }

    /// The server's address, without a path.
    pub fn origin(&self) -> &str {
        self.url.trim_end_matches("/mcp")
    }
}

/// A client of a server over HTTP.
pub async fn connect(
    url: &str,
    token: Option<&str>,
    client: TestClient,
    era: Era,
) -> RunningService<RoleClient, TestClient> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = StreamableHttpClientTransportConfig::with_uri(url.to_owned());
    if let Some(token) = token {
        config = config.auth_header(token);
    }
    client
        .serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle(era))
        .await
        .expect("serves")
}

/// The token that a server made for itself, as its users read it.
pub fn token(state: &Path, url: &str) -> Option<String> {
    let address = url.trim_start_matches("http://").trim_end_matches("/mcp");
    let name = format!("http-{}.token", address.replace(['[', ']'], "").replace(':', "-"));
    let text = std::fs::read_to_string(state.join("neon-mcp").join(name)).ok()?;
    Some(text.trim().to_owned())
}

/// An HTTP client for what no MCP client sends.
pub fn plain() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}
