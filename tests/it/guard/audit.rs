//! The audit log: one line per call, whatever happens to the process, the file or its neighbours.

use harness::assert_worded;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;

use neon_mcp::catalog::{Catalog, Tool};
use neon_mcp::guard::FileError;
use neon_mcp::guard::audit::{AuditLimits, AuditLog, AuditOutcome, Entry};
use neon_mcp::guard::{Effect, MASK};
use serde_json::{Map, Value, json};

/// Far more than a test writes.
const ROOMY: AuditLimits = AuditLimits {
    max_bytes: 1 << 20,
    keep: 5,
};

fn entry(tool: &str) -> Entry {
    let mut entry = Entry::new(tool, Effect::Destructive, AuditOutcome::Done);
    entry.caller = "stdio".to_owned();
    entry
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

fn all_lines(path: &Path) -> Vec<Value> {
    let mut number = 1;
    let mut all = Vec::new();
    while numbered(path, number).exists() {
        all.splice(0..0, lines(&numbered(path, number)));
        number += 1;
    }
    all.extend(lines(path));
    all
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    format!("{}.{number}", path.display()).into()
}

fn notes(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("{}.pending", path.display())) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Runs one of the ignored tests below in another process.
fn other_process(test: &str, path: &Path) -> std::process::Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["--exact", &format!("guard::audit::{test}"), "--ignored", "--nocapture"])
        .env("AUDIT_TEST_PATH", path)
        .spawn()
        .unwrap()
}

fn run_other_process(test: &str, path: &Path) -> ExitStatus {
    other_process(test, path).wait().unwrap()
}

fn path_for_other_process() -> Option<PathBuf> {
    std::env::var_os("AUDIT_TEST_PATH").map(PathBuf::from)
}

#[test]
fn nothing_is_opened_before_the_first_use_and_then_it_is_for_the_owner_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("new/deeper/audit.jsonl");
    let log = AuditLog::new(&path, ROOMY);
    assert!(!place.path().join("new").exists());
    let pending = log.begin(&entry("delete_branch")).unwrap();
    let note = notes(&path).pop().expect("a note");
    assert_eq!((mode(&note), mode(note.parent().unwrap())), (0o600, 0o700));
    pending.finish(&entry("delete_branch")).unwrap();
    assert_eq!(mode(place.path().join("new")), 0o700);
    assert_eq!(mode(place.path().join("new/deeper")), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(lines(&path).len(), 1);
    assert!(notes(&path).is_empty());
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let mut loose = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o644)
        .open(&path)
        .unwrap();
    writeln!(loose, "{{\"before\":1}}").unwrap();
    AuditLog::new(&path, ROOMY).write(&entry("delete_branch")).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(lines(&path).len(), 2);
}

#[test]
fn each_call_and_each_refusal_is_one_line_with_what_is_known_of_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let log = AuditLog::new(&path, ROOMY);
    log.begin(&entry("delete_branch"))
        .unwrap()
        .finish(&entry("delete_branch"))
        .unwrap();
    let mut refused = entry("delete_project");
    refused.outcome = AuditOutcome::Refused;
    refused.project_id = Some("quiet-sun-12345678".into());
    refused.rule = Some("freeze".into());
    refused.request_ids = vec!["req-1".into()];
    refused.arguments = json!({"project_id": "quiet-sun-12345678"});
    log.write(&refused).unwrap();
    let lines = lines(&path);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["outcome"], "done");
    let names: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "time",
            "tool",
            "effect",
            "service",
            "caller",
            "arguments",
            "outcome",
            "duration_ms",
            "id"
        ]
    );
    assert_eq!(lines[1]["rule"], "freeze");
    assert_eq!(lines[1]["request_ids"], json!(["req-1"]));
    assert!(lines[1]["time"].as_str().unwrap().ends_with('Z'));
    let back: Entry = serde_json::from_value(lines[1].clone()).unwrap();
    assert_eq!(
        (back.outcome, back.effect),
        (AuditOutcome::Refused, Effect::Destructive)
    );
}

