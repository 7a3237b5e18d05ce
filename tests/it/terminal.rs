//! The command line for a person at a terminal: what is drawn, in which width and colour, and where questions are asked.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::server::{Era, KEY, TestClient, TestServer, program};
use crate::support::terminal::{AtTerminal, Streams};
use crate::support::world::{BRANCH, PROJECT, World};

/// A sandbox with data, and what it keeps for itself, below a folder of the test's own.
fn sandbox(arguments: &[&str], place: &Path) -> tokio::process::Command {
    let mut command = program(arguments, "", "");
    command
        .env_remove("NEON_API_HOST")
        .env_remove("NEON_API_KEY")
        .env_remove("NEON_MCP_SANDBOX_PROJECT")
        .env("NEON_MCP_SANDBOX", "true")
        .env("NEON_MCP_SANDBOX_POSTGRES", "required")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TMPDIR", place)
        // Without one, nothing may move on a screen.
        .env("TERM", "xterm-256color")
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    command
}

fn place() -> tempfile::TempDir {
    let place = harness::folder::own();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o711)).expect("permissions");
    place
}

fn customers() -> String {
    let sql = "SELECT id, name, email FROM customers ORDER BY id";
    json!({"project_id": "sandbox", "branch_id": "main", "sql": sql}).to_string()
}

/// The lines of a screen without what paints it, and of those that a turning line was drawn over the last state.
fn lines(screen: &str) -> Vec<String> {
    let mut bare = String::new();
    let mut rest = screen;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        bare.push_str(before);
        let end = after
            .find(|c: char| c.is_ascii_alphabetic())
            .map_or(after.len(), |at| at + 1);
        rest = &after[end..];
    }
    bare.push_str(rest);
    let last = |line: &str| {
        line.rsplit('\r')
            .find(|part| !part.trim().is_empty())
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    bare.lines().map(last).collect()
}

/// Lines fit, but for a word that is longer than a line: it stays whole, and can be copied.
fn fit(lines: &[String], columns: u16) {
    for line in lines {
        let is_word = line.trim().split(' ').count() == 1;
        assert!(
            is_word || line.chars().count() <= usize::from(columns),
            "{line}\n{lines:#?}"
        );
    }
}

/// Runs a program at a terminal of so many columns until it ends.
async fn at(command: tokio::process::Command, streams: Streams, columns: u16) -> (i32, String, String) {
    let command = command.into_std();
    tokio::task::spawn_blocking(move || AtTerminal::with(command, streams, Some(columns)).end())
        .await
        .expect("ends")
}

#[tokio::test]
async fn rows_are_drawn_as_a_table_in_the_width_and_colour_of_the_terminal() {
    for (columns, no_color) in [(80, false), (44, false), (80, true)] {
        let place = place();
        let mut command = sandbox(&["call", "run_sql", &customers()], place.path());
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let (exit, _, screen) = at(command, Streams::All, columns).await;
        let lines = lines(&screen);
        assert_eq!(exit, 0, "{screen}");
        assert_eq!(screen.contains("\u{1b}[36m"), !no_color, "{screen:?}");
        fit(&lines, columns);
        let rows: Vec<&String> = lines.iter().filter(|line| line.contains("@example.com")).collect();
        assert_eq!(rows.len(), 5, "{lines:#?}");
        if columns == 80 {
            assert!(rows[0].contains("Ada Lovelace   ada@example.com"), "{lines:#?}");
        }
        // Neither the marks that agents get, nor the log.
        assert!(
            !screen.contains("untrusted-data") && !screen.contains("INFO"),
            "{screen}"
        );
        let gone = lines.join(" ").contains("--sandbox-dir");
        assert!(gone, "nobody is told that the sandbox is gone: {lines:#?}");
        assert_eq!(
            std::fs::read_dir(place.path()).expect("a folder").count(),
            0,
            "something is left"
        );
    }
}

