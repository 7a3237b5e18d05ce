//! Restoring a branch: from its own history, or from another branch (a reset, when that is the parent).

use chrono::TimeDelta;
use serde::Deserialize;

use super::{
    Route, branch_create,
    branches::{self},
    point::read_point,
};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    state::{
        State,
        branch::Branch,
        change::Change,
        data::{Point, Version},
        endpoint::EndpointState,
    },
};

/// How long a parent that came out of a snapshot refuses to reset its children.
const RESET_BLOCKED_HOURS: i64 = 24;

pub(crate) fn routes() -> Vec<Route> {
    vec![Route::post(
        "restoreProjectBranch",
        "/projects/{project_id}/branches/{branch_id}/restore",
        restore,
    )]
}

#[derive(Deserialize)]
struct Body {
    source_branch_id: String,
    source_lsn: Option<String>,
    source_timestamp: Option<String>,
    preserve_under_name: Option<String>,
}

fn restore(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let mut input: Body = call.json()?;
    // An empty name stands for none, as at Neon.
    input.preserve_under_name = input.preserve_under_name.filter(|name| !name.is_empty());
    check_id("source_branch_id", &input.source_branch_id)?;
    let point = read_point(
        ("source_lsn", input.source_lsn.as_deref()),
        ("source_timestamp", input.source_timestamp.as_deref()),
    )?;
    let id = call.branch_id()?;
    let mut change = state.change(call)?;
    let target = change.project.branch(id)?.clone();
    let source = change.project.branch(&input.source_branch_id)?.clone();
    change.check_lock()?;
    let own = source.id == target.id;
    if own {
        check_own_history(&target, point, input.preserve_under_name.as_deref())?;
    } else {
        check_other_source(&change, &target, &source)?;
    }
    target.check_ready()?;
    source.check_ready()?;
    if change.project.has_children(id) && input.preserve_under_name.is_none() {
        return Err(ApiError::refused(format!(
            "branch {id} has children: preserve_under_name is required, and they move to that branch"
        )));
    }
    if let Some(name) = &input.preserve_under_name {
        change.project.check_branch_name(name)?;
        branch_create::check_room(&change, target.is_root())?;
    }
    let version = source.history.at(point, change.now, change.project.window())?;

    if change.refill_branch(id)? {
        if let Some(name) = input.preserve_under_name {
            preserve(&mut change, &target, name, !own);
        }
        overwrite(&mut change, &target, &source, version, point)?;
    }
    let active: Vec<String> = change
        .project
        .endpoints_of(id)
        .filter(|endpoint| endpoint.state == EndpointState::Active)
        .map(|endpoint| endpoint.id.clone())
        .collect();
    for endpoint_id in active {
        change.restart_endpoint(&endpoint_id)?;
    }
    branches::answer(&change, id)
}

fn check_own_history(target: &Branch, point: Point, preserve_under_name: Option<&str>) -> Result<(), ApiError> {
    if point == Point::Head {
        return Err(ApiError::bad_request(
            "restoring a branch from its own history needs source_lsn or source_timestamp",
        ));
    }
    if preserve_under_name.is_none() {
        return Err(ApiError::bad_request(
            "restoring a branch from its own history needs preserve_under_name",
        ));
    }
    if !target.is_root() {
        return Err(ApiError::refused(
            "only root branches can be restored from their own history",
        ));
    }
    Ok(())
}

fn check_other_source(change: &Change<'_>, target: &Branch, source: &Branch) -> Result<(), ApiError> {
    if target.protected {
        return Err(ApiError::refused(format!(
            "branch {} is protected, so it cannot be reset or restored from another branch",
            target.id
        )));
    }
    let restored_from_snapshot = source
        .snapshot_restore
        .as_ref()
        .is_some_and(|restore| change.now < restore.at + TimeDelta::hours(RESET_BLOCKED_HOURS));
    if target.parent_id() == Some(&source.id) && restored_from_snapshot {
        return Err(ApiError::refused(format!(
            "branch {} was restored from a snapshot less than {RESET_BLOCKED_HOURS} hours ago, \
             so its children cannot be reset yet",
            source.id
        )));
    }
    Ok(())
}

/// Keeps what the branch holds as a branch of its own, which takes over the children.
fn preserve(change: &mut Change<'_>, target: &Branch, name: String, from_another: bool) {
    let id = change.ids.branch();
    let backup = Branch {
        parent: target.parent.clone(),
        init_source: target.init_source,
        undeletable_backup: from_another && target.is_root(),
        ..Branch::new(id.clone(), name, target.history.clone(), change.now)
    };
    for branch in &mut change.project.branches {
        if let Some(parent) = branch.parent.as_mut().filter(|parent| parent.branch_id == target.id) {
            parent.branch_id.clone_from(&id);
        }
    }
    change.project.branches.push(backup);
}

/// Gives the branch the source's contents, with new passwords where the source is another branch and protected.
fn overwrite(
    change: &mut Change<'_>,
    target: &Branch,
    source: &Branch,
    version: Version,
    point: Point,
) -> Result<(), ApiError> {
    let now = change.now;
    let is_reset = target.parent_id() == Some(&source.id);
    let lsn = version.lsn;
    let timestamp = if point == Point::Head { now } else { version.at };
    let contents = if source.protected && source.id != target.id {
        version.contents.with_new_passwords()
    } else {
        version.contents
    };
    change.write(&target.id, contents)?;
    let branch = change.project.branch_mut(&target.id)?;
    branch.history.rebase(source.history.lineage().copy(point));
    branch.restored_from = Some(source.id.clone());
    branch.snapshot_restore = None;
    if let Some(anonymization) = &mut branch.anonymization {
        anonymization.refill(now);
    }
    if is_reset {
        if let Some(parent) = &mut branch.parent {
            parent.lsn = lsn;
            parent.timestamp = timestamp;
        }
        branch.last_reset_at = Some(now);
        branch.expiry = branch.expiry.map(|expiry| expiry.restarted(now));
    }
    Ok(())
}