#[test]
fn every_outcome_has_the_name_that_the_log_has() {
    for outcome in AuditOutcome::ALL {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
    }
}

#[test]
fn full_files_are_kept_up_to_the_limit_and_the_oldest_goes() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let limits = AuditLimits {
        max_bytes: 2_000,
        keep: 2,
    };
    let log = AuditLog::new(&path, limits);
    for number in 0..60 {
        log.write(&entry(&format!("tool_{number}"))).unwrap();
    }
    assert!(numbered(&path, 1).exists() && numbered(&path, 2).exists() && !numbered(&path, 3).exists());
    for file in [path.clone(), numbered(&path, 1), numbered(&path, 2)] {
        assert!(fs::metadata(&file).unwrap().len() <= 2_000);
        assert_eq!(mode(&file), 0o600);
    }
    let kept: Vec<String> = all_lines(&path)
        .iter()
        .map(|line| line["tool"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (60 - kept.len()..60).map(|number| format!("tool_{number}")).collect();
    assert!(kept.len() > 10);
    assert_eq!(kept, expected);
}

/// Files so small that the processes rotate at the same moments.
const MANY: AuditLimits = AuditLimits {
    max_bytes: 600,
    keep: 400,
};

/// Two logs, four threads each.
fn write_many(path: &Path, name: &str) {
    thread::scope(|scope| {
        for log in [AuditLog::new(path, MANY), AuditLog::new(path, MANY)] {
            for thread in 0..4 {
                let log = log.clone();
                scope.spawn(move || {
                    for number in 0..25 {
                        let entry = entry(&format!("{name}_{thread}_{number}"));
                        if number % 2 == 0 {
                            log.write(&entry).unwrap();
                        } else {
                            log.begin(&entry).unwrap().finish(&entry).unwrap();
                        }
                    }
                });
            }
        }
    });
}

#[test]
fn threads_logs_and_processes_that_write_at_once_lose_nothing() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let mut other = other_process("other_process_writes_many", &path);
    write_many(&path, "here");
    assert!(other.wait().unwrap().success());
    let lines = all_lines(&path);
    let mut ids: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((lines.len(), ids.len()), (400, 400));
    assert!(lines.iter().all(|line| line["outcome"] == "done"));
    let there = lines
        .iter()
        .filter(|line| line["tool"].as_str().unwrap().starts_with("there"))
        .count();
    assert_eq!(there, 200);
    assert!(numbered(&path, 5).exists());
    assert!(notes(&path).is_empty());
}

#[test]
#[ignore = "run by another test, as another process"]
fn other_process_writes_many() {
    if let Some(path) = path_for_other_process() {
        write_many(&path, "there");
    }
}

#[test]
fn where_the_log_cannot_be_written_no_call_begins() {
    let place = tempfile::tempdir().unwrap();
    let inside = |name: &str| place.path().join(name);
    File::create(inside("file")).unwrap();
    fs::create_dir(inside("directory")).unwrap();
    symlink(inside("elsewhere"), inside("dangling")).unwrap();
    symlink(inside("file"), inside("link")).unwrap();
    assert!(Command::new("mkfifo").arg(inside("pipe")).status().unwrap().success());
    let begin = |path: &Path| AuditLog::new(path, ROOMY).begin(&entry("delete_branch")).map(drop);
    for path in [
        inside("file/audit.jsonl"),
        inside("directory"),
        inside("dangling"),
        inside("link"),
        inside("pipe"),
        "/dev/full".into(),
        "/".into(),
    ] {
        let error = begin(&path).expect_err(&path.display().to_string()).to_string();
        assert!(
            error.contains(path.parent().unwrap_or(&path).to_str().unwrap()),
            "{error}"
        );
        assert!(AuditLog::new(&path, ROOMY).write(&entry("delete_branch")).is_err());
    }
    assert!(!inside("elsewhere").exists());
    assert!(!Path::new("/dev/full.lock").exists() && !Path::new("/dev/full.pending").exists());
    // The notes can't be written where a file takes the place of their directory.
    File::create(inside("audit.jsonl.pending")).unwrap();
    assert!(begin(&inside("audit.jsonl")).is_err());
    assert!(lines(&inside("audit.jsonl")).is_empty());
}

