//! Somebody calls tools by hand or from a script, without a terminal: one process asks, a human approves, another one acts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::server::{KEY, program};
use crate::support::terminal::AtTerminal;
use crate::support::world::{BRANCH, PROJECT, World};

const NOTHING: [String; 0] = [];

fn delete(branch: &str) -> Value {
    json!({"project_id": PROJECT, "branch_id": branch})
}

/// A call by a process of its own: whether it succeeded, and what it printed.
async fn call(world: &World, state: &Path, tool: &str, arguments: &Value) -> (bool, Value) {
    let arguments = arguments.to_string();
    let state = state.to_str().expect("a path");
    let mut command = program(
        &["call", tool, &arguments, "--json", "--state-dir", state],
        &world.url(),
        KEY,
    );
    let output = command.stdin(std::process::Stdio::null()).output().await.expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {said}"));
    (output.status.success(), value)
}

/// A call that waits for an approval: the code, and what its caller is told to do.
async fn asks(world: &World, state: &Path, arguments: &Value) -> (String, String) {
    let (done, value) = call(world, state, "delete_branch", arguments).await;
    assert!(!done && value["error"]["kind"] == "requires_approval", "{value}");
    let text = |field: &str| value["error"][field].as_str().expect("text").to_owned();
    (text("code"), text("next"))
}

/// The command that an answer tells, run by a shell at a terminal, with these lines typed.
async fn follow(next: &str, lines: &[&str]) -> (i32, String, String) {
    let told = next.split('`').nth(1).expect("a command").to_owned();
    let own = crate::support::program();
    let told = format!("exec '{own}' {}", told.strip_prefix("neon-mcp ").expect("our command"));
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &told]).env_clear();
        let mut terminal = AtTerminal::start(command);
        for (index, line) in lines.iter().enumerate() {
            terminal.wait_for("to reject: ", index + 1);
            terminal.type_line(line);
        }
        terminal.end()
    })
    .await
    .expect("ends")
}

#[tokio::test]
async fn somebody_repeats_a_call_after_the_approval_of_another_process() {
    for folder in ["state", "it's a \"state\" $HOME", "st\u{e4}te\u{202e}\n2  3 "] {
        let world = World::start().await;
        let place = tempfile::tempdir().expect("a directory");
        let state = place.path().join(folder);
        let (code, next) = asks(&world, &state, &delete(BRANCH)).await;
        // The same call asks no second time.
        assert_eq!(asks(&world, &state, &delete(BRANCH)).await.0, code);
        assert_eq!(world.changes(), NOTHING);
        let (exit, printed, screen) = follow(&next, &["yes"]).await;
        assert!(exit == 0 && printed.contains("approved"), "{next}\n{printed}\n{screen}");
        assert_eq!(world.changes(), NOTHING, "an approval alone sends nothing");
        // Another call isn't the one that was approved.
        let mut other = delete(BRANCH);
        other["hard_delete"] = true.into();
        let (done, value) = call(&world, &state, "delete_branch", &other).await;
        assert!(!done && value["error"]["kind"] == "requires_approval", "{value}");
        let (done, value) = call(&world, &state, "delete_branch", &delete(BRANCH)).await;
        assert!(done && value["approved_by"] == "terminal", "{value}");
        assert_eq!(world.changes().len(), 1);
        // It counted once.
        assert_ne!(asks(&world, &state, &delete(BRANCH)).await.0, code);
        assert_eq!(world.changes().len(), 1);
    }
}

#[tokio::test]
async fn somebody_approves_a_call_whose_target_then_changes() {
    let world = World::start().await;
    let place = tempfile::tempdir().expect("a directory");
    let (code, next) = asks(&world, place.path(), &delete(BRANCH)).await;
    assert_eq!(follow(&next, &["yes"]).await.0, 0);
    world.change(|facts| facts.branch()["protected"] = true.into());
    let (done, value) = call(&world, place.path(), "delete_branch", &delete(BRANCH)).await;
    assert!(!done, "{value}");
    assert_ne!(value["error"]["code"], code.as_str(), "{value}");
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn somebody_approves_in_one_directory_and_calls_in_another() {
    let world = World::start().await;
    let (one, other) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("other"));
    let (code, next) = asks(&world, one.path(), &delete(BRANCH)).await;
    assert_eq!(follow(&next, &["yes"]).await.0, 0);
    // Neither an approval elsewhere, nor a copy of it, is one here: it is sealed with the key of its own directory.
    let file = format!("approvals/{}.json", code.replace('-', ""));
    asks(&world, other.path(), &delete(BRANCH)).await;
    std::fs::copy(one.path().join(&file), other.path().join(&file)).expect("a copy");
    asks(&world, other.path(), &delete(BRANCH)).await;
    assert_eq!(world.changes(), NOTHING);
    let key = one.path().join("approvals/cli-seal-key");
    assert_eq!(key.metadata().expect("a key").permissions().mode() & 0o777, 0o600);
    let keys =
        [one.path(), other.path()].map(|place| std::fs::read(place.join("approvals/cli-seal-key")).expect("a key"));
    assert_ne!(keys[0], keys[1]);
    // Without its key, an approval is none any more.
    std::fs::remove_file(&key).expect("removed");
    asks(&world, one.path(), &delete(BRANCH)).await;
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn somebody_put_a_link_where_the_key_is_kept() {
    let world = World::start().await;
    let place = tempfile::tempdir().expect("a directory");
    let known = place.path().join("known");
    std::fs::write(&known, "a".repeat(64)).expect("a file");
    let approvals = place.path().join("approvals");
    std::fs::create_dir(&approvals).expect("a directory");
    std::os::unix::fs::symlink(&known, approvals.join("cli-seal-key")).expect("a link");
    // The call still asks; what is approved counts for nobody else, as nobody knows the key.
    let (_, next) = asks(&world, place.path(), &delete(BRANCH)).await;
    assert_eq!(follow(&next, &["yes"]).await.0, 0);
    asks(&world, place.path(), &delete(BRANCH)).await;
    assert_eq!(world.changes(), NOTHING);
    assert_eq!(std::fs::read(&known).expect("a file"), "a".repeat(64).into_bytes());
}

#[tokio::test]
async fn somebody_looks_into_another_state_directory() {
    let world = World::start().await;
    let place = tempfile::tempdir().expect("a directory");
    let state = place.path().to_str().expect("a path");
    let (code, _) = asks(&world, place.path(), &delete(BRANCH)).await;
    for (arguments, expected) in [
        (vec!["approve", "--state-dir", state], code.as_str()),
        (vec!["approve", "--state-dir", state], &format!("--state-dir {state}")),
        (vec!["log", "--state-dir", state], "delete_branch"),
    ] {
        let output = program(&arguments, &world.url(), KEY).output().await.expect("runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.contains(expected),
            "{arguments:?}: {said}"
        );
    }
    let refusal = ["approve", &code, "--state-dir", state, "--reject"];
    let output = program(&refusal, &world.url(), KEY).output().await.expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let (done, value) = call(&world, place.path(), "delete_branch", &delete(BRANCH)).await;
    assert!(!done && value["error"]["kind"] == "rejected", "{value}");
}
