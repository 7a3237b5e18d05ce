//! What an approval, the operator's policy and a trial let through: so much and no more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{server, shop};
use crate::examples::{Story, text};
use crate::support::fence::bare;
use crate::support::human::Manner;
use crate::support::policy::write_policy;
use crate::support::proxy::Counting;
use crate::support::server::{Era, TestClient, TestServer, program, state_home};
use harness::sandbox_process::{execute, number};

const ITEMS: &str = "DROP TABLE IF EXISTS items, items_old; CREATE TABLE items (id int PRIMARY KEY, marked boolean NOT NULL); \
                     INSERT INTO items SELECT i, i <= 12 FROM generate_series(1, 5000) i";
const MORE: &str = "INSERT INTO items SELECT i, true FROM generate_series(6001, 6500) i";
const DELETE: &str = "DELETE FROM items WHERE marked";

async fn count(uri: &str, table: &str) -> i64 {
    number(uri, &format!("SELECT count(*) FROM {table}")).await
}

/// Another server with a policy.
async fn under(story: &Story, policy: &str, api: &str) -> TestServer {
    let state = state_home();
    let file = state.join("policy.toml");
    write_policy(&file, policy);
    let arguments = ["--toolsets", "all", "--policy", file.to_str().expect("a path")];
    let mut command = program(&arguments, api, story.sandbox().api_key());
    command.env("XDG_STATE_HOME", &state).env("NEON_MCP_LOG", "error");
    TestServer::run(command, TestClient::with(story.human().clone()), Era::Legacy).await
}

async fn run(server: &TestServer, sql: &str) -> (Value, bool) {
    let call = json!({"project_id": "shop", "branch_id": "main", "sql": sql});
    server.call("run_sql", call).await
}

/// While the human reads the first question, this happens; to what is asked after it they say no.
fn meanwhile(story: &Story, uri: &str, statements: &'static str) {
    let (uri, human) = (uri.to_owned(), story.human().clone());
    human.changes_to(Manner::Accepts);
    let questions = AtomicUsize::new(0);
    let shared = human.clone();
    let _ = human.meanwhile(move || {
        if questions.fetch_add(1, Ordering::Relaxed) > 0 {
            shared.changes_to(Manner::Declines);
            return;
        }
        let uri = uri.clone();
        let happens = thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(execute(&uri, statements));
        });
        tokio::task::block_in_place(|| happens.join()).expect("it happens");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_covers_what_was_shown_and_no_more() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(&uri, ITEMS).await;
    let api = story.sandbox().api_url();
    let strict = under(&story, "[sql]\nunasked_rows = 5\n", &api).await;

    meanwhile(&story, &uri, MORE);
    let asked = story.human().count();
    let (answer, is_error) = run(&strict, DELETE).await;
    assert!(is_error, "{answer}");
    assert_eq!(answer["error"]["changed"], "no", "{answer}");
    assert_eq!(count(&uri, "items").await, 5_500, "{answer}");
    let questions = story.human().asked_since(asked);
    let counted = |question: &str, rows: &str| {
        assert!(
            bare(question)
                .lines()
                .any(|line| line.contains("delete ") && line.contains(rows)),
            "{question}"
        );
    };
    counted(&questions[0].0, " 12 of");
    if let Some((second, _)) = questions.get(1) {
        counted(second, " 512 of");
    }

    execute(&uri, ITEMS).await;
    meanwhile(
        &story,
        &uri,
        "ALTER TABLE items RENAME TO items_old; CREATE TABLE items (LIKE items_old); INSERT INTO items SELECT i, true FROM generate_series(1, 12) i",
    );
    let (answer, is_error) = run(&strict, DELETE).await;
    assert!(is_error, "{answer}");
    assert_eq!(answer["error"]["changed"], "no", "{answer}");
    assert_eq!(count(&uri, "items").await, 12, "{answer}");
    assert_eq!(count(&uri, "items_old").await, 5_000);

    // Nothing happens meanwhile: what was shown is done.
    execute(&uri, ITEMS).await;
    meanwhile(&story, &uri, "SELECT 1");
    let (answer, is_error) = run(&strict, DELETE).await;
    assert!(!is_error, "{answer}");
    assert_eq!(count(&uri, "items").await, 4_988);
}

