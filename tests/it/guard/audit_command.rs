//! `neon-mcp log`, as people run it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use neon_mcp::guard::Effect;
use neon_mcp::guard::audit::{AuditLimits, AuditLog, AuditOutcome, Entry};
use serde_json::{Value, json};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::support::program());
    command.arg("log").args(arguments).env_clear();
    command
}

fn log(path: &Path, arguments: &[&str]) -> Output {
    program(arguments).arg("--file").arg(path).output().unwrap()
}

fn shown(path: &Path, arguments: &[&str]) -> String {
    let output = log(path, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The tools of the entries that are chosen, in order.
fn tools(path: &Path, arguments: &[&str]) -> Vec<String> {
    shown(path, &[arguments, &["--json"]].concat())
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["tool"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn entry(tool: &str, effect: Effect, outcome: AuditOutcome, hours_ago: i64) -> Entry {
    let mut entry = Entry::new(tool, effect, outcome);
    entry.time = Utc::now() - TimeDelta::hours(hours_ago);
    entry.caller = "stdio".into();
    entry
}

/// A log of four calls, in several files.
fn write_some(path: &Path) {
    let limits = AuditLimits {
        max_bytes: 500,
        keep: 5,
    };
    let log = AuditLog::new(path, limits);
    let mut first = entry("create_branch", Effect::Write, AuditOutcome::Done, 5);
    first.project_id = Some("quiet-sun-12345678".into());
    log.write(&first).unwrap();
    let mut second = entry("delete_branch", Effect::Destructive, AuditOutcome::Rejected, 3);
    second.project_id = Some("quiet-sun-12345678".into());
    second.branch_id = Some("br-quiet-sun-a1b2c3d4".into());
    second.client = Some("claude-code 2.1".into());
    second.channel = Some("terminal".into());
    second.reason = Some("the human said no".into());
    second.duration_ms = 2_345;
    log.write(&second).unwrap();
    let mut third = entry("delete_project", Effect::Destructive, AuditOutcome::Refused, 1);
    third.project_id = Some("other-12345678".into());
    third.rule = Some("freeze".into());
    log.write(&third).unwrap();
    let mut fourth = entry("get_connection_string", Effect::Read, AuditOutcome::Done, 0);
    fourth.service = "sandbox".into();
    log.write(&fourth).unwrap();
}

#[test]
fn it_shows_all_generations_oldest_first_and_chooses_from_them() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    write_some(&path);
    assert!(place.path().join("audit.jsonl.2").exists());
    let (one, two, three, four) = (
        "create_branch",
        "delete_branch",
        "delete_project",
        "get_connection_string",
    );
    for (arguments, expected) in [
        (&[][..], &[one, two, three, four][..]),
        (&["--tool", "create_branch", "--tool", "delete_project"], &[one, three]),
        (&["--tool", "create_branch,delete_project"], &[one, three]),
        (&["--effect", "destructive"], &[two, three]),
        (&["--effect", "read,write"], &[one, four]),
        (&["--outcome", "rejected,refused"], &[two, three]),
        (&["--project", "quiet-sun-12345678"], &[one, two]),
        (&["--caller", "stdio"], &[one, two, three, four]),
        (&["--caller", "nobody"], &[]),
        (&["--since", "2h"], &[three, four]),
        (&["--since", "90m"], &[three, four]),
        (&["--since", "1d"], &[one, two, three, four]),
        (&["--last", "1"], &[four]),
        (&["--last", "0"], &[]),
        (&["--effect", "destructive", "--last", "1"], &[three]),
        (
            &["--since", "4h", "--effect", "destructive", "--outcome", "rejected"],
            &[two],
        ),
        (&["--tool", "no_such_tool"], &[]),
    ] {
        assert_eq!(tools(&path, arguments), expected, "{arguments:?}");
    }
    let since = (Utc::now() - TimeDelta::hours(4)).to_rfc3339();
    assert_eq!(tools(&path, &["--since", &since]), [two, three, four]);
    for wrong in [
        ["--since", "soon"],
        ["--since", "2y"],
        ["--effect", "large"],
        ["--outcome", "fine"],
    ] {
        assert_eq!(log(&path, &wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn an_entry_is_shown_in_columns_with_who_and_why_below() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    write_some(&path);
    let text = shown(&path, &[]);
    let lines: Vec<&str> = text.lines().collect();
    let column = |text: &str| {
        lines
            .iter()
            .find_map(|line| line.find(text))
            .unwrap_or_else(|| panic!("{text}: {lines:#?}"))
    };
    assert_eq!(lines.len(), 4 * 2 + 1, "{text}");
    assert_eq!(column("done"), 22);
    assert_eq!(column("rejected"), 22);
    assert_eq!(column("write"), 34);
    assert_eq!(column("create_branch"), 47);
    assert_eq!(column("quiet-sun-12345678"), 79);
    assert!(lines[2].ends_with("  quiet-sun-12345678/br-quiet-sun-a1b2c3d4"));
    assert_eq!(
        lines[3].trim_start(),
        "asked by stdio, through terminal, 2.3 s, client \"claude-code 2.1\""
    );
    assert_eq!(lines[4].trim_start(), "the human said no");
    assert_eq!(lines[6].trim_start(), "by stdio, rule freeze, 0 ms");
    assert!(lines[7].ends_with("  (sandbox)"));
    assert_eq!(&lines[0][19..22], "Z  ");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn the_log_is_found_through_the_environment() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("neon-mcp/audit.jsonl");
    write_some(&path);
    let count = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    assert_eq!(count(program(&["--json"]).env("XDG_STATE_HOME", place.path())), 4);
    assert_eq!(count(program(&["--json"]).env("NEON_MCP_AUDIT_LOG", &path)), 4);
    let home = place.path().join("home");
    fs::create_dir_all(home.join(".local/state")).unwrap();
    fs::rename(place.path().join("neon-mcp"), home.join(".local/state/neon-mcp")).unwrap();
    assert_eq!(
        count(program(&["--json"]).env("HOME", &home).env("NEON_MCP_AUDIT_LOG", "")),
        4
    );
    for command in [&mut program(&[]), program(&["--follow"]).env("HOME", place.path())] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("--file"));
    }
}

#[test]
fn what_is_no_log_is_told() {
    let place = tempfile::tempdir().unwrap();
    for path in [place.path().join("none/audit.jsonl"), place.path().to_owned()] {
        let output = log(&path, &[]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(
            message.contains(path.to_str().unwrap()) && message.lines().count() <= 2,
            "{message}"
        );
    }
}

#[test]
fn broken_lines_are_counted_and_the_others_shown() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    write_some(&path);
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("nonsense\n{{\"tool\":1}}\n{whole}{}", &whole[..30])).unwrap();
    fs::write(place.path().join("audit.jsonl.1"), b"\xff\xfe\n").unwrap();
    let output = log(&path, &["--json"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("4 lines"), "{message}");
}

#[test]
fn a_forged_log_cannot_steer_the_terminal() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let hostile = "x\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\u{e0041}\ny";
    let mut forged = entry(hostile, Effect::Write, AuditOutcome::Done, 0);
    forged.reason = Some(hostile.into());
    forged.project_id = Some(hostile.into());
    forged.arguments = json!({hostile: hostile});
    fs::write(&path, format!("{}\t\r\n", serde_json::to_string(&forged).unwrap())).unwrap();
    for arguments in [&["--json"][..], &[]] {
        let text = shown(&path, arguments);
        let hidden = text
            .chars()
            .filter(|character| *character != '\n' && neon_mcp::neon::text::is_hidden(*character));
        assert_eq!(hidden.count(), 0, "{text:?}");
    }
    let back: Value = serde_json::from_str(&shown(&path, &["--json"])).unwrap();
    assert_eq!(back["reason"], hostile);
}

#[test]
fn a_name_that_people_choose_cannot_pass_for_words_of_the_log() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let issuer = "https://id.example";
    let chosen = "m, through page, decided by https://id.example boss, 3 ms, client \"claude\" (";
    let mut told = entry("delete_branch", Effect::Destructive, AuditOutcome::Done, 0);
    told.caller = format!("{issuer} {chosen}");
    told.approver = Some(format!("{issuer} {chosen}"));
    told.person = Some(chosen.to_owned());
    told.channel = Some("page".to_owned());
    fs::write(&path, format!("{}\n", serde_json::to_string(&told).unwrap())).unwrap();
    let text = shown(&path, &[]);
    let quoted = serde_json::to_string(chosen).unwrap();
    let expected = format!("by {issuer} {quoted}, for {quoted}, through page, decided by {issuer} {quoted}, ");
    assert!(text.contains(&expected), "{text}");
    // What can't pass for anything stands as it is.
    told.caller = format!("{issuer} ann@example.com");
    fs::write(&path, format!("{}\n", serde_json::to_string(&told).unwrap())).unwrap();
    assert!(shown(&path, &[]).contains("by https://id.example ann@example.com, "));
}

#[test]
fn it_follows_the_log_across_rotation() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let limits = AuditLimits {
        max_bytes: 600,
        keep: 50,
    };
    let log = AuditLog::new(&path, limits);
    let write = |tool: &str| log.write(&entry(tool, Effect::Write, AuditOutcome::Done, 0)).unwrap();
    write("before");
    write("last_before");
    let mut child = program(&["--json", "--follow", "--last", "1", "--file"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        output
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    let next = || {
        let line: Value =
            serde_json::from_str(&receiver.recv_timeout(Duration::from_secs(20)).expect("a line")).unwrap();
        line["tool"].as_str().unwrap().to_owned()
    };
    assert_eq!(next(), "last_before");
    // Within one pause the file is moved on many times.
    for number in 0..30 {
        write(&format!("tool_{number}"));
    }
    for number in 0..30 {
        assert_eq!(next(), format!("tool_{number}"));
    }
    write("at_the_end");
    assert_eq!(next(), "at_the_end");
    assert!(place.path().join("audit.jsonl.10").exists());
    child.kill().unwrap();
    child.wait().unwrap();
}
