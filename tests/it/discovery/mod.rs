//! Discovery mode, from the outside: what is listed, what is found, and that a call through a caller is the call itself.

mod approvals;
mod calls;
mod list;

use std::path::PathBuf;

use neon_mcp::catalog::Tool;
use neon_mcp::guard::Effect;
use serde_json::{Value, json};

use crate::support::catalog;
use crate::support::server::{Era, KEY, TestClient, TestServer, program, state_home};
use crate::support::world::World;

/// No change.
const NOTHING: [String; 0] = [];

const CALLERS: [&str; 4] = [
    "call_read_tool",
    "call_write_tool",
    "call_access_tool",
    "call_destructive_tool",
];

/// How far up the callers a tool is.
fn level(tool: &Tool) -> usize {
    match (tool.declaration.safety.effect, tool.declaration.safety.reveals) {
        (Effect::Read, false) => 0,
        (Effect::Write, _) => 1,
        (Effect::Read, true) | (Effect::Access, _) => 2,
        (Effect::Destructive, _) => 3,
    }
}

/// A server in discovery mode, and the directory of its state.
struct Started {
    server: TestServer,
    state: PathBuf,
}

async fn start(world: &World, client: TestClient, era: Era, more: &[&str]) -> Started {
    let state = state_home();
    let mut arguments = vec!["--discovery"];
    arguments.extend(more);
    let mut command = program(&arguments, &world.url(), KEY);
    command.env("XDG_STATE_HOME", &state).env("NEON_MCP_LOG", "error");
    let server = TestServer::run(command, client, era).await;
    Started { server, state }
}

impl Started {
    async fn search(&self, arguments: Value) -> Value {
        let (value, is_error) = self.server.call("search_tools", arguments).await;
        assert!(!is_error, "{value}");
        value
    }

    /// Calls a tool through a caller.
    async fn through(&self, caller: &str, name: &str, arguments: Value) -> (Value, bool) {
        let inner = json!({"name": name, "arguments": arguments});
        self.server.call(caller, inner).await
    }

    /// Calls a tool through the caller that it needs.
    async fn call(&self, tool: &Tool, arguments: Value) -> (Value, bool) {
        self.through(CALLERS[level(tool)], tool.name(), arguments).await
    }

    /// The lines of the audit log.
    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state.join("neon-mcp/audit.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}
