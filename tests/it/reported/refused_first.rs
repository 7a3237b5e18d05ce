//! What Postgres refuses before it does anything leaves nothing, and is told so.

use serde_json::{Value, json};

use crate::examples::Story;

#[tokio::test]
async fn what_was_refused_before_it_began_changed_nothing() {
    let story = Story::with_data().await;
    let run = |sql: &'static str| story.shop("run_sql", json!({"branch_id": "main", "sql": sql}));
    for sql in [
        "CREATE TABLE ev (at date, n int) PARTITION BY RANGE (at)",
        "CREATE INDEX ev_at ON ev (at)",
        "CREATE TABLE t (a int, b int UNIQUE)",
        "CREATE INDEX t_a ON t (a)",
    ] {
        run(sql).await;
    }
    for (sql, code) in [
        ("DROP DATABASE nope", "3D000"),
        ("CREATE DATABASE d1 TEMPLATE nope", "3D000"),
        ("DROP INDEX CONCURRENTLY ev_at", "0A000"),
        ("DROP INDEX CONCURRENTLY t_a, ev_at", "0A000"),
        ("DROP INDEX CONCURRENTLY IF EXISTS t_a CASCADE", "0A000"),
        ("DROP INDEX CONCURRENTLY t_b_key", "2BP01"),
    ] {
        let failed = story
            .shop_fails("run_sql", json!({"branch_id": "main", "sql": sql}))
            .await;
        assert_eq!(
            (&failed["sqlstate"], &failed["changed"]),
            (&json!(code), &json!("no")),
            "{sql}: {failed}"
        );
        assert!(!failed["message"].to_string().contains("rolled"), "{sql}: {failed}");
        let loops = failed["next"].to_string().contains("DROP INDEX CONCURRENTLY");
        assert!(!loops, "{sql}: {failed}");
    }
}

#[tokio::test]
async fn function_that_the_role_may_not_execute_did_nothing() {
    let story = Story::with_data().await;
    for sql in [
        "SELECT pg_stat_reset()",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('.')",
        "SELECT pg_stat_file('x')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_switch_wal()",
        "SELECT pg_reload_conf()",
    ] {
        let failed: Value = story
            .shop_fails("run_sql", json!({"branch_id": "main", "sql": sql}))
            .await;
        assert_eq!(
            (&failed["sqlstate"], &failed["changed"]),
            (&json!("42501"), &json!("no")),
            "{sql}: {failed}"
        );
        assert!(failed["next"].to_string().contains("role"), "{sql}: {failed}");
    }
    // One that it may execute ran, whatever failed beside it.
    let sql = "SELECT nextval('s'), 1 / (SELECT count(*) FROM orders WHERE false)";
    story
        .shop("run_sql", json!({"branch_id": "main", "sql": "CREATE SEQUENCE s"}))
        .await;
    let sent = json!({"branch_id": "main", "sql": sql.replace("orders", "pg_class").replace("nextval('s')", "setval('s', 9)")});
    let failed = story.shop_fails("run_sql", sent).await;
    assert_eq!(failed["changed"], "unknown", "{failed}");
}