#[test]
fn a_log_of_another_user_is_not_used() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    File::create(&path).unwrap();
    // Only root can give a file away; for others the rule stands untested here.
    if std::os::unix::fs::chown(&path, Some(4_242), None).is_ok() {
        let error = AuditLog::new(&path, ROOMY)
            .begin(&entry("delete_branch"))
            .map(drop)
            .unwrap_err();
        assert!(matches!(error, FileError::NotOurs { .. }), "{error}");
    }
}

#[test]
fn a_call_that_is_given_up_is_one_line_with_an_unknown_outcome() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let log = AuditLog::new(&path, ROOMY);
    drop(log.begin(&entry("delete_branch")).unwrap());
    let panicking = log.clone();
    thread::spawn(move || {
        let _pending = panicking.begin(&entry("delete_project")).unwrap();
        panic!("on purpose");
    })
    .join()
    .unwrap_err();
    let lines = lines(&path);
    assert_eq!(lines.len(), 2);
    for (line, tool) in lines.iter().zip(["delete_branch", "delete_project"]) {
        assert_eq!((&line["tool"], &line["outcome"]), (&tool.into(), &"unknown".into()));
        assert!(line["reason"].as_str().unwrap().contains("given up"), "{line}");
    }
    assert!(notes(&path).is_empty());
}

#[test]
fn what_a_crash_left_is_noted_once_and_what_is_still_under_way_is_not() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let here = AuditLog::new(&path, ROOMY);
    let under_way = here.begin(&entry("reset_branch")).unwrap();
    assert!(!run_other_process("other_process_dies", &path).success());
    assert_eq!(notes(&path).len(), 3);
    assert_eq!(lines(&path).len(), 0);
    // Several may find it at once.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| AuditLog::new(&path, ROOMY).write(&entry("later")).unwrap());
        }
    });
    let crashed: Vec<Value> = lines(&path)
        .into_iter()
        .filter(|line| line["outcome"] == "unknown")
        .collect();
    assert_eq!(crashed.len(), 2, "{crashed:?}");
    assert!(crashed.iter().all(|line| line["tool"] == "delete_branch"));
    assert_worded!("audit", "call of a server that stopped", crashed[0]["reason"]);
    assert_eq!(notes(&path).len(), 1);
    under_way.finish(&entry("reset_branch")).unwrap();
    AuditLog::new(&path, ROOMY).write(&entry("later")).unwrap();
    let lines = lines(&path);
    assert_eq!(lines.len(), 2 + 4 + 1 + 1);
    assert_eq!(lines.iter().filter(|line| line["tool"] == "reset_branch").count(), 1);
    assert!(notes(&path).is_empty());
}

#[test]
#[ignore = "run by another test, as another process"]
fn other_process_dies() {
    if let Some(path) = path_for_other_process() {
        let log = AuditLog::new(&path, ROOMY);
        let pending = [
            log.begin(&entry("delete_branch")).unwrap(),
            log.begin(&entry("delete_branch")).unwrap(),
        ];
        std::mem::forget(pending);
        std::process::abort();
    }
}

