//! Nobody is asked about what must fail: what Neon would refuse is found out first, in the look that the plan is made of.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::finding;
use crate::catalog::{Moment, Refusal, Tool, Undo};
use crate::engine::error::{Failure, WouldFail};
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::{id, items, text};
use crate::guard::{told, told_plain};
use crate::neon::views::{Branch, Parent};
use crate::neon::{BranchId, ProjectId};

/// How far a time may lie ahead of Neon's clock, which tells whole seconds.
const SLACK: TimeDelta = TimeDelta::seconds(5);

/// How many of what stands in the way are named.
const MAX_FOUND: usize = 5;

/// Refuses a call that Neon would refuse.
///
/// # Errors
/// Why it would, and what to do before it.
pub(in crate::engine) async fn check(
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
) -> Result<(), Failure> {
    for refusal in &tool.declaration.safety.refuse {
        if let Some(found) = holds(look, tool, refusal, arguments).await {
            return Err(would_fail(&refusal.message, &refusal.next, found));
        }
    }
    for (argument, moment) in &tool.declaration.safety.moments {
        let Some(time) = text(arguments, argument).and_then(time) else {
            continue;
        };
        match moment {
            Moment::History { branch } => in_history(look, argument, branch.as_deref(), time, arguments).await?,
            Moment::Expiry { most_days } => expiry(look, argument, *most_days, time, arguments).await?,
        }
    }
    Ok(())
}

/// Refuses a call that gives what is there already: a human would be asked about nothing.
///
/// # Errors
/// Where all that it gives is as it says, in what the plan read.
pub(in crate::engine) fn check_for_change(
    tool: &Tool,
    arguments: &Map<String, Value>,
    before: Option<&Value>,
) -> Result<(), Failure> {
    let (Some(Undo::Way(way)), Some(before)) = (&tool.declaration.safety.undo, before) else {
        return Ok(());
    };
    // Whether a call waits is no part of what it changes.
    let is_given = |name: &&String| *name != "wait" && !tool.placeholders.contains(name);
    let given: Vec<&String> = arguments.keys().filter(is_given).collect();
    let is_so = |name: &&String| {
        let former = way.former.get(*name).map(|former| former.value(before));
        former.is_some() && former.as_ref() == arguments.get(*name)
    };
    if given.is_empty() || !given.iter().all(is_so) {
        return Ok(());
    }
    let names: Vec<String> = given.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("Nothing would change: {} is as given already.", names.join(" and "));
    Err(would_fail(&message, "There is nothing to do.", Vec::new()))
}

fn would_fail(message: &str, next: &str, found: Vec<String>) -> Failure {
    Failure::WouldFail(Box::new(WouldFail {
        message: message.to_owned(),
        next: next.to_owned(),
        found,
    }))
}

/// What stands in the way, where the refusal holds.
async fn holds(
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    refusal: &Refusal,
    arguments: &Map<String, Value>,
) -> Option<Vec<String>> {
    let applies = refusal
        .when
        .as_ref()
        .is_none_or(|when| when.fits(arguments) == Some(true));
    let value = |name: &String| arguments.get(name);
    let same = refusal
        .same
        .as_ref()
        .is_none_or(|(one, other)| value(one).is_some() && value(one) == value(other));
    let differ = refusal
        .differ
        .as_ref()
        .is_none_or(|(one, other)| value(one) != value(other));
    let number = |name: &String| value(name).and_then(Value::as_f64);
    let above = refusal
        .above
        .as_ref()
        .is_none_or(|(one, other)| matches!((number(one), number(other)), (Some(one), Some(other)) if one > other));
    if !(applies && same && differ && above) {
        return None;
    }
    let Some(finding) = &refusal.finds else {
        return Some(Vec::new());
    };
    let found = finding::find(look, tool, finding, arguments).await?;
    let listed = finding.list.is_some();
    Some(
        found
            .items
            .iter()
            .filter(|_| listed)
            .take(MAX_FOUND)
            .map(called)
            .collect(),
    )
}