#[tokio::test(flavor = "multi_thread")]
async fn completion_that_loses_more_than_its_trial_applies_nothing() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(&uri, ITEMS).await;
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 0";
    for unasked in [5, 100] {
        let policy = format!("[sql]\nunasked_rows = {unasked}\n");
        let server = under(&story, &policy, &story.sandbox().api_url()).await;
        let script = format!("ALTER TABLE items ADD COLUMN word text; {DELETE}");
        let call = json!({"project_id": "shop", "branch_id": "main", "sql": script});
        let (prepared, is_error) = server.call("prepare_database_migration", call).await;
        assert!(!is_error, "{prepared}");
        execute(&uri, MORE).await;
        let asked = story.human().count();
        let call = json!({"project_id": "shop", "branch_id": "main", "migration": prepared["result"]["migration"]});
        let (answer, is_error) = server.call("complete_database_migration", call).await;
        assert!(is_error, "{answer}");
        assert_eq!(answer["error"]["changed"], "no", "{answer}");
        assert_eq!(story.human().count() - asked, usize::from(unasked < 12), "{answer}");
        assert_eq!(
            (count(&uri, "items").await, number(&uri, columns).await),
            (5_500, 2),
            "{answer}"
        );
        execute(&uri, ITEMS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_bounds_what_runs_unasked() {
    let story = shop().await;
    let uri = story.uri("main").await;
    let api = story.sandbox().api_url();
    // Of 5,000 rows a tenth runs unasked, and no more however many the policy names.
    for (unasked, fits) in [(0, 0), (5, 5), (1_000, 500)] {
        let server = under(&story, &format!("[sql]\nunasked_rows = {unasked}\n"), &api).await;
        for (rows, runs) in [(fits, true), (fits + 1, false)] {
            execute(&uri, ITEMS).await;
            story.human().changes_to(Manner::Declines);
            let asked = story.human().count();
            let (answer, is_error) = run(&server, &format!("DELETE FROM items WHERE id <= {rows}")).await;
            assert_eq!(is_error, !runs, "{unasked}, {rows}: {answer}");
            assert_eq!(story.human().count() - asked, usize::from(!runs), "{unasked}, {rows}");
            let left = if runs { 5_000 - rows } else { 5_000 };
            assert_eq!(count(&uri, "items").await, left, "{unasked}, {rows}");
        }
    }
    // With `dry_run` nothing is sent, what would be rolled back neither.
    execute(&uri, ITEMS).await;
    let proxy = Counting::before(&api).await;
    let dry = under(&story, "dry_run = true\n", &proxy.url()).await;
    for sql in [
        DELETE,
        "DELETE FROM items WHERE id > 0",
        "DROP TABLE items",
        "INSERT INTO items VALUES (0, true)",
    ] {
        let _ = run(&dry, sql).await;
        let several = json!({"project_id": "shop", "branch_id": "main", "statements": [sql, "SELECT 1"]});
        let _ = dry.call("run_sql_transaction", several).await;
    }
    let sent = proxy.taken();
    let changing = |line: &&String| line.starts_with("WRITE") || line.starts_with("MEASURE");
    assert!(!sent.is_empty() && !sent.iter().any(|line| changing(&line)), "{sent:?}");
    assert_eq!(count(&uri, "items").await, 5_000);
}

/// A compute moves with its host to the branch that a restore puts in place: what was remembered of the old branch leads there.
#[tokio::test(flavor = "multi_thread")]
async fn address_that_moved_to_another_branch_gets_no_statement() {
    let story = shop().await;
    let old = story.branch_id("main").await;
    execute(&story.uri("main").await, ITEMS).await;
    let made = story
        .shop("create_snapshot", json!({"branch_id": "main", "name": "before"}))
        .await;
    let aside = server(&story, &["--toolsets", "all"]).await;
    // Both servers know where the branch is.
    let on_old = |sql: &str| json!({"project_id": "shop", "branch_id": old, "sql": sql});
    let (answer, is_error) = aside.call("run_sql", on_old("SELECT count(*) FROM items")).await;
    assert!(!is_error, "{answer}");
    story.shop("run_sql", on_old("SELECT count(*) FROM items")).await;
    let restore = json!({
        "project_id": "shop", "snapshot_id": text(&made["snapshot"]["id"]), "target_branch_id": "main", "finalize_restore": true,
    });
    story.done("restore_snapshot", restore).await;
    let new = story.branch_id("main").await;
    assert_ne!(new, old);
    let uri = story.uri("main").await;
    story.human().changes_to(Manner::Declines);
    for sql in [
        "INSERT INTO items VALUES (0, true)",
        "UPDATE items SET marked = false WHERE id = 1",
        "SELECT count(*) FROM items",
    ] {
        for several in [false, true] {
            let (tool, arguments) = match several {
                false => ("run_sql", on_old(sql)),
                true => (
                    "run_sql_transaction",
                    json!({"project_id": "shop", "branch_id": old, "statements": [sql, "SELECT 1"]}),
                ),
            };
            for (name, answered) in [
                ("the other server", aside.call(tool, arguments.clone()).await),
                ("this server", story.answer(tool, arguments).await),
            ] {
                let (answer, is_error) = answered;
                // What does run, runs on the old branch.
                assert!(
                    is_error || !answer.to_string().contains(&new),
                    "{name}: {sql}: {answer}"
                );
            }
            assert_eq!(count(&uri, "items").await, 5_000, "{sql}");
            assert_eq!(
                number(&uri, "SELECT count(*) FROM items WHERE marked").await,
                12,
                "{sql}"
            );
        }
    }
}
