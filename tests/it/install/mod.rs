//! `neon-mcp install` and `uninstall`, on the files of every client.

mod addresses;
mod changes;
mod edges;
mod fixtures;
mod guarded;
mod kept;
mod keys;
mod listed;
mod projects;
mod served;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::server::KEY;

/// A client, as the facts about clients have it: not as our own table does.
pub struct Client {
    pub id: &'static str,
    /// Below the home directory.
    pub user: &'static str,
    pub project: Option<&'static str>,
    /// The key under which servers are.
    pub key: &'static str,
    pub kind: Kind,
    pub http: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Json,
    Toml,
    Yaml,
}

const fn json(id: &'static str, user: &'static str, project: Option<&'static str>, key: &'static str) -> Client {
    Client {
        id,
        user,
        project,
        key,
        kind: Kind::Json,
        http: true,
    }
}

/// All of them.
pub const CLIENTS: [Client; 14] = [
    json("claude-code", ".claude.json", Some(".mcp.json"), "mcpServers"),
    Client {
        http: false,
        ..json(
            "claude-desktop",
            ".config/Claude/claude_desktop_config.json",
            None,
            "mcpServers",
        )
    },
    json("cursor", ".cursor/mcp.json", Some(".cursor/mcp.json"), "mcpServers"),
    json(
        "vscode",
        ".config/Code/User/mcp.json",
        Some(".vscode/mcp.json"),
        "servers",
    ),
    Client {
        kind: Kind::Toml,
        ..json("codex", ".codex/config.toml", Some(".codex/config.toml"), "mcp_servers")
    },
    json(
        "gemini-cli",
        ".gemini/settings.json",
        Some(".gemini/settings.json"),
        "mcpServers",
    ),
    json("windsurf", ".codeium/windsurf/mcp_config.json", None, "mcpServers"),
    json(
        "zed",
        ".config/zed/settings.json",
        Some(".zed/settings.json"),
        "context_servers",
    ),
    json(
        "copilot",
        ".copilot/mcp-config.json",
        Some(".github/mcp.json"),
        "mcpServers",
    ),
    json(
        "cline",
        ".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        None,
        "mcpServers",
    ),
    Client {
        kind: Kind::Yaml,
        ..json("goose", ".config/goose/config.yaml", None, "extensions")
    },
    json(
        "opencode",
        ".config/opencode/opencode.jsonc",
        Some("opencode.jsonc"),
        "mcp",
    ),
    json(
        "kiro",
        ".kiro/settings/mcp.json",
        Some(".kiro/settings/mcp.json"),
        "mcpServers",
    ),
    json("antigravity", ".gemini/config/mcp_config.json", None, "mcpServers"),
];

pub fn client(id: &str) -> &'static Client {
    CLIENTS.iter().find(|client| client.id == id).expect("a client")
}

/// A home directory of one test's own, and a project beside it.
pub struct Home {
    place: TempDir,
}

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
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert!(!ran.all().contains(KEY), "{}", ran.all());
        ran
    }

    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Home {
    pub fn new() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(place.path().join("home")).expect("made");
        std::fs::create_dir_all(place.path().join("project")).expect("made");
        Self { place }
    }

    pub fn path(&self) -> PathBuf {
        self.place.path().join("home")
    }

    pub fn project(&self) -> PathBuf {
        self.place.path().join("project")
    }

    pub fn file(&self, client: &Client) -> PathBuf {
        self.path().join(client.user)
    }

    /// Puts a text where the client keeps its servers.
    pub fn put(&self, client: &Client, text: &str) -> PathBuf {
        let path = self.file(client);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
        path
    }

    /// The program, started in the project, with nothing of the tester's in its environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::support::program());
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("NEON_API_KEY", KEY)
            .env("NEON_MCP_LOG", "warn")
            .current_dir(self.project())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(&self.command(arguments).output().expect("runs"))
    }

    /// A text without what differs between runs and machines.
    pub fn told(&self, text: &str) -> String {
        let text = text.replace(crate::support::program(), "/bin/neon-mcp");
        text.replace(&self.place.path().display().to_string(), "")
    }
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
