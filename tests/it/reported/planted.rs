//! Something else stands where a file of this program belongs: a pipe, a link, a folder, a file of somebody else. Nothing waits for
//! it, nothing is followed through it, and what can't go on says which path it is.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::http::OverHttp;
use crate::support::server::{KEY, program};
use crate::support::world::{BRANCH, PROJECT, World};

/// The longest that anything takes which waits for nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A code of an approval, as a file is called.
const CODE: &str = "BCDFGHJK.json";

const KINDS: [&str; 6] = [
    "pipe",
    "link to a file",
    "link to a folder",
    "link to nothing",
    "folder",
    "another's",
];

/// A place with something precious outside of what the program may touch.
struct Planted {
    place: TempDir,
}

impl Planted {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("outside")).unwrap();
        fs::write(place.path().join("outside/kept"), "precious").unwrap();
        Self { place }
    }

    fn outside(&self) -> PathBuf {
        self.place.path().join("outside")
    }

    /// Puts something of that kind at a path; false where this user can't.
    fn plant(&self, kind: &str, path: &Path) -> bool {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match kind {
            "pipe" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
            "link to a file" => symlink(self.outside().join("kept"), path).unwrap(),
            "link to a folder" => symlink(self.outside(), path).unwrap(),
            "link to nothing" => symlink(self.outside().join("made"), path).unwrap(),
            "folder" => {
                fs::create_dir(path).unwrap();
                fs::write(path.join("within"), "").unwrap();
            }
            _ => {
                fs::write(path, "theirs").unwrap();
                // Nobody but root can give a file away.
                return rustix::process::geteuid().is_root() && chown(path, Some(65_534), None).is_ok();
            }
        }
        true
    }

    fn untouched(&self, about: &str) {
        let names: Vec<_> = fs::read_dir(self.outside())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["kept"], "{about}: something was made outside");
        assert_eq!(fs::read(self.outside().join("kept")).unwrap(), b"precious", "{about}");
    }
}

async fn run(mut command: tokio::process::Command, about: &str) -> Output {
    let run = command.stdin(Stdio::null()).output();
    let output = tokio::time::timeout(PATIENCE, run).await;
    output.unwrap_or_else(|_| panic!("{about}: it waits")).unwrap()
}

/// Everything that a process said.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn deletion(world: &World, state: &Path) -> tokio::process::Command {
    let arguments = json!({"project_id": PROJECT, "branch_id": BRANCH}).to_string();
    let state = state.to_str().unwrap();
    let mut command = program(
        &["call", "delete_branch", &arguments, "--state-dir", state],
        &world.url(),
        KEY,
    );
    command.env("NEON_MCP_LOG", "warn");
    command
}

#[tokio::test]
async fn somebody_planted_something_in_the_state_directory() {
    let world = World::start().await;
    for name in [
        "audit.jsonl",
        "audit.jsonl.lock",
        "audit.jsonl.pending",
        "approvals",
        "approvals/lock",
        "approvals/cli-session",
        "approvals/cli-seal-key",
        // One approval that can't be read is none, and the others count.
        &format!("approvals/{CODE}"),
    ] {
        for kind in KINDS {
            let is_folder = matches!(name, "audit.jsonl.pending" | "approvals");
            if is_folder && kind == "folder" {
                continue;
            }
            let about = format!("{name} is a {kind}");
            let planted = Planted::new();
            let state = planted.place.path().join("state");
            let path = state.join(name);
            if !planted.plant(kind, &path) {
                continue;
            }
            let output = run(deletion(&world, &state), &about).await;
            let said = said(&output);
            assert!(!output.status.success(), "{about}: {said}");
            assert!(!said.contains("panicked"), "{about}: {said}");
            assert!(
                said.contains(path.to_str().unwrap()),
                "{about}, which isn't told: {said}"
            );
            planted.untouched(&about);
            assert_eq!(world.changes(), [""; 0], "{about}");
        }
    }
}

#[tokio::test]
async fn somebody_planted_a_pipe_where_a_full_audit_log_would_be() {
    let world = World::start().await;
    let planted = Planted::new();
    let state = planted.place.path().join("state");
    // A note of a call whose process is gone: whether the log has it already is looked up in the log's files.
    let pending = state.join("audit.jsonl.pending");
    fs::create_dir_all(&pending).unwrap();
    let id = "0190a0b0-0000-7000-8000-000000000000";
    let note = json!({"id": id, "time": "2026-01-01T00:00:00Z", "tool": "create_branch", "outcome": "unknown"});
    fs::write(pending.join(format!("1-{id}.json")), format!("{note}\n")).unwrap();
    let full = state.join("audit.jsonl.1");
    planted.plant("pipe", &full);
    let output = run(deletion(&world, &state), "a pipe").await;
    let said = said(&output);
    assert!(said.contains(full.to_str().unwrap()), "{said}");
    assert_eq!(world.changes(), [""; 0]);
    let mut log = program(&["log", "--state-dir", state.to_str().unwrap()], &world.url(), KEY);
    log.env("NEON_MCP_LOG", "warn");
    let output = run(log, "reading the log").await;
    let said = self::said(&output);
    assert!(!output.status.success() && said.contains("audit.jsonl.1"), "{said}");
}

