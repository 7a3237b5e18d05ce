//! What somebody is told whose SQL failed.

use harness::assert_worded;
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
        assert_eq!(failed["changed"], "no", "{failed}");
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
    assert!(failed["next"].to_string().contains("PERFORM"), "{failed}");
    assert_worded!("errors", "function that writes in a read", failed["next"]);
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
    assert_eq!(failed["changed"], "no", "{failed}");
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
        assert_worded!("errors", "parameters of another number", failed["next"]);
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
    assert_worded!(
        "errors",
        "table that there is not, without the tool that lists them",
        failed["error"]["next"]
    );
}

#[tokio::test]
async fn somebody_slipped_in_a_syntax_and_is_told_the_same_by_every_tool() {
    let story = story().await;
    let before = story.branches().await.len();
    for slip in [
        "SELEC 1",
        "SELECT * FORM customers",
        "SELECT 1,\n  FROM customers",
        "UPDATE customers SET id = ",
    ] {
        let alone = fails(&story, slip).await;
        assert_eq!(alone["sqlstate"], "42601", "{slip}: {alone}");
        for (tool, arguments, before, number) in [
            ("explain_sql_statement", json!({"sql": slip}), "", None),
            (
                "run_sql_transaction",
                json!({"statements": ["SELECT 1", slip]}),
                "",
                Some(2),
            ),
            (
                "prepare_database_migration",
                json!({"sql": format!("-- ä\nCREATE TABLE a (i int);\n {slip}")}),
                "-- ä\nCREATE TABLE a (i int);\n ",
                Some(2),
            ),
            (
                "prepare_query_tuning",
                json!({"sql": slip, "changes": "CREATE INDEX x ON customers (id)"}),
                "",
                None,
            ),
            (
                "prepare_query_tuning",
                json!({"sql": "SELECT 1", "changes": slip}),
                "",
                None,
            ),
        ] {
            let mut arguments = arguments;
            arguments["branch_id"] = "main".into();
            let failed = story.shop_fails(tool, arguments).await;
            assert_eq!(failed["kind"], "sql_failed", "{tool}: {failed}");
            assert_eq!(failed["changed"], "no", "{tool}: {failed}");
            assert_eq!(failed["next"], alone["next"], "{tool}: {failed}");
            assert_eq!(failed["statement"], json!(number), "{tool}: {failed}");
            let own = usize::try_from(alone["position"].as_u64().expect("a position")).expect("short") - 1;
            let text: String = format!("{before}{slip}")
                .chars()
                .take(before.chars().count() + own)
                .collect();
            assert_eq!(failed["position"], text.chars().count() + 1, "{tool} {slip}: {failed}");
            assert_eq!(
                failed["line"],
                text.matches('\n').count() + 1,
                "{tool} {slip}: {failed}"
            );
            let line = text.rsplit('\n').next().expect("a line");
            assert_eq!(failed["column"], line.chars().count() + 1, "{tool} {slip}: {failed}");
        }
    }
    assert_eq!(story.branches().await.len(), before, "no branch was made");
}

