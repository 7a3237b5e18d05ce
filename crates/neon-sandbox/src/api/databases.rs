//! Databases of a branch.

use serde::Deserialize;
use serde_json::json;

use super::{Route, names, views};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::{
        State,
        change::Change,
        data::{Contents, Database},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/projects/{project_id}/branches/{branch_id}/databases";
    const ONE: &str = "/projects/{project_id}/branches/{branch_id}/databases/{database_name}";
    vec![
        Route::get("listProjectBranchDatabases", ALL, list),
        Route::post("createProjectBranchDatabase", ALL, create),
        Route::get("getProjectBranchDatabase", ONE, get),
        Route::patch("updateProjectBranchDatabase", ONE, update),
        Route::delete("deleteProjectBranchDatabase", ONE, delete),
    ]
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("database {name} not found"))
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let databases: Vec<_> = branch
        .contents()
        .databases
        .iter()
        .map(|database| views::database(&branch.id, database))
        .collect();
    Reply::ok(json!({ "databases": databases }))
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let name = call.param("database_name")?;
    let database = branch.contents().database(name).ok_or_else(|| not_found(name))?;
    Reply::ok(json!({ "database": views::database(&branch.id, database) }))
}

#[derive(Deserialize)]
struct CreateBody {
    database: CreateDatabase,
}

#[derive(Deserialize)]
struct CreateDatabase {
    name: String,
    owner_name: String,
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let CreateBody { database: input } = call.json()?;
    let branch_id = call.branch_id()?;
    let mut change = state.change(call)?;
    let mut contents = change.project.branch(branch_id)?.contents().clone();
    change.check_lock()?;
    change.check_configurable(branch_id)?;
    names::check_database(&input.name)?;
    check_free(&contents, &input.name)?;
    check_owner(&contents, &input.owner_name)?;
    if contents.databases.len() >= change.limits.databases {
        return Err(ApiError::limit(
            "DATABASES_LIMIT_EXCEEDED",
            format!("a branch has at most {} databases", change.limits.databases),
        ));
    }
    change.project.last_database_id += 1;
    let database = Database {
        id: change.project.last_database_id,
        name: input.name,
        owner_name: input.owner_name,
        schema: String::new(),
        created_at: change.now,
        updated_at: change.now,
    };
    contents.databases.push(database.clone());
    change.write(branch_id, contents)?;
    change.configure_branch(branch_id, true)?;
    Reply::created(answer(&change, branch_id, &database))
}

fn check_free(contents: &Contents, name: &str) -> Result<(), ApiError> {
    if contents.database(name).is_some() {
        Err(ApiError::conflict(format!(
            "a database named {name:?} already exists on the branch"
        )))
    } else {
        Ok(())
    }
}

fn check_owner(contents: &Contents, owner: &str) -> Result<(), ApiError> {
    if contents.role(owner).is_none() {
        Err(ApiError::refused(format!(
            "the owner {owner:?} is not a role of the branch"
        )))
    } else {
        Ok(())
    }
}

/// The database and the operations that were started.
fn answer(change: &Change<'_>, branch_id: &str, database: &Database) -> serde_json::Value {
    json!({
        "database": views::database(branch_id, database),
        "operations": views::started(change.project, &change.operations),
    })
}

#[derive(Deserialize)]
struct UpdateBody {
    database: UpdateDatabase,
}

#[derive(Deserialize)]
struct UpdateDatabase {
    name: Option<String>,
    owner_name: Option<String>,
}

fn update(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let UpdateBody { database: input } = call.json()?;
    let branch_id = call.branch_id()?;
    let name = call.param("database_name")?;
    let mut change = state.change(call)?;
    let mut contents = change.project.branch(branch_id)?.contents().clone();
    contents.database(name).ok_or_else(|| not_found(name))?;
    change.check_lock()?;
    change.check_configurable(branch_id)?;
    if let Some(new) = input.name.as_ref().filter(|new| *new != name) {
        names::check_database(new)?;
        check_free(&contents, new)?;
    }
    if let Some(owner) = &input.owner_name {
        check_owner(&contents, owner)?;
    }
    let now = change.now;
    let database = contents
        .databases
        .iter_mut()
        .find(|database| database.name == name)
        .ok_or_else(|| not_found(name))?;
    if let Some(new) = input.name {
        if let Some(auth) = contents.auth.as_mut().filter(|auth| auth.database == name) {
            auth.database.clone_from(&new);
        }
        database.name = new;
    }
    if let Some(owner) = input.owner_name {
        database.owner_name = owner;
    }
    database.updated_at = now;
    let database = database.clone();
    change.write(branch_id, contents)?;
    change.configure_branch(branch_id, true)?;
    Reply::ok(answer(&change, branch_id, &database))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let branch_id = call.branch_id()?;
    let name = call.param("database_name")?;
    let mut change = state.change(call)?;
    let mut contents = change.project.branch(branch_id)?.contents().clone();
    let Some(database) = contents.database(name).cloned() else {
        return Ok(Reply::gone());
    };
    change.check_lock()?;
    change.check_configurable(branch_id)?;
    contents.databases.retain(|database| database.name != name);
    contents.auth = contents.auth.filter(|auth| auth.database != name);
    change.write(branch_id, contents)?;
    change.configure_branch(branch_id, true)?;
    Reply::ok(answer(&change, branch_id, &database))
}
