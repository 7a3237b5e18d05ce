//! Branches: listing, reading, changing, deleting, recovering, choosing the default.

use serde::Deserialize;
use serde_json::{Map, json};

use super::{
    Route, branch_create,
    branch_rules::{check_protection, read_expiry},
    endpoints, views,
};
use crate::{
    call::{Call, Reply, nullable},
    clock::Timestamp,
    error::ApiError,
    pages::{self, SortOrder, Sorted},
    state::{
        State,
        branch::{Branch, Deletion, DeletionMethod},
        change::Change,
        endpoint::{Endpoint, EndpointState, EndpointType},
        operation::Action,
    },
};

/// Branches on a page at most, and when no limit is asked for.
const PAGE: usize = 10_000;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("listProjectBranches", "/projects/{project_id}/branches", list),
        Route::post(
            "createProjectBranch",
            "/projects/{project_id}/branches",
            branch_create::create,
        ),
        Route::get("countProjectBranches", "/projects/{project_id}/branches/count", count),
        Route::get("getProjectBranch", "/projects/{project_id}/branches/{branch_id}", get),
        Route::patch(
            "updateProjectBranch",
            "/projects/{project_id}/branches/{branch_id}",
            update,
        ),
        Route::delete(
            "deleteProjectBranch",
            "/projects/{project_id}/branches/{branch_id}",
            delete,
        ),
        Route::post(
            "recoverProjectBranch",
            "/projects/{project_id}/branches/{branch_id}/recover",
            recover,
        ),
        Route::post(
            "setDefaultProjectBranch",
            "/projects/{project_id}/branches/{branch_id}/set_as_default",
            set_default,
        ),
    ]
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BranchSort {
    Name,
    CreatedAt,
    #[default]
    UpdatedAt,
}

impl BranchSort {
    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
        }
    }

    fn key(self, branch: &Branch) -> String {
        let time = |moment: Timestamp| moment.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
        match self {
            Self::Name => branch.name.clone(),
            Self::CreatedAt => time(branch.created_at),
            Self::UpdatedAt => time(branch.updated_at),
        }
    }
}

#[derive(Deserialize)]
struct ListQuery {
    search: Option<String>,
    #[serde(default)]
    sort_by: BranchSort,
    sort_order: Option<SortOrder>,
    cursor: Option<String>,
    limit: Option<i64>,
    #[serde(default)]
    include_deleted: bool,
}

/// Whether a branch has the searched text in its name or id.
fn finds(search: Option<&str>, branch: &Branch) -> bool {
    search.is_none_or(|search| {
        let search = search.to_lowercase();
        branch.id.contains(&search) || branch.name.to_lowercase().contains(&search)
    })
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ListQuery = call.query()?;
    let limit = pages::limit(query.limit, PAGE, PAGE)?;
    let order = query.sort_order.unwrap_or(SortOrder::Desc);
    let sort_by = query.sort_by.name();
    let project = state.project(&call.caller, call.project_id()?)?;
    let branches = project
        .branches
        .iter()
        .filter(|branch| (branch.is_live() || query.include_deleted) && finds(query.search.as_deref(), branch))
        .map(|branch| Sorted {
            key: query.sort_by.key(branch),
            id: branch.id.clone(),
            item: branch,
        })
        .collect();
    let page = pages::page(
        &format!("branches of {} by {sort_by} {order:?}", project.id),
        branches,
        order,
        query.cursor.as_deref(),
        limit,
    )?;
    let annotations: Map<String, serde_json::Value> = page
        .items
        .iter()
        .filter(|branch| !branch.annotation.value.is_empty())
        .map(|branch| (branch.id.clone(), json!(views::annotation(branch))))
        .collect();
    let branches: Vec<_> = page
        .items
        .iter()
        .map(|branch| views::branch(project, branch).using(project, call.now))
        .collect();
    let mut pagination = json!({ "sort_by": sort_by, "sort_order": order });
    if let (Some(next), Some(fields)) = (page.next, pagination.as_object_mut()) {
        fields.insert("next".to_owned(), next.into());
    }
    Reply::ok(json!({
        "branches": branches,
        "annotations": annotations,
        "pagination": pagination,
    }))
}

#[derive(Deserialize)]
struct CountQuery {
    search: Option<String>,
}

fn count(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: CountQuery = call.query()?;
    let project = state.project(&call.caller, call.project_id()?)?;
    let count = project
        .live_branches()
        .filter(|branch| finds(query.search.as_deref(), branch))
        .count();
    Reply::ok(json!({ "count": count }))
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    Reply::ok(json!({
        "branch": views::branch(project, branch).using(project, call.now),
        "annotation": views::annotation(branch),
    }))
}

#[derive(Deserialize)]
struct UpdateBody {
    branch: UpdateBranch,
}

#[derive(Deserialize)]
struct UpdateBranch {
    name: Option<String>,
    protected: Option<bool>,
    #[serde(default, deserialize_with = "nullable")]
    expires_at: Option<Option<String>>,
}

fn update(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let UpdateBody { branch: input } = call.json()?;
    let id = call.branch_id()?;
    let change = state.change(call)?;
    let before = change.project.branch(id)?.clone();
    change.check_lock()?;
    let expiry = match &input.expires_at {
        None => before.expiry,
        Some(None) => None,
        Some(Some(text)) => Some(read_expiry(text, change.now)?),
    };
    let protected = input.protected.unwrap_or(before.protected);
    if let Some(name) = input.name.as_ref().filter(|name| **name != before.name) {
        change.project.check_branch_name(name)?;
    }
    if protected && !before.protected {
        check_protection(&change)?;
    }
    if expiry.is_some() {
        check_may_expire(&change, &before, protected)?;
    }

    let now = change.now;
    let branch = change.project.branch_mut(id)?;
    branch.name = input.name.unwrap_or(before.name);
    branch.protected = protected;
    branch.expiry = expiry;
    branch.updated_at = now;
    answer(&change, id)
}

