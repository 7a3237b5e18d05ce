//! The Data API of a database: opening it, its settings, closing it. Nothing answers behind its URL.

use serde::Deserialize;
use serde_json::json;

use super::Route;
use crate::{
    call::{Call, Reply},
    error::ApiError,
    hosts,
    state::{
        State,
        branch::Branch,
        data::Database,
        data_api::{AuthProvider, DataApi, DataApiSettings},
        project::Project,
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const ONE: &str = "/projects/{project_id}/branches/{branch_id}/data-api/{database_name}";
    vec![
        Route::get("getProjectBranchDataAPI", ONE, get),
        Route::post("createProjectBranchDataAPI", ONE, create),
        Route::patch("updateProjectBranchDataAPI", ONE, update),
        Route::delete("deleteProjectBranchDataAPI", ONE, delete),
    ]
}

/// The database of the path, or 404.
fn database<'a>(branch: &'a Branch, name: &str) -> Result<&'a Database, ApiError> {
    branch
        .contents()
        .database(name)
        .ok_or_else(|| ApiError::not_found(format!("database {name} not found")))
}

fn no_data_api(name: &str) -> ApiError {
    ApiError::not_found(format!("database {name} has no Data API"))
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let name = call.param("database_name")?;
    let database = database(branch, name)?;
    let api = branch
        .data_apis
        .iter()
        .find(|api| api.database_id == database.id)
        .ok_or_else(|| no_data_api(name))?;
    Reply::ok(json!({
        "url": api.url,
        "status": "active",
        "settings": api.settings,
        "available_schemas": schemas(&database.schema),
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CreateBody {
    auth_provider: Option<AuthProvider>,
    jwks_url: Option<String>,
    settings: DataApiSettings,
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: CreateBody = call.optional_json()?;
    if let Some(url) = &input.jwks_url {
        check_jwks_url(url)?;
    } else if input.auth_provider == Some(AuthProvider::External) {
        return Err(ApiError::bad_request("the auth_provider external needs jwks_url"));
    }
    check_settings(&input.settings)?;
    let branch_id = call.branch_id()?;
    let name = call.param("database_name")?;
    let change = state.change(call)?;
    let branch = change.project.branch(branch_id)?;
    let database_id = database(branch, name)?.id;
    let ready = branch.check_ready();
    let taken = branch.data_apis.iter().any(|api| api.database_id == database_id);
    change.check_lock()?;
    ready?;
    if taken {
        return Err(ApiError::conflict(format!("database {name} has a Data API already")));
    }
    let api = DataApi {
        database_id,
        url: url(change.project, branch_id, name),
        auth_provider: input.auth_provider,
        jwks_url: input.jwks_url,
        settings: DataApiSettings::standard().changed_by(input.settings),
        schema_read_at: change.now,
    };
    let reply = Reply::created(json!({ "url": api.url }));
    change.project.branch_mut(branch_id)?.data_apis.push(api);
    reply
}

/// Where the Data API is said to be: under the branch's compute, or the branch itself where it has none.
fn url(project: &Project, branch_id: &str, database: &str) -> String {
    let label = project
        .write_endpoint(branch_id)
        .map_or(branch_id, |endpoint| endpoint.id.as_str());
    format!(
        "http://{label}.apirest.{}/{}/rest/v1",
        hosts::DOMAIN,
        hosts::escaped(database)
    )
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UpdateBody {
    settings: DataApiSettings,
}

fn update(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: UpdateBody = call.optional_json()?;
    check_settings(&input.settings)?;
    let branch_id = call.branch_id()?;
    let name = call.param("database_name")?;
    let change = state.change(call)?;
    let database_id = database(change.project.branch(branch_id)?, name)?.id;
    change.check_lock()?;
    let now = change.now;
    let api = change
        .project
        .branch_mut(branch_id)?
        .data_apis
        .iter_mut()
        .find(|api| api.database_id == database_id)
        .ok_or_else(|| no_data_api(name))?;
    api.settings = std::mem::take(&mut api.settings).changed_by(input.settings);
    api.schema_read_at = now;
    Reply::created(json!({}))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let branch_id = call.branch_id()?;
    let name = call.param("database_name")?;
    let change = state.change(call)?;
    let database_id = database(change.project.branch(branch_id)?, name)?.id;
    change.check_lock()?;
    let apis = &mut change.project.branch_mut(branch_id)?.data_apis;
    let before = apis.len();
    apis.retain(|api| api.database_id != database_id);
    if apis.len() == before {
        return Err(no_data_api(name));
    }
    Reply::ok(json!({}))
}

fn check_jwks_url(url: &str) -> Result<(), ApiError> {
    let host = url.strip_prefix("https://").unwrap_or_default();
    if host.is_empty() || host.starts_with('/') {
        Err(ApiError::bad_request("jwks_url must be an https URL"))
    } else {
        Ok(())
    }
}

fn check_settings(settings: &DataApiSettings) -> Result<(), ApiError> {
    if settings.db_max_rows.is_some_and(|rows| rows < 1) {
        return Err(ApiError::bad_request("db_max_rows must be at least 1"));
    }
    if settings.jwt_cache_max_lifetime.is_some_and(|seconds| seconds < 0) {
        return Err(ApiError::bad_request("jwt_cache_max_lifetime must not be negative"));
    }
    Ok(())
}

/// The schemas that a database's DDL makes, after `public`.
fn schemas(ddl: &str) -> Vec<String> {
    let mut found = vec!["public".to_owned()];
    let mut words = ddl.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let next_is = |word: Option<&&str>, wanted: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        if !word.eq_ignore_ascii_case("create") || !next_is(words.peek(), "schema") {
            continue;
        }
        words.next();
        for skipped in ["if", "not", "exists"] {
            if next_is(words.peek(), skipped) {
                words.next();
            }
        }
        let name = words.peek().map_or("", |name| name.trim_matches(['"', ';']));
        if !name.is_empty() && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    found
}
