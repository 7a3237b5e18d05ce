//! The approval flow: who may approve, what an approval is for, and what happens when nobody approves.

mod binding;
mod catalogue;
mod codes;
mod conduct;
mod forms;
mod gate;
mod odd_answers;
mod owners;
mod page;
mod sequences;
mod store;
mod told;
mod undo;
mod undo_of_services;
mod would_fail;

use std::path::PathBuf;

use serde_json::Value;
use tokio::process::Command;

use crate::support::catalog;
use crate::support::human::Human;
use crate::support::policy::write_policy;
use crate::support::server::{Era, KEY, TestClient, TestServer, program, state_home};
use crate::support::world::World;

/// No change.
const NOTHING: [String; 0] = [];

/// The error of a refused or failed call.
fn error(value: &Value) -> &Value {
    value.get("error").unwrap_or_else(|| panic!("no error in {value}"))
}

/// A server with every tool, and the directory of its state.
struct Started {
    server: TestServer,
    state: PathBuf,
}

/// Starts a server with every tool, under that policy.
async fn start(world: &World, client: TestClient, era: Era, policy: &str) -> Started {
    let state = state_home();
    let server = TestServer::run(command(world, &state, policy), client, era).await;
    Started { server, state }
}

/// The command of a server with every tool, on that state, under that policy.
fn command(world: &World, state: &std::path::Path, policy: &str) -> Command {
    let file = state.join("policy.toml");
    write_policy(&file, policy);
    let file = file.to_str().expect("a path").to_owned();
    let mut command = program(&["--toolsets", "all", "--policy", &file], &world.url(), KEY);
    command.env("XDG_STATE_HOME", state).env("NEON_MCP_LOG", "error");
    command
}

impl Started {
    /// A server whose client asks that human.
    async fn asking(world: &World, human: &Human, era: Era) -> Self {
        start(world, TestClient::with(human.clone()), era, "").await
    }

    async fn call(&self, tool: &str, arguments: Value) -> (Value, bool) {
        self.server.call(tool, arguments).await
    }

    /// The lines of the audit log.
    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state.join("neon-mcp/audit.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}
