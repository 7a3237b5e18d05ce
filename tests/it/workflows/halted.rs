//! A migration that stops before its end tells what is done, what isn't and why, what is left, and what to call next; and a trial tells
//! beforehand what completing will do.

use harness::assert_worded;
use serde_json::{Value, json};

use super::{fenced, rows, shop, sql};
use crate::examples::Story;
use crate::support::fence::bare_value;
use crate::support::human::Manner;

async fn prepare(story: &Story, sql: &str) -> Value {
    story
        .shop("prepare_database_migration", json!({"branch_id": "main", "sql": sql}))
        .await
}

fn completing(prepared: &Value) -> Value {
    json!({"branch_id": "main", "migration": prepared["migration"]})
}

async fn stops(story: &Story, prepared: &Value) -> Value {
    story
        .shop_fails("complete_database_migration", completing(prepared))
        .await
}

#[tokio::test]
async fn index_that_a_stopped_migration_left_is_named_with_the_call_that_removes_it() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let prepared = prepare(
        &story,
        "CREATE TABLE u (x int); CREATE UNIQUE INDEX CONCURRENTLY \"Once\" ON t (x); CREATE TABLE v (x int); CREATE TABLE w (x int)",
    )
    .await;
    sql(&story, "main", "INSERT INTO t VALUES (7), (7)").await;
    let failed = stops(&story, &prepared).await;
    assert_eq!(
        (&failed["kind"], &failed["changed"]),
        (&json!("applied_in_part"), &json!("yes")),
        "{failed}"
    );
    for (field, value) in [
        ("statement", json!(2)),
        ("kind_of_statement", json!("CREATE INDEX")),
        ("part", json!(2)),
        ("part_count", json!(3)),
        ("sqlstate", json!("23505")),
        ("applied_statements", json!(1)),
    ] {
        assert_eq!(failed[field], value, "{field}: {failed}");
    }
    assert_eq!(
        failed["not_applied"],
        json!([{"from": 2, "to": 2, "reason": "failed"}, {"from": 3, "to": 4, "reason": "not_sent"}]),
        "{failed}"
    );
    assert!(fenced(&failed["postgres_says"]).contains("(x)=(7)"), "{failed}");
    assert_worded!("errors", "migration: stopped at a part of its own", failed["next"]);
    // The call that removes it is good as it stands.
    let left = failed["left_behind"].as_array().expect("a list");
    assert_eq!(left.len(), 1, "{failed}");
    assert_eq!(left[0]["what"], "index", "{failed}");
    let removes = bare_value(&left[0]["remove"]);
    assert_eq!(removes["tool"], "run_sql");
    story.call("run_sql", removes["arguments"].clone()).await;
    let gone = sql(&story, "main", "SELECT to_regclass('\"Once\"') IS NULL").await;
    assert_eq!(rows(&gone), [json!([true])]);
}

#[tokio::test]
async fn statement_that_failed_in_a_part_of_several_is_named_with_its_cause() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let prepared = prepare(
        &story,
        "CREATE TABLE u (x int); ALTER TABLE t ADD COLUMN y int; ALTER TABLE t ADD CONSTRAINT once UNIQUE (x); CREATE TABLE v (x int)",
    )
    .await;
    sql(&story, "main", "INSERT INTO t VALUES (7), (7)").await;
    let failed = stops(&story, &prepared).await;
    assert_eq!(
        (&failed["kind"], &failed["changed"]),
        (&json!("not_applied"), &json!("no")),
        "{failed}"
    );
    assert_eq!(
        (&failed["statement"], &failed["sqlstate"]),
        (&json!(3), &json!("23505")),
        "{failed}"
    );
    assert_eq!(
        failed["not_applied"],
        json!([{"from": 1, "to": 4, "reason": "rolled_back"}])
    );
    assert!(failed.get("left_behind").is_none(), "{failed}");
    // After a setting that is set again, numbers are those of the script.
    let script = "CREATE TYPE kind AS ENUM ('a'); SET lock_timeout = '5s'; ALTER TYPE kind ADD VALUE 'b'; CREATE TABLE k (k kind DEFAULT 'b'); \
                  ALTER TABLE t ADD CONSTRAINT once UNIQUE (x)";
    sql(&story, "main", "DELETE FROM t WHERE x = 7").await;
    let prepared = prepare(&story, script).await;
    sql(&story, "main", "INSERT INTO t VALUES (7), (7)").await;
    let failed = stops(&story, &prepared).await;
    assert_eq!(failed["kind"], "applied_in_part", "{failed}");
    assert_eq!(
        (&failed["statement"], &failed["part"]),
        (&json!(5), &json!(2)),
        "{failed}"
    );
}

