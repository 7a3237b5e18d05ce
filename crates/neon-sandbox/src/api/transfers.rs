//! Projects that change hands: offered to whoever has the claim, or moved between two organizations.

use serde::Deserialize;
use serde_json::json;

use super::{Route, organizations, project_members};
use crate::{
    call::{Call, Reply, check_id},
    clock::{Timestamp, seconds},
    error::ApiError,
    state::{State, access::TransferRequest},
};

/// How long an offer stands that says nothing else.
const DAY_SECONDS: i64 = 86_400;

/// The longest that an offer can stand here.
const YEAR_SECONDS: i64 = 366 * DAY_SECONDS;

/// Projects that one call moves at most.
const MOST: usize = 400;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "createProjectTransferRequest",
            "/projects/{project_id}/transfer_requests",
            offer,
        ),
        Route::put(
            "acceptProjectTransferRequest",
            "/projects/{project_id}/transfer_requests/{request_id}",
            accept,
        ),
        Route::post(
            "transferProjectsFromOrgToOrg",
            "/organizations/{org_id}/projects/transfer",
            transfer,
        ),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Offer {
    ttl_seconds: Option<i64>,
}

fn offer(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let ttl = call.optional_json::<Offer>()?.ttl_seconds.unwrap_or(DAY_SECONDS);
    if !(1..=YEAR_SECONDS).contains(&ttl) {
        return Err(ApiError::bad_request(format!(
            "ttl_seconds must lie between 1 and {YEAR_SECONDS}"
        )));
    }
    project_members::check_manager(call, state)?;
    let request = TransferRequest {
        id: state.ids.uuid(),
        created_at: call.now,
        expires_at: call.now + seconds(ttl),
    };
    let change = state.change(call)?;
    change.project.access.transfers.push(request.clone());
    Reply::created(json!({
        "id": request.id,
        "project_id": change.project.id,
        "created_at": request.created_at,
        "expires_at": request.expires_at,
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Acceptance {
    org_id: Option<String>,
}

/// Takes a project over. The claim opens it, whoever's it is, and opens nothing twice.
fn accept(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project_id = call.project_id()?;
    let request_id = call.id("request_id")?;
    let to = match call.optional_json::<Acceptance>()?.org_id {
        Some(org_id) => {
            check_id("org_id", &org_id)?;
            organizations::seen(call, state, &org_id)?.id.clone()
        }
        None => call.caller.org_id.clone(),
    };
    if call.caller.only_project().is_some() {
        return Err(ApiError::forbidden("a project-scoped API key cannot own projects"));
    }
    let is_open = |request: &TransferRequest| request.id == request_id && call.now < request.expires_at;
    let found = state
        .projects
        .iter_mut()
        .find(|project| project.id == project_id && project.deleted_at.is_none())
        .filter(|project| project.access.transfers.iter().any(is_open))
        .ok_or_else(|| ApiError::not_found(format!("transfer request {request_id} not found")))?;
    if found.org_id != to {
        check_room(state, &to, 1).map_err(|(message, _)| {
            let body = json!({ "reasons": [{ "code": "projects_count", "message": message }] });
            ApiError::not_acceptable(message, body)
        })?;
    }
    hand_over(state, project_id, &to, call.now);
    Ok(Reply::gone())
}

#[derive(Deserialize)]
struct Transfer {
    destination_org_id: String,
    project_ids: Vec<String>,
}

/// Moves all the projects or none.
fn transfer(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let Transfer {
        destination_org_id: to,
        project_ids,
    } = call.json()?;
    check_id("destination_org_id", &to)?;
    if !(1..=MOST).contains(&project_ids.len()) {
        return Err(ApiError::bad_request(format!("project_ids must hold 1 to {MOST} ids")));
    }
    let from = organizations::administered(call, state)?.id.clone();
    let destination = organizations::seen(call, state, &to)?;
    organizations::check_admin(call, state, destination)?;
    if from == to {
        return Err(ApiError::refused("the projects belong to that organization already"));
    }
    for id in &project_ids {
        check_id("project_ids", id)?;
        if state.project(&call.caller, id)?.org_id != from {
            return Err(ApiError::not_found(format!("project {id} not found")));
        }
    }
    check_room(state, &to, project_ids.len()).map_err(|(message, actual)| {
        let expected = state.limits.projects.to_string();
        let limit = json!({ "name": "projects_count", "expected": expected, "actual": actual.to_string() });
        ApiError::not_acceptable(message, json!({ "limits": [limit] }))
    })?;
    for id in &project_ids {
        hand_over(state, id, &to, call.now);
    }
    Reply::ok(json!({}))
}

/// Whether the organization's plan has room for so many more projects; else what is wrong, and how many there would be.
fn check_room(state: &State, org_id: &str, more: usize) -> Result<(), (String, usize)> {
    let there = state
        .projects
        .iter()
        .filter(|project| project.deleted_at.is_none() && project.org_id == org_id)
        .count();
    if there + more > state.limits.projects {
        let message = format!("the plan of the organization allows {} projects", state.limits.projects);
        return Err((message, there + more));
    }
    Ok(())
}

/// Gives a project to an organization. What belonged to the former one ends: roles, VPC restrictions, offers, and the keys
/// that are bound to the project.
pub(crate) fn hand_over(state: &mut State, project_id: &str, org_id: &str, now: Timestamp) {
    let Some(project) = state.projects.iter_mut().find(|project| project.id == project_id) else {
        return;
    };
    if project.org_id == org_id {
        project.access.transfers.clear();
        return;
    }
    org_id.clone_into(&mut project.org_id);
    project.updated_at = now;
    project.access.leave_organization();
    state.keys.revoke_of_project(project_id);
}
