//! `neon-mcp demo`, as a newcomer runs it: with PostgreSQL and without, and where its story isn't so.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use tokio::process::Command;

/// Runs the demo: what it printed, what it complained of, and whether it says that all went well.
async fn demo(arguments: &[&str]) -> (String, String, bool) {
    // What other sandboxes of this machine left behind is none of its business.
    let place = tempfile::tempdir().expect("a directory");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).expect("permissions");
    let run = Command::new(crate::support::program())
        .env("TMPDIR", place.path())
        .arg("demo")
        .args(arguments)
        // Settings of whoever runs it are none of the demo's.
        .env("NEON_MCP_READ_ONLY", "true")
        .env("NEON_API_KEY", "napi_somebodys_own")
        .envs(harness::postgres::found().map(|bin| ("NEON_MCP_POSTGRES_BIN", bin)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Output { stdout, stderr, status } = tokio::time::timeout(Duration::from_secs(120), run)
        .await
        .expect("it ends")
        .expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(stdout), text(stderr), status.success())
}

/// Every line fits into a narrow terminal.
fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// These stand in the text, in this order.
fn tells(text: &str, story: &[&str]) {
    // Lines are folded wherever they must be.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = text.as_str();
    for part in story {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("{part:?} is missing in what follows: {rest}");
        };
        rest = after;
    }
}

#[tokio::test]
async fn with_postgres_it_tells_of_a_migration_that_is_refused_applied_and_undone() {
    let began = Instant::now();
    let (told, complaints, well) = demo(&["--sandbox-postgres", "required"]).await;
    assert!(well, "{told}\n{complaints}");
    assert_eq!(complaints, "");
    fits(&told);
    let filled = r#"[1,"Ada","555-0101"] [2,"Grace","555-0102"]"#;
    let migrated = r#"[1,"Ada",null] [2,"Grace",null]"#;
    tells(
        &told,
        &[
            "real databases, on PostgreSQL",
            "> create_throwaway_branch",
            "DELETE FROM customers",
            "✓ Nobody was asked: the branch is a throwaway.",
            "✓ The branch has no rows.",
            filled,
            "> prepare_database_migration",
            "! loses TABLE public.customers: all values of column phone",
            "- phone text",
            "+ email text",
            "✓ Nobody was asked",
            "✓ Main is what it was:",
            filled,
            "> compare_database_schema",
            "✓ The two differ by exactly what was shown.",
            "> complete_database_migration",
            "The server asks the human:",
            "drops the column \"phone\"",
            "says no.",
            "refused The user rejected it. Nothing was sent to Neon.",
            "✓ Main is what it was:",
            filled,
            "> complete_database_migration",
            "types \"main\"",
            "✓ The phone numbers are gone:",
            migrated,
            "> restore_branch",
            "types \"main\"",
            "✓ The phone numbers are back:",
            filled,
            "✓ What main was meanwhile is kept, as the branch before-undo-",
            "types \"show\"",
            "✓ A wrong name is asked again, once, and approves nothing.",
            "types \"shop\"",
            "✓ The project is gone.",
            "> recover_project",
            "✓ The project is back.",
            filled,
            "Done:",
        ],
    );
    assert!(!told.contains("Not shown"), "{told}");
    // Nobody looks at it on a terminal.
    assert!(!told.contains('\u{1b}'), "{told}");
    // A question is short: its head, what it does and loses, how it is undone.
    let (mut longest, mut rows) = (0, 0);
    for line in told.lines() {
        rows = if line.trim_start().starts_with('|') {
            rows + 1
        } else {
            0
        };
        longest = longest.max(rows);
    }
    assert!((1..=11).contains(&longest), "{told}");
    // It takes about five seconds alone; here others run beside it.
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test]
async fn without_postgres_it_tells_what_it_can_and_what_is_missing() {
    let (told, complaints, well) = demo(&["--sandbox-postgres", "off"]).await;
    assert!(well, "{told}\n{complaints}");
    fits(&told);
    tells(
        &told,
        &[
            "No PostgreSQL is used",
            "> compare_database_schema",
            "TABLE public.orders",
            "> delete_branch",
            "✓ Nobody was asked: the branch is a throwaway.",
            "> delete_branch",
            "says no.",
            "✓ The branch is still there.",
            "> delete_project",
            "✓ A wrong name is asked again, once, and approves nothing.",
            "✓ The project is back.",
            "Not shown",
            "apt install postgresql",
        ],
    );
    assert!(!told.contains("run_sql"), "{told}");
}

#[tokio::test]
async fn where_the_story_is_not_so_it_fails() {
    for (wanted, policy) in [
        (
            "off",
            "[effects]\ndestructive = \"allow\"\n[tools]\ndelete_branch = \"allow\"\n",
        ),
        ("required", "[tools]\ncomplete_database_migration = \"allow\"\n"),
        ("required", "[tools]\nrun_sql = \"require_approval\"\n"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("policy.toml");
        fs::write(&file, policy).expect("a file");
        let file = file.to_str().expect("a path");
        let (told, complaints, well) = demo(&["--sandbox-postgres", wanted, "--server-policy", file]).await;
        assert!(!well, "{policy}: {told}");
        assert!(complaints.contains("step "), "{policy}: {complaints}");
        assert!(!told.contains("Done:"), "{policy}: {told}");
    }
}

#[tokio::test]
async fn what_it_leaves_behind_is_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let run = Command::new(crate::support::program())
        .args(["demo", "--sandbox-postgres", "off"])
        .env("TMPDIR", home.path())
        .env("HOME", home.path())
        .env("XDG_STATE_HOME", home.path().join("state"))
        .output();
    assert!(run.await.expect("it starts").status.success());
    assert!(
        !home.path().join("state").exists(),
        "no audit log of the user's has the demo in it"
    );
    let left = fs::read_dir(home.path()).expect("a folder");
    let demos = left.filter(|entry| {
        entry
            .as_ref()
            .is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("neon-mcp-demo-"))
    });
    assert_eq!(demos.count(), 0);
}