#[tokio::test]
async fn migration_that_would_lose_more_than_was_approved_says_so() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int, y int)").await;
    sql(
        &story,
        "main",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i",
    )
    .await;
    let prepared = prepare(&story, "DELETE FROM t WHERE y <= 20").await;
    sql(
        &story,
        "main",
        "INSERT INTO t SELECT i, 1 FROM generate_series(1, 400) i",
    )
    .await;
    let failed = stops(&story, &prepared).await;
    assert_eq!(
        (&failed["kind"], &failed["changed"]),
        (&json!("not_applied"), &json!("no")),
        "{failed}"
    );
    assert_eq!(failed["cause"]["kind"], "loses_more_than_approved", "{failed}");
    assert!(
        bare_value(&failed["cause"]["losses"]).to_string().contains("420"),
        "{failed}"
    );
    assert_worded!("errors", "migration: loses more by now", failed["next"]);
}

#[tokio::test]
async fn procedure_that_committed_and_failed_is_not_said_to_have_left_nothing() {
    let story = shop().await;
    for statement in [
        "CREATE TABLE log (x int)",
        "CREATE TABLE flags (fails bool)",
        "CREATE PROCEDURE half() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); COMMIT; \
         IF (SELECT bool_or(fails) FROM flags) THEN RAISE 'no' USING ERRCODE = 'P0042'; END IF; END $$",
    ] {
        sql(&story, "main", statement).await;
    }
    let prepared = prepare(&story, "CALL half()").await;
    sql(&story, "main", "INSERT INTO flags VALUES (true)").await;
    let failed = stops(&story, &prepared).await;
    assert_eq!(
        (&failed["kind"], &failed["changed"], &failed["sqlstate"]),
        (&json!("outcome_unknown"), &json!("unknown"), &json!("P0042")),
        "{failed}"
    );
    assert_worded!(
        "errors",
        "migration: procedure that committed and failed",
        failed["message"]
    );
    assert_eq!(rows(&sql(&story, "main", "SELECT x FROM log").await), [json!([1])]);
}

#[tokio::test]
async fn trial_says_what_completing_will_do() {
    let story = shop().await;
    for statement in [
        "CREATE TABLE t (x int)",
        "CREATE INDEX by_x ON t (x)",
        "INSERT INTO t SELECT i FROM generate_series(1, 500) i",
        "CREATE PROCEDURE empties() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t WHERE x > 10; COMMIT; END $$",
        "CREATE PROCEDURE plain() LANGUAGE plpgsql AS $$ BEGIN NULL; END $$",
    ] {
        sql(&story, "main", statement).await;
    }
    story.human().changes_to(Manner::Declines);
    for (script, asks, effect) in [
        ("CALL empties()", true, "destructive"),
        ("CREATE TABLE u (x int); CALL empties()", true, "write"),
        ("DROP INDEX CONCURRENTLY by_x", true, "destructive"),
        ("DELETE FROM t WHERE x > 10", true, "write"),
        ("DELETE FROM t WHERE x = 10", false, "write"),
        ("CALL plain()", false, "write"),
        ("CREATE INDEX CONCURRENTLY another ON t (x)", false, "write"),
        (
            "CREATE TABLE mine (x int); DROP TABLE mine; CREATE TABLE u (x int)",
            false,
            "write",
        ),
    ] {
        let prepared = prepare(&story, script).await;
        let completion = &prepared["completion"];
        assert_eq!(completion["requires_approval"], asks, "{script}: {prepared}");
        assert_eq!(prepared["statements"][0]["effect"], effect, "{script}: {prepared}");
        assert_eq!(completion.get("description").is_some(), asks, "{script}: {prepared}");
        let before = story.asked();
        let (answer, is_error) = story
            .answer(
                "complete_database_migration",
                json!({"project_id": "shop", "branch_id": "main", "migration": prepared["migration"]}),
            )
            .await;
        assert_eq!((story.asked() > before, is_error), (asks, asks), "{script}: {answer}");
    }
}