#[tokio::test]
async fn results_elsewhere_are_text_with_marks_or_with_json_the_raw_value() {
    let place = place();
    let kept = place.path().join("kept");
    let kept = kept.to_str().expect("a path");
    let said = customers();
    let run = async |more: &[&str]| {
        let arguments = [&["call", "run_sql", &said, "--sandbox-dir", kept], more].concat();
        let output = sandbox(&arguments, place.path()).output().await.expect("runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        assert_eq!(
            errors, "",
            "a sandbox that is kept isn't gone, and nobody asked for a log"
        );
        String::from_utf8(output.stdout).expect("text")
    };
    let text = run(&[]).await;
    assert!(text.contains("untrusted-data") && !text.contains('\u{1b}'), "{text}");
    assert!(serde_json::from_str::<Value>(&text).is_err());
    let value: Value = serde_json::from_str(&run(&["--json"]).await).expect("JSON");
    assert_eq!(value["result"]["row_count"], 5, "{value}");
}

#[tokio::test]
async fn operations_are_named_while_a_call_waits_for_them() {
    let place = place();
    let mut command = sandbox(&["call", "create_project", r#"{"name": "another"}"#], place.path());
    command.env("NEON_MCP_SANDBOX_PROJECT", "false");
    let (exit, _, screen) = at(command, Streams::All, 80).await;
    assert_eq!(exit, 0, "{screen}");
    let under_way = ["create_project: create_timeline", "create_project: start_compute"];
    assert!(under_way.iter().any(|line| screen.contains(line)), "{screen:?}");
    // It is taken off the screen.
    assert!(
        !lines(&screen).iter().any(|line| line.contains("create_project: ")),
        "{:#?}",
        lines(&screen)
    );
}

#[tokio::test]
async fn question_is_asked_at_the_terminal_though_other_streams_lead_elsewhere() {
    for streams in [Streams::InputAndErrors, Streams::Input, Streams::Output, Streams::All] {
        for (typed, exit, changes) in [("yes", 0, 1), ("no", 1, 0)] {
            let world = World::start().await;
            let arguments = json!({"project_id": PROJECT, "branch_id": BRANCH}).to_string();
            let command = program(&["call", "delete_branch", &arguments], &world.url(), KEY).into_std();
            let (ended, _, screen) = tokio::task::spawn_blocking(move || {
                let mut terminal = AtTerminal::with(command, streams, Some(60));
                terminal.wait_for("to reject: ", 1);
                terminal.type_line(typed);
                terminal.end()
            })
            .await
            .expect("ends");
            assert_eq!((ended, world.changes().len()), (exit, changes), "{streams:?}: {screen}");
            let lines = lines(&screen);
            fit(&lines, 60);
            assert!(
                lines
                    .iter()
                    .any(|line| line.ends_with(BRANCH) || line.contains(&format!("{BRANCH})"))),
                "{lines:#?}"
            );
        }
    }
}

#[tokio::test]
async fn process_in_the_background_of_its_terminal_asks_nobody() {
    let world = World::start().await;
    let arguments = json!({"project_id": PROJECT, "branch_id": BRANCH}).to_string();
    // A session with this terminal, and the call in another group of processes than the one in its foreground.
    let script = r#"set -m; "$0" call delete_branch "$1" --json 2>"$2" & wait $!"#;
    let place = place();
    let errors = place.path().join("errors");
    let template = program(&[], &world.url(), KEY).into_std();
    let mut command = Command::new("setsid");
    command
        .args(["-c", "-w", "bash", "-c", script])
        .arg(template.get_program())
        .arg(&arguments)
        .arg(&errors)
        .env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in template.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let (exit, printed, screen) =
        tokio::task::spawn_blocking(move || AtTerminal::with(command, Streams::Input, Some(80)).end())
            .await
            .expect("ends");
    assert_eq!(exit, 1, "{printed}{screen}");
    let value: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}{screen}"));
    assert_eq!(value["error"]["kind"], "requires_approval", "{value}");
}

#[tokio::test]
async fn name_alone_says_in_a_terminal_what_it_is_and_to_a_client_speaks() {
    for columns in [40, 80] {
        let (exit, _, screen) = at(program(&[], "", ""), Streams::All, columns).await;
        assert_eq!(exit, 0, "{screen}");
        let lines = lines(&screen);
        fit(&lines, columns);
        for typed in ["neon-mcp demo", "neon-mcp call", "neon-mcp --help"] {
            assert!(
                lines.iter().any(|line| line.trim_start().starts_with(typed)),
                "{typed}: {lines:#?}"
            );
        }
    }
    let mut command = program(&[], "http://127.0.0.1:1/api/v2", KEY);
    let output = command.stdin(Stdio::null()).output().await.expect("runs");
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "a client that left at once"
    );
}

