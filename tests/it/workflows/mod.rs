//! Tools that are more than one request, through a real client on a sandbox whose branches hold data.

mod cancellation;
mod defaults;
mod failures;
mod fingerprint;
mod halted;
mod injection;
mod looking;
mod lost_answers;
mod migration;
mod not_prepared;
mod parses_per_call;
mod parts;
mod prepared_approval;
mod prepared_owner;
mod prepared_policy;
mod prepared_processes;
mod query;
mod read_only;
mod requests_per_call;
mod schema;
mod sql;
mod throwaway;
mod tuning;
mod unasked;
mod undo;

use serde_json::{Value, json};

use crate::examples::Story;
use crate::support::fence::fenced;

/// A story on a sandbox with PostgreSQL, with the project `shop`.
pub async fn shop() -> Story {
    Story::with_data().await
}

/// Runs SQL on a branch: the result.
pub async fn sql(story: &Story, branch: &str, sql: &str) -> Value {
    story.shop("run_sql", json!({"branch_id": branch, "sql": sql})).await
}

/// The rows of a result: without the line that names the columns.
pub fn rows(result: &Value) -> Vec<Value> {
    fenced(&result["rows"])
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect()
}
