//! Signing in as a person: the browser's part, what is kept and renewed, and servers that have it.

mod accounts;
mod command;
mod guarded;
mod issuer;
mod neon_cli;
mod renewal;
mod without;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::server::{Era, TestClient, TestServer, program};
use issuer::{Back, Issuer};

/// A person's home, with nothing in it.
pub struct Home {
    folder: tempfile::TempDir,
    stands_for_neon: bool,
}

impl Home {
    pub fn new() -> Self {
        Self {
            folder: harness::folder::own(),
            stands_for_neon: false,
        }
    }

    /// One in which the provider of the tests counts for Neon's own.
    pub fn at_neon() -> Self {
        Self {
            stands_for_neon: true,
            ..Self::new()
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program in that home, on that provider and its API, without a key.
    pub fn program(&self, arguments: &[&str], issuer: &Issuer) -> Command {
        let mut command = program(arguments, &issuer.api(), "");
        command
            .env_remove("NEON_API_KEY")
            .env("HOME", self.path())
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("NEON_MCP_LOGIN_ISSUER", issuer.origin())
            .env("NEON_MCP_LOG", "trace");
        if self.stands_for_neon {
            command.env("NEON_TEST_STANDS_FOR_NEON", "loopback");
        }
        command
    }

    pub async fn run(&self, arguments: &[&str], issuer: &Issuer) -> (Option<i32>, String, String) {
        ended(self.program(arguments, issuer).output().await.expect("runs"))
    }

    pub async fn server(&self, arguments: &[&str], issuer: &Issuer, era: Era) -> TestServer {
        self.server_for(arguments, issuer, TestClient::alone(), era).await
    }

    pub async fn server_for(&self, arguments: &[&str], issuer: &Issuer, client: TestClient, era: Era) -> TestServer {
        TestServer::run(self.program(arguments, issuer), client, era).await
    }

    /// Where a login of ours lies.
    pub fn login(&self, profile: &str) -> PathBuf {
        self.path().join(format!(".config/neon-mcp/logins/{profile}.json"))
    }

    /// Begins a login.
    pub async fn begins(&self, arguments: &[&str], issuer: &Issuer) -> Login {
        let mut command = self.program(&["login", "--no-browser"], issuer);
        self.begun(command.args(arguments)).await
    }

    /// Begins a login with that command.
    pub async fn begun(&self, command: &mut Command) -> Login {
        let mut child = command.spawn().expect("starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut said = String::new();
        let page = loop {
            let mut line = String::new();
            let read = output.read_line(&mut line).await.expect("a line");
            said.push_str(&line);
            if read == 0 {
                break None;
            }
            if let Some(page) = line.trim().strip_prefix("http") {
                break Some(format!("http{page}"));
            }
        };
        Login {
            child,
            output,
            said,
            page,
        }
    }

    /// Signs that person in.
    pub async fn signs_in(&self, arguments: &[&str], issuer: &Issuer, person: &str) {
        let login = self.begins(arguments, issuer).await;
        let (status, _) = login.back(issuer, person).arrive().await;
        let (code, said, log) = login.ends().await;
        assert_eq!((status, code), (200, Some(0)), "{said} {log}");
    }

    /// The file of a login, as JSON.
    pub fn kept(&self, profile: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.login(profile)).expect("a login")).expect("JSON")
    }
}

/// A login that waits for its person.
pub struct Login {
    child: Child,
    output: BufReader<ChildStdout>,
    said: String,
    /// The page, where it came to that.
    pub page: Option<String>,
}

impl Login {
    /// The browser, after the person signed in.
    pub fn back(&self, issuer: &Issuer, person: &str) -> Back {
        issuer.signs_in(self.page.as_ref().expect("a page"), person)
    }

    pub async fn ends(mut self) -> (Option<i32>, String, String) {
        self.output.read_to_string(&mut self.said).await.expect("its end");
        let ended = tokio::time::timeout(Duration::from_secs(60), self.child.wait_with_output());
        let (code, _, log) = self::ended(ended.await.expect("ends").expect("ends"));
        (code, self.said, log)
    }
}

fn ended(output: Output) -> (Option<i32>, String, String) {
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// The kind of error of a call's result.
pub fn kind(value: &Value) -> &str {
    value["error"]["kind"]
        .as_str()
        .unwrap_or_else(|| panic!("no error in {value}"))
}

/// The only project that is listed: it tells whose account it is.
pub async fn whose(server: &TestServer, arguments: Value) -> String {
    let (value, is_error) = server.call("list_projects", arguments).await;
    assert!(!is_error, "{value}");
    value["result"]["projects"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no project in {value}"))
        .to_owned()
}
