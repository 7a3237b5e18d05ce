//! What somebody is told whose SQL failed.

use serde_json::{Value, json};

use crate::examples::Story;

async fn run(story: &Story, sql: &str) -> Value {
    story.shop("run_sql", json!({"branch_id": "main", "sql": sql})).await
}

async fn fails(story: &Story, sql: &str) -> Value {
    story
        .shop_fails("run_sql", json!({"branch_id": "main", "sql": sql}))
        .await
}

async fn list_fails(story: &Story, statements: Value) -> Value {
    story
        .shop_fails(
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": statements}),
        )
        .await
}

async fn story() -> Story {
    let story = Story::with_data().await;
    for statement in [
        "CREATE SCHEMA crm",
        "CREATE TABLE crm.deals (id int PRIMARY KEY, amount int CHECK (amount > 0))",
        "CREATE TABLE customers (id int, full_name text, endpoint_url text)",
        "CREATE FUNCTION add_customer(i int) RETURNS int LANGUAGE sql AS 'INSERT INTO customers (id) VALUES (i) RETURNING id'",
    ] {
        run(&story, statement).await;
    }
    story
}

#[tokio::test]
async fn somebody_misspelt_a_name() {
    let story = story().await;
    for (sql, code, nearest) in [
        ("SELECT * FROM deals", "42P01", "crm.deals"),
        ("SELECT * FROM custmers", "42P01", "public.customers"),
        ("DROP TABLE costumers", "42P01", "public.customers"),
        ("SELECT fullname FROM customers", "42703", "customers.full_name"),
        (
            "SELECT c.endpoint_ulr FROM customers c",
            "42703",
            "customers.endpoint_url",
        ),
        (
            "UPDATE customers SET endpoint = 'x' WHERE id = 1",
            "42703",
            "customers.endpoint_url",
        ),
        (
            "ALTER TABLE customers ALTER COLUMN fulname SET NOT NULL",
            "42703",
            "customers.full_name",
        ),
        ("SELECT add_costumer(1)", "42883", "public.add_customer(i integer)"),
        ("CREATE TABLE crmm.t (i int)", "3F000", "crm"),
        ("CREATE TABLE t (i intger)", "42704", "pg_catalog"),
    ] {
        let failed = fails(&story, sql).await;
        assert_eq!(failed["sqlstate"], code, "{sql}: {failed}");
        assert!(failed["nearest"].to_string().contains(nearest), "{sql}: {failed}");
        assert!(!failed["next"].to_string().contains("password"), "{sql}: {failed}");
    }
}

#[tokio::test]
async fn somebody_wants_to_know_which_statement_of_a_list_failed() {
    let story = story().await;
    for (statements, number, kind, code) in [
        (
            json!(["SELECT 1", "SELECT 2", "SELECT 1 / 0", "SELECT 4"]),
            3,
            "SELECT",
            "22012",
        ),
        (
            json!([
                "INSERT INTO crm.deals VALUES (1, 1)",
                "INSERT INTO crm.deals VALUES (1, 2)"
            ]),
            2,
            "INSERT",
            "23505",
        ),
        (
            json!([
                "INSERT INTO crm.deals VALUES (7, 1)",
                "UPDATE crm.deals SET amount = -1 WHERE id = 7",
                "SELECT 1"
            ]),
            2,
            "UPDATE",
            "23514",
        ),
        (
            json!(["CREATE TABLE fresh (i int)", "DROP TABLE fresh", "SELECT i FROM fresh"]),
            3,
            "SELECT",
            "42P01",
        ),
        (json!(["SELECT 1", "SELECT $1::int"]), 2, "SELECT", "08P01"),
    ] {
        let failed = list_fails(&story, statements.clone()).await;
        assert_eq!(failed["sqlstate"], code, "{statements}: {failed}");
        assert_eq!(failed["statement"], number, "{statements}: {failed}");
        assert_eq!(failed["kind_of_statement"], kind, "{statements}: {failed}");
        assert_eq!(failed["changed"], "nothing", "{failed}");
    }
    let left = run(&story, "SELECT count(*) FROM crm.deals").await;
    assert!(left["rows"].to_string().contains('0'), "nothing stays: {left}");
}