#[tokio::test]
async fn what_no_transaction_measures_is_not_said_to_lose_nothing() {
    let story = shop().await;
    for statement in [
        "CREATE TABLE t (x int)",
        "CREATE INDEX by_x ON t (x)",
        "INSERT INTO t SELECT i FROM generate_series(1, 500) i",
        "CREATE PROCEDURE empties() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t WHERE x > 10; COMMIT; END $$",
        "CREATE TABLE p (x int) PARTITION BY LIST (x)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
        "INSERT INTO p SELECT 1 FROM generate_series(1, 50)",
    ] {
        sql(&story, "main", statement).await;
    }
    story.human().changes_to(Manner::Declines);
    for (script, count) in [
        ("CALL empties()", 1),
        ("DO $$ BEGIN DELETE FROM t; COMMIT; END $$", 1),
        ("DROP INDEX CONCURRENTLY by_x", 1),
        ("ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY", 1),
        ("DELETE FROM t WHERE x = 1; CALL empties()", 2),
    ] {
        let prepared = prepare(&story, script).await;
        let losses = bare_value(&prepared["losses"]);
        let losses: Vec<&str> = losses
            .as_array()
            .expect("a list")
            .iter()
            .map(|loss| loss["description"].as_str().expect("a sentence"))
            .collect();
        assert_eq!(losses.len(), count, "{script}: {prepared}");
        assert_worded!("approvals", &format!("losses of a script: {script}"), losses.join("\n"));
        stops(&story, &prepared).await;
        let question = story.question();
        for loss in losses {
            assert!(question.contains(loss), "{script}: {question}");
        }
    }
    let vacuum = prepare(&story, "VACUUM t").await;
    assert_eq!(vacuum["losses"], json!([]), "{vacuum}");
}

#[tokio::test]
async fn procedure_that_commits_by_now_stops_a_migration_before_any_of_it_runs() {
    let story = shop().await;
    for statement in [
        "CREATE SCHEMA other",
        "CREATE TABLE log (x int)",
        "CREATE PROCEDURE tidy() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); END $$",
    ] {
        sql(&story, "main", statement).await;
    }
    let prepared = prepare(
        &story,
        "CREATE TABLE a (x int); CREATE INDEX CONCURRENTLY by_x ON log (x); CALL tidy(); CREATE TABLE b (x int)",
    )
    .await;
    sql(
        &story,
        "main",
        "CREATE PROCEDURE other.tidy() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (2); COMMIT; END $$",
    )
    .await;
    let failed = stops(&story, &prepared).await;
    assert_eq!(
        (&failed["kind"], &failed["changed"]),
        (&json!("schema_moved"), &json!("no")),
        "{failed}"
    );
    let there = "SELECT to_regclass('a') IS NULL, to_regclass('b') IS NULL, to_regclass('by_x') IS NULL, (SELECT count(*)::int FROM log)";
    assert_eq!(rows(&sql(&story, "main", there).await), [json!([true, true, true, 0])]);
    sql(&story, "main", "DROP PROCEDURE other.tidy()").await;
    let done = story.shop("complete_database_migration", completing(&prepared)).await;
    assert_eq!(done["applied_statements"], 4, "the handle is still good: {done}");
}

#[tokio::test]
async fn trial_that_fails_outside_of_a_transaction_says_where_and_why() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    sql(&story, "main", "INSERT INTO t VALUES (7), (7)").await;
    let failed = story
        .shop_fails(
            "prepare_database_migration",
            json!({"branch_id": "main", "sql": "CREATE TABLE u (x int); CREATE UNIQUE INDEX CONCURRENTLY once ON t (x); CREATE TABLE v (x int)"}),
        )
        .await;
    for (field, value) in [
        ("kind", json!("trial_failed")),
        ("changed", json!("no")),
        ("statement", json!(2)),
        ("kind_of_statement", json!("CREATE INDEX")),
        ("part", json!(2)),
        ("part_count", json!(3)),
        ("sqlstate", json!("23505")),
    ] {
        assert_eq!(failed[field], value, "{field}: {failed}");
    }
    assert!(fenced(&failed["postgres_says"]).contains("(x)=(7)"), "{failed}");
    assert_worded!("errors", "migration: unique index on rows that repeat", failed["next"]);
    // The branch where it failed is gone, and what was left there with it.
    assert!(failed.get("left_behind").is_none(), "{failed}");
    assert_eq!(story.branches().await, ["main"]);
}
