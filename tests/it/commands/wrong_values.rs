//! A wrong value is answered with one that is right.

use super::{at_home, ran, run};
use crate::support::server::KEY;

#[tokio::test]
async fn wrong_value_is_answered_with_a_right_one() {
    for (arguments, right) in [
        (&["http", "--listen", "7373"][..], "127.0.0.1:7373"),
        (&["http", "--listen", "0.0.0.0:7373"], "127.0.0.1:7373"),
        (&["stdio", "--read-only=perhaps"], "true, false"),
        (&["stdio", "--project-id", "../x"], "quiet-sun-12345678"),
        (&["stdio", "--org-id", "a/b"], "org-quiet-sun-12345678"),
        (&["stdio", "--branch", "name:"], "br-cool-sun-a1b2c3d4"),
        (&["stdio", "--role", ""], "neondb_owner"),
        (&["stdio", "--database", "a\u{1}"], "neondb"),
        (&["stdio", "--toolsets", "qqqq"], "`branches`"),
        (&["stdio", "--tools", "qqqq"], "`list_projects`"),
        (&["stdio", "--exclude-tools", "qqqq"], "`list_projects`"),
        (&["stdio", "--api-host", "ftp://x"], "https://console.neon.tech/api/v2"),
        (&["stdio", "--docs-url", "docs"], "https://neon.com/docs"),
        (&["stdio", "--sql-host-suffix", "com"], "db.example.com"),
        (&["stdio", "--sandbox-postgres", "maybe"], "required"),
        (&["stdio", "--call-timeout-seconds", "0"], "e.g. 120"),
        (&["call", "list_projects", "nojson"], "\"project_id\""),
        (&["call", "list_projects", "[1]"], "\"project_id\""),
        (&["log", "--since", "x"], "2026-07-01T12:00:00Z"),
        (&["log", "--outcome", "x"], "timed_out"),
        (&["completions", "tcsh"], "zsh"),
        (&["tools", "--format", "xml"], "markdown"),
        (&["install", "cursr"], "cursor"),
        (&["install", "cursor", "--name", "a b"], "neon-staging"),
        (&["install", "cursor", "--url", "7373"], "http://127.0.0.1:7373/mcp"),
    ] {
        let told = run(arguments).await;
        assert_ne!(told.code, 0, "{arguments:?}");
        assert!(told.stderr.contains(right), "{arguments:?}: {}", told.stderr);
    }
    for (variable, value, right) in [
        ("NEON_MCP_LOG", "==,", "warn,neon_mcp=info"),
        ("NEON_MCP_READ_ONLY", "perhaps", "false"),
        ("NEON_MCP_SANDBOX_POSTGRES", "perhaps", "required"),
        ("NEON_MCP_WAIT_TIMEOUT_SECONDS", "x", "e.g. 120"),
        ("NEON_MCP_PROJECT_ID", "A b", "quiet-sun-12345678"),
    ] {
        let home = tempfile::tempdir().expect("a directory");
        let mut command = at_home(&home, &["stdio"], "http://127.0.0.1:1/api/v2", KEY);
        command.env(variable, value);
        let told = ran(command).await;
        assert_ne!(told.code, 0, "{variable}");
        assert!(told.stderr.contains(right), "{variable}: {}", told.stderr);
    }
}
