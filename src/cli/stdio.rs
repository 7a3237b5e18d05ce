//! `neon-mcp stdio`: one client over standard input and output.

use std::process::ExitCode;
use std::time::Duration;

use stop_signal::{Hangup, stop_signal};

use super::serve::{name_the_key, start, warn_of_untold};
use crate::guard::{Identity, Principal};
use crate::server::{NeonServer, stdio};
use crate::settings::Settings;
#[cfg(feature = "http-server")]
use crate::telemetry;

/// How long running calls have to end after a stop: a client that starts a server waits for its end no longer than a moment.
const DRAIN: Duration = Duration::from_millis(200);

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    #[cfg(feature = "http-server")]
    if let Err(why) = telemetry::set_up(false, &telemetry::Wanted::of_environment()) {
        tracing::warn!("{why}");
    }
    let stop = stop_signal(Hangup::Ends);
    let started = tokio::select! {
        started = start(settings) => started?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    name_the_key(&started.engine);
    let caller = Principal::new(Identity::Stdio);
    warn_of_untold(&started.engine.guards().approval_flow, &[caller]);
    tokio::select! {
        served = stdio::serve(NeonServer::new(started.engine), stop.clone()) => served?,
        () = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        } => tracing::debug!("calls that were still running were dropped"),
    }
    #[cfg(feature = "sandbox")]
    if let Some(sandbox) = started.sandbox {
        sandbox.shutdown().await;
    }
    Ok(ExitCode::SUCCESS)
}
