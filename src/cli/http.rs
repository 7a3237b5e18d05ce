//! `neon-mcp http`: many clients over streamable HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::serve::{name_the_key, start, stop_signal};
use super::{print, resolve};
use crate::server::NeonServer;
use crate::server::http::HttpServer;
use crate::settings::Layer;

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
    print(&http.url());
    http.serve(NeonServer::new(started.engine), stop_signal()).await?;
    if let Some(sandbox) = started.sandbox {
        sandbox.shutdown().await;
    }
    Ok(ExitCode::SUCCESS)
}
