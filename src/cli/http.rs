//! `neon-mcp http`: many clients over streamable HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;

use stop_signal::{Hangup, stop_signal};

use super::common::{print, resolve};
use super::serve::{name_the_key, start};
use crate::guard::Page;
use crate::server::NeonServer;
use crate::server::http::{BearerToken, HttpServer, TokenFile};
use crate::settings::{HttpAuth, HttpLayer, Layer, Settings, read_page_secret, read_token};
use anyhow::Context as _;

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
    let sign_in = settings.approver_sign_in()?;
    let http = HttpServer::bind(arguments.listen).await?;
    let (http, _kept) = with_token(http, &settings)?;
    let started = tokio::select! {
        started = start(settings) => started?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    name_the_key(&started.engine);
    let guards = started.engine.guards();
    let secret = guards.policy.approval().page_secret_file.as_deref();
    guards.approval_flow.serve_page(Page {
        origin: http.origin(),
        secret: secret.map(read_page_secret).transpose()?,
        issuer: sign_in.as_ref().map(|sign_in| sign_in.issuer().to_owned()),
    });
    let http = http.with_approvers(sign_in);
    print(&http.url());
    http.serve(NeonServer::new(started.engine), stop).await?;
    #[cfg(feature = "sandbox")]
    if let Some(sandbox) = started.sandbox {
        sandbox.shutdown().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the server ask for the token, and says on standard error how clients get in, whatever the log holds. The file with the
/// token lasts as long as what is given back.
fn with_token(http: HttpServer, settings: &Settings) -> anyhow::Result<(HttpServer, Option<TokenFile>)> {
    let how = "clients send `Authorization: Bearer TOKEN`";
    match settings.auth() {
        HttpAuth::Made => {
            let state = settings.state().context(
                "there is no state directory to put the bearer token of clients into: set --state-dir or HOME, or give --auth-token-file FILE",
            )?;
            let token = BearerToken::random();
            let kept = token.keep(state, http.address())?;
            eprintln!(
                "neon-mcp: {how}; the token of this run is in {}, which you alone can read",
                kept.path().display()
            );
            Ok((http.with_token(token), Some(kept)))
        }
        HttpAuth::File(path) => {
            let token = read_token(path)?;
            eprintln!("neon-mcp: {how}; the token is that in {}", path.display());
            Ok((http.with_token(token), None))
        }
        HttpAuth::Nobody => {
            eprintln!(
                "neon-mcp: --no-auth: every user and every program of this machine can call this server, and use the API key through it"
            );
            Ok((http, None))
        }
    }
}