/// What an item is called: its name and its id, as far as it has them.
fn called(item: &Value) -> String {
    let ids = ["/id", "/slug", "/member/id", "/member_id"];
    let id = ids
        .iter()
        .find_map(|pointer| item.pointer(pointer).and_then(Value::as_str));
    match (finding::name_of(item), id) {
        (Some(name), Some(id)) => format!("{} ({})", told(name), told_plain(id)),
        (Some(only), None) => told(only),
        (None, Some(id)) => told_plain(id),
        (None, None) => "one without a name".to_owned(),
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Refuses a time that no branch has, or that this one hasn't.
async fn in_history(
    look: &ReadSnapshot<'_, '_>,
    argument: &str,
    branch: Option<&str>,
    time: DateTime<Utc>,
    arguments: &Map<String, Value>,
) -> Result<(), Failure> {
    let Some(project) = id::<ProjectId>(arguments, "project_id")? else {
        return Ok(());
    };
    let answer = look.project(&project).await?;
    let now = look.now();
    if time > now + SLACK {
        let message = format!("`{argument}` lies in the future: Neon's clock says {}.", shown(now));
        return Err(would_fail(&message, "Give a time that has passed.", Vec::new()));
    }
    let seconds = answer
        .pointer("/project/history_retention_seconds")
        .and_then(Value::as_i64);
    if seconds == Some(0) {
        return Err(would_fail(
            "The project keeps no history: its history_retention_seconds is 0.",
            "A snapshot may have the data: list_snapshots, then restore_snapshot.",
            Vec::new(),
        ));
    }
    if let Some(begins) = seconds.and_then(TimeDelta::try_seconds).map(|kept| now - kept)
        && time < begins - SLACK
    {
        let message = format!(
            "`{argument}` lies before the project's history, which begins at {}.",
            shown(begins)
        );
        return Err(would_fail(
            &message,
            "Give a later time, or restore a snapshot that is older: list_snapshots.",
            Vec::new(),
        ));
    }
    let Some(branch) = branch
        .map(|name| id::<BranchId>(arguments, name))
        .transpose()?
        .flatten()
    else {
        return Ok(());
    };
    let answer = look.branch(&project, &branch).await?;
    let about = Branch::in_answer(&answer);
    let created = about.shown("created_at").as_str().and_then(self::time);
    // A child has its parent's history. Both times are absolute, so no clock comes between them.
    let Some(created) = created.filter(|created| about.parent() == Parent::Root && time < *created) else {
        return Ok(());
    };
    let message = format!(
        "`{argument}` lies before the branch, which was made at {}.",
        shown(created)
    );
    let replaced = replaced_by(look, &project, about).await;
    let next = match replaced.is_empty() {
        true => "list_branches and describe_project tell since when there is history.",
        false => "What was before is the history of the branch that this one replaced: give that one.",
    };
    Err(would_fail(&message, next, replaced))
}

/// The branches that one took the place of when a snapshot's restore was finalized: Neon renames them to `NAME (old)`.
async fn replaced_by(look: &ReadSnapshot<'_, '_>, project: &ProjectId, branch: Branch<'_>) -> Vec<String> {
    let (Ok(name), Ok(branches)) = (branch.name(), look.branches(project).await) else {
        return Vec::new();
    };
    let old = format!("{name} (old)");
    let is_replaced = |other: &&Value| Branch::of(other).name().is_ok_and(|other| other.starts_with(&old));
    items(&branches)
        .filter(is_replaced)
        .take(MAX_FOUND)
        .map(called)
        .collect()
}

/// Refuses an expiry that has passed, or that lies too far ahead.
async fn expiry(
    look: &ReadSnapshot<'_, '_>,
    argument: &str,
    most_days: Option<u32>,
    time: DateTime<Utc>,
    arguments: &Map<String, Value>,
) -> Result<(), Failure> {
    // Whatever is read tells the time.
    if let Some(project) = id::<ProjectId>(arguments, "project_id")? {
        look.project(&project).await?;
    }
    let now = look.now();
    let told = shown(now);
    if time <= now {
        let message = format!("`{argument}` has passed: Neon's clock says {told}.");
        return Err(would_fail(&message, "Give a time in the future.", Vec::new()));
    }
    if let Some(days) = most_days
        && time > now + TimeDelta::days(days.into()) + SLACK
    {
        let message = format!("`{argument}` lies more than {days} days ahead: Neon's clock says {told}.");
        return Err(would_fail(&message, "Give an earlier time.", Vec::new()));
    }
    Ok(())
}