/// Refuses an expiry for branches that must not vanish.
fn check_may_expire(change: &Change<'_>, branch: &Branch, protected: bool) -> Result<(), ApiError> {
    let reason = if protected {
        "protected"
    } else if branch.default {
        "the default branch"
    } else if change.project.has_children(&branch.id) {
        "the parent of other branches"
    } else {
        return Ok(());
    };
    Err(ApiError::refused(format!(
        "branch {} cannot expire because it is {reason}",
        branch.id
    )))
}

/// The branch and the operations that were started.
pub(crate) fn answer(change: &Change<'_>, id: &str) -> Result<Reply, ApiError> {
    let branch = change.project.branch(id)?;
    Reply::ok(json!({
        "branch": views::branch(change.project, branch),
        "operations": views::started(change.project, &change.operations),
    }))
}

#[derive(Deserialize)]
struct DeleteQuery {
    #[serde(default)]
    hard_delete: bool,
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: DeleteQuery = call.query()?;
    let id = call.branch_id()?;
    let mut change = state.change(call)?;
    let Ok(branch) = change.project.branch(id) else {
        if query.hard_delete {
            change.project.purge_branch(id);
        }
        return Ok(Reply::gone());
    };
    let refusal = why_not_deleted(&change, branch);
    change.check_lock()?;
    if let Some(reason) = refusal {
        return Err(ApiError::refused(format!(
            "branch {id} cannot be deleted because {reason}"
        )));
    }
    let active: Vec<String> = change
        .project
        .endpoints_of(id)
        .filter(|endpoint| endpoint.state != EndpointState::Idle)
        .map(|endpoint| endpoint.id.clone())
        .collect();
    for endpoint_id in active {
        change.run(Action::SuspendCompute, Some(id), Some(&endpoint_id));
    }
    change.run(Action::DeleteTimeline, Some(id), None);
    let deletion = Deletion {
        at: change.now,
        method: DeletionMethod::User,
    };
    let mut deleted = change.project.branch(id)?.clone();
    deleted.updated_at = change.now;
    change.project.delete_branch(id, deletion);
    if query.hard_delete {
        change.project.purge_branch(id);
    } else {
        deleted.deletion = Some(deletion);
    }
    Reply::ok(json!({
        "branch": views::branch(change.project, &deleted),
        "operations": views::started(change.project, &change.operations),
    }))
}

fn why_not_deleted(change: &Change<'_>, branch: &Branch) -> Option<&'static str> {
    if branch.default {
        Some("it is the default branch")
    } else if branch.protected {
        Some("it is protected")
    } else if change.project.has_children(&branch.id) {
        Some("other branches came off it")
    } else if branch.undeletable_backup {
        Some("it is the backup of a root branch that was restored from another branch")
    } else {
        None
    }
}

fn recover(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.branch_id()?;
    let change = state.change(call)?;
    let deleted = change
        .project
        .branches
        .iter()
        .find(|branch| branch.id == id)
        .cloned()
        .ok_or_else(|| ApiError::not_found(format!("branch {id} not found")))?;
    change.check_lock()?;
    if deleted.is_live() {
        return Err(ApiError::refused(format!("branch {id} is not deleted")));
    }
    change.project.check_branch_name(&deleted.name)?;
    if let Some(parent) = deleted.parent_id() {
        let reason = match change.project.branch(parent) {
            Err(_) => Some("is deleted"),
            Ok(parent) => parent.expiry.map(|_| "expires"),
        };
        if let Some(reason) = reason {
            return Err(ApiError::refused(format!(
                "branch {id} cannot be recovered because its parent {parent} {reason}"
            )));
        }
    }
    branch_create::check_room(&change, deleted.is_root())?;
    let comes_back = |endpoint: &&Endpoint| endpoint.branch_id == id;
    let read_only = |endpoint: &&Endpoint| endpoint.kind == EndpointType::ReadOnly;
    let endpoints = || change.project.endpoints.iter().filter(comes_back);
    endpoints::check_limits(&change, endpoints().filter(read_only).count(), endpoints().count())?;

    let now = change.now;
    for branch in &mut change.project.branches {
        if branch.id == id {
            branch.deletion = None;
            branch.expiry = None;
            branch.updated_at = now;
        }
    }
    for endpoint in &mut change.project.endpoints {
        if endpoint.branch_id == id {
            endpoint.deleted_with_branch = false;
        }
    }
    let project = &*change.project;
    let endpoints: Vec<_> = project
        .endpoints_of(id)
        .map(|endpoint| views::endpoint(project, endpoint))
        .collect();
    Reply::ok(json!({
        "branch": views::branch(project, project.branch(id)?),
        "endpoints": endpoints,
    }))
}

fn set_default(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.branch_id()?;
    let change = state.change(call)?;
    let expires = change.project.branch(id)?.expiry.is_some();
    change.check_lock()?;
    if expires {
        return Err(ApiError::refused(format!(
            "branch {id} expires, so it cannot be the default branch"
        )));
    }
    let now = change.now;
    for branch in &mut change.project.branches {
        let default = branch.id == id;
        if branch.default != default {
            branch.default = default;
            branch.updated_at = now;
        }
    }
    answer(&change, id)
}
