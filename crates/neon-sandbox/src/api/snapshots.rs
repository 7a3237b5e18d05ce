//! Snapshots and their schedules: listing, making, changing, deleting.

use chrono::TimeDelta;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Route, point::read_point, views};
use crate::{
    call::{Call, Reply, nullable, parse_moment},
    clock::Timestamp,
    error::ApiError,
    state::{
        State,
        branch::Branch,
        data::Point,
        operation::Action,
        project::{Project, check_length},
        schedule::{Frequency, MAX_RETENTION_SECONDS, Schedule, ScheduleEntry},
        snapshot::Snapshot,
    },
};

/// The shortest time that a scheduled snapshot is kept.
const MIN_RETENTION_SECONDS: i64 = 3600;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "createSnapshot",
            "/projects/{project_id}/branches/{branch_id}/snapshot",
            create,
        ),
        Route::get("listSnapshots", "/projects/{project_id}/snapshots", list),
        Route::patch(
            "updateSnapshot",
            "/projects/{project_id}/snapshots/{snapshot_id}",
            update,
        ),
        Route::delete(
            "deleteSnapshot",
            "/projects/{project_id}/snapshots/{snapshot_id}",
            delete,
        ),
        Route::get(
            "getSnapshotSchedule",
            "/projects/{project_id}/branches/{branch_id}/backup_schedule",
            get_schedule,
        ),
        Route::put(
            "setSnapshotSchedule",
            "/projects/{project_id}/branches/{branch_id}/backup_schedule",
            set_schedule,
        ),
    ]
}

/// What a new snapshot is given; Neon's reference has it in the query, its guides in the body.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NewSnapshot {
    lsn: Option<String>,
    timestamp: Option<String>,
    name: Option<String>,
    expires_at: Option<String>,
    slug: Option<String>,
}

impl NewSnapshot {
    fn or(self, other: Self) -> Self {
        Self {
            lsn: self.lsn.or(other.lsn),
            timestamp: self.timestamp.or(other.timestamp),
            name: self.name.or(other.name),
            expires_at: self.expires_at.or(other.expires_at),
            slug: self.slug.or(other.slug),
        }
    }
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input = call.query::<NewSnapshot>()?.or(call.optional_json::<NewSnapshot>()?);
    let point = read_point(("lsn", input.lsn.as_deref()), ("timestamp", input.timestamp.as_deref()))?;
    let expires_at = input
        .expires_at
        .as_deref()
        .map(|text| read_expiry(text, call.now))
        .transpose()?;
    if let Some(name) = &input.name {
        check_length("snapshot name", name, 256)?;
    }
    let branch_id = call.branch_id()?;
    let mut change = state.change(call)?;
    let branch = change.project.branch(branch_id)?.clone();
    change.check_lock()?;
    check_root(&branch, "snapshots are made")?;
    branch.check_ready()?;
    let manual = change
        .project
        .snapshots
        .iter()
        .filter(|snapshot| snapshot.manual)
        .count();
    if manual >= change.limits.manual_snapshots {
        return Err(ApiError::limit(
            "SNAPSHOTS_LIMIT_EXCEEDED",
            format!(
                "the plan keeps {} snapshots made by hand in a project",
                change.limits.manual_snapshots
            ),
        ));
    }
    if let Some(slug) = &input.slug {
        check_slug(change.project, slug)?;
    }
    let version = branch.history.at(point, change.now, change.project.window())?;
    let id = change.ids.snapshot();
    let snapshot = Snapshot {
        name: input
            .name
            .unwrap_or_else(|| format!("{} at {}", branch.name, call.now.format("%Y-%m-%dT%H:%M:%SZ"))),
        slug: input.slug.unwrap_or_else(|| id.clone()),
        id,
        source_branch_id: branch.id.clone(),
        lsn: matches!(point, Point::Lsn(_)).then_some(version.lsn),
        timestamp: matches!(point, Point::Time(_)).then_some(version.at),
        created_at: change.now,
        expires_at,
        manual: true,
        version,
        lineage: branch.history.lineage().copy(point),
    };
    if change.run(Action::CreateTimeline, Some(branch_id), None).succeeds {
        change.project.snapshots.push(snapshot.clone());
    }
    Reply::ok(json!({
        "snapshot": views::snapshot(&snapshot),
        "operations": views::started(change.project, &change.operations),
    }))
}

/// Refuses branches that have a parent.
fn check_root(branch: &Branch, what: &str) -> Result<(), ApiError> {
    if branch.is_root() {
        Ok(())
    } else {
        Err(ApiError::refused(format!(
            "{what} of root branches only, and branch {} has a parent",
            branch.id
        )))
    }
}