#[tokio::test]
async fn somebody_is_told_what_helps_by_the_code() {
    let story = story().await;
    for statement in [
        "CREATE TYPE mood AS ENUM ('happy', 'sad')",
        "CREATE TYPE crm.status AS ENUM ('open', 'won')",
        "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, mood mood, status crm.status, boss int REFERENCES people)",
        "INSERT INTO people VALUES (1, 'Ann', 'sad', 'won', NULL)",
        "CREATE VIEW names AS SELECT name FROM people",
    ] {
        run(&story, statement).await;
    }
    for (sql, params, code, says) in [
        (
            "ALTER TABLE customers ALTER COLUMN full_name TYPE int",
            json!([]),
            "42804",
            "USING c::int",
        ),
        (
            "SELECT CASE WHEN true THEN 1 ELSE now() END",
            json!([]),
            "42804",
            "cast",
        ),
        (
            "UPDATE people SET mood = 'hapy' WHERE id = 1",
            json!([]),
            "22P02",
            "labels",
        ),
        (
            "SELECT * FROM people WHERE status = $1",
            json!(["opn"]),
            "22P02",
            "labels",
        ),
        (
            "SELECT * FROM people WHERE id = $1",
            json!(["x"]),
            "22P02",
            "cast the parameter",
        ),
        ("SELECT '2026-02-31'::date", json!([]), "22008", "date"),
        ("SELECT 'soon'::date", json!([]), "22007", "2026-01-31"),
        ("SELECT 99999999999::int", json!([]), "22003", "bigint"),
        (
            "SELECT * FROM people WHERE name = \"Ann\"",
            json!([]),
            "42703",
            "single quotes",
        ),
        ("SET statement_timout = '1s'", json!([]), "42704", "no such setting"),
        ("SHOW work_memm", json!([]), "42704", "no such setting"),
        (
            "SELECT current_setting('app.nobody')",
            json!([]),
            "42704",
            "current_setting('app.user_id', true)",
        ),
        ("SET work_mem = 'much'", json!([]), "22023", "min_val"),
        (
            "SELECT * FROM people WHERE name = 5",
            json!([]),
            "42883",
            "cast one side",
        ),
        ("SELECT lenght(name) FROM people", json!([]), "42883", "very name"),
        ("INSERT INTO people VALUES (1, 'x')", json!([]), "23505", "`constraint`"),
        (
            "INSERT INTO people (id) VALUES (2)",
            json!([]),
            "23502",
            "`column_name`",
        ),
        (
            "INSERT INTO people (id, name, boss) VALUES (2, 'x', 9)",
            json!([]),
            "23503",
            "refers to first",
        ),
        (
            "INSERT INTO crm.deals VALUES (1, -1)",
            json!([]),
            "23514",
            "describe_table_schema",
        ),
        ("CREATE TABLE people (i int)", json!([]), "42P07", "IF NOT EXISTS"),
        ("CREATE SCHEMA crm", json!([]), "42P06", "IF NOT EXISTS"),
        ("CREATE TYPE mood AS ENUM ('x')", json!([]), "42710", "DROP … IF EXISTS"),
        (
            "CREATE FUNCTION add_customer(i int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            json!([]),
            "42723",
            "OR REPLACE",
        ),
        (
            "ALTER TABLE people ALTER COLUMN name TYPE varchar(40)",
            json!([]),
            "0A000",
            "made again",
        ),
        ("CREATE TABLE nowhere.t (i int)", json!([]), "3F000", "no such schema"),
        ("CREATE TABLE pg_catalog.t (i int)", json!([]), "42501", "role_name"),
    ] {
        let arguments = json!({"branch_id": "main", "sql": sql, "params": params});
        let failed = story.shop_fails("run_sql", arguments).await;
        assert_eq!(failed["sqlstate"], code, "{sql}: {failed}");
        assert!(failed["next"].to_string().contains(says), "{sql}: {failed}");
        match code {
            "22P02" if says == "labels" => {
                let first = if sql.contains("mood") { "happy" } else { "open" };
                assert_eq!(failed["labels"][0], first, "{sql}: {failed}");
            }
            "42704" if !sql.contains("app.") => {
                let near = if sql.contains("work") {
                    "work_mem"
                } else {
                    "statement_timeout"
                };
                assert!(failed["nearest"].to_string().contains(near), "{sql}: {failed}");
            }
            "23505" | "23503" | "23514" => assert!(failed["constraint"].is_string(), "{sql}: {failed}"),
            "23502" => assert_eq!(failed["column_name"], "name", "{sql}: {failed}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn somebody_gave_a_list_where_one_value_is_compared() {
    let story = story().await;
    run(&story, "INSERT INTO customers VALUES (1, 'Ann'), (2, 'Bob')").await;
    for (sql, list) in [
        ("SELECT * FROM customers WHERE id IN ($1)", json!([1, 2])),
        ("SELECT * FROM customers WHERE id = $1", json!([1, 2])),
        ("SELECT * FROM customers WHERE full_name IN ($1)", json!(["Ann", "Bob"])),
        (
            "SELECT * FROM customers WHERE full_name NOT IN ('x', $1)",
            json!(["Ann"]),
        ),
        ("SELECT now() = $1", json!(["2026-01-01"])),
    ] {
        let arguments = json!({"branch_id": "main", "sql": sql, "params": [list]});
        let failed = story.shop_fails("run_sql", arguments).await;
        assert_eq!(failed["problems"][0]["argument"], "params/0", "{sql}: {failed}");
        assert!(failed.to_string().contains("= ANY($1)"), "{sql}: {failed}");
    }
    let found = story
        .shop(
            "run_sql",
            json!({"branch_id": "main", "sql": "SELECT id FROM customers WHERE full_name = ANY($1)", "params": [["Ann", "Bob"]]}),
        )
        .await;
    assert_eq!(found["row_count"], 2, "{found}");
    // A text may be that of a list, and a document one.
    for sql in [
        "SELECT $1::text",
        "SELECT $1::jsonb",
        "SELECT 1 WHERE '[1]'::jsonb IN ($1)",
    ] {
        story
            .shop("run_sql", json!({"branch_id": "main", "sql": sql, "params": [[1]]}))
            .await;
    }
}

#[tokio::test]
async fn somebody_wrote_transaction_control_into_statements() {
    let story = story().await;
    for sql in [
        "BEGIN",
        "START TRANSACTION",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT a",
        "ROLLBACK TO a",
        "RELEASE a",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "PREPARE TRANSACTION 'x'",
        "BEGIN; SELECT 1; COMMIT",
    ] {
        let failed = fails(&story, sql).await;
        assert_worded!(
            "errors",
            &format!("transaction control: {sql}"),
            failed["problems"][0]["message"]
        );
        let failed = list_fails(&story, json!(["SELECT 1", sql])).await;
        let problem = failed["problems"][0]["message"].as_str().expect("a sentence");
        assert!(problem.contains("statement 2"), "{sql}: {failed}");
        assert_worded!("errors", &format!("transaction control in a list: {sql}"), problem);
    }
}

#[tokio::test]
async fn somebody_wants_to_know_what_ran_out_of_time_or_failed_at_the_end() {
    let story = story().await;
    run(
        &story,
        "CREATE TABLE later (id int, of int REFERENCES crm.deals DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    for (statements, seconds, says) in [
        (
            json!(["SELECT 1", "SELECT pg_sleep(9)", "SELECT 3"]),
            1,
            "timeout_seconds (1, as given",
        ),
        (
            json!(["INSERT INTO customers (id) VALUES (9)", "SELECT pg_sleep(9)"]),
            1,
            "timeout_seconds (1, as given",
        ),
        (
            json!(["SET LOCAL statement_timeout = '300ms'", "SELECT pg_sleep(9)"]),
            8,
            "statement_timeout that is set here",
        ),
    ] {
        let arguments = json!({"branch_id": "main", "statements": statements, "timeout_seconds": seconds});
        let failed = story.shop_fails("run_sql_transaction", arguments).await;
        assert_eq!(failed["sqlstate"], "57014", "{statements}: {failed}");
        assert_eq!(failed["statement"], 2, "{statements}: {failed}");
        assert!(
            failed["statement_begins"].to_string().contains("SELECT pg_sleep(9)"),
            "{failed}"
        );
        assert!(failed["next"].to_string().contains(says), "{statements}: {failed}");
    }
    let left = run(&story, "SELECT count(*) FROM customers").await;
    assert!(left["rows"].to_string().contains('0'), "nothing stays: {left}");
    for (statements, number) in [
        (
            json!(["SELECT 1", "INSERT INTO later VALUES (1, 77)", "SELECT 2"]),
            json!(2),
        ),
        // Which of two it was isn't known.
        (
            json!(["INSERT INTO later VALUES (1, 77)", "INSERT INTO later VALUES (2, 78)"]),
            Value::Null,
        ),
    ] {
        let failed = list_fails(&story, statements.clone()).await;
        assert_eq!(failed["sqlstate"], "23503", "{failed}");
        assert_eq!(failed["statement"], number, "{statements}: {failed}");
        assert!(failed["message"].to_string().contains("put off"), "{failed}");
        assert_eq!(failed["constraint"], "later_of_fkey", "{failed}");
    }
}