#[test]
fn a_note_that_is_half_or_whose_line_was_written_already_does_no_harm() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let log = AuditLog::new(&path, ROOMY);
    let pending = log.begin(&entry("delete_branch")).unwrap();
    let note = notes(&path).pop().unwrap();
    let text = fs::read(&note).unwrap();
    pending.finish(&entry("delete_branch")).unwrap();
    // The process ended between the line and the removal of the note.
    fs::write(&note, &text).unwrap();
    fs::write(note.with_file_name("1-half.json"), &text[..20]).unwrap();
    AuditLog::new(&path, ROOMY).write(&entry("later")).unwrap();
    let lines = lines(&path);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(
        (&lines[0]["outcome"], &lines[1]["outcome"]),
        (&"done".into(), &"unknown".into())
    );
    assert_worded!("audit", "note that is no JSON", lines[1]["reason"]);
    assert!(notes(&path).is_empty());
}

#[test]
fn what_could_not_be_written_is_written_first_and_until_then_nothing_begins() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let log = AuditLog::new(&path, ROOMY);
    let pending = log.begin(&entry("delete_branch")).unwrap();
    let dropped = log.begin(&entry("delete_project")).unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    pending.finish(&entry("delete_branch")).unwrap_err();
    log.write(&entry("refused")).unwrap_err();
    drop(dropped);
    log.begin(&entry("create_branch")).map(drop).unwrap_err();
    // The notes stand in for the lines.
    assert_eq!(notes(&path).len(), 2);
    fs::remove_dir(&path).unwrap();
    let pending = log.begin(&entry("create_branch")).unwrap();
    let tools: Vec<Value> = lines(&path).into_iter().map(|line| line["tool"].clone()).collect();
    assert_eq!(tools, ["delete_branch", "refused", "delete_project"]);
    assert_eq!(notes(&path).len(), 1);
    pending.finish(&entry("create_branch")).unwrap();
    assert_eq!(lines(&path).len(), 4);
}

#[test]
fn refusals_that_cannot_be_written_do_not_fill_the_memory_nor_push_out_a_call() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let log = AuditLog::new(&path, ROOMY);
    let pending = log.begin(&entry("delete_branch")).unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    for number in 0..300 {
        log.write(&entry(&format!("refused_{number}"))).unwrap_err();
    }
    pending.finish(&entry("delete_branch")).unwrap_err();
    fs::remove_dir(&path).unwrap();
    log.write(&entry("last")).unwrap();
    let tools: Vec<Value> = lines(&path).into_iter().map(|line| line["tool"].clone()).collect();
    assert_eq!(tools.len(), 256 + 2);
    assert_eq!(tools[255..], ["refused_255", "delete_branch", "last"]);
}

#[test]
fn a_line_after_half_a_line_is_whole() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    fs::write(&path, "{\"time\":\"2026").unwrap();
    AuditLog::new(&path, ROOMY).write(&entry("delete_branch")).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let (half, whole) = text.split_once('\n').unwrap();
    assert_eq!(half, "{\"time\":\"2026");
    let whole: Value = serde_json::from_str(whole).unwrap();
    assert_eq!(whole["tool"], "delete_branch");
}

#[test]
fn a_disk_that_is_full_takes_whole_lines_or_none() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    // The system's limit on the size of a file cuts a write short, as a full disk does.
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "guard::audit::other_process_fills_its_file", "--ignored"])
        .env("AUDIT_TEST_PATH", &path)
        // Through pipes: the limit would cut our own output too where that goes to a file.
        .output()
        .unwrap();
    assert!(limited.status.success(), "{limited:?}");
    assert_eq!(lines(&path).len(), 2);
}

#[test]
#[ignore = "run by another test, as another process"]
fn other_process_fills_its_file() {
    let Some(path) = path_for_other_process() else {
        return;
    };
    let log = AuditLog::new(&path, ROOMY);
    let under_way = log.begin(&entry("delete_branch")).unwrap();
    let mut written = 0;
    while log.write(&entry(&format!("tool_{written}"))).is_ok() {
        written += 1;
        assert!(written < 1_000);
    }
    assert!(written > 10);
    assert_eq!(lines(&path).len(), written);
    log.begin(&entry("delete_project")).map(drop).unwrap_err();
    // Nor does a shorter line get in before the one that waits.
    under_way.finish(&entry("a")).unwrap_err();
    assert_eq!(lines(&path).len(), written);
    fs::rename(&path, path.with_extension("moved")).unwrap();
    log.begin(&entry("delete_project")).map(std::mem::forget).unwrap();
    let tools: Vec<Value> = lines(&path).into_iter().map(|line| line["tool"].clone()).collect();
    assert_eq!(tools, [format!("tool_{written}"), "a".to_owned()]);
}

