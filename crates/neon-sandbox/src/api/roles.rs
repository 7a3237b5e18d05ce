//! Roles of a branch, and their passwords.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Route, names,
    views::{self, RoleView},
};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::{
        State,
        change::Change,
        data::{Contents, Password, Role},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/projects/{project_id}/branches/{branch_id}/roles";
    const ONE: &str = "/projects/{project_id}/branches/{branch_id}/roles/{role_name}";
    vec![
        Route::get("listProjectBranchRoles", ALL, list),
        Route::post("createProjectBranchRole", ALL, create),
        Route::get("getProjectBranchRole", ONE, get),
        Route::delete("deleteProjectBranchRole", ONE, delete),
        Route::get(
            "getProjectBranchRolePassword",
            "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reveal_password",
            reveal_password,
        ),
        Route::post(
            "resetProjectBranchRolePassword",
            "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reset_password",
            reset_password,
        ),
    ]
}

fn find<'a>(contents: &'a Contents, name: &str) -> Result<&'a Role, ApiError> {
    contents.role(name).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("role {name} not found"))
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let roles: Vec<_> = branch
        .contents()
        .roles
        .iter()
        .map(|role| views::role(&branch.id, role))
        .collect();
    Reply::ok(json!({ "roles": roles }))
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let role = find(branch.contents(), call.param("role_name")?)?;
    Reply::ok(json!({ "role": views::role(&branch.id, role) }))
}

#[derive(Deserialize)]
struct CreateBody {
    role: CreateRole,
}

#[derive(Deserialize)]
struct CreateRole {
    name: String,
    #[serde(default)]
    no_login: bool,
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let CreateBody { role: input } = call.json()?;
    let branch_id = call.branch_id()?;
    let mut change = state.change(call)?;
    let mut contents = change.project.branch(branch_id)?.contents().clone();
    change.check_lock()?;
    change.check_configurable(branch_id)?;
    names::check_role(&input.name)?;
    if contents.role(&input.name).is_some() {
        return Err(ApiError::conflict(format!(
            "a role named {:?} already exists on the branch",
            input.name
        )));
    }
    if contents.roles.len() >= change.limits.roles {
        return Err(ApiError::limit(
            "ROLES_LIMIT_EXCEEDED",
            format!("a branch has at most {} roles", change.limits.roles),
        ));
    }
    let role = Role {
        name: input.name,
        password: (!input.no_login).then(Password::random),
        created_at: change.now,
        updated_at: change.now,
    };
    contents.roles.push(role.clone());
    change.write(branch_id, contents)?;
    change.configure_branch(branch_id, false)?;
    Reply::created(answer(&change, views::role_with_password(branch_id, &role)))
}

/// The role and the operations that were started.
fn answer(change: &Change<'_>, role: RoleView) -> Value {
    json!({
        "role": role,
        "operations": views::started(change.project, &change.operations),
    })
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let branch_id = call.branch_id()?;
    let name = call.param("role_name")?;
    let mut change = state.change(call)?;
    let mut contents = change.project.branch(branch_id)?.contents().clone();
    let Some(role) = contents.role(name).cloned() else {
        return Ok(Reply::gone());
    };
    change.check_lock()?;
    change.check_configurable(branch_id)?;
    if let Some(database) = contents.databases.iter().find(|database| database.owner_name == name) {
        return Err(ApiError::refused(format!(
            "role {name} cannot be deleted because it owns the database {}",
            database.name
        )));
    }
    contents.roles.retain(|role| role.name != name);
    change.write(branch_id, contents)?;
    change.configure_branch(branch_id, true)?;
    Reply::ok(answer(&change, views::role(branch_id, &role)))
}

fn reveal_password(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let name = call.param("role_name")?;
    let role = find(branch.contents(), name)?;
    if !project.store_passwords {
        return Err(ApiError::precondition(
            "the project doesn't store passwords, so none can be shown",
        ));
    }
    let password = role
        .password
        .as_ref()
        .ok_or_else(|| ApiError::not_found(format!("role {name} has no password")))?;
    Reply::ok(json!({ "password": password.reveal() }))
}

fn reset_password(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let branch_id = call.branch_id()?;
    let name = call.param("role_name")?;
    let mut change = state.change(call)?;
    let mut contents = change.project.branch(branch_id)?.contents().clone();
    find(&contents, name)?;
    change.check_lock()?;
    change.check_configurable(branch_id)?;
    let now = change.now;
    let role = contents
        .roles
        .iter_mut()
        .find(|role| role.name == name)
        .ok_or_else(|| not_found(name))?;
    if role.password.is_none() {
        return Err(ApiError::refused(format!("role {name} cannot log in")));
    }
    role.password = Some(Password::random());
    role.updated_at = now;
    let role = role.clone();
    change.write(branch_id, contents)?;
    change.configure_branch(branch_id, true)?;
    Reply::ok(answer(&change, views::role_with_password(branch_id, &role)))
}
