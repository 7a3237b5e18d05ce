//! Errors inside of functions, blocks and lists: where they are.

use serde_json::json;

use crate::examples::Story;

#[tokio::test]
async fn error_inside_a_function_says_which_and_where() {
    let story = Story::with_data().await;
    for sql in [
        "CREATE FUNCTION boom(i int) RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN i / 0;\nEND $$",
        "CREATE FUNCTION dyn() RETURNS int LANGUAGE plpgsql AS $$\nDECLARE n int;\nBEGIN\n  EXECUTE 'SELECT nope FROM pg_class' INTO n;\n  RETURN n;\nEND $$",
        "CREATE PROCEDURE p_bad() LANGUAGE plpgsql AS $$ BEGIN PERFORM boom(1); END $$",
    ] {
        story.shop("run_sql", json!({"branch_id": "main", "sql": sql})).await;
    }
    for (sql, code, place) in [
        ("SELECT boom(1)", "22012", "function boom(integer) line 3"),
        ("SELECT dyn()", "42703", "function dyn() line 4"),
        ("CALL p_bad()", "22012", "function p_bad() line 1"),
    ] {
        let failed = story
            .shop_fails("run_sql", json!({"branch_id": "main", "sql": sql}))
            .await;
        assert_eq!(failed["sqlstate"], code, "{sql}: {failed}");
        assert!(failed["postgres_says"].to_string().contains(place), "{sql}: {failed}");
        assert!(
            failed["next"].to_string().contains("pg_get_functiondef"),
            "{sql}: {failed}"
        );
    }
    // A value that can't be read has a context, too, and no function.
    let failed = story
        .shop_fails(
            "run_sql",
            json!({"branch_id": "main", "sql": "SELECT '{\"a\": SQL function x}'::json"}),
        )
        .await;
    assert!(!failed["next"].to_string().contains("pg_get_functiondef"), "{failed}");
}

#[tokio::test]
async fn statement_that_met_a_time_out_of_the_lists_own_is_named() {
    let story = Story::with_data().await;
    let statements = [
        "SELECT 1",
        "SET LOCAL statement_timeout = '100ms'",
        "SELECT pg_sleep(1)",
    ];
    let failed = story
        .shop_fails(
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": statements}),
        )
        .await;
    assert_eq!(
        (&failed["sqlstate"], &failed["statement"]),
        (&json!("57014"), &json!(3)),
        "{failed}"
    );
}
