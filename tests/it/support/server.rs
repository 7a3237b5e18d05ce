//! The program, and a server of it with a real MCP client on it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use harness::server::{Era, TestClient, TestServer, call};
use tokio::process::Command;

/// A key that no result, log or error may show. It is one of a sandbox: of others the server asks Neon at its start what
/// kind they are, which would be a request more to count.
pub const KEY: &str = "sandbox_canary_key_0123456789abcdef";

/// A directory of its own for the state of a program: what waits for approval in one test is nothing to another.
pub fn state_home() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("state");
        // What earlier runs left.
        for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            if !Path::new("/proc").join(pid).exists() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        root.join(std::process::id().to_string())
    });
    let home = ROOT.join(NUMBER.fetch_add(1, Ordering::Relaxed).to_string());
    std::fs::create_dir_all(&home).expect("a directory for state");
    home
}

/// The program, with an environment that holds nothing of the tester's, and a state directory of its own.
pub fn program(arguments: &[&str], api: &str, key: &str) -> Command {
    let mut command = Command::new(crate::support::program());
    command
        .args(arguments)
        .env_clear()
        .env("NEON_API_HOST", api)
        .env("NEON_API_KEY", key)
        .env("XDG_STATE_HOME", state_home())
        // No test reads documentation over a network: where one wants a host, it names its own.
        .env("NEON_MCP_DOCS_URL", "http://127.0.0.1:1/docs")
        // What the folder of the tests is linked to is nothing to them.
        .env("NEON_MCP_CONTEXT_FILE", "off")
        // A sandbox starts sooner without data, and these tests need none.
        .env("NEON_MCP_SANDBOX_POSTGRES", "off")
        // It has no project but those that a test makes; the one that it has ready otherwise is tested by itself.
        .env("NEON_MCP_SANDBOX_PROJECT", "false")
        // How requests are kept to Neon's limits is tested by itself; the others needn't take their time.
        .env("NEON_MCP_SANDBOX_RATE_LIMITS", "false")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A stdio server on that API, with a client that can't ask.
pub async fn start(arguments: &[&str], api: &str) -> TestServer {
    start_with(arguments, api, KEY, Era::Legacy, "trace").await
}

/// The same with that key, for a client of that era, with that log.
pub async fn start_with(arguments: &[&str], api: &str, key: &str, era: Era, log: &str) -> TestServer {
    let mut command = program(arguments, api, key);
    command.env("NEON_MCP_LOG", log);
    TestServer::run(command, TestClient::alone(), era).await
}