fn read_expiry(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let at = parse_moment("expires_at", text)?;
    if at > now {
        Ok(at)
    } else {
        Err(ApiError::bad_request("expires_at must lie in the future"))
    }
}

/// Refuses a slug that is malformed or taken.
fn check_slug(project: &Project, slug: &str) -> Result<(), ApiError> {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = slug.starts_with(|first: char| first.is_ascii_lowercase())
        && slug.bytes().all(|byte| letters(byte) || byte == b'-')
        && !slug.ends_with('-');
    if !fits {
        return Err(ApiError::bad_request(
            "a slug starts with a lowercase letter, goes on with lowercase letters, digits and hyphens, \
             and doesn't end with a hyphen",
        ));
    }
    if project.snapshots.iter().any(|snapshot| snapshot.slug == slug) {
        return Err(ApiError::conflict(format!(
            "a snapshot with the slug {slug:?} already exists in the project"
        )));
    }
    Ok(())
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let snapshots: Vec<_> = project.snapshots.iter().map(views::snapshot).collect();
    Reply::ok(json!({ "snapshots": snapshots }))
}

#[derive(Deserialize)]
struct UpdateBody {
    snapshot: UpdateSnapshot,
}

#[derive(Deserialize)]
struct UpdateSnapshot {
    name: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    expires_at: Option<Option<String>>,
}

fn update(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let UpdateBody { snapshot: input } = call.json()?;
    if let Some(name) = &input.name {
        check_length("snapshot name", name, 256)?;
    }
    let expires_at = match &input.expires_at {
        None => None,
        Some(None) => Some(None),
        Some(Some(text)) => Some(Some(read_expiry(text, call.now)?)),
    };
    let id = call.id("snapshot_id")?;
    let change = state.change(call)?;
    change.project.snapshot(id)?;
    for snapshot in &mut change.project.snapshots {
        if snapshot.id == id {
            if let Some(name) = &input.name {
                snapshot.name.clone_from(name);
            }
            if let Some(expires_at) = expires_at {
                snapshot.expires_at = expires_at;
            }
        }
    }
    let snapshot = change.project.snapshot(id)?;
    Reply::ok(json!({ "snapshot": views::snapshot(snapshot) }))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.id("snapshot_id")?;
    let mut change = state.change(call)?;
    change.project.snapshot(id)?;
    change.check_lock()?;
    change.project.snapshots.retain(|snapshot| snapshot.id != id);
    change.run(Action::DeleteTimeline, None, None);
    Reply::with(
        StatusCode::ACCEPTED,
        json!({ "operations": views::started(change.project, &change.operations) }),
    )
}

fn get_schedule(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    Reply::ok(&branch.schedule)
}

fn set_schedule(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let schedule: Schedule = call.json()?;
    for entry in &schedule.schedule {
        check_entry(entry)?;
    }
    let id = call.branch_id()?;
    let change = state.change(call)?;
    let branch = change.project.branch(id)?;
    check_root(branch, "schedules are for snapshots")?;
    if !change.limits.snapshot_schedules && !schedule.schedule.is_empty() {
        return Err(ApiError::refused("snapshot schedules need a paid plan"));
    }
    let now = change.now;
    let branch = change.project.branch_mut(id)?;
    branch.schedule = schedule;
    branch.schedule_since = now;
    branch.updated_at = now;
    Reply::ok(json!({}))
}

fn check_entry(entry: &ScheduleEntry) -> Result<(), ApiError> {
    let last_day = if entry.frequency == Frequency::Weekly { 7 } else { 31 };
    let fits = entry.hour.is_none_or(|hour| hour <= 23)
        && entry.day.is_none_or(|day| (1..=last_day).contains(&day))
        && entry.month.is_none_or(|month| (1..=12).contains(&month));
    if !fits {
        return Err(ApiError::bad_request(
            "a schedule takes an hour from 0 to 23, a day from 1 to 31 (of a week, 1 to 7), a month from 1 to 12",
        ));
    }
    if !(MIN_RETENTION_SECONDS..=MAX_RETENTION_SECONDS).contains(&entry.retention_seconds) {
        return Err(ApiError::bad_request(format!(
            "retention_seconds must lie between {MIN_RETENTION_SECONDS} and {MAX_RETENTION_SECONDS}, \
             which is {} days",
            TimeDelta::seconds(MAX_RETENTION_SECONDS).num_days()
        )));
    }
    Ok(())
}