#[tokio::test]
async fn somebody_looks_for_the_place_of_an_error() {
    let story = story().await;
    // What stands before it, and characters of several bytes, count as they were sent.
    for sql in [
        "SELECT 'größe', nope FROM customers",
        "-- ä comment\n  /* 😀 */ SELECT 'ü',\n\tnope FROM customers",
        "\n\nUPDATE customers SET full_name = '€' || nope WHERE id = 1;",
    ] {
        let failed = fails(&story, sql).await;
        let before = sql.split("nope").next().expect("text");
        assert_eq!(failed["position"], before.chars().count() + 1, "{sql}: {failed}");
        assert_eq!(failed["line"], before.matches('\n').count() + 1, "{sql}: {failed}");
        let line = before.rsplit('\n').next().expect("a line");
        assert_eq!(failed["column"], line.chars().count() + 1, "{sql}: {failed}");
    }
    let sql = "-- ö\nSELECT 'ä', nope FROM customers";
    let position = sql.split("nope").next().expect("text").chars().count() + 1;
    let explained = story
        .shop_fails("explain_sql_statement", json!({"branch_id": "main", "sql": sql}))
        .await;
    assert_eq!(
        (&explained["position"], &explained["line"]),
        (&json!(position), &json!(2)),
        "{explained}"
    );
    let listed = list_fails(&story, json!(["SELECT 1", sql])).await;
    assert_eq!(
        (&listed["statement"], &listed["position"]),
        (&json!(2), &json!(position)),
        "{listed}"
    );
    let script = "CREATE TABLE a (i int); -- ä\nCREATE INDEX b ON a (nope);\nSELECT nope FROM a";
    let prepared = story
        .shop_fails(
            "prepare_database_migration",
            json!({"branch_id": "main", "sql": script}),
        )
        .await;
    assert_eq!(prepared["statement"], 2, "{prepared}");
    let script = "CREATE TABLE a (i int); -- ä\nALTER TABLE a ADD CHECK (nope > 1)";
    let prepared = story
        .shop_fails(
            "prepare_database_migration",
            json!({"branch_id": "main", "sql": script}),
        )
        .await;
    assert_eq!(prepared["statement"], 2, "{prepared}");
}

#[tokio::test]
async fn somebody_calls_a_function_that_writes() {
    let story = story().await;
    let failed = fails(&story, "SELECT add_customer(1)").await;
    assert_eq!(failed["sqlstate"], "25006", "{failed}");
    // The ways that it names are ways.
    let next = failed["next"].to_string();
    assert!(
        next.contains("SET LOCAL lock_timeout") && next.contains("PERFORM"),
        "{failed}"
    );
    let done = story
        .shop(
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": ["SET LOCAL lock_timeout = '10s'", "SELECT add_customer(5) AS id"]}),
        )
        .await;
    assert!(done.to_string().contains('5'), "{done}");
    run(&story, "DO $$ BEGIN PERFORM add_customer(2); END $$").await;
    let rows = run(&story, "SELECT count(*) AS n FROM customers").await;
    assert!(rows["rows"].to_string().contains('2'), "{rows}");
}

#[tokio::test]
async fn somebody_asks_for_a_result_that_is_too_large() {
    let story = story().await;
    let failed = fails(&story, "SELECT repeat('x', 12 * 1024 * 1024) AS large").await;
    assert_eq!(failed["kind"], "result_too_large", "{failed}");
    assert_eq!(failed["changed"], "nothing", "{failed}");
    assert!(failed["next"].to_string().contains("LIMIT"), "{failed}");
}

#[tokio::test]
async fn somebody_gives_too_few_params() {
    let story = story().await;
    for params in [json!([]), json!([1, 2, 3])] {
        let failed = story
            .shop_fails(
                "run_sql",
                json!({"branch_id": "main", "sql": "SELECT $1::int + $2::int", "params": params}),
            )
            .await;
        assert_eq!(failed["sqlstate"], "08P01", "{failed}");
        assert!(failed["next"].to_string().contains("one for each"), "{failed}");
    }
}

#[tokio::test]
async fn somebody_is_told_of_a_tool_that_is_not_offered() {
    let story = story().await;
    let server = story
        .server_at(
            &["stdio", "--toolsets", "all", "--exclude-tools", "get_database_tables"],
            &story.sandbox().api_url(),
        )
        .await;
    let (failed, is_error) = server
        .call(
            "run_sql",
            json!({"project_id": "shop", "branch_id": "main", "sql": "SELECT * FROM nothing_like_this"}),
        )
        .await;
    assert!(is_error, "{failed}");
    let next = failed["error"]["next"].to_string();
    assert!(
        next.contains("not offered here") && next.contains("pg_tables"),
        "{failed}"
    );
}
