//! What a project is advised: issues of its schemas, and libraries that it could preload.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Route;
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::State,
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "getProjectAdvisorSecurityIssues",
            "/projects/{project_id}/advisors",
            issues,
        ),
        Route::get(
            "getAvailablePreloadLibraries",
            "/projects/{project_id}/available_preload_libraries",
            libraries,
        ),
    ]
}

/// Name, description, version, whether it is preloaded by default, whether it is experimental.
const LIBRARIES: [(&str, &str, &str, bool, bool); 4] = [
    ("timescaledb", "Time series in Postgres", "2.22.1", true, false),
    ("pg_cron", "Jobs on a schedule", "1.6", true, false),
    ("pg_partman_bgw", "Upkeep of partitioned tables", "5.2.4", true, false),
    ("pgx_ulid", "ULIDs", "0.2.1", false, true),
];

fn libraries(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    state.project(&call.caller, call.project_id()?)?;
    let libraries: Vec<Value> = LIBRARIES
        .iter()
        .map(|(name, description, version, is_default, is_experimental)| {
            json!({
                "library_name": name,
                "description": description,
                "version": version,
                "is_default": is_default,
                "is_experimental": is_experimental,
            })
        })
        .collect();
    Reply::ok(json!({ "libraries": libraries }))
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Category {
    Security,
    Performance,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Severity {
    Info,
    Warn,
    Error,
}

#[derive(Deserialize)]
struct Query {
    branch_id: Option<String>,
    database_name: Option<String>,
    category: Option<Category>,
    min_severity: Option<Severity>,
}

/// Looks for two of the issues that Neon knows: a table that everybody may read, and one without a primary key.
fn issues(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: Query = call.query()?;
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = match &query.branch_id {
        Some(id) => project.branch(id)?,
        None => project.default_branch()?,
    };
    let contents = branch.contents();
    let database = match (&query.database_name, contents.databases.as_slice()) {
        (Some(name), _) => contents.database(name),
        (None, [_, _, ..]) => {
            return Err(ApiError::bad_request(
                "database_name is required: the branch has several databases",
            ));
        }
        (None, few) => few.first(),
    }
    .ok_or_else(|| ApiError::not_found("database not found"))?;
    if !branch.data_apis.iter().any(|api| api.database_id == database.id) {
        return Err(ApiError::refused(format!(
            "the advisor needs the Data API, which isn't enabled for database {}",
            database.name
        )));
    }
    let wants = |category: Category, severity: Severity| {
        query.category.is_none_or(|wanted| wanted == category)
            && query.min_severity.is_none_or(|least| severity >= least)
    };
    let mut issues = Vec::new();
    for (table, definition) in tables(&database.schema) {
        let secured = format!("alter table {table} enable row level security");
        let lower = database.schema.to_lowercase();
        if wants(Category::Security, Severity::Error) && !lower.contains(&secured) {
            issues.push(issue("rls_disabled_in_public", &table));
        }
        if wants(Category::Performance, Severity::Info) && !definition.contains("primary key") {
            issues.push(issue("no_primary_key", &table));
        }
    }
    Reply::ok(json!({ "issues": issues }))
}

/// The tables of a schema, with their definitions, in lower case.
fn tables(schema: &str) -> Vec<(String, String)> {
    schema
        .split(';')
        .filter_map(|statement| {
            let statement = statement.trim().to_lowercase();
            let rest = statement.strip_prefix("create table ")?;
            let rest = rest.strip_prefix("if not exists ").unwrap_or(rest);
            let name = rest.split(|char: char| char == '(' || char.is_whitespace()).next()?;
            Some((name.to_owned(), rest.to_owned()))
        })
        .collect()
}

fn issue(name: &str, table: &str) -> Value {
    let (title, level, category, facing, detail, remediation) = match name {
        "rls_disabled_in_public" => (
            "Row-level security is off",
            "ERROR",
            "SECURITY",
            "EXTERNAL",
            format!("Table {table} has no row-level security."),
            format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"),
        ),
        _ => (
            "Table without a primary key",
            "INFO",
            "PERFORMANCE",
            "INTERNAL",
            format!("Table {table} has no primary key."),
            format!("ALTER TABLE {table} ADD PRIMARY KEY (…);"),
        ),
    };
    json!({
        "name": name,
        "title": title,
        "level": level,
        "facing": facing,
        "categories": [category],
        "description": title,
        "detail": detail,
        "remediation": remediation,
        "metadata": { "name": table, "type": "table" },
        "cache_key": format!("{name}_{table}"),
    })
}
