//! Arguments and results that can mean only one thing.

use serde_json::{Value, json};

use crate::examples::Story;

#[tokio::test]
async fn words_are_taken_however_they_are_written() {
    let story = Story::with_data().await;
    for isolation in ["SERIALIZABLE", "read committed", "Repeatable_Read"] {
        let sent = json!({"branch_id": "main", "statements": ["SELECT 1"], "isolation": isolation});
        story.shop("run_sql_transaction", sent).await;
    }
    let failed = story
        .shop_fails(
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": ["SELECT 1"], "isolation": "chaos"}),
        )
        .await;
    assert_eq!(failed["kind"], "invalid_arguments", "{failed}");
    let failed = story
        .shop_fails("create_branch", json!({"name": "soon", "expires_at": "soonish"}))
        .await;
    assert!(
        failed["problems"].to_string().contains("2026-01-31T10:00:00Z"),
        "{failed}"
    );
}

#[tokio::test]
async fn list_of_statements_is_a_script() {
    let story = Story::with_data().await;
    let sql = ["CREATE TABLE l1 (a int) -- first", "CREATE TABLE l2 (a int);"];
    let done = story
        .shop("prepare_database_migration", json!({"branch_id": "main", "sql": sql}))
        .await;
    assert_eq!(
        done["statements"].to_string().matches("CREATE TABLE").count(),
        2,
        "{done}"
    );
}

#[tokio::test]
async fn database_is_named_by_either_argument() {
    let story = Story::with_data().await;
    let database = story
        .shop("run_sql", json!({"branch_id": "main", "sql": "SELECT 1"}))
        .await["database"]
        .clone();
    story
        .shop(
            "get_database_schema",
            json!({"branch_id": "main", "database_name": database}),
        )
        .await;
    story
        .shop(
            "run_sql",
            json!({"branch_id": "main", "db_name": database, "sql": "SELECT 1"}),
        )
        .await;
}

#[tokio::test]
async fn list_for_a_range_is_refused_with_what_to_write() {
    let story = Story::with_data().await;
    let sent = |value: Value| json!({"branch_id": "main", "sql": "SELECT $1::int4range AS r", "params": [value]});
    let failed = story.shop_fails("run_sql", sent(json!([1, 5]))).await;
    assert!(failed["problems"].to_string().contains("[1,5)"), "{failed}");
    story.shop("run_sql", sent(json!("[1,5)"))).await;
}

#[tokio::test]
async fn list_without_tables_says_why() {
    let story = Story::with_data().await;
    story
        .shop(
            "run_sql",
            json!({"branch_id": "main", "sql": "CREATE TABLE big (a int)"}),
        )
        .await;
    for (arguments, words) in [
        (
            json!({"branch_id": "main", "partitions_of": "nope"}),
            "no table of that name",
        ),
        (
            json!({"branch_id": "main", "partitions_of": "big"}),
            "has no partitions",
        ),
        (json!({"branch_id": "main", "offset": 1000}), "without offset"),
    ] {
        let (answer, failed) = story
            .answer("get_database_tables", crate::examples::in_shop(arguments.clone()))
            .await;
        assert!(
            !failed && answer["notes"].to_string().contains(words),
            "{arguments}: {answer}"
        );
    }
}

#[tokio::test]
async fn way_back_of_a_deleted_branch_is_a_whole_call() {
    let story = Story::with_data().await;
    let made = story
        .shop(
            "create_throwaway_branch",
            json!({"name": "gone", "schema_only": "true"}),
        )
        .await;
    assert!(made.get("parent_id").is_none_or(|parent| parent != ""), "{made}");
    story.shop("create_throwaway_branch", json!({"name": "gone-too"})).await;
    let (done, _) = story
        .answer(
            "delete_throwaway_branches",
            crate::examples::in_shop(json!({"branches": ["gone-too"]})),
        )
        .await;
    let arguments = &done["undo"]["arguments"];
    assert!(
        arguments["project_id"].is_string() && arguments["branch_id"].is_string(),
        "{done}"
    );
}
