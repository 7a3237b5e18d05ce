//! Schemas of databases, and how two of them differ.

use serde::Deserialize;
use serde_json::json;
use similar::TextDiff;

use super::{Route, point::read_point};
use crate::sandbox::{
    call::{Call, Reply, check_id},
    error::ApiError,
    state::{State, data::Point, project::Project},
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "getProjectBranchSchema",
            "/projects/{project_id}/branches/{branch_id}/schema",
            get,
        ),
        Route::get(
            "getProjectBranchSchemaComparison",
            "/projects/{project_id}/branches/{branch_id}/compare_schema",
            compare,
        ),
    ]
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Sql,
    Json,
}

#[derive(Deserialize)]
struct SchemaQuery {
    db_name: String,
    lsn: Option<String>,
    timestamp: Option<String>,
    #[serde(default)]
    format: Format,
}

/// The schema of a database at a place in a branch's history.
fn schema_at(
    call: &Call,
    project: &Project,
    branch_id: &str,
    database_name: &str,
    point: Point,
) -> Result<String, ApiError> {
    let branch = project.branch(branch_id)?;
    let version = branch.history.at(point, call.now, project.window())?;
    version
        .contents
        .database(database_name)
        .map(|database| database.schema.clone())
        .ok_or_else(|| ApiError::not_found(format!("database {database_name} not found on branch {branch_id}")))
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: SchemaQuery = call.query()?;
    let point = read_point(("lsn", query.lsn.as_deref()), ("timestamp", query.timestamp.as_deref()))?;
    let project = state.project(&call.caller, call.project_id()?)?;
    let sql = schema_at(call, project, call.branch_id()?, &query.db_name, point)?;
    match query.format {
        Format::Sql => Reply::ok(json!({ "sql": sql })),
        Format::Json if sql.is_empty() => Reply::ok(json!({ "json": { "tables": [] } })),
        // Tables can be told from a text of statements only by Postgres.
        Format::Json => Err(ApiError::refused(
            "the sandbox doesn't serve format=json for a schema with statements yet",
        )),
    }
}

#[derive(Deserialize)]
struct CompareQuery {
    base_branch_id: Option<String>,
    db_name: String,
    lsn: Option<String>,
    timestamp: Option<String>,
    base_lsn: Option<String>,
    base_timestamp: Option<String>,
}

fn compare(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: CompareQuery = call.query()?;
    let point = read_point(("lsn", query.lsn.as_deref()), ("timestamp", query.timestamp.as_deref()))?;
    let base_point = read_point(
        ("base_lsn", query.base_lsn.as_deref()),
        ("base_timestamp", query.base_timestamp.as_deref()),
    )?;
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let base_id = match (&query.base_branch_id, branch.parent_id()) {
        (Some(base), _) => {
            check_id("base_branch_id", base)?;
            base.as_str()
        }
        (None, Some(parent)) => parent,
        (None, None) => {
            return Err(ApiError::bad_request(format!(
                "branch {} has no parent to compare with; give base_branch_id",
                branch.id
            )));
        }
    };
    let name = &query.db_name;
    let new = schema_at(call, project, &branch.id, name, point)?;
    let old = schema_at(call, project, base_id, name, base_point)?;
    let diff = TextDiff::from_lines(&old, &new)
        .unified_diff()
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string();
    Reply::ok(json!({ "diff": diff }))
}
