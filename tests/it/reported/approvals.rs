//! Calls that a human approved, and that make something whose object id is another one in every attempt.

use serde_json::json;

use crate::workflows::{shop, sql};

#[tokio::test]
async fn somebody_approved_what_makes_something_new() {
    let story = shop().await;
    for statement in [
        "CREATE TABLE t (a int, c text, at timestamptz)",
        "CREATE TABLE old (a int)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE VIEW v AS SELECT a FROM t",
        "GRANT SELECT ON v TO PUBLIC",
        "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM old; END",
        "INSERT INTO t SELECT i, 'glad', now() FROM generate_series(1, 20) i",
    ] {
        sql(&story, "main", statement).await;
    }
    for list in [
        vec!["CREATE ROLE reader"],
        vec!["CREATE USER writer PASSWORD 'S3cret'"],
        vec![
            "CREATE TYPE mood AS ENUM ('glad')",
            "ALTER TABLE t ALTER c TYPE mood USING c::mood",
        ],
        vec!["CREATE SCHEMA s", "ALTER TABLE old SET SCHEMA s"],
        vec![
            "CREATE ROLE other",
            "CREATE POLICY p ON t FOR SELECT TO other USING (a > 1)",
        ],
        vec![
            "CREATE TABLE of_all (a int) PARTITION BY RANGE (a)",
            "GRANT SELECT ON of_all TO PUBLIC",
            "ALTER TABLE of_all ATTACH PARTITION s.old FOR VALUES FROM (0) TO (100)",
        ],
        vec![
            "CREATE TABLE newer (a int)",
            "CREATE OR REPLACE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM newer; END",
        ],
        vec!["DROP ROLE reader", "CREATE ROLE reader CREATEDB"],
    ] {
        let asked = story.asked();
        let arguments = json!({"branch_id": "main", "statements": list});
        story.shop("run_sql_transaction", arguments).await;
        assert_eq!(story.asked(), asked + 1, "{list:?}: {}", story.question());
    }
}

#[tokio::test]
async fn somebody_approved_a_migration_that_makes_something_new() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (c text)").await;
    let prepared = story
        .shop(
            "prepare_database_migration",
            json!({"branch_id": "main", "sql": "CREATE TYPE mood AS ENUM ('glad'); \
                ALTER TABLE t ALTER c TYPE mood USING c::mood; CREATE ROLE reader"}),
        )
        .await;
    // Object ids go on in the target meanwhile.
    sql(&story, "main", "CREATE TABLE meanwhile (x int)").await;
    sql(&story, "main", "DROP TABLE meanwhile").await;
    let completes = json!({"branch_id": "main", "migration": prepared["migration"]});
    let done = story.shop("complete_database_migration", completes).await;
    assert_eq!(done["applied"], 3, "{done}");
}

#[tokio::test]
async fn somebody_has_columns_that_are_called_as_keywords() {
    let story = shop().await;
    sql(
        &story,
        "main",
        "CREATE TABLE t (id int, at int, \"row\" int, unknown int)",
    )
    .await;
    sql(
        &story,
        "main",
        "INSERT INTO t SELECT i, i, i, i FROM generate_series(1, 50) i",
    )
    .await;
    let asked = story.asked();
    for statement in [
        "DELETE FROM t WHERE at = 3",
        "DELETE FROM t WHERE row < 3",
        "UPDATE t SET id = 0 WHERE at IN (7, 8)",
        "DELETE FROM t WHERE unknown = 9",
    ] {
        sql(&story, "main", statement).await;
    }
    assert_eq!(story.asked(), asked, "{}", story.question());
}
