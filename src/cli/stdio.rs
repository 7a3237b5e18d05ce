//! `neon-mcp stdio`: one client over standard input and output.

use std::process::ExitCode;

use super::serve::{name_the_key, start, stop_signal};
use crate::server::{NeonServer, stdio};
use crate::settings::Settings;

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let started = start(settings).await?;
    name_the_key(&started.engine);
    stdio::serve(NeonServer::new(started.engine), stop_signal()).await?;
    if let Some(sandbox) = started.sandbox {
        sandbox.shutdown().await;
    }
    Ok(ExitCode::SUCCESS)
}
