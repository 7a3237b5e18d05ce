//! An approval from a terminal, for a client that can't ask.

use harness::assert_worded;
use std::path::Path;

use serde_json::{Value, json};

use super::{NOTHING, Started, error, start};
use crate::support::server::{Era, KEY, TestClient, TestServer, program, state_home};
use crate::support::terminal::AtTerminal;
use crate::support::world::{BRANCH, PROJECT, World};

fn delete_branch() -> Value {
    json!({"project_id": PROJECT, "branch_id": BRANCH})
}

/// A deletion for good, for which the name is typed.
fn delete_for_good() -> Value {
    json!({"project_id": PROJECT, "branch_id": BRANCH, "hard_delete": true})
}

async fn alone(world: &World, policy: &str) -> Started {
    start(world, TestClient::alone(), Era::Legacy, policy).await
}

/// Calls, is refused, and gives the code.
async fn code(started: &Started, tool: &str, arguments: Value) -> String {
    let (value, is_error) = started.call(tool, arguments).await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    let code = error(&value)["code"].as_str().expect("a code").to_owned();
    assert!(
        error(&value)["next"]
            .as_str()
            .expect("what next")
            .contains(&format!("neon-mcp approve {code}"))
    );
    code
}

fn approve(state: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = program(&[&["approve"], arguments].concat(), "http://127.0.0.1:1/api/v2", KEY);
    command.env("XDG_STATE_HOME", state);
    command.into_std()
}

