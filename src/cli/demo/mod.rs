//! `neon-mcp demo`: a story on a sandbox, through a real MCP client that talks to this very program. Each thing that it says is
//! looked up before it is said, and the first that isn't so ends it with an error.

mod agent;
mod data;
mod human;
mod layout;
mod project;
mod without_data;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use rmcp::transport::TokioChildProcess;
use stop_signal::{Hangup, stop_signal};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use self::agent::Agent;
use self::human::Human;
use crate::sandbox::Sandbox;
use crate::sandbox::command::DataArguments;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print whole questions and results instead of what matters in them
    #[arg(long)]
    full: bool,
    /// A policy for the demo's server: for tests, which see the demo fail where nobody is asked
    #[arg(long, hide = true, value_name = "FILE")]
    server_policy: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    // Whoever stops us meanwhile stops us in order: sandbox and server end with us, and leave nothing behind.
    let stop = stop_signal(Hangup::Ends);
    let sandbox = Sandbox::start(arguments.data.options().await)
        .await
        .context("the sandbox can't start")?;
    layout::say(&format!(
        "This is a sandbox: a Neon that neon-mcp carries, at {}. {}",
        sandbox.api_url(),
        match sandbox.postgres_version() {
            Some(version) => format!("Its branches are real databases, on PostgreSQL {version}."),
            None => "No PostgreSQL is used, so its branches hold no data.".to_owned(),
        }
    ));
    let state = StateFolder::new();
    let outcome = told(&arguments, &sandbox, &state.0, &stop).await;
    let with_data = sandbox.postgres_version().is_some();
    sandbox.shutdown().await;
    drop(state);
    let counted = outcome?;
    layout::say("");
    layout::say(&format!(
        "Done: {} tool calls and {} checks in {:.1} s. The sandbox and everything in it is gone.",
        counted.calls,
        counted.checks,
        started.elapsed().as_secs_f64()
    ));
    if !with_data {
        layout::say(without_data::MISSING);
    }
    layout::say("Next: `neon-mcp install --sandbox` gives your clients such a Neon, `neon-mcp install` yours.");
    Ok(ExitCode::SUCCESS)
}

/// What is said where the story isn't told to its end.
const STOPPED: &str = "the demo was stopped before its end; its sandbox and everything in it is gone";

/// How much was done and checked.
struct Counted {
    calls: usize,
    checks: usize,
}

/// Starts server and client, tells the story, and ends both, however the story ends.
async fn told(
    arguments: &Arguments,
    sandbox: &Sandbox,
    state: &Path,
    stop: &CancellationToken,
) -> anyhow::Result<Counted> {
    let mut command = Command::new(std::env::current_exe().context("this program can't be found")?);
    // The story is the same whatever this machine's settings are, and writes into nobody's audit log.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NEON_") {
            command.env_remove(name);
        }
    }
    command
        .args(["stdio", "--toolsets", "all"])
        .env("NEON_API_HOST", sandbox.api_url())
        .env("NEON_API_KEY", sandbox.api_key())
        .env("NEON_MCP_STATE_DIR", state)
        .env("NEON_MCP_LOG", "error");
    if let Some(policy) = &arguments.server_policy {
        command.env("NEON_MCP_POLICY", policy);
    }
    let server = TokioChildProcess::new(command)?;
    let process = server.id();
    let mut agent = tokio::select! {
        agent = Agent::start(server, Human::new(arguments.full), arguments.full) => agent?,
        () = stop.cancelled() => bail!(STOPPED),
    };
    let outcome = tokio::select! {
        outcome = story(&mut agent, sandbox) => outcome,
        () = stop.cancelled() => {
            // It needn't wait for the end of a call that nobody waits for.
            terminate(process);
            Err(anyhow!(STOPPED))
        }
    };
    let counted = Counted {
        calls: agent.calls(),
        checks: agent.checks(),
    };
    agent.end().await?;
    outcome.map(|()| counted)
}

/// Tells the server to end, where the system has a way to.
fn terminate(process: Option<u32>) {
    #[cfg(unix)]
    if let Some(process) = process
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
    }
    #[cfg(not(unix))]
    let _ = process;
}

async fn story(agent: &mut Agent, sandbox: &Sandbox) -> anyhow::Result<()> {
    let project = project::begin(agent).await?;
    if sandbox.postgres_version().is_some() {
        data::story(agent).await?;
    } else {
        without_data::story(agent, sandbox, &project).await?;
    }
    project::end(agent).await?;
    if sandbox.postgres_version().is_some() {
        data::is_back(agent).await?;
    }
    Ok(())
}

/// Where the demo's server keeps its audit log: gone when the demo is.
struct StateFolder(PathBuf);

impl StateFolder {
    fn new() -> Self {
        let name = format!("neon-mcp-demo-{}", uuid::Uuid::new_v4().simple());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
