//! Projects that are shared with other accounts, and who may say so.

use serde::Deserialize;
use serde_json::json;

use super::{Route, invitations::check_email, project_members};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::{State, access::Permission},
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("listProjectPermissions", "/projects/{project_id}/permissions", list),
        Route::post("grantPermissionToProject", "/projects/{project_id}/permissions", grant),
        Route::delete(
            "revokePermissionFromProject",
            "/projects/{project_id}/permissions/{permission_id}",
            revoke,
        ),
    ]
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    Reply::ok(json!({ "project_permissions": project.access.permissions }))
}

#[derive(Deserialize)]
struct Body {
    email: String,
}

fn grant(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let Body { email } = call.json()?;
    check_email(&email)?;
    project_members::check_manager(call, state)?;
    let permission = Permission {
        id: state.ids.uuid(),
        granted_to_email: email,
        granted_at: call.now,
        revoked_at: None,
    };
    let permissions = &mut state.change(call)?.project.access.permissions;
    let email = &permission.granted_to_email;
    if permissions.iter().any(|other| other.granted_to_email == *email) {
        return Err(ApiError::conflict(format!(
            "the project is shared with {email} already"
        )));
    }
    permissions.push(permission.clone());
    Reply::ok(permission)
}

fn revoke(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("permission_id")?;
    project_members::check_manager(call, state)?;
    let permissions = &mut state.change(call)?.project.access.permissions;
    let position = permissions
        .iter()
        .position(|permission| permission.id == id)
        .ok_or_else(|| ApiError::not_found(format!("permission {id} not found")))?;
    Reply::ok(Permission {
        revoked_at: Some(call.now),
        ..permissions.remove(position)
    })
}