#[tokio::test]
async fn errors_fit_the_terminal() {
    for columns in [40, 80] {
        let wrong = ["tools", "--policy", "/nowhere/policy-of-the-operator.toml"];
        let (exit, _, screen) = at(program(&wrong, "", ""), Streams::All, columns).await;
        let lines = lines(&screen);
        assert_eq!(exit, 1, "{screen}");
        assert!(lines.len() > 1 && lines[0].starts_with("neon-mcp: "), "{lines:?}");
        fit(&lines, columns);
    }
}

#[tokio::test]
async fn lists_for_people_fit_the_terminal() {
    let place = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: String| {
        let path = place.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a path").to_owned()
    };
    let entry = json!({
        "time": "2026-11-30T10:00:00Z", "tool": "complete_database_migration", "effect": "destructive", "service": "sandbox",
        "caller": "https://issuer.example.com/realms/team somebody-with-a-long-subject", "channel": "page", "outcome": "approved",
        "project_id": "quiet-sun-12345678", "branch_id": "br-quiet-sun-a1b2c3d4", "client": "a client with a name",
        "reason": "a reason of several words that doesn't fit beside all the rest of what is told of the call", "duration_ms": 1_234,
    });
    let log = file("audit.jsonl", format!("{entry}\n"));
    let policy = file(
        "policy.toml",
        "denied_branches = [\"production\", \"release-*\"]\n[caps]\nbranches_per_project = 5\n".to_owned(),
    );
    let branch = json!({"project_id": "quiet-sun-12345678", "branch_id": "br-quiet-sun-a1b2c3d4"}).to_string();
    for arguments in [
        vec!["tools"],
        vec!["log", "--file", &log],
        vec!["policy", "check", &policy],
        vec!["policy", "check", &policy, "delete_branch", &branch],
        vec!["install", "--list"],
    ] {
        let mut command = program(&arguments, "", "");
        command.env("HOME", place.path());
        let (_, out, screen) = at(command, Streams::All, 80).await;
        let told = lines(&screen);
        assert!(told.len() > 1, "{arguments:?}: {out} {told:?}");
        fit(&told, 80);
    }
}

#[tokio::test]
async fn flag_of_another_command_is_told_with_its_command() {
    let (exit, _, screen) = at(program(&["--listen", "7373"], "", ""), Streams::All, 80).await;
    assert_eq!(exit, 2);
    assert!(screen.contains("`neon-mcp http`"), "{screen}");
}

