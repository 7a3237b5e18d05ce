//! What Postgres says in a notice alone, which SQL over HTTP doesn't hand on, is looked up where it matters.

use harness::assert_worded;
use serde_json::json;

use crate::examples::{Story, in_shop};

#[tokio::test]
async fn index_that_stays_invalid_is_told() {
    let story = Story::with_data().await;
    let run = |sql: &'static str| story.answer("run_sql", in_shop(json!({"branch_id": "main", "sql": sql})));
    run("CREATE TABLE u (id int)").await;
    run("INSERT INTO u VALUES (1), (1)").await;
    let (answer, failed) = run("CREATE UNIQUE INDEX CONCURRENTLY u_id ON u (id)").await;
    assert!(failed, "{answer}");
    for sql in [
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS u_id ON u (id)",
        "REINDEX TABLE CONCURRENTLY u",
    ] {
        let (answer, failed) = run(sql).await;
        assert!(!failed, "{sql}: {answer}");
        assert_worded!("notes", &format!("index that is invalid: {sql}"), answer["notes"]);
    }
    let (answer, _) = run("CREATE INDEX IF NOT EXISTS u_other ON u (id)").await;
    assert!(
        !answer["notes"].to_string().contains("Invalid"),
        "another one: {answer}"
    );
    run("DROP INDEX CONCURRENTLY u_id").await;
    let (answer, _) = run("REINDEX TABLE CONCURRENTLY u").await;
    assert!(!answer["notes"].to_string().contains("Invalid"), "{answer}");
}
