//! Several results in one answer: each shows some of its rows.

use serde_json::json;

use crate::examples::Story;
use crate::support::fence::fenced;

#[tokio::test]
async fn every_result_of_a_list_shows_rows() {
    let story = Story::with_data().await;
    let wide = "SELECT i, repeat('b', 500) FROM generate_series(1, 2000) i";
    let statements = [wide, "SELECT 1 AS one", wide, wide, wide];
    let done = story
        .shop(
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": statements}),
        )
        .await;
    let counts: Vec<usize> = done["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| fenced(&result["rows"]).trim().lines().count() - 1)
        .collect();
    assert_eq!(counts[1], 1, "{counts:?}");
    let wide: Vec<usize> = [0, 2, 3, 4].map(|at| counts[at]).into();
    let (least, most) = (wide.iter().min().unwrap(), wide.iter().max().unwrap());
    assert!(*least >= 5 && most - least <= 3, "{counts:?}");
}
