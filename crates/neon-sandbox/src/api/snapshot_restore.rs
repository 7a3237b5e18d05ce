//! Restoring a snapshot to a new branch, and letting that branch take another's place.

use serde::Deserialize;
use serde_json::json;

use super::{Route, branch_create, views};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    state::{
        State,
        branch::{Branch, BranchState, RestoreStatus, SnapshotRestore},
        change::Change,
        data::{History, Point},
        endpoint::EndpointState,
        operation::Action,
        project::{Project, check_length},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "restoreSnapshot",
            "/projects/{project_id}/snapshots/{snapshot_id}/restore",
            restore,
        ),
        Route::post(
            "finalizeRestoreBranch",
            "/projects/{project_id}/branches/{branch_id}/finalize_restore",
            finalize,
        ),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RestoreBody {
    name: Option<String>,
    target_branch_id: Option<String>,
    finalize_restore: bool,
}

#[derive(Deserialize)]
struct RestoreQuery {
    name: Option<String>,
}

fn restore(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: RestoreQuery = call.query()?;
    let input: RestoreBody = call.optional_json()?;
    let name = input.name.or(query.name);
    if let Some(target) = &input.target_branch_id {
        check_id("target_branch_id", target)?;
    }
    let id = call.id("snapshot_id")?;
    let mut change = state.change(call)?;
    let snapshot = change.project.snapshot(id)?.clone();
    let target_id = match input.target_branch_id {
        Some(target) => Some(change.project.branch(&target)?.id.clone()),
        None => change
            .project
            .branch(&snapshot.source_branch_id)
            .ok()
            .map(|branch| branch.id.clone()),
    };
    change.check_lock()?;
    if target_id.is_none() {
        return Err(ApiError::refused(
            "the branch that the snapshot came from is gone; give target_branch_id",
        ));
    }
    if let Some(target) = target_id.as_deref().filter(|_| input.finalize_restore) {
        change.project.branch(target)?.check_ready()?;
    }
    branch_create::check_room(&change, true)?;
    let name = match name {
        Some(name) => {
            change.project.check_branch_name(&name)?;
            name
        }
        None => free_name(change.project, &format!("{} restored", snapshot.name)),
    };

    let version = change.version(snapshot.version.contents.clone());
    let branch_id = change.ids.branch();
    change.project.branches.push(Branch {
        snapshot_restore: Some(SnapshotRestore {
            status: RestoreStatus::Restored,
            snapshot_id: snapshot.id.clone(),
            target_branch_id: target_id.clone(),
            at: change.now,
        }),
        ..Branch::new(
            branch_id.clone(),
            name,
            History::new(version, snapshot.lineage.copy(Point::Head)),
            change.now,
        )
    });
    let succeeds = change.make_branch(Action::CreateBranch, &branch_id, BranchState::Ready)?;
    if let Some(target_id) = target_id.filter(|_| input.finalize_restore && succeeds) {
        take_place(&mut change, &branch_id, &target_id, None)?;
    }
    let project = &*change.project;
    let endpoints: Vec<_> = project
        .endpoints_of(&branch_id)
        .map(|endpoint| views::endpoint(project, endpoint))
        .collect();
    Reply::ok(json!({
        "branch": views::branch(project, project.branch(&branch_id)?),
        "endpoints": endpoints,
        "operations": views::started(project, &change.operations),
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FinalizeBody {
    /// For the branch whose place is taken.
    name: Option<String>,
}

fn finalize(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: FinalizeBody = call.optional_json()?;
    let id = call.branch_id()?;
    let mut change = state.change(call)?;
    let branch = change.project.branch(id)?.clone();
    change.check_lock()?;
    let ready = branch.check_ready();
    let waiting = branch
        .snapshot_restore
        .filter(|restore| restore.status == RestoreStatus::Restored)
        .ok_or_else(|| {
            ApiError::refused(format!(
                "branch {id} doesn't come from a snapshot restore that waits to be finalized"
            ))
        })?;
    ready?;
    if let Some(name) = &input.name {
        check_length("branch name", name, 256)?;
        change.project.check_branch_name(name)?;
    }
    let target_id = waiting
        .target_branch_id
        .filter(|target| change.project.branch(target).is_ok())
        .ok_or_else(|| ApiError::refused("the branch whose place the restored branch was to take is gone"))?;
    change.project.branch(&target_id)?.check_ready()?;
    take_place(&mut change, id, &target_id, input.name)?;
    Reply::ok(json!({
        "operations": views::started(change.project, &change.operations),
    }))
}

/// Lets a restored branch take the place of another: its name, computes, protection, default and schedule.
/// The other one stays, under a new name, with its children.
fn take_place(
    change: &mut Change<'_>,
    restored_id: &str,
    target_id: &str,
    old_name: Option<String>,
) -> Result<(), ApiError> {
    let target = change.project.branch(target_id)?.clone();
    let old_name = old_name.unwrap_or_else(|| free_name(change.project, &format!("{} (old)", target.name)));
    let now = change.now;

    let old = change.project.branch_mut(target_id)?;
    old.name = old_name;
    old.default = false;
    old.protected = false;
    old.expiry = None;
    old.schedule = Default::default();
    old.updated_at = now;

    let has_children = change.project.has_children(restored_id);
    let restored = change.project.branch_mut(restored_id)?;
    restored.name.clone_from(&target.name);
    restored.default |= target.default;
    restored.protected |= target.protected;
    // Default, protected and parent branches never expire.
    let may_expire = !(restored.default || restored.protected || has_children);
    restored.expiry = target.expiry.filter(|_| may_expire);
    restored.schedule = target.schedule;
    restored.schedule_since = now;
    restored.updated_at = now;
    if let Some(restore) = &mut restored.snapshot_restore {
        restore.status = RestoreStatus::Finalized;
        restore.target_branch_id = Some(target_id.to_owned());
        restore.at = now;
    }

    let mut active = Vec::new();
    for endpoint in &mut change.project.endpoints {
        if endpoint.deleted_with_branch {
            continue;
        }
        if endpoint.branch_id == target_id {
            restored_id.clone_into(&mut endpoint.branch_id);
            endpoint.divide_session(now);
            endpoint.updated_at = now;
            if endpoint.state == EndpointState::Active {
                active.push(endpoint.id.clone());
            }
        } else if endpoint.branch_id == restored_id {
            target_id.clone_into(&mut endpoint.branch_id);
            endpoint.divide_session(now);
            endpoint.updated_at = now;
        }
    }
    if active.is_empty() {
        change.run(Action::ApplyConfig, Some(restored_id), None);
    }
    for endpoint_id in active {
        change.restart_endpoint(&endpoint_id)?;
    }
    Ok(())
}

/// The name, or the name with the first number behind it that is free.
fn free_name(project: &Project, name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    while project.check_branch_name(&candidate).is_err() && number < 10_000 {
        number += 1;
        candidate = match name.strip_suffix(')') {
            Some(stem) => format!("{stem} {number})"),
            None => format!("{name} {number}"),
        };
    }
    candidate
}
