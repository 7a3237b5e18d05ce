//! What a caller over HTTP is told of how its call is approved: what can be its own, and nothing of the server's.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::error;
use crate::support::http::{OverHttp, connect, plain};
use crate::support::policy::write_policy;
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

/// A server with these flags, and what a caller of it is told whose call waits.
struct Told {
    server: OverHttp,
    state: PathBuf,
    error: Value,
}

async fn told(world: &World, policy: &str, flags: &[&str], auth: &str) -> Told {
    let state = state_home();
    write_policy(state.join("policy.toml"), policy);
    std::fs::write(state.join("page.secret"), "an operators own secret").expect("written");
    let arguments = [
        &["http", "--listen", "127.0.0.1:0", "--toolsets", "all", "--auth", auth],
        flags,
    ]
    .concat();
    let mut command = program(&arguments, &world.url(), KEY);
    command
        .arg("--policy")
        .arg(state.join("policy.toml"))
        .env("NEON_MCP_LOG", "warn");
    let mut shown = None;
    if auth == "bearer" {
        let mut made = program(&["token", "create", "ci"], "http://127.0.0.1:1", KEY);
        let made = made.env("XDG_STATE_HOME", &state).output().await.expect("runs");
        shown = Some(String::from_utf8_lossy(&made.stdout).trim().to_owned());
    }
    let server = OverHttp::start(command, &state).await;
    // A server behind a name is reached by its address all the same.
    let shown = shown.or(server.token.clone());
    let client = connect(&server.url, shown.as_deref(), TestClient::alone(), Era::Modern).await;
    let (value, is_error) = call(
        &client,
        "delete_branch",
        json!({"project_id": PROJECT, "branch_id": BRANCH}),
    )
    .await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    Told {
        server,
        state,
        error: error(&value).clone(),
    }
}

impl Told {
    fn next(&self) -> &str {
        self.error["next"].as_str().expect("what next")
    }

    async fn page(&self) -> String {
        let page = self.error["approval_page"].as_str().expect("a page");
        plain()
            .get(page)
            .send()
            .await
            .expect("an answer")
            .text()
            .await
            .expect("text")
    }
}

#[tokio::test]
async fn caller_with_the_servers_own_terminal_is_told_of_the_page_first() {
    let world = World::start().await;
    let told = told(&world, "", &[], "token").await;
    let code = told.error["code"].as_str().expect("a code");
    let at = |part: &str| {
        told.next()
            .find(part)
            .unwrap_or_else(|| panic!("no {part}: {}", told.next()))
    };
    assert!(
        at("/approve/") < at(&format!("`neon-mcp approve {code}`")),
        "{}",
        told.next()
    );
    assert!(
        told.page().await.contains("neon-mcp http"),
        "the log is the reader's own"
    );
}

#[tokio::test]
async fn caller_of_a_shared_server_is_told_nothing_of_its_files_and_terminals() {
    let world = World::start().await;
    let named = state_home();
    let kept = format!("dir:{}", named.display());
    for (flags, auth) in [
        (&[][..], "bearer"),
        (&["--store", &kept], "token"),
        (&["--store", &kept], "none"),
    ] {
        let told = told(&world, "", flags, auth).await;
        let state = told.state.to_str().expect("a path");
        let all = told.error.to_string();
        for secret in [
            state,
            named.to_str().expect("a path"),
            "--state-dir",
            "--dir",
            "--store",
            "--seal-key-file",
            "`neon-mcp approve",
        ] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
        // Whoever runs the server is told the code, and has the secret of the page.
        let code = told.error["code"].as_str().expect("a code");
        assert!(
            told.next().contains(&format!(" {code} ")) && told.next().contains("/approve/"),
            "{}",
            told.next()
        );
        let page = told.page().await;
        assert!(page.contains(code) && !page.contains("neon-mcp http"), "{page}");
        drop(told.server);
    }
}

#[tokio::test]
async fn page_with_the_operators_own_secret_says_who_has_it() {
    let world = World::start().await;
    let policy = "[approval]\nchannels = [\"page\"]\npage_secret_file = \"page.secret\"\n";
    let told = told(&world, policy, &[], "token").await;
    harness::assert_worded!(
        "approvals",
        "next: the page with the operator's secret",
        told.next()
            .replace(told.error["approval_page"].as_str().expect("a page"), "PAGE")
            .split(';')
            .next()
            .expect("what to do")
    );
    // Who approved by it is nobody whose name is known, and least of all who asked.
    let page = told.error["approval_page"].as_str().expect("a page");
    let form = "decision=approve&secret=an+operators+own+secret";
    let answer = plain()
        .post(page)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
    let log = told.state.join("neon-mcp/audit.jsonl");
    let text = std::fs::read_to_string(&log).expect("a log");
    let line = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let line = line
        .into_iter()
        .find(|line| line["outcome"] == "approved")
        .expect("a line");
    assert!(line["approver"].is_null() && line["reason"].is_string(), "{line}");
    let mut command = program(&["log", "--outcome", "approved", "--file"], "http://127.0.0.1:1", KEY);
    let shown = command.arg(&log).output().await.expect("runs");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let (before, _) = shown.split_once("by http").expect("who asked");
    assert!(before.ends_with("asked "), "{shown}");
}
