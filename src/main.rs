//! Parse, run, print the error.

use std::process::ExitCode;

use clap::Parser as _;
use neon_mcp::cli::Cli;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return neon_mcp::cli::misunderstood(&error),
    };
    match neon_mcp::cli::run(cli) {
        Ok(code) => code,
        Err(error) => {
            neon_mcp::cli::fail(&error);
            ExitCode::FAILURE
        }
    }
}
