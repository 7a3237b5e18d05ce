//! URLs whose keys sign tokens that can log in to a project's databases.

use serde::Deserialize;
use serde_json::json;

use super::{Route, views};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    state::{State, access::Jwks, operation::Action, project::check_length},
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("getProjectJWKS", "/projects/{project_id}/jwks", list),
        Route::post("addProjectJWKS", "/projects/{project_id}/jwks", add),
        Route::delete("deleteProjectJWKS", "/projects/{project_id}/jwks/{jwks_id}", delete),
    ]
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    // That of a deleted branch comes back with the branch.
    let is_live = |jwks: &&Jwks| jwks.branch_id.as_deref().is_none_or(|id| project.branch(id).is_ok());
    let jwks: Vec<_> = project.access.jwks.iter().filter(is_live).collect();
    Reply::ok(json!({ "jwks": jwks }))
}

#[derive(Deserialize)]
struct Body {
    jwks_url: String,
    provider_name: String,
    branch_id: Option<String>,
    jwt_audience: Option<String>,
    role_names: Option<Vec<String>>,
    #[serde(default, rename = "skip_role_creation")]
    _skip_role_creation: bool,
}

fn add(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: Body = call.json()?;
    let host = input.jwks_url.strip_prefix("https://").unwrap_or_default();
    if host.is_empty() || host.starts_with('/') || http::Uri::try_from(&input.jwks_url).is_err() {
        return Err(ApiError::bad_request("jwks_url must be an https URL"));
    }
    check_length("provider_name", &input.provider_name, 256)?;
    if input.role_names.as_ref().is_some_and(|names| names.len() > 10) {
        return Err(ApiError::bad_request("role_names must hold at most 10 names"));
    }
    let mut change = state.change(call)?;
    if let Some(branch_id) = &input.branch_id {
        check_id("branch_id", branch_id)?;
        change.project.branch(branch_id)?;
    }
    change.check_lock()?;
    let is_same = |other: &Jwks| other.jwks_url == input.jwks_url && other.branch_id == input.branch_id;
    if change.project.access.jwks.iter().any(is_same) {
        return Err(ApiError::conflict("the URL is trusted there already"));
    }
    let jwks = Jwks {
        id: change.ids.uuid(),
        project_id: change.project.id.clone(),
        branch_id: input.branch_id,
        jwks_url: input.jwks_url,
        provider_name: input.provider_name,
        created_at: change.now,
        updated_at: change.now,
        jwt_audience: input.jwt_audience,
        role_names: input.role_names,
    };
    let branch_id = match &jwks.branch_id {
        Some(id) => id.clone(),
        None => change.project.default_branch()?.id.clone(),
    };
    if change.run(Action::ApplyConfig, Some(&branch_id), None).succeeds {
        change.project.access.jwks.push(jwks.clone());
    }
    Reply::created(json!({
        "jwks": jwks,
        "operations": views::started(change.project, &change.operations),
    }))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("jwks_id")?;
    let change = state.change(call)?;
    let all = &mut change.project.access.jwks;
    let position = all
        .iter()
        .position(|jwks| jwks.id == id)
        .ok_or_else(|| ApiError::not_found(format!("JWKS {id} not found")))?;
    Reply::ok(all.remove(position))
}
