//! The examples of Neon's API overview, row by row: each works end to end through a real MCP client on a sandbox.

mod account;
mod branching;
mod core;
mod data;
mod replicas;
mod rows;
mod security;
mod snapshots;
mod upkeep;
mod usage;

use std::collections::BTreeSet;

pub use harness::sandbox_project::{SandboxProject, each, find, in_shop, text};
use neon_mcp::sandbox::{Postgres, SandboxOptions};
use serde_json::json;
use tokio::process::Command;

use crate::support::catalog;
use crate::support::server::{Era, TestClient, TestServer, program};

/// One row, told through a server with every tool on a sandbox of its own; the human behind the client approves.
///
/// When it goes out of scope, each operation of its row must have been called, through its tool and with success.
pub struct Story {
    /// `None`: beside the rows.
    row: Option<u8>,
    project: SandboxProject,
}

impl std::ops::Deref for Story {
    type Target = SandboxProject;

    fn deref(&self) -> &SandboxProject {
        &self.project
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let Some(row) = self.row else { return };
        let called = self.called();
        let called: BTreeSet<&str> = catalog()
            .tools()
            .iter()
            .filter(|tool| called.contains(tool.name()))
            .flat_map(|tool| tool.declaration.operation.iter())
            .collect();
        let missing: Vec<&str> = rows::operations(row)
            .filter(|operation| !called.contains(operation))
            .collect();
        assert!(missing.is_empty(), "row {row} never called {missing:?}");
    }
}

impl Story {
    pub async fn of(row: u8) -> Self {
        Self::with(row, SandboxOptions::default()).await
    }

    pub async fn with(row: u8, options: SandboxOptions) -> Self {
        Self::told(Some(row), options).await
    }

    /// A story beside the rows.
    pub async fn aside(options: SandboxOptions) -> Self {
        Self::told(None, options).await
    }

    /// A story on branches that hold data: it has the project `shop`.
    pub async fn with_data() -> Self {
        let story = Self::aside(SandboxOptions {
            postgres: Postgres::Required,
            ..SandboxOptions::default()
        })
        .await;
        story.make_shop(json!({})).await;
        story
    }

    async fn told(row: Option<u8>, options: SandboxOptions) -> Self {
        Self {
            row,
            project: SandboxProject::start(options, command).await,
        }
    }

    /// A second server, whose key is this one.
    pub async fn client_with(&self, key: &str) -> TestServer {
        let command = command(&self.sandbox().api_url(), key);
        TestServer::run(command, TestClient::with(self.human().clone()), Era::Legacy).await
    }

    /// A second server with these arguments, whose requests go to that API.
    pub async fn server_at(&self, arguments: &[&str], api: &str) -> TestServer {
        let mut command = program(arguments, api, self.sandbox().api_key());
        command.env("NEON_MCP_LOG", "error");
        TestServer::run(command, TestClient::with(self.human().clone()), Era::Legacy).await
    }
}

/// The program with every tool.
fn command(api: &str, key: &str) -> Command {
    let mut command = program(&["--toolsets", "all"], api, key);
    command.env("NEON_MCP_LOG", "error");
    command
}
