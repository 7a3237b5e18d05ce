//! `neon-mcp sandbox`: the Neon that we carry, alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::print;
use super::serve::stop_signal;
use crate::sandbox::{Fault, Sandbox, SandboxOptions};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How long an operation spends in each of its states
    #[arg(long, default_value_t = 80, value_name = "MILLISECONDS")]
    operation_time: u64,
    /// Decides ids, and which calls a fault with a probability hits
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Faults to arm: a JSON file with a list, as POST /sandbox/faults takes them
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let faults: Vec<Fault> = match &arguments.faults {
        None => Vec::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is no list of faults", path.display()))?
        }
    };
    let options = SandboxOptions {
        port: arguments.port,
        operation_time: Duration::from_millis(arguments.operation_time),
        seed: arguments.seed,
        faults,
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start(options).await.context("the sandbox can't start")?;
    print(&format!("NEON_API_HOST={}", sandbox.api_url()));
    print(&format!("NEON_API_KEY={}", sandbox.api_key()));
    stop_signal().cancelled().await;
    sandbox.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
