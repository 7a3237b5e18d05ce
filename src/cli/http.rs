//! `neon-mcp http`: many clients over streamable HTTP.

use std::process::ExitCode;
use std::sync::Arc;

use stop_signal::{Hangup, stop_signal};
use tokio::sync::Notify;

use super::callers::{Asking, Known, asking};
use super::common::{print, resolve};
use super::log_format::tell;
use super::serve::{name_the_key, start, warn_of_no_page, warn_of_untold};
use crate::guard::{Page, StoreError};
use crate::server::NeonServer;
use crate::server::http::{HttpServer, Listen, Reloads, Remake};
#[cfg(feature = "http-server")]
use crate::server::http::{MetricsServer, POLICY};
use crate::settings::{HttpAuth, HttpLayer, Layer, LogFormat, Settings, read_page_secret};
#[cfg(feature = "http-server")]
use crate::telemetry;
#[cfg(feature = "http-server")]
use tokio_util::task::AbortOnDropHandle;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to listen: an address and a port (0 takes a free one), or `unix:/PATH` for a socket that this user alone can open, unless --listen-mode says otherwise. Where
    /// others than this machine reach it, it wants --auth and TLS, or a proxy
    #[arg(long, default_value = "127.0.0.1:7373", value_name = "ADDRESS")]
    listen: Listen,
    #[command(flatten)]
    http: HttpLayer,
    #[command(flatten)]
    settings: Layer,
}

impl Arguments {
    /// The format of the log, where a flag says it.
    pub(super) fn log_format(&self) -> Option<LogFormat> {
        self.http.log_format
    }

    /// The settings that `neon-mcp stdio` has, too.
    pub(super) fn settings(&self) -> &Layer {
        &self.settings
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = resolve(Layer {
        http: Some(arguments.http),
        ..arguments.settings
    })?;
    if settings.names_context() {
        tracing::warn!("--context-file is for one client in its folder: `neon-mcp http` doesn't read it");
    }
    let _metrics = measured(&settings).await?;
    // Whoever was told the address may send signals.
    let again = Arc::new(Notify::new());
    let stop = stop_signal(Hangup::Tells(again.clone()));
    let limits = settings.http.limits()?;
    let sign_in = settings.approver_sign_in()?;
    let http = HttpServer::listen(settings.http.reach(arguments.listen)?).await?;
    let is_shared = is_shared(&http, &settings);
    let names_claim = settings.http.oauth_subject_claim.is_some();
    let claim = settings.subject_claim().to_owned();
    let Asking { http, how, kept: _kept } = asking(http.with_limits(limits), &settings)?;
    let callers = Known::of(&settings);
    let reach = reach(&http, &settings);
    let policy = settings.policy_again();
    let remake = Remake::new(move |engine| {
        let remade = policy.engine(engine)?;
        let guards = remade.guards();
        // Both or neither: a policy whose secret can't be read leaves the earlier ones in force.
        let secret = guards.policy.approval().page_secret_file.as_deref();
        let secret = secret
            .map(read_page_secret)
            .transpose()
            .map_err(|error| error.to_string())?;
        guards.approval_flow.change_page_secret(secret);
        Ok(remade)
    });
    let mut reloads = Reloads::default();
    reloads.tell(Arc::new(crate::telemetry::reload));
    let http = http.with_reload(again, reloads, remake);
    let started = tokio::select! {
        started = start(settings) => started?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    if !callers.bring_keys() {
        name_the_key(&started.engine);
    }
    let kinds = callers.kinds();
    let http = callers.let_in(http, &started.engine)?;
    let guards = started.engine.guards();
    match guards.approval_flow.check_store().await {
        // Who waits for it to come back would wait for ever.
        Err(error @ StoreError::Refused { .. }) => return Err(error.into()),
        Err(error) => tracing::error!("{error}: until it is back, only what needs no approval runs"),
        Ok(()) => {}
    }
    let secret = guards.policy.approval().page_secret_file.as_deref();
    guards.approval_flow.serve_page(Page {
        origin: http.origin(),
        secret: secret.map(read_page_secret).transpose()?,
        issuer: sign_in.as_ref().map(|sign_in| sign_in.issuer().to_owned()),
        names_claim,
        claim,
        is_shared,
    });
    warn_of_untold(&guards.approval_flow, &kinds);
    warn_of_no_page(&guards.approval_flow, &kinds);
    let http = http.with_approvers(sign_in);
    // Not before all that it needs was found good: whoever reads that it listens goes away.
    tell(&how);
    reach.iter().for_each(|line| tell(line));
    print(&http.url());
    http.serve(NeonServer::new(started.engine), stop).await?;
    #[cfg(feature = "sandbox")]
    if let Some(sandbox) = started.sandbox {
        sandbox.shutdown().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether others than who runs the server may call it, so that its terminal and its log aren't theirs: callers who are told apart, a
/// proxy or a name of its own in front, replicas beside it.
fn is_shared(http: &HttpServer, settings: &Settings) -> bool {
    let one_persons = matches!(settings.auth(), HttpAuth::Made | HttpAuth::File(_) | HttpAuth::Nobody);
    let layer = &settings.http;
    let is_reached_by_others = !http.listens_on().is_local()
        || layer.public_url.is_some()
        || layer.behind_proxy.is_some()
        || layer.listen_mode.is_some_and(|mode| !mode.is_owners());
    !one_persons || is_reached_by_others || layer.store.is_some()
}

/// Measures what the settings and the environment want measured, and serves it while what is given back lasts.
#[cfg(feature = "http-server")]
async fn measured(settings: &Settings) -> anyhow::Result<Option<AbortOnDropHandle<()>>> {
    let listen = settings.http.metrics_listen;
    if let Err(why) = telemetry::set_up(listen.is_some(), &telemetry::Wanted::of_environment()) {
        tracing::warn!("{why}");
    }
    let Some(address) = listen else { return Ok(None) };
    // Whoever looks at once finds it at zero, though it is read again later.
    telemetry::begin_reloads(POLICY);
    let metrics = MetricsServer::bind(address).await?;
    tracing::info!("metrics at {}", metrics.url());
    // Until the very end: a stop can be watched.
    let serving = tokio::spawn(metrics.serve());
    Ok(Some(AbortOnDropHandle::new(serving)))
}

/// In a build without it: nothing is measured.
#[cfg(not(feature = "http-server"))]
async fn measured(settings: &Settings) -> anyhow::Result<Option<()>> {
    if settings.http.metrics_listen.is_some() {
        anyhow::bail!("--metrics-listen: this neon-mcp was built without metrics (the feature `http-server`)");
    }
    Ok(None)
}

/// What is open to whom, for whoever started the server.
fn reach(http: &HttpServer, settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    let listen = http.listens_on();
    let open = match listen {
        Listen::Unix(_) => settings.http.listen_mode.unwrap_or_default().who(),
        Listen::Address(_) if listen.is_local() => "every user and every program of this machine reaches it",
        Listen::Address(_) => "the network reaches it",
    };
    if *settings.auth() != HttpAuth::Nobody {
        lines.push(format!("listening on {listen}: {open}"));
    }
    let layer = &settings.http;
    if let Some(networks) = &layer.behind_proxy {
        lines.push(format!(
            "clients see {}; forwarding headers count from {} alone",
            http.origin(),
            networks.join(", ")
        ));
    } else if layer.tls_cert.is_some() && layer.public_url.is_none() && !listen.is_local() {
        let line = "without --public-url, clients reach it by its address alone: a request to any name is refused";
        lines.push(line.to_owned());
    }
    lines
}
