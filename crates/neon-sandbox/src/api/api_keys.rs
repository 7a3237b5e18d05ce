//! API keys: of the user, of organizations, and of single projects.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Route, identity::check_personal, organizations};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    options::KeyKind,
    state::keys::{ApiKey, Owner},
    state::{State, account::Account, project::check_length},
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("listApiKeys", "/api_keys", list),
        Route::post("createApiKey", "/api_keys", create),
        Route::delete("revokeApiKey", "/api_keys/{key_id}", revoke),
        Route::get(
            "listOrgApiKeys",
            "/organizations/{org_id}/api_keys",
            list_of_organization,
        ),
        Route::post(
            "createOrgApiKey",
            "/organizations/{org_id}/api_keys",
            create_of_organization,
        ),
        Route::delete(
            "revokeOrgApiKey",
            "/organizations/{org_id}/api_keys/{key_id}",
            revoke_of_organization,
        ),
    ]
}

/// A key as lists show it, without its secret.
fn listed(account: &Account, key: &ApiKey) -> Value {
    let view = json!({
        "id": key.id,
        "name": key.name,
        "created_at": key.created_at,
        "created_by": { "id": account.user_id, "name": "Sandbox", "image": "" },
        "last_used_at": key.last_used_at,
        "last_used_from_addr": key.last_used_from,
    });
    with_project(view, key)
}

/// A key that was revoked just now.
fn revoked(account: &Account, key: &ApiKey) -> Value {
    let view = json!({
        "id": key.id,
        "name": key.name,
        "created_at": key.created_at,
        "created_by": account.user_id,
        "last_used_at": key.last_used_at,
        "last_used_from_addr": key.last_used_from,
        "revoked": true,
    });
    with_project(view, key)
}

/// The view, and the project that the key is bound to.
fn with_project(mut view: Value, key: &ApiKey) -> Value {
    if let (KeyKind::Project { project_id }, Some(fields)) = (&key.kind, view.as_object_mut()) {
        fields.insert("project_id".to_owned(), project_id.as_str().into());
    }
    view
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    check_personal(call)?;
    let keys = state.keys.list(Owner::User);
    Reply::ok(keys.map(|key| listed(&state.account, key)).collect::<Vec<_>>())
}

fn list_of_organization(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let organization = organizations::organization(call, state)?;
    organizations::check_admin(call, state, organization)?;
    let keys = state.keys.list(Owner::Organization(&organization.id));
    Reply::ok(keys.map(|key| listed(&state.account, key)).collect::<Vec<_>>())
}

#[derive(Deserialize)]
struct NewKey {
    key_name: String,
    project_id: Option<String>,
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    check_personal(call)?;
    let NewKey { key_name, .. } = call.json()?;
    let org_id = call.caller.org_id.clone();
    make(call, state, key_name, KeyKind::Personal, &org_id)
}

fn create_of_organization(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: NewKey = call.json()?;
    let org_id = organizations::administered(call, state)?.id.clone();
    let kind = match input.project_id {
        None => KeyKind::Organization,
        Some(project_id) => {
            check_id("project_id", &project_id)?;
            let project = state.project(&call.caller, &project_id)?;
            if project.org_id != org_id {
                return Err(ApiError::not_found(format!("project {project_id} not found")));
            }
            KeyKind::Project { project_id }
        }
    };
    make(call, state, input.key_name, kind, &org_id)
}

/// Makes a key and shows it with its secret, this once.
fn make(call: &Call, state: &mut State, name: String, kind: KeyKind, org_id: &str) -> Result<Reply, ApiError> {
    check_length("key_name", &name, 64)?;
    let mut view = json!({
        "name": name,
        "created_at": call.now,
        "created_by": state.account.user_id,
    });
    if let (KeyKind::Project { project_id }, Some(fields)) = (&kind, view.as_object_mut()) {
        fields.insert("project_id".to_owned(), project_id.as_str().into());
    }
    let (id, secret) = state.keys.create(name, kind, org_id, call.now);
    if let Some(fields) = view.as_object_mut() {
        fields.insert("id".to_owned(), id.into());
        fields.insert("key".to_owned(), secret.into());
    }
    Reply::ok(view)
}

fn key_id(call: &Call) -> Result<i64, ApiError> {
    call.param("key_id")?
        .parse()
        .map_err(|_| ApiError::bad_request("key_id must be a whole number"))
}

fn revoke(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    check_personal(call)?;
    end(state, Owner::User, key_id(call)?)
}

fn revoke_of_organization(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = key_id(call)?;
    let org_id = organizations::administered(call, state)?.id.clone();
    end(state, Owner::Organization(&org_id), id)
}

fn end(state: &mut State, owner: Owner<'_>, id: i64) -> Result<Reply, ApiError> {
    let key = state
        .keys
        .revoke(owner, id)
        .ok_or_else(|| ApiError::not_found(format!("API key {id} not found")))?;
    Reply::ok(revoked(&state.account, &key))
}
