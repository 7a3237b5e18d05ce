//! `prepare_query_tuning` and `complete_query_tuning`.

use harness::{assert_worded, wording::without_numbers};
use serde_json::json;

use super::{fenced, rows, shop, sql};

#[tokio::test]
async fn an_index_is_tried_measured_and_applied() {
    let story = shop().await;
    sql(
        &story,
        "main",
        "CREATE TABLE orders (id int8 PRIMARY KEY, customer int8, total int8)",
    )
    .await;
    sql(
        &story,
        "main",
        "INSERT INTO orders SELECT i, i % 5000, i FROM generate_series(1, 60000) i",
    )
    .await;
    sql(&story, "main", "ANALYZE orders").await;
    let prepared = story
        .done(
            "prepare_query_tuning",
            json!({
                "project_id": "shop", "branch_id": "main", "sql": "SELECT sum(total) FROM orders WHERE customer = $1", "params": [42],
                "changes": "CREATE INDEX CONCURRENTLY by_customer ON orders (customer)",
            }),
        )
        .await;
    let result = &prepared["result"];
    assert!(fenced(&result["plan_before"]["plan"]).contains("Seq Scan"), "{result}");
    assert!(
        fenced(&result["plan_after"]["plan"]).contains("by_customer"),
        "{result}"
    );
    let cost = |of: &str| result[of]["cost"].as_f64().expect("a number");
    assert!(cost("plan_after") < cost("plan_before") / 5.0, "{result}");
    assert!(result["plan_before"]["execution_ms"].as_f64().expect("a number") > 0.0);
    assert_worded!("notes", "tuning: what it gains", without_numbers(&prepared["notes"]));
    let there = sql(&story, "main", "SELECT to_regclass('by_customer') IS NULL").await;
    assert_eq!(rows(&there), [json!([true])], "the target is untouched");
    let done = story
        .shop(
            "complete_query_tuning",
            json!({"branch_id": "main", "tuning": result["tuning"]}),
        )
        .await;
    assert_eq!(done["applied_statements"], 1);
    assert!(
        fenced(&done["plan_on_target"]["plan"]).contains("by_customer"),
        "{done}"
    );
    assert_eq!(story.branches().await, ["main"]);
}

#[tokio::test]
async fn a_query_that_writes_is_never_run_to_be_measured() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    sql(&story, "main", "INSERT INTO t SELECT generate_series(1, 100)").await;
    let prepared = story
        .done(
            "prepare_query_tuning",
            json!({"project_id": "shop", "branch_id": "main", "sql": "DELETE FROM t WHERE x = 5", "changes": "CREATE INDEX by_x ON t (x)"}),
        )
        .await;
    assert!(prepared["result"]["plan_before"]["execution_ms"].is_null());
    assert_worded!(
        "notes",
        "tuning: statement that writes",
        without_numbers(&prepared["notes"])
    );
    let tried = prepared["result"]["trial_branch"]["branch_id"]
        .as_str()
        .expect("a branch");
    assert_eq!(
        rows(&sql(&story, tried, "SELECT count(*) FROM t").await),
        [json!(["100"])]
    );
    for (sql, changes, says) in [
        ("SELECT 1; SELECT 2", "CREATE INDEX by_x ON t (x)", "one statement"),
        ("VACUUM t", "CREATE INDEX by_x ON t (x)", "has no plan"),
        ("SELECT 1", "COMMIT", "transaction control"),
    ] {
        let refused = story
            .shop_fails(
                "prepare_query_tuning",
                json!({"branch_id": "main", "sql": sql, "changes": changes}),
            )
            .await;
        assert!(refused.to_string().contains(says), "{sql}: {refused}");
    }
    let failed = story
        .shop_fails(
            "prepare_query_tuning",
            json!({"branch_id": "main", "sql": "SELECT * FROM nowhere", "changes": "CREATE INDEX by_x ON t (x)"}),
        )
        .await;
    assert_eq!(failed["kind"], "sql_failed", "{failed}");
    assert_eq!(story.branches().await.len(), 2, "the branch of what failed is gone");
}
