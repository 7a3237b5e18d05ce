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
    assert_eq!(done["applied_statements"], 3, "{done}");
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

#[tokio::test]
async fn somebody_changes_a_type_and_is_told_what_that_loses_and_not_what_is_built_anew() {
    let story = shop().await;
    for statement in [
        "CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE)",
        "CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers (id) ON DELETE CASCADE, total int CHECK (total > 0))",
        "CREATE INDEX orders_by_customer ON orders (customer, total DESC) WHERE total > 5",
        "INSERT INTO customers SELECT i, 'a' || i FROM generate_series(1, 20) i",
        "INSERT INTO orders SELECT i, i, i FROM generate_series(1, 20) i",
    ] {
        sql(&story, "main", statement).await;
    }
    for (statement, told) in [
        ("ALTER TABLE orders ALTER customer TYPE bigint", "orders"),
        ("ALTER TABLE customers ALTER email TYPE varchar(50)", "customers"),
    ] {
        let asked = story.asked();
        story
            .shop("run_sql", json!({"branch_id": "main", "sql": statement}))
            .await;
        assert_eq!(story.asked(), asked + 1, "{statement}");
        let question = story.question();
        assert!(question.contains(told), "{question}");
        for word in [
            "orders_by_customer",
            "orders_customer_fkey",
            "customers_email_key",
            "customers_pkey",
        ] {
            assert!(!question.contains(word), "{statement}: {question}");
        }
    }
    // A constraint that doesn't come back, or comes back weaker, is told.
    let list = json!([
        "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey",
        "ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES customers (id)"
    ]);
    story
        .shop("run_sql_transaction", json!({"branch_id": "main", "statements": list}))
        .await;
    let question = story.question();
    assert!(question.contains("orders_customer_fkey"), "{question}");
    let list = json!([
        "DROP INDEX orders_by_customer",
        "CREATE INDEX orders_by_customer ON orders (customer)"
    ]);
    story
        .shop("run_sql_transaction", json!({"branch_id": "main", "statements": list}))
        .await;
    let question = story.question();
    assert!(question.contains("orders_by_customer"), "{question}");
}
