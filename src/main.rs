//! Parse, run, print the error.

use std::process::ExitCode;

use clap::Parser as _;
use neon_mcp::cli::Cli;

fn main() -> ExitCode {
    match neon_mcp::cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            neon_mcp::cli::fail(&error);
            ExitCode::FAILURE
        }
    }
}
