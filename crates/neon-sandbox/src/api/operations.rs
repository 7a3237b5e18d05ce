//! Operations: listing and reading.

use serde::Deserialize;
use serde_json::json;

use super::{Route, views};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    pages::{self, SortOrder, Sorted},
    state::State,
};

/// Operations on a page at most, and when no limit is asked for.
const PAGE: usize = 1000;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("listProjectOperations", "/projects/{project_id}/operations", list),
        Route::get(
            "getProjectOperation",
            "/projects/{project_id}/operations/{operation_id}",
            get,
        ),
    ]
}

#[derive(Deserialize)]
struct ListQuery {
    cursor: Option<String>,
    limit: Option<i64>,
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ListQuery = call.query()?;
    let limit = pages::limit(query.limit, PAGE, PAGE)?;
    let project = state.project(&call.caller, call.project_id()?)?;
    let operations = project
        .operations
        .iter()
        .enumerate()
        .map(|(position, operation)| Sorted {
            key: format!("{} {position:09}", operation.created_at.format("%Y-%m-%dT%H:%M:%S%.6f")),
            id: operation.id.clone(),
            item: views::operation(project, operation, call.now),
        })
        .collect();
    let page = pages::page(
        &format!("operations of {}", project.id),
        operations,
        SortOrder::Desc,
        query.cursor.as_deref(),
        limit,
    )?;
    let mut body = json!({ "operations": page.items });
    if let (Some(cursor), Some(fields)) = (page.next, body.as_object_mut()) {
        fields.insert("pagination".to_owned(), json!({ "cursor": cursor }));
    }
    Reply::ok(body)
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.uuid("operation_id")?;
    let project = state.project(&call.caller, call.project_id()?)?;
    let operation = project
        .operations
        .iter()
        .find(|operation| operation.id == id)
        .ok_or_else(|| ApiError::not_found(format!("operation {id} not found")))?;
    Reply::ok(json!({ "operation": views::operation(project, operation, call.now) }))
}
