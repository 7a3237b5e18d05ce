//! Completing a migration when the way to Postgres or Neon breaks: what holds is told, and nothing is sent twice.

use harness::assert_worded;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{rows, shop, sql};
use crate::examples::Story;
use crate::support::proxy::{Counting, Trouble};
use crate::support::server::TestServer;

const DDL: &str = "ALTER TABLE t ADD COLUMN y int";

/// A server behind a proxy.
struct Behind {
    story: Story,
    proxy: Counting,
    server: TestServer,
}

impl Behind {
    async fn start(more: &[&str]) -> Self {
        let story = shop().await;
        sql(&story, "main", "CREATE TABLE t (x int)").await;
        let proxy = Counting::before(&story.sandbox().api_url()).await;
        let arguments = [&["--toolsets", "all"], more].concat();
        let server = story.server_at(&arguments, &proxy.url()).await;
        Self { story, proxy, server }
    }

    /// Prepares: the handle.
    async fn prepare(&self, script: &str) -> Value {
        let call = json!({"project_id": "shop", "branch_id": "main", "sql": script});
        let (value, is_error) = self.server.call("prepare_database_migration", call).await;
        assert!(!is_error, "{value}");
        self.proxy.taken();
        value["result"]["migration"].clone()
    }

    /// Completes: what the tool says, whether that is an error, and how often anything was applied anywhere.
    async fn complete(&self, handle: &Value) -> (Value, bool, usize) {
        let call = json!({"project_id": "shop", "branch_id": "main", "migration": handle});
        let (value, is_error) = self.server.call("complete_database_migration", call).await;
        let taken = self.proxy.taken();
        let writes = taken.iter().filter(|line| *line == "WRITE /sql").count();
        (value, is_error, writes)
    }

    async fn count(&self, query: &str) -> Value {
        rows(&sql(&self.story, "main", query).await)[0][0].clone()
    }
}

#[tokio::test]
async fn statements_whose_answer_is_lost_are_told_as_what_they_are() {
    let behind = Behind::start(&[]).await;
    let columns =
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'y' AND NOT attisdropped";
    // They never arrive.
    let handle = behind.prepare(DDL).await;
    behind.proxy.trouble("WRITE /sql", 0, Trouble::Lost);
    let (value, is_error, writes) = behind.complete(&handle).await;
    assert!(is_error, "{value}");
    let error = &value["error"];
    assert_eq!(
        (&error["kind"], &error["changed"]),
        (&json!("not_applied"), &json!("no")),
        "{error}"
    );
    assert_worded!("errors", "migration: sent and not applied", error["message"]);
    assert_eq!((writes, behind.count(columns).await), (1, json!("0")));
    // The same handle is good again; now they arrive, and the answer doesn't.
    behind.proxy.trouble("WRITE /sql", 0, Trouble::AnswerLost);
    let (value, is_error, writes) = behind.complete(&handle).await;
    assert!(!is_error, "{value}");
    assert_worded!("notes", "migration: applied by what the schema shows", value["notes"]);
    assert_eq!(value["result"]["schema_matches_preview"], true);
    assert_eq!((writes, behind.count(columns).await), (1, json!("1")));
    assert_eq!(behind.story.branches().await, ["main"]);
}

#[tokio::test]
async fn where_only_rows_change_nobody_knows_and_nothing_is_sent_again() {
    let behind = Behind::start(&[]).await;
    for (trouble, there) in [(Trouble::AnswerLost, "1"), (Trouble::Lost, "1")] {
        let handle = behind.prepare("INSERT INTO t VALUES (1)").await;
        behind.proxy.trouble("WRITE /sql", 0, trouble);
        let (value, is_error, writes) = behind.complete(&handle).await;
        assert!(is_error, "{value}");
        let error = &value["error"];
        assert_eq!(
            (&error["kind"], &error["changed"]),
            (&json!("outcome_unknown"), &json!("unknown")),
            "{error}"
        );
        assert_eq!(writes, 1);
        let (value, is_error, writes) = behind.complete(&handle).await;
        assert!(is_error && value.to_string().contains("used already"), "{value}");
        assert_eq!(writes, 0);
        assert_eq!(behind.count("SELECT count(*) FROM t").await, there, "{trouble:?}");
    }
}

