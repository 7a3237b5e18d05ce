//! `neon-mcp http`: many clients over streamable HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::serve::{name_the_key, start, stop_signal};
use super::{print, resolve};
use crate::guard::Page;
use crate::server::NeonServer;
use crate::server::http::HttpServer;
use crate::settings::{Layer, read_page_secret};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to listen: a loopback address and a port (0 takes a free one)
    #[arg(long, default_value = "127.0.0.1:7373")]
    listen: SocketAddr,
    #[command(flatten)]
    settings: Layer,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = resolve(arguments.settings)?;
    let http = HttpServer::bind(arguments.listen).await?;
    let started = start(settings).await?;
    name_the_key(&started.engine);
    let guards = started.engine.guards();
    let secret = guards.policy.confirm().page_secret_file.as_deref();
    guards.confirmations.serve_page(Page {
        origin: http.origin(),
        secret: secret.map(read_page_secret).transpose()?,
    });
    print(&http.url());
    http.serve(NeonServer::new(started.engine), stop_signal()).await?;
    if let Some(sandbox) = started.sandbox {
        sandbox.shutdown().await;
    }
    Ok(ExitCode::SUCCESS)
}
