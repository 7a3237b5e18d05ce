//! `neon-mcp http`: many clients over streamable HTTP.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use stop_signal::{Hangup, stop_signal};
use tokio::sync::Notify;

use super::common::{print, resolve};
use super::serve::{name_the_key, start};
use crate::guard::Page;
use crate::server::NeonServer;
use crate::server::http::{BearerToken, HttpServer, Listen, Reloads, Remake, TokenFile};
use crate::settings::{HttpAuth, HttpLayer, Layer, Settings, read_page_secret, read_token};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to listen: an address and a port (0 takes a free one), or `unix:/PATH` for a socket that this user alone can open. Where
    /// others than this machine reach it, it wants --auth and TLS, or a proxy
    #[arg(long, default_value = "127.0.0.1:7373", value_name = "ADDRESS")]
    listen: Listen,
    #[command(flatten)]
    http: HttpLayer,
    #[command(flatten)]
    settings: Layer,
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
    let again = Arc::new(Notify::new());
    let stop = stop_signal(Hangup::Tells(again.clone()));
    let limits = settings.http.limits()?;
    let http = HttpServer::listen(settings.http.reach(arguments.listen)?).await?;
    let (http, _kept) = with_token(http.with_limits(limits), &settings)?;
    tell(&http, &settings);
    let policy = settings.policy_again();
    let remake = Remake::new(move |engine| policy.engine(engine));
    let http = http.with_reload(again, Reloads::default(), remake);
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
    });
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
            let kept = token.keep(state, http.listens_on())?;
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
            let whose = match http.listens_on() {
                Listen::Address(_) => "every user and every program of this machine",
                Listen::Unix(_) => "every program of yours",
            };
            eprintln!("neon-mcp: --no-auth: {whose} can call this server, and use the API key through it");
            Ok((http, None))
        }
    }
}

/// Says on standard error what is open to whom, whatever the log holds.
fn tell(http: &HttpServer, settings: &Settings) {
    let listen = http.listens_on();
    let open = match listen {
        Listen::Unix(_) => "this user alone can open it",
        Listen::Address(_) if listen.is_local() => "every user and every program of this machine reaches it",
        Listen::Address(_) => "the network reaches it",
    };
    if *settings.auth() != HttpAuth::Nobody {
        eprintln!("neon-mcp: listening on {listen}: {open}");
    }
    let layer = &settings.http;
    if let Some(networks) = &layer.behind_proxy {
        eprintln!(
            "neon-mcp: clients see {}; forwarding headers count from {} alone",
            http.origin(),
            networks.join(", ")
        );
    } else if layer.tls_cert.is_some() && layer.public_url.is_none() && !listen.is_local() {
        eprintln!(
            "neon-mcp: without --public-url, clients reach it by its address alone: a request to any name is refused"
        );
    }
}