#[test]
fn a_log_that_was_moved_away_goes_on_in_a_new_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let log = AuditLog::new(&path, ROOMY);
    log.write(&entry("first")).unwrap();
    fs::rename(&path, place.path().join("moved")).unwrap();
    log.write(&entry("second")).unwrap();
    assert_eq!(lines(&path)[0]["tool"], "second");
}

#[test]
fn a_lock_that_is_never_given_back_ends_in_an_error() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let lock = File::create(place.path().join("audit.jsonl.lock")).unwrap();
    lock.lock().unwrap();
    let error = AuditLog::new(&path, ROOMY)
        .begin(&entry("delete_branch"))
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, FileError::Locked { .. }), "{error}");
}

/// A tool whose `settings.smtp.code` and `plain` are write-only.
fn tool_with_secrets() -> Tool {
    let declaration = Catalog::embedded().unwrap().tools()[0].declaration.clone();
    let input = json!({"type": "object", "properties": {
        "plain": {"type": "string", "writeOnly": true},
        "settings": {"type": "object", "properties": {
            "smtp": {"type": "object", "properties": {"code": {"type": "string", "writeOnly": true}}}
        }},
        "list": {"type": "array", "items": {"anyOf": [{"type": "string", "writeOnly": true}, {"type": "null"}]}},
    }});
    let Value::Object(input) = input else { unreachable!() };
    Tool {
        declaration,
        toolset: "test".into(),
        input: input.into(),
        injected: Vec::new(),
        placeholders: Vec::new(),
        validator: Default::default(),
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn no_secret_reaches_the_log() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let given = object(json!({
        "plain": "canary-1",
        "settings": {"smtp": {"code": "canary-2", "host": "mail"}, "password": "canary-3"},
        "list": ["canary-4", null],
        "uri": "postgresql://me:canary-5@ep-x.neon.tech/db",
        "cut": format!("{} password = 'canary-6'", "x".repeat(300)),
        "cut_within": format!("{} password = '{}canary-7'", "x".repeat(150), "y".repeat(60)),
        "split": "pass\u{200b}word=canary-8",
        "pass\u{200b}word": "canary-9",
        format!("{}_password", "long".repeat(30)): "canary-10",
        "sql": "ALTER ROLE r\nPASSWORD\n'canary-11'",
    }));
    let mut noted = entry("create_role");
    noted.arguments = Entry::arguments(&tool_with_secrets(), &given);
    assert_eq!(noted.arguments["plain"], MASK);
    assert_eq!(
        noted.arguments["settings"]["smtp"],
        json!({"code": MASK, "host": "mail"})
    );
    assert_eq!(noted.arguments["list"], json!([MASK, null]));
    let longest = noted.arguments["cut"].as_str().unwrap().chars().count();
    assert_eq!(longest, 200);
    assert!(!noted.arguments.to_string().contains("canary"), "{}", noted.arguments);
    noted.reason = Some("could not connect to postgres://u:canary-12@h/db".into());
    noted.client = Some("password=canary-13".into());
    let pending = AuditLog::new(&path, ROOMY).begin(&noted).unwrap();
    let note = fs::read_to_string(notes(&path).pop().unwrap()).unwrap();
    pending.finish(&noted).unwrap();
    // An entry whose arguments didn't go through the helper.
    noted.arguments = json!({"deep": [{"api_key": "canary-14"}]});
    AuditLog::new(&path, ROOMY).write(&noted).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(!note.contains("canary") && !text.contains("canary"), "{note}{text}");
}

#[test]
fn hostile_texts_stay_within_their_line_and_show_what_they_are() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let hostile = "a\n{\"tool\":\"forged\"}\r\n\u{1b}[2Jb\u{202e}c\u{200b}d\u{0}\u{7f}\u{9b}e\u{e0041}\u{feff}";
    let mut noted = entry(hostile);
    for field in [
        &mut noted.client,
        &mut noted.project_id,
        &mut noted.branch_id,
        &mut noted.plan,
        &mut noted.channel,
        &mut noted.approver,
        &mut noted.rule,
        &mut noted.reason,
    ] {
        *field = Some(hostile.repeat(3));
    }
    noted.service = hostile.into();
    noted.caller = hostile.into();
    noted.request_ids = vec![hostile.into()];
    noted.arguments = json!({hostile: hostile, "nested": [{"deep": hostile}]});
    AuditLog::new(&path, ROOMY).write(&noted).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches('\n').count(), 1);
    let hidden: Vec<char> = text
        .trim_end()
        .chars()
        .filter(|character| neon_mcp::neon::text::is_hidden(*character))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
    assert!(!text.contains("\\u") && !text.contains("\\n"), "{text}");
    assert_eq!(
        lines(&path)[0]["arguments"]["nested"][0]["deep"],
        "a {\"tool\":\"forged\"} [2Jbcde"
    );
}