#[tokio::test]
async fn sandbox_that_a_client_starts_has_a_project_with_data() {
    let place = place();
    let command = sandbox(&["--toolsets", "all"], place.path());
    let server = TestServer::run(command, TestClient::alone(), Era::Legacy).await;
    let (value, is_error) = server.call("list_projects", json!({})).await;
    assert!(!is_error, "{value}");
    let names: Vec<&str> = value["result"]["projects"]
        .as_array()
        .expect("projects")
        .iter()
        .filter_map(|project| project["name"].as_str())
        .collect();
    assert_eq!(names, ["sandbox"]);
    let sql = "SELECT count(*) AS orders FROM orders JOIN customers ON customers.id = customer_id";
    let (value, is_error) = server
        .call(
            "run_sql",
            json!({"project_id": "sandbox", "branch_id": "main", "sql": sql}),
        )
        .await;
    assert!(
        !is_error && value["result"]["rows"].as_str().is_some_and(|rows| rows.contains("20")),
        "{value}"
    );
    server.stop().await;
    assert_eq!(
        std::fs::read_dir(place.path()).expect("a folder").count(),
        0,
        "something is left"
    );
    // Without data it has a project all the same, and one that is told not to has none.
    for (project, expected) in [("true", 1), ("false", 0)] {
        let mut command = sandbox(&["--toolsets", "all"], place.path());
        command
            .env("NEON_MCP_SANDBOX_PROJECT", project)
            .env("NEON_MCP_SANDBOX_POSTGRES", "off");
        let server = TestServer::run(command, TestClient::alone(), Era::Modern).await;
        let (value, _) = server.call("list_projects", json!({})).await;
        assert_eq!(
            value["result"]["projects"].as_array().map_or(0, Vec::len),
            expected,
            "{value}"
        );
    }
}

