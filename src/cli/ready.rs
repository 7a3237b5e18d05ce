//! `neon-mcp ready`: whether a server over HTTP can be given work. The image has no shell and no curl, so a container asks by this.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use http::header::HOST;
use url::Url;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to ask
    #[arg(long, default_value = "http://127.0.0.1:7373/readyz")]
    url: Url,
    /// Under which name: with --public-url the server answers to that host alone, e.g. mcp.example.com [default: the URL's]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

/// Exits with 1 when the server isn't ready.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // A second installation in the same process fails, and the first one serves just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()?;
    let mut request = client.get(arguments.url);
    if let Some(host) = arguments.host {
        request = request.header(HOST, host);
    }
    let answer = request.send().await.context("it doesn't answer")?;
    match answer.status() {
        status if status.is_success() => Ok(ExitCode::SUCCESS),
        status => anyhow::bail!("it isn't ready: it answers {}", status.as_u16()),
    }
}
