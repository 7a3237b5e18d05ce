//! `neon-mcp http`: many clients over streamable HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;

use stop_signal::{Hangup, stop_signal};

use super::callers::{Known, announce};
use super::common::{print, resolve};
use super::serve::{name_the_key, start};
use crate::guard::Page;
use crate::server::NeonServer;
use crate::server::http::HttpServer;
use crate::settings::{HttpLayer, Layer, read_page_secret};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to listen: a loopback address and a port (0 takes a free one)
    #[arg(long, default_value = "127.0.0.1:7373", value_parser = address)]
    listen: SocketAddr,
    #[command(flatten)]
    http: HttpLayer,
    #[command(flatten)]
    settings: Layer,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let right = "write a loopback address and a port, e.g. 127.0.0.1:7373 or [::1]:7373 (port 0 takes a free one)";
    text.parse().map_err(|_| right.to_owned())
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = resolve(Layer {
        http: Some(arguments.http),
        ..arguments.settings
    })?;
    if settings.names_context() {
        tracing::warn!("--context-file is for one client in its folder: `neon-mcp http` doesn't read it");
    }
    // Whoever was told the address may send signals.
    let stop = stop_signal(Hangup::IsNoted);
    let http = HttpServer::bind(arguments.listen).await?;
    let (http, _kept) = announce(http, &settings)?;
    let callers = Known::of(&settings);
    let started = tokio::select! {
        started = start(settings) => started?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    if !callers.bring_keys() {
        name_the_key(&started.engine);
    }
    let http = callers.let_in(http, &started.engine)?;
    let guards = started.engine.guards();
    let secret = guards.policy.approval().page_secret_file.as_deref();
    guards.approval_flow.serve_page(Page {
        origin: http.origin(),
        secret: secret.map(read_page_secret).transpose()?,
    });
    print(&http.url());
    http.serve(NeonServer::new(started.engine), stop).await?;
    #[cfg(feature = "sandbox")]
    if let Some(sandbox) = started.sandbox {
        sandbox.shutdown().await;
    }
    Ok(ExitCode::SUCCESS)
}
