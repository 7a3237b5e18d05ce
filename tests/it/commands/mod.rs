//! What people type: the commands beside the servers.

mod doctor;
mod doctor_of_servers;
mod kept_places;
mod oauth_map;
mod pages;
mod typed;
mod wrong_values;

use std::process::Output;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::server::{KEY, program};

/// How a run ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Self {
            code: output.status.code().expect("a code"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        assert!(!ran.all().contains("panicked"), "{}", ran.stderr);
        ran
    }

    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The program with a home directory of its own.
pub fn at_home(home: &TempDir, arguments: &[&str], api: &str, key: &str) -> Command {
    let mut command = program(arguments, api, key);
    command
        .env("HOME", home.path())
        .env("XDG_STATE_HOME", home.path().join("state"))
        .env("NEON_MCP_LOG", "error")
        .stdin(std::process::Stdio::null());
    command
}

pub async fn ran(mut command: Command) -> Ran {
    let output = tokio::time::timeout(std::time::Duration::from_secs(120), command.output()).await;
    Ran::new(&output.expect("in time").expect("runs"))
}

pub async fn run(arguments: &[&str]) -> Ran {
    let home = tempfile::tempdir().expect("a directory");
    ran(at_home(&home, arguments, "http://127.0.0.1:1/api/v2", KEY)).await
}
