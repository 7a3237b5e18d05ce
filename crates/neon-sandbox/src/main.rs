//! The sandbox as a program of its own.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use neon_sandbox::command;

/// A Neon on this machine, to try things on: the control plane's API in memory, branches on real PostgreSQL
#[derive(Debug, Parser)]
#[command(version)]
struct CommandLine {
    #[command(flatten)]
    arguments: command::Arguments,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let line = CommandLine::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .with_target(false)
        .init();
    command::run(line.arguments, print).await
}

/// Whoever reads may be gone: then nobody misses the line.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