#[tokio::test]
async fn somebody_named_a_pipe_as_a_file_of_the_operators() {
    for (command, flags) in [
        (
            "stdio",
            &["--config", "--policy", "--api-key-file", "--auth-token-file"][..],
        ),
        ("http", &["--auth-token-file", "--policy", "--config"]),
        ("sandbox", &["--faults"]),
        ("log", &["--file"]),
    ] {
        for flag in flags {
            for kind in ["pipe", "folder"] {
                let about = format!("{command} {flag} with a {kind}");
                let planted = Planted::new();
                let path = planted.place.path().join("given");
                planted.plant(kind, &path);
                let mut arguments = vec![command, flag, path.to_str().unwrap()];
                if command == "http" {
                    arguments.extend(["--listen", "127.0.0.1:0"]);
                }
                let mut command = program(&arguments, "http://127.0.0.1:1/api/v2", KEY);
                if *flag == "--api-key-file" {
                    command.env_remove("NEON_API_KEY");
                }
                // A server over stdio reads no token of clients over HTTP.
                if arguments[..2] == ["stdio", "--auth-token-file"] {
                    continue;
                }
                let output = run(command, &about).await;
                let said = said(&output);
                assert!(!output.status.success(), "{about}: {said}");
                assert!(said.contains(path.to_str().unwrap()), "{about}: {said}");
            }
        }
    }
    // A seal key wants a state directory beside it.
    let planted = Planted::new();
    let (path, state) = (planted.place.path().join("key"), planted.place.path().join("state"));
    planted.plant("pipe", &path);
    let (key, state) = (path.to_str().unwrap(), state.to_str().unwrap());
    let arguments = ["stdio", "--seal-key-file", key, "--state-dir", state];
    let output = run(program(&arguments, "http://127.0.0.1:1/api/v2", KEY), "a seal key").await;
    assert!(
        !output.status.success() && said(&output).contains(key),
        "{}",
        said(&output)
    );
    // So does a seed a project, and its pipe is no reason to make one.
    let arguments = ["sandbox", "--sandbox-postgres", "auto", "--seed-sql", key];
    let output = run(program(&arguments, "http://127.0.0.1:1/api/v2", KEY), "a seed").await;
    assert!(
        !output.status.success() && said(&output).contains(key),
        "{}",
        said(&output)
    );
}

#[tokio::test]
async fn somebody_planted_something_in_the_folder_of_a_sandbox() {
    for (name, kinds) in [
        ("state.json", &KINDS[..]),
        // What is no file never was a lock, and makes room for one.
        ("lock", &["pipe", "link to a file", "link to nothing"]),
        ("", &["pipe", "link to a file", "link to nothing"]),
    ] {
        for kind in kinds {
            let about = format!("{name} is a {kind}");
            let planted = Planted::new();
            let folder = planted.place.path().join("kept");
            let path = if name.is_empty() {
                folder.clone()
            } else {
                folder.join(name)
            };
            if !planted.plant(kind, &path) {
                continue;
            }
            let place = folder.to_str().unwrap();
            let arguments = ["call", "list_projects", "--sandbox", "--sandbox-dir", place];
            let mut command = program(&arguments, "", "");
            command.env_remove("NEON_API_KEY").env_remove("NEON_API_HOST");
            let output = run(command, &about).await;
            let said = said(&output);
            assert!(!said.contains("panicked"), "{about}: {said}");
            if name == "lock" {
                assert!(output.status.success(), "{about}: {said}");
            } else {
                assert!(!output.status.success(), "{about}: {said}");
                assert!(said.contains(path.to_str().unwrap()), "{about}: {said}");
                assert!(*kind != "another's" || said.contains("another user"), "{about}: {said}");
            }
            planted.untouched(&about);
        }
    }
}

#[tokio::test]
async fn somebody_planted_something_in_the_place_of_a_token() {
    for kind in KINDS {
        let about = format!("a token is a {kind}");
        let planted = Planted::new();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let state = planted.place.path().join("neon-mcp");
        let path = state.join(format!("http-127.0.0.1-{port}.token"));
        if !planted.plant(kind, &path) {
            continue;
        }
        let listen = format!("127.0.0.1:{port}");
        let mut command = program(&["http", "--listen", &listen], "http://127.0.0.1:1/api/v2", KEY);
        if kind == "folder" {
            command.env("XDG_STATE_HOME", planted.place.path());
            let output = run(command, &about).await;
            let said = said(&output);
            assert!(
                !output.status.success() && said.contains(path.to_str().unwrap()),
                "{said}"
            );
            continue;
        }
        let starting = OverHttp::start(command, planted.place.path());
        let mut server = tokio::time::timeout(PATIENCE, starting).await.expect("a start");
        // The file is its own by now.
        assert!(server.token.as_ref().is_some_and(|token| token.len() > 30), "{about}");
        planted.untouched(&about);
        // And whatever is put there meanwhile doesn't hold up the end.
        fs::remove_file(&path).unwrap();
        planted.plant(kind, &path);
        let pid = server.child.id().unwrap().try_into().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let end = tokio::time::timeout(Duration::from_secs(10), server.child.wait()).await;
        end.unwrap_or_else(|_| panic!("{about}: the end waits")).unwrap();
        planted.untouched(&about);
        assert!(fs::symlink_metadata(&path).is_ok(), "{about}: it wasn't ours to remove");
    }
}
