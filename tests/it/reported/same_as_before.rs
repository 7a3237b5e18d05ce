//! What a statement leaves as it was is no loss.

use serde_json::{Value, json};

use crate::examples::Story;

async fn run(story: &Story, sql: &str) -> Value {
    story.shop("run_sql", json!({"branch_id": "main", "sql": sql})).await
}

#[tokio::test]
async fn changed_type_loses_neither_a_check_nor_rows_that_never_were() {
    let story = Story::with_data().await;
    for sql in [
        "CREATE TABLE u2 (id int PRIMARY KEY, age int CHECK (age > 0), name varchar(20) CHECK (name <> ''))",
        "CREATE TABLE users (id int, age text)",
        "CREATE TABLE former (id int, age text)",
        "INSERT INTO former VALUES (1, '2')",
        "DELETE FROM former WHERE id = 1",
    ] {
        run(&story, sql).await;
    }
    for sql in [
        "ALTER TABLE u2 ALTER COLUMN age TYPE bigint",
        "ALTER TABLE users ALTER COLUMN age TYPE bigint USING age::bigint, ADD COLUMN x int NOT NULL",
        "ALTER TABLE former ALTER COLUMN age TYPE bigint USING age::bigint, ADD COLUMN x int NOT NULL",
        "ALTER TABLE u2 ALTER COLUMN name TYPE text",
    ] {
        let done = run(&story, sql).await;
        let lost = done["losses"].to_string();
        assert!(!lost.contains("empties") && !lost.contains("drops"), "{sql}: {done}");
        let question = story.question();
        assert!(
            !question.contains("empties") && !question.contains("drops"),
            "{sql}: {question}"
        );
    }
}

#[tokio::test]
async fn emptied_table_is_told_as_before() {
    let story = Story::with_data().await;
    run(&story, "CREATE TABLE full_one (id int)").await;
    run(&story, "INSERT INTO full_one SELECT generate_series(1, 30)").await;
    run(&story, "DELETE FROM full_one WHERE id = 1").await;
    let before = story.asked();
    run(&story, "TRUNCATE full_one").await;
    assert_eq!(story.asked(), before + 1);
}