#[tokio::test]
async fn plan_breaks_at_blanks_in_a_narrow_terminal() {
    let world = World::start().await;
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path().to_str().expect("a path");
    let arguments = json!({"project_id": PROJECT, "branch_id": BRANCH}).to_string();
    let call = ["call", "delete_branch", &arguments, "--json", "--state-dir", state];
    let output = program(&call, &world.url(), KEY)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("runs");
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let code = value["error"]["code"].as_str().expect("a code").to_owned();
    let shown = async |columns: u16| {
        let command = program(&["approve", &code, "--state-dir", state], "", "").into_std();
        let (_, _, screen) = tokio::task::spawn_blocking(move || {
            let mut terminal = AtTerminal::with(command, Streams::All, Some(columns));
            terminal.wait_for("to reject: ", 1);
            terminal.end_input();
            terminal.end()
        })
        .await
        .expect("ends");
        let plan = screen.split("Type ").next().unwrap_or_default().to_owned();
        lines(&plan)
    };
    let wide = shown(400).await;
    let words = |lines: &[String]| {
        lines
            .iter()
            .flat_map(|line| line.split_whitespace().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    for columns in [40, 60, 80] {
        let narrow = shown(columns).await;
        assert_eq!(words(&narrow), words(&wide), "a word is cut at {columns}: {narrow:#?}");
        fit(&narrow, columns);
    }
}

#[tokio::test]
async fn question_begins_with_what_is_lost_and_the_answer_speaks_to_the_human() {
    let place = place();
    let sql = json!({"project_id": "sandbox", "branch_id": "main", "sql": "DELETE FROM orders"}).to_string();
    let command = sandbox(&["call", "run_sql", &sql], place.path()).into_std();
    let (exit, _, screen) = tokio::task::spawn_blocking(move || {
        let mut terminal = AtTerminal::with(command, Streams::All, Some(400));
        terminal.wait_for("to reject: ", 1);
        terminal.type_line("no");
        terminal.end()
    })
    .await
    .expect("ends");
    assert_eq!(exit, 1, "{screen}");
    let lines = lines(&screen);
    let first = lines
        .iter()
        .position(|line| line.contains("(in the sandbox)"))
        .expect("a plan");
    let begins: Vec<&String> = lines.iter().skip(first).take(3).collect();
    assert!(
        begins
            .iter()
            .any(|line| line.contains("Measured: would delete 20 of 20 rows of \"public.orders\"")),
        "{lines:#?}"
    );
    let text = lines.join("\n");
    assert!(text.contains("Default branch: yes"), "{text}");
    // An id that nobody knows isn't shown, nor parts of seconds; the way back has its deadline.
    assert!(!text.contains("(table ") && !text.contains("approval covers"), "{text}");
    let back = lines
        .iter()
        .find(|line| line.contains("Way back:"))
        .expect("a way back");
    assert!(back.contains("restore_branch") && back.contains(", until 20"), "{back}");
    let created = lines.iter().find(|line| line.contains("Created: "));
    assert!(
        created.is_none_or(|line| !line.split("Created: ").nth(1).is_some_and(|time| time.contains('.'))),
        "{text}"
    );
    // What is to be typed is repeated where it is typed.
    assert!(!text.contains("Type the name of the"), "{text}");
    assert!(
        text.contains("Not approved; nothing was changed.") && !text.contains("The user rejected"),
        "{text}"
    );
}

#[tokio::test]
async fn commands_that_are_told_reach_the_same_place() {
    let place = place();
    let kept = place.path().join("kept");
    let kept = kept.to_str().expect("a path");
    let state = place.path().join("state");
    let state = state.to_str().expect("a path");
    let arguments = json!({"project_id": "sandbox", "name": "another"}).to_string();
    let call = [
        "call",
        "create_branch",
        &arguments,
        "--sandbox",
        "--sandbox-dir",
        kept,
        "--state-dir",
        state,
    ];
    let mut command = sandbox(&call, place.path());
    command.env("NEON_MCP_SANDBOX_POSTGRES", "off");
    let (exit, _, screen) = at(command, Streams::All, 400).await;
    assert_eq!(exit, 0, "{screen}");
    let told = lines(&screen);
    let undo = told
        .iter()
        .find(|line| line.contains("neon-mcp call delete_branch"))
        .expect("an undo");
    for flag in [
        "--sandbox ",
        &format!("--sandbox-dir {kept}"),
        &format!("--state-dir {state}"),
    ] {
        assert!(undo.contains(flag), "{flag}: {undo}");
    }
}

#[tokio::test]
async fn hidden_characters_of_names_are_escaped_wherever_a_result_goes() {
    let place = place();
    let arguments = json!({"name": "a\u{202e}b\u{2066}c"}).to_string();
    for more in [&[][..], &["--json"]] {
        let mut command = sandbox(&[&["call", "create_project", &arguments], more].concat(), place.path());
        command.env("NEON_MCP_SANDBOX_POSTGRES", "off");
        let output = command.output().await.expect("runs");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{text}");
        assert!(
            !text.contains(['\u{202e}', '\u{2066}']) && text.contains("202e"),
            "{more:?}: {text}"
        );
        if !more.is_empty() {
            let value: Value = serde_json::from_str(&text).expect("JSON");
            assert!(
                value.to_string().contains("a\u{202e}b\u{2066}c"),
                "the value is the same: {value}"
            );
        }
    }
}

#[tokio::test]
async fn wrong_settings_beside_the_name_are_told_in_a_terminal() {
    let (exit, _, screen) = at(program(&["--toolsets", "brnches"], "", ""), Streams::All, 80).await;
    assert!(
        exit == 1 && screen.contains("brnches") && !screen.contains("neon-mcp demo"),
        "{exit}: {screen}"
    );
    let (exit, _, screen) = at(program(&["--toolsets", "branches"], "", ""), Streams::All, 80).await;
    assert!(exit == 0 && screen.contains("neon-mcp demo"), "{exit}: {screen}");
}

#[tokio::test]
async fn option_before_a_command_is_told_where_it_belongs() {
    for (typed, told) in [
        (&["--sandbox", "call", "list_projects"][..], "neon-mcp call --sandbox"),
        (&["--profile", "x", "whoami"], "neon-mcp whoami --profile"),
    ] {
        let output = program(typed, "", "").output().await.expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(told), "{said}");
    }
}

#[tokio::test]
async fn arguments_that_are_missing_are_told_before_a_sandbox_starts() {
    let place = place();
    let mut command = sandbox(&["call", "run_sql", r#"{"sql": "SELECT 1"}"#], place.path());
    // One that starts would fail otherwise.
    let output = command
        .env("NEON_MCP_POSTGRES_BIN", "/nowhere")
        .output()
        .await
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("project_id and branch_id") && said.contains("neon-mcp tools run_sql"),
        "{said}"
    );
}