#[tokio::test]
async fn parts_that_were_never_sent_are_not_told_as_applied() {
    let behind = Behind::start(&[]).await;
    // After the second part the schema stays as it is.
    let script = |table: &str| {
        format!(
            "CREATE TABLE {table} (x int); CREATE INDEX CONCURRENTLY ON {table} (x); INSERT INTO {table} VALUES (1)"
        )
    };
    for (table, after, trouble, kind, changed, hold) in [
        // The first part holds, and nothing after it was sent.
        ("a", 0, Trouble::AnswerLost, "applied_in_part", "yes", 1),
        // Of the last part, rows alone, the schema doesn't tell.
        ("b", 2, Trouble::AnswerLost, "outcome_unknown", "unknown", 2),
        ("c", 2, Trouble::Lost, "outcome_unknown", "unknown", 2),
    ] {
        let handle = behind.prepare(&script(table)).await;
        behind.proxy.trouble("WRITE /sql", after, trouble);
        let (value, is_error, writes) = behind.complete(&handle).await;
        assert!(is_error, "{table}: {value}");
        let error = &value["error"];
        assert_eq!(
            (&error["kind"], &error["changed"]),
            (&json!(kind), &json!(changed)),
            "{table}: {error}"
        );
        assert_eq!(error["applied_statements"], hold, "{table}: {error}");
        assert_eq!(writes, after + 1, "{table}: nothing is sent after a lost answer");
    }
    // All statements but the first leave the schema as it is: that it is as it was shown says nothing about those.
    let handle = behind
        .prepare("ALTER TABLE t ADD COLUMN z int; VACUUM t; INSERT INTO t VALUES (7)")
        .await;
    behind.proxy.trouble("WRITE /sql", 0, Trouble::AnswerLost);
    let (value, is_error, writes) = behind.complete(&handle).await;
    assert!(is_error, "{value}");
    assert_eq!(
        (&value["error"]["applied_statements"], writes),
        (&json!(1), 1),
        "{value}"
    );
    assert_eq!(behind.count("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn what_cant_be_cleaned_up_is_said_and_the_rest_holds() {
    let behind = Behind::start(&[]).await;
    let handle = behind.prepare(DDL).await;
    for _ in 0..8 {
        behind.proxy.trouble("DELETE /projects/", 0, Trouble::Status(500));
    }
    let (value, is_error, _) = behind.complete(&handle).await;
    assert!(!is_error, "{value}");
    assert_eq!(
        (
            &value["result"]["applied_statements"],
            &value["result"]["trial_branch_deleted"]
        ),
        (&json!(1), &json!(false))
    );
    assert_worded!("notes", "migration: trial branch that stays", value["notes"]);
}

#[tokio::test]
async fn a_branch_that_would_stay_is_none_to_try_on() {
    let behind = Behind::start(&[]).await;
    behind.proxy.trouble("POST /projects/", 0, Trouble::WithoutExpiry);
    let call = json!({"project_id": "shop", "branch_id": "main", "sql": DDL});
    let (value, is_error) = behind.server.call("prepare_database_migration", call).await;
    assert!(is_error, "{value}");
    let error = &value["error"];
    assert_eq!(
        (&error["kind"], &error["changed"]),
        (&json!("step_failed"), &json!("yes")),
        "{error}"
    );
    assert_worded!("errors", "preparation: trial branch that stays", error["message"]);
    assert!(
        !behind.proxy.taken().contains(&"WRITE /sql".to_owned()),
        "nothing was tried"
    );
}

#[tokio::test]
async fn a_call_that_runs_out_of_time_says_that_it_doesnt_know() {
    let behind = Behind::start(&["--call-timeout-seconds", "8"]).await;
    let handle = behind.prepare(DDL).await;
    behind.proxy.trouble("WRITE /sql", 0, Trouble::Slow(20_000));
    let began = Instant::now();
    let (value, is_error, writes) = behind.complete(&handle).await;
    assert!(is_error && began.elapsed() < Duration::from_secs(15), "{value}");
    assert_eq!(value["error"]["kind"], "outcome_unknown", "{value}");
    assert_worded!(
        "errors",
        "migration: outcome that nobody could look at",
        value["error"]["message"]
    );
    assert_eq!(writes, 1);
}

#[tokio::test]
async fn a_throwaway_branch_that_nobody_is_told_of_is_deleted_again() {
    let behind = Behind::start(&[]).await;
    behind.proxy.trouble("POST /projects/", 0, Trouble::AnswerLost);
    let call = json!({"project_id": "shop"});
    let (value, is_error) = behind.server.call("create_throwaway_branch", call).await;
    let error = &value["error"];
    assert!(is_error && error["left_behind"].is_null(), "{value}");
    assert_worded!("errors", "throwaway branch: lost answer", error["next"]);
    assert_eq!(behind.story.branches().await, ["main"]);
}

#[tokio::test]
async fn branch_of_a_chosen_name_is_not_taken_for_the_one_whose_answer_was_lost() {
    let behind = Behind::start(&[]).await;
    behind
        .story
        .shop("create_throwaway_branch", json!({"name": "temp"}))
        .await;
    behind.proxy.trouble("POST /projects", 0, Trouble::Lost);
    let call = json!({"project_id": "shop", "name": "temp"});
    let (value, is_error) = behind.server.call("create_throwaway_branch", call).await;
    assert!(is_error, "{value}");
    assert!(behind.story.branches().await.contains(&"temp".to_owned()), "{value}");
    let left = &value["error"]["left_behind"];
    assert!(left[0].get("remove").is_none(), "nobody is told to remove it: {value}");
}
