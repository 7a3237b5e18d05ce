//! Texts in which something is opened and never closed: Postgres' own words, and what to write.

use serde_json::json;

use crate::examples::Story;

#[tokio::test]
async fn what_is_never_closed_is_named() {
    let story = Story::with_data().await;
    for (sql, words, next) in [
        ("SELECT 'it's'", "unterminated quoted string", "''"),
        ("INSERT INTO x VALUES ('don't')", "unterminated quoted string", "''"),
        ("SELECT 'abc", "unterminated quoted string", "''"),
        ("SELECT \"abc", "unterminated quoted identifier", "single quotes"),
        ("SELECT 1 /* open", "unterminated /* comment", "*/"),
        (
            "DO $body$ BEGIN END $boby$",
            "unterminated dollar-quoted string",
            "$body$",
        ),
        (
            "DO $$ BEGIN PERFORM 1; COMMIT",
            "unterminated dollar-quoted string",
            "$$",
        ),
    ] {
        let failed = story
            .shop_fails("run_sql", json!({"branch_id": "main", "sql": sql}))
            .await;
        assert_eq!(failed["sqlstate"], "42601", "{sql}: {failed}");
        assert!(failed["postgres_says"].to_string().contains(words), "{sql}: {failed}");
        assert!(failed["next"].to_string().contains(next), "{sql}: {failed}");
    }
    let sql = "INSERT INTO t VALUES ('abc);\nSELECT 1;";
    let failed = story
        .shop_fails("prepare_database_migration", json!({"branch_id": "main", "sql": sql}))
        .await;
    assert!(
        failed["postgres_says"].to_string().contains("unterminated quoted"),
        "{failed}"
    );
}

#[tokio::test]
async fn secret_in_what_is_never_closed_is_not_repeated() {
    let story = Story::with_data().await;
    let sql = "ALTER ROLE shop_owner PASSWORD 'hunter2-secret";
    let failed = story
        .shop_fails("run_sql", json!({"branch_id": "main", "sql": sql}))
        .await;
    assert!(
        failed["postgres_says"].to_string().contains("unterminated quoted"),
        "{failed}"
    );
    assert!(!failed.to_string().contains("hunter2"), "{failed}");
}
