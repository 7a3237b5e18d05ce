//! `neon-mcp sandbox`: the Neon that we carry, alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::print;
use super::serve::stop_signal;
use crate::sandbox::{Fault, Postgres, Sandbox, SandboxOptions};

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
    #[command(flatten)]
    data: DataArguments,
}

/// What the branches of a sandbox are made of.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct DataArguments {
    /// Whether the sandbox's branches hold data, on a PostgreSQL of this machine
    #[arg(
        long = "sandbox-postgres",
        env = "NEON_MCP_SANDBOX_POSTGRES",
        value_enum,
        default_value_t,
        value_name = "WHEN"
    )]
    postgres: When,
    /// The folder with PostgreSQL's programs; otherwise the newest that is found is taken
    #[arg(long = "postgres-bin", env = "NEON_MCP_POSTGRES_BIN", value_name = "FOLDER")]
    postgres_bin: Option<PathBuf>,
}

/// When branches hold data.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum When {
    /// Where a PostgreSQL is found
    #[default]
    Auto,
    /// Never: there is the control plane alone
    Off,
    /// Always: without a PostgreSQL the sandbox doesn't start
    Required,
}

impl DataArguments {
    /// The options of such a sandbox.
    pub(super) fn options(&self) -> SandboxOptions {
        SandboxOptions {
            postgres: match self.postgres {
                When::Auto => Postgres::IfFound,
                When::Off => Postgres::Off,
                When::Required => Postgres::Required,
            },
            postgres_bin: self.postgres_bin.clone(),
            ..SandboxOptions::default()
        }
    }
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
        ..arguments.data.options()
    };
    let sandbox = Sandbox::start(options).await.context("the sandbox can't start")?;
    print(&format!("NEON_API_HOST={}", sandbox.api_url()));
    print(&format!("NEON_API_KEY={}", sandbox.api_key()));
    stop_signal().cancelled().await;
    sandbox.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
