//! Failures of SQL as people meet them: what is left is said, and the advice goes by Postgres' code.

use serde_json::{Value, json};

use super::{rows, shop, sql};
use crate::examples::Story;
use crate::support::fence::fenced;

async fn fails(story: &Story, branch: &str, sql: &str) -> Value {
    story
        .shop_fails("run_sql", json!({"branch_id": branch, "sql": sql}))
        .await
}

#[tokio::test]
async fn failed_statement_outside_of_a_transaction_tells_what_it_left() {
    let story = shop().await;
    sql(
        &story,
        "main",
        "CREATE TABLE t AS SELECT i % 3 AS x FROM generate_series(1, 9) i",
    )
    .await;
    let said = fails(&story, "main", "CREATE UNIQUE INDEX CONCURRENTLY once ON t (x)").await;
    assert_eq!(said["kind"], "sql_failed", "{said}");
    assert_eq!(said["changed"], "yes", "{said}");
    assert_eq!(said["sqlstate"], "23505", "{said}");
    assert_eq!(said["left_behind"].as_array().map(Vec::len), Some(1), "{said}");
    let remove = fenced(&said["left_behind"][0]["remove"]["arguments"]["sql"]);
    assert_eq!(remove, "DROP INDEX CONCURRENTLY public.once", "{said}");
    assert!(said["next"].to_string().contains("invalid_indexes"), "{said}");

    // What a repetition of REINDEX leaves beside it, too.
    let said = fails(&story, "main", "REINDEX INDEX CONCURRENTLY once").await;
    assert_eq!(said["changed"], "yes", "{said}");
    assert!(fenced(&said["left_behind"][0]["id"]).contains("_ccnew"), "{said}");

    // It is the new ones alone that are told, and nothing where nothing was left.
    for (statement, code) in [
        ("CREATE INDEX CONCURRENTLY ON nowhere (x)", "42P01"),
        ("CREATE INDEX CONCURRENTLY ON t (nothing)", "42703"),
        ("REINDEX TABLE CONCURRENTLY nowhere", "42P01"),
    ] {
        let said = fails(&story, "main", statement).await;
        assert_eq!(said["sqlstate"], code, "{statement}: {said}");
        assert_eq!(said["changed"], "no", "{statement}: {said}");
        assert!(said.get("left_behind").is_none(), "{statement}: {said}");
    }
}

#[tokio::test]
async fn block_that_commits_before_it_fails_may_have_changed_something() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    story.shop("create_throwaway_branch", json!({"name": "try"})).await;
    let block = "DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (1 / 0); END $$";
    let said = fails(&story, "try", block).await;
    assert_eq!(said["sqlstate"], "22012", "{said}");
    assert_eq!(said["changed"], "unknown", "{said}");
    assert!(said["message"].to_string().contains("committed"), "{said}");
    let kept = sql(&story, "try", "SELECT count(*) FROM t").await;
    assert_eq!(rows(&kept), [json!(["1"])]);
    // A text that isn't understood was never begun.
    let said = fails(&story, "try", "DO $$ BEGIN COMMIT; END $$ LANGUAGE nothing_like_it").await;
    assert_eq!(said["kind"], "sql_failed", "{said}");
}

#[tokio::test]
async fn failed_list_tells_what_no_rollback_takes_back() {
    let story = shop().await;
    sql(&story, "main", "CREATE SEQUENCE counter").await;
    let list = |first: &str| json!({"branch_id": "main", "statements": [first, "SELECT 1 / 0"]});
    let said = story
        .shop_fails("run_sql_transaction", list("SELECT setval('counter', 41)"))
        .await;
    assert_eq!(said["changed"], "unknown", "{said}");
    assert!(said["message"].to_string().contains("setval"), "{said}");
    let said = story
        .shop_fails("run_sql_transaction", list("CREATE TABLE t (x int)"))
        .await;
    assert_eq!(said["changed"], "no", "{said}");
    // It wasn't begun.
    let said = fails(&story, "main", "SELECT setval('counter', 42) FROM nowhere").await;
    assert_eq!(said["changed"], "no", "{said}");
}

#[tokio::test]
async fn advice_goes_by_the_code_and_not_by_words_in_the_message() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int PRIMARY KEY)").await;
    for (statement, params, code, advice) in [
        (
            "SELECT endpoint_url FROM t",
            json!([]),
            "42703",
            "describe_table_schema",
        ),
        (
            "SELECT * FROM \"password authentication failed\"",
            json!([]),
            "42P01",
            "get_database_tables",
        ),
        ("SELECT * FROM endpoint", json!([]), "42P01", "get_database_tables"),
        (
            "SELECT * FROM t WHERE x = $1 AND x = $2",
            json!(["1"]),
            "08P01",
            "params",
        ),
        ("SELECT $1::int", json!(["endpoint"]), "22P02", "type"),
        ("SELECT no_such_function(1)", json!([]), "42883", "no such function"),
        ("SELEC 1", json!([]), "42601", "syntax"),
    ] {
        let call = json!({"branch_id": "main", "sql": statement, "params": params});
        story.human().changes_to(crate::support::human::Manner::Accepts);
        let said = story.shop_fails("run_sql", call).await;
        assert_eq!(said["sqlstate"], code, "{statement}: {said}");
        let next = said["next"].as_str().unwrap_or_default();
        assert!(next.contains(advice), "{statement}: {said}");
        assert!(!next.contains("password"), "{statement}: {said}");
    }
}

#[tokio::test]
async fn nobody_is_asked_about_what_is_no_sql_though_it_runs_in_no_transaction() {
    let story = shop().await;
    let asked = story.asked();
    for statement in [
        "DROP DATABASE neondb FORCEFULLY",
        "VACUUM FULL pg_class AND OTHERS",
        "REINDEX EVERYTHING neondb",
    ] {
        let refused = story
            .shop_fails("run_sql", json!({"branch_id": "main", "sql": statement}))
            .await;
        assert_eq!(refused["kind"], "sql_failed", "{statement}: {refused}");
    }
    assert_eq!(story.asked(), asked);
}
