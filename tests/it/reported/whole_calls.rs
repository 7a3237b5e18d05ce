//! Calls that a failure names are whole: made as they stand, they do what is said.

use serde_json::json;

use crate::examples::Story;

#[tokio::test]
async fn look_at_what_was_applied_in_part_is_a_call_that_works() {
    let story = Story::with_data().await;
    let run = |sql: &'static str| story.shop("run_sql", json!({"branch_id": "main", "sql": sql}));
    run("CREATE TABLE flag (x int)").await;
    let sql = "CREATE TABLE whole (i int); CREATE INDEX CONCURRENTLY whole_i ON whole (i); \
         INSERT INTO whole SELECT 1 / (1 - count(*)) FROM flag;";
    let done = story
        .shop("prepare_database_migration", json!({"branch_id": "main", "sql": sql}))
        .await;
    // Where it was tried there was no row, and nothing was divided by zero.
    run("INSERT INTO flag VALUES (1)").await;
    let failed = story
        .shop_fails(
            "complete_database_migration",
            json!({"branch_id": "main", "migration": done["migration"]}),
        )
        .await;
    assert_eq!(failed["kind"], "applied_in_part", "{failed}");
    let look = &failed["look"];
    let (answer, is_error) = story
        .answer(look["tool"].as_str().expect("a tool"), look["arguments"].clone())
        .await;
    assert!(!is_error, "{look}: {answer}");
}