/// Approves without a terminal: exit code, and what was said.
fn run(state: &Path, arguments: &[&str]) -> (i32, String) {
    let output = approve(state, arguments).output().expect("runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().expect("a code"),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Approves at a terminal, typing these lines when asked.
async fn at_terminal(state: &Path, code: &str, lines: &[&str]) -> (i32, String, String) {
    let command = approve(state, &[code]);
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    tokio::task::spawn_blocking(move || {
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
async fn approval_in_a_terminal_lets_the_same_call_run_once() {
    for era in [Era::Legacy, Era::Modern] {
        let world = World::start().await;
        let started = start(&world, TestClient::alone(), era, "").await;
        let code = code(&started, "delete_branch", delete_branch()).await;
        let (exit, listed) = run(&started.state, &[]);
        assert!(
            exit == 0 && listed.contains(&code) && listed.contains("delete_branch"),
            "{listed}"
        );
        let (exit, printed, screen) = at_terminal(&started.state, &code, &["yes"]).await;
        assert_eq!(exit, 0, "{screen}");
        assert!(
            printed.contains("approved") && screen.contains("\"dev\" (br-quiet-sun-a1b2c3d4)"),
            "{screen}"
        );
        assert_eq!(world.changes(), NOTHING, "an approval alone sends nothing");
        let (value, is_error) = started.call("delete_branch", delete_branch()).await;
        assert!(!is_error && value["approved_by"] == "terminal", "{value}");
        assert_eq!(world.changes().len(), 1);
        // The next one needs an approval of its own.
        let next = self::code(&started, "delete_branch", delete_branch()).await;
        assert_ne!(next, code);
        assert_eq!(world.changes().len(), 1);
        let (exit, said) = run(&started.state, &[&code, "--reject"]);
        assert_eq!(exit, 2, "{said}");
        assert_worded!("approvals", "code of no call", said.replace(&code, "[code]"));
    }
}

#[tokio::test]
async fn a_no_in_a_terminal_is_told_to_the_agent() {
    let world = World::start().await;
    let started = alone(&world, "").await;
    let code = code(&started, "delete_branch", delete_branch()).await;
    let (exit, _, screen) = at_terminal(&started.state, &code, &["what?", "no"]).await;
    assert_eq!(exit, 1, "{screen}");
    let (value, is_error) = started.call("delete_branch", delete_branch()).await;
    assert!(is_error && error(&value)["kind"] == "rejected", "{value}");
    let (exit, said) = run(&started.state, &[&code]);
    assert!(exit == 1 && said.contains("rejected"), "{said}");
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn a_severe_call_wants_its_name_typed() {
    let world = World::start().await;
    let started = alone(&world, "").await;
    let code = code(&started, "delete_branch", delete_for_good()).await;
    for wrong in ["yes", "Dev", "main", "dev."] {
        let (exit, _, screen) = at_terminal(&started.state, &code, &[wrong]).await;
        assert_eq!(exit, 2, "{screen}");
        let last = screen.trim_end().lines().last().expect("a line");
        assert_worded!("approvals", &format!("typed name that is another: {wrong}"), last);
    }
    let (exit, _, screen) = at_terminal(&started.state, &code, &["dev"]).await;
    assert_eq!(exit, 0, "{screen}");
    let (value, is_error) = started.call("delete_branch", delete_for_good()).await;
    assert!(!is_error, "{value}");
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn the_fifth_wrong_name_is_a_no() {
    let world = World::start().await;
    let started = alone(&world, "").await;
    let code = code(&started, "delete_branch", delete_for_good()).await;
    for exit in [2, 2, 2, 2, 1] {
        assert_eq!(at_terminal(&started.state, &code, &["wrong"]).await.0, exit);
    }
    let (value, _) = started.call("delete_branch", delete_for_good()).await;
    assert_eq!(error(&value)["kind"], "too_many_wrong_tries", "{value}");
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn ending_the_input_decides_nothing() {
    let world = World::start().await;
    let started = alone(&world, "").await;
    let code = code(&started, "delete_branch", delete_branch()).await;
    let command = approve(&started.state, &[&code]);
    let (exit, ..) = tokio::task::spawn_blocking(move || {
        let mut terminal = AtTerminal::start(command);
        terminal.wait_for("to reject: ", 1);
        terminal.end_input();
        terminal.end()
    })
    .await
    .expect("ends");
    assert_eq!(exit, 2);
    assert_eq!(
        self::code(&started, "delete_branch", delete_branch()).await,
        code,
        "it waits on"
    );
}

#[tokio::test]
async fn without_a_terminal_only_a_no_counts_unless_the_policy_says_so() {
    let world = World::start().await;
    let started = alone(&world, "").await;
    let code = code(&started, "delete_branch", delete_branch()).await;
    for arguments in [vec![code.as_str()], vec![code.as_str(), "--yes"]] {
        let (exit, said) = run(&started.state, &arguments);
        assert_eq!(exit, 2, "{said}");
    }
    assert_eq!(self::code(&started, "delete_branch", delete_branch()).await, code);
    let (exit, said) = run(&started.state, &[&code, "--reject"]);
    assert_eq!(exit, 1, "{said}");

    let started = alone(&world, "[approval]\nwithout_terminal = true\n").await;
    let plain = self::code(&started, "delete_branch", delete_branch()).await;
    let (exit, said) = run(&started.state, &[&plain, "--yes"]);
    assert_eq!(exit, 0, "{said}");
    let severe = self::code(&started, "delete_branch", delete_for_good()).await;
    for (arguments, expected) in [
        (vec!["--yes"], 2),
        (vec!["--yes", "--name", "main"], 2),
        (vec!["--yes", "--name", "dev"], 0),
    ] {
        let (exit, said) = run(&started.state, &[&[severe.as_str()], &*arguments].concat());
        assert_eq!(exit, expected, "{said}");
    }
    assert!(!started.call("delete_branch", delete_branch()).await.1);
    assert!(!started.call("delete_branch", delete_for_good()).await.1);
    assert_eq!(world.changes().len(), 2);
}

/// A server on which `--yes` works, and a code of a deletion that was approved.
async fn approved(world: &World, client: TestClient) -> Started {
    let started = start(world, client, Era::Legacy, "[approval]\nwithout_terminal = true\n").await;
    let code = code(&started, "delete_branch", delete_branch()).await;
    assert_eq!(run(&started.state, &[&code, "--yes"]).0, 0);
    started
}

#[tokio::test]
async fn an_approval_is_for_its_arguments_its_target_and_its_caller() {
    let world = World::start().await;
    let started = approved(&world, TestClient::alone()).await;
    let mut hard = delete_branch();
    hard["hard_delete"] = true.into();
    code(&started, "delete_branch", hard).await;
    code(&started, "delete_branch", delete_for_good()).await;
    assert_eq!(world.changes(), NOTHING);

    // Another client on the same state, key and API: with the key of the seals, so that it could open this one's.
    let other = super::command(&world, &started.state, "");
    let other = crate::support::server::TestServer::run(other, TestClient::alone().called("other"), Era::Legacy).await;
    let (value, is_error) = other.call("delete_branch", delete_branch()).await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    assert_eq!(world.changes(), NOTHING);

    // What was approved isn't there any more.
    world.change(|facts| facts.branch()["name"] = "renamed".into());
    code(&started, "delete_branch", delete_branch()).await;
    world.change(|facts| facts.branch()["name"] = "dev".into());
    code(&started, "delete_branch", delete_branch()).await;
    assert_eq!(world.changes(), NOTHING, "the approval was used up by the look");
}

#[tokio::test]
async fn of_many_calls_one_takes_the_approval() {
    let world = World::start().await;
    let started = approved(&world, TestClient::alone()).await;
    let calls = (0..8).map(|_| started.call("delete_branch", delete_branch()));
    let results = futures::future::join_all(calls).await;
    assert_eq!(results.iter().filter(|(_, is_error)| !is_error).count(), 1);
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn codes_and_approvals_run_out() {
    let world = World::start().await;
    let policy = "[approval]\nquestion_seconds = 10\napproval_seconds = 10\nwithout_terminal = true\n";
    let started = alone(&world, policy).await;
    let late = code(&started, "delete_branch", delete_for_good()).await;
    let early = code(&started, "delete_branch", delete_branch()).await;
    assert_eq!(run(&started.state, &[&early, "--yes"]).0, 0);
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    let (exit, said) = run(&started.state, &[&late, "--yes", "--name", "dev"]);
    assert!(exit == 2 && said.contains("run out"), "{said}");
    code(&started, "delete_branch", delete_branch()).await;
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn approval_channels_are_those_of_the_policy() {
    let world = World::start().await;
    for policy in [
        "[approval]\nchannels = [\"client\"]\n",
        "[approval]\nchannels = [\"page\"]\n",
        "[approval]\nchannels = []\n",
    ] {
        let started = alone(&world, policy).await;
        let (value, is_error) = started.call("delete_branch", delete_branch()).await;
        assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
        assert!(error(&value).get("code").is_none(), "{value}");
        assert_worded!("errors", "approval without a channel", error(&value)["message"]);
    }
    // A client that could ask isn't asked where its approval wouldn't count.
    let human = crate::support::human::Human::who(crate::support::human::Manner::Accepts);
    for era in [Era::Legacy, Era::Modern] {
        let client = TestClient::with(human.clone());
        let started = start(&world, client, era, "[approval]\nchannels = [\"terminal\"]\n").await;
        code(&started, "delete_branch", delete_branch()).await;
    }
    assert!(human.asked().is_empty());
    assert_eq!(world.changes(), NOTHING);
}

#[tokio::test]
async fn a_call_by_hand_is_asked_by_hand() {
    for (typed, exit, changes) in [("yes", 0, 1), ("no", 1, 0)] {
        let world = World::start().await;
        let arguments = delete_branch().to_string();
        let command = program(&["call", "delete_branch", &arguments, "--json"], &world.url(), KEY).into_std();
        let (ended, printed, screen) = tokio::task::spawn_blocking(move || {
            let mut terminal = AtTerminal::start(command);
            terminal.wait_for("to reject: ", 1);
            terminal.type_line(typed);
            terminal.end()
        })
        .await
        .expect("ends");
        assert_eq!(ended, exit, "{printed}{screen}");
        assert_eq!(world.changes().len(), changes, "{screen}");
        let value: Value = serde_json::from_str(&printed).expect("JSON");
        if changes == 1 {
            assert_eq!(value["approved_by"], "terminal");
        } else {
            assert_eq!(error(&value)["kind"], "rejected");
        }
    }
}

#[tokio::test]
async fn approval_of_a_file_is_none_of_its_later_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("f.zip");
    std::fs::write(&file, b"PK\x03\x04shown").expect("written");
    let world = World::start().await;
    let state = state_home();
    let mut command = super::command(&world, &state, "");
    command.env("NEON_MCP_FILES_DIR", folder.path());
    let server = TestServer::run(command, TestClient::alone(), Era::Legacy).await;
    let started = Started { server, state };
    let deploy = json!({"project_id": PROJECT, "branch_id": BRANCH, "slug": "hello", "archive_path": "f.zip"});
    let first = code(&started, "deploy_function", deploy.clone()).await;
    let (exit, _, screen) = at_terminal(&started.state, &first, &["yes"]).await;
    assert!(
        exit == 0 && screen.contains("9 bytes") && screen.contains("sha256"),
        "{screen}"
    );
    std::fs::write(&file, b"PK\x03\x04other").expect("written");
    let second = code(&started, "deploy_function", deploy.clone()).await;
    assert_ne!(first, second);
    assert_eq!(world.changes(), NOTHING);
    let (exit, _, screen) = at_terminal(&started.state, &second, &["yes"]).await;
    assert_eq!(exit, 0, "{screen}");
    let (value, is_error) = started.call("deploy_function", deploy).await;
    assert!(!is_error && value["approved_by"] == "terminal", "{value}");
    assert_eq!(world.changes().len(), 1);
}

#[tokio::test]
async fn terminal_refusal_and_file_show_every_character_that_is_sent() {
    let world = World::start().await;
    let started = alone(&world, "").await;
    let name = "a  b\u{202e}c\u{200b}\u{2800}\u{a0}<b>\\n\"d\" [2J";
    let mut addresses = vec!["203.0.113.77"; 90];
    addresses.push("0.0.0.0/0");
    let arguments = json!({"project_id": PROJECT, "name": name, "allowed_ips": addresses});
    let code = code(&started, "update_project", arguments.clone()).await;
    let escaped = neon_mcp::neon::text::escaped(&Value::from(name).to_string());
    let (_, _, screen) = at_terminal(&started.state, &code, &["no"]).await;
    let screen = screen.replace("\r\n", "\n");
    assert!(screen.contains(&format!("Sends name: {escaped}")), "{screen}");
    assert!(
        screen.contains("0.0.0.0/0") && screen.matches("203.0.113.77").count() >= 90,
        "nothing is cut: {screen}"
    );
    assert!(
        !screen.chars().any(|c| c != '\n' && neon_mcp::neon::text::is_unseen(c)),
        "nothing steers the terminal: {screen:?}"
    );
    // Refused, it says what would have been sent, whole.
    let other = json!({"project_id": PROJECT, "name": format!("{name}2"), "allowed_ips": addresses});
    let (value, _) = started.call("update_project", other).await;
    let body = &error(&value)["plan"]["would_send"]["body"]["project"];
    assert_eq!(body["name"], format!("{name}2"), "{value}");
    assert_eq!(
        body["settings"]["allowed_ips"]["ips"].as_array().map(Vec::len),
        Some(91),
        "{value}"
    );
}

/// All files under a directory, with what they hold.
fn files(directory: &Path) -> Vec<(std::path::PathBuf, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).expect("read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((
                path.clone(),
                String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned(),
            ));
        }
    }
    all
}

#[tokio::test]
async fn no_secret_in_an_argument_is_kept_logged_or_told() {
    let catalog = super::catalog();
    // Each server has Neon's rate limits for itself.
    let planted = futures::future::join_all(catalog.tools().chunks(10).map(plant)).await;
    assert!(planted.iter().sum::<usize>() > 200, "{planted:?}");
}

/// Calls each tool with a secret in each place that takes one. How often.
async fn plant(tools: &[std::sync::Arc<neon_mcp::catalog::Tool>]) -> usize {
    const CANARY: &str = "c4n4ry";
    let world = World::start().await;
    let started = alone(&world, "").await;
    let statements = [
        format!("ALTER ROLE r PASSWORD '{CANARY}'"),
        format!("ALTER ROLE r PASSWORD '{CANARY}"),
        format!("DROP TABLE t -- token: {CANARY}"),
        format!("SELECT dblink_connect('host=h password={CANARY}')"),
    ];
    let mut planted = 0;
    for tool in tools {
        let given = crate::support::arguments::arguments(tool, true);
        for (name, value) in &given {
            let schema = &tool.input["properties"][name.as_str()];
            let mut nasty: Vec<Value> = Vec::new();
            if schema["writeOnly"] == true {
                nasty.push(CANARY.into());
            } else if schema["additionalProperties"]["writeOnly"] == true {
                nasty.push(json!({"A": CANARY}));
            } else if matches!(name.as_str(), "sql" | "statements" | "changes") {
                for text in &statements {
                    nasty.push(if value.is_array() {
                        json!([text])
                    } else {
                        text.as_str().into()
                    });
                }
            } else if value.is_string() && !name.ends_with("_id") {
                nasty.push(format!("see x://u:{CANARY}@h/d https://h/?access_token={CANARY} {KEY}").into());
            }
            for value in nasty {
                let mut given = given.clone();
                given.insert(name.clone(), value);
                let (value, _) = started.call(tool.name(), Value::Object(given)).await;
                let text = value.to_string();
                assert!(!text.contains(KEY), "{}: {name}: the key is told: {text}", tool.name());
                if value["error"]["kind"] == "requires_approval" {
                    assert!(!text.contains(CANARY), "{}: {name}: {text}", tool.name());
                }
                planted += 1;
            }
        }
    }
    for (path, text) in files(&started.state) {
        assert!(
            !text.contains(CANARY) && !text.contains(KEY),
            "{}: {text}",
            path.display()
        );
    }
    let log = started.server.stop().await;
    assert!(!log.contains(CANARY) && !log.contains(KEY), "{log}");
    planted
}
