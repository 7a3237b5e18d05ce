//! Schemas of databases, and how two of them differ.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use similar::TextDiff;

use super::{Route, point::read_point};
use crate::{
    call::{Call, Reply, check_id},
    data_plane::{Schema, Wanted},
    error::ApiError,
    state::{State, branch::Branch, data::Point, project::Project},
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
    state: &State,
) -> Result<String, ApiError> {
    let branch = project.branch(branch_id)?;
    if state.ports.is_some() {
        return match from_postgres(call, state, branch, database_name, point, false)? {
            Schema::Sql(sql) => Ok(sql),
            Schema::Tables(_) => Ok(String::new()),
            Schema::Missing => Err(no_database(database_name, branch_id)),
        };
    }
    let version = branch.history.at(point, call.now, project.window())?;
    version
        .contents
        .database(database_name)
        .map(|database| database.schema.clone())
        .ok_or_else(|| no_database(database_name, branch_id))
}

fn no_database(name: &str, branch_id: &str) -> ApiError {
    ApiError::not_found(format!("database {name} not found on branch {branch_id}"))
}

/// A schema out of the branch's PostgreSQL. Where it isn't fetched yet, what is returned doesn't matter.
fn from_postgres(
    call: &Call,
    state: &State,
    branch: &Branch,
    database_name: &str,
    point: Point,
    tables: bool,
) -> Result<Schema, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    branch.history.at(point, call.now, project.window())?;
    let wanted = Wanted {
        timeline: branch.history.lineage().id.clone(),
        at: match point {
            Point::Time(moment) => Point::Time(state.clock.real(moment)),
            other => other,
        },
        database: database_name.to_owned(),
        tables,
    };
    match call.fetched.borrow_mut().schema(wanted) {
        None => Ok(Schema::Sql(String::new())),
        Some(schema) => schema.map_err(|error| ApiError::refused(error.to_string())),
    }
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: SchemaQuery = call.query()?;
    let point = read_point(("lsn", query.lsn.as_deref()), ("timestamp", query.timestamp.as_deref()))?;
    let project = state.project(&call.caller, call.project_id()?)?;
    if state.ports.is_some() && query.format == Format::Json {
        let branch = project.branch(call.branch_id()?)?;
        return match from_postgres(call, state, branch, &query.db_name, point, true)? {
            Schema::Tables(tables) => Reply::ok(json!({ "json": tables })),
            Schema::Sql(_) => Reply::ok(json!({ "json": { "tables": [] } })),
            Schema::Missing => Err(no_database(&query.db_name, &branch.id)),
        };
    }
    let sql = schema_at(call, project, call.branch_id()?, &query.db_name, point, state)?;
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
    let new = schema_at(call, project, &branch.id, name, point, state)?;
    let old = schema_at(call, project, base_id, name, base_point, state)?;
    // The time grows with the square of what differs: beyond this, the diff is coarser.
    let diff = TextDiff::configure()
        .timeout(Duration::from_millis(500))
        .diff_lines(&old, &new)
        .unified_diff()
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string();
    Reply::ok(json!({ "diff": diff }))
}