#[test]
fn a_line_is_never_longer_than_eight_kibibytes() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    let log = AuditLog::new(&path, ROOMY);
    let mut noted = entry("create_branch");
    noted.arguments = json!({
        "first": "kept",
        "list": vec!["x".repeat(500); 100],
        "last": 7,
    });
    log.write(&noted).unwrap();
    noted.arguments = (0..2_000)
        .map(|number| (format!("name_{number}"), json!("\\\"".repeat(90))))
        .collect::<Map<_, _>>()
        .into();
    log.write(&noted).unwrap();
    noted.arguments = vec![1; 9_000].into();
    log.write(&noted).unwrap();
    let longest = "🦀\"".repeat(5_000);
    for field in [
        &mut noted.client,
        &mut noted.project_id,
        &mut noted.branch_id,
        &mut noted.plan,
        &mut noted.channel,
        &mut noted.approver,
        &mut noted.rule,
        &mut noted.reason,
    ] {
        *field = Some(longest.clone());
    }
    (noted.tool, noted.service, noted.caller) = (longest.clone(), longest.clone(), longest.clone());
    noted.request_ids = vec![longest.clone(); 100];
    noted.arguments = json!({"a": longest, "b": {"c": longest}, longest.clone(): 1});
    log.write(&noted).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    for line in text.lines() {
        assert!(line.len() < 14 * 1024, "{} bytes", line.len());
    }
    let lines = lines(&path);
    assert_eq!(
        lines[0]["arguments"],
        json!({"first": "kept", "list": "[cut]", "last": 7})
    );
    let many = lines[1]["arguments"].as_object().unwrap();
    assert_eq!(many["[cut]"].as_u64().unwrap() as usize + many.len() - 1, 2_000);
    assert!(many.len() > 15, "{}", many.len());
    assert_eq!(lines[2]["arguments"], "[cut]");
    assert_eq!(lines[3]["reason"].as_str().unwrap().chars().count(), 400);
}

#[test]
fn a_directory_of_notes_that_others_could_read_is_closed_to_them() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("audit.jsonl");
    fs::DirBuilder::new()
        .mode(0o755)
        .create(place.path().join("audit.jsonl.pending"))
        .unwrap();
    AuditLog::new(&path, ROOMY)
        .begin(&entry("delete_branch"))
        .map(drop)
        .unwrap();
    assert_eq!(mode(place.path().join("audit.jsonl.pending")), 0o700);
}
