//! The way back from SQL that changed something: the branch as it was right before, by the database's clock.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::statements::Target;
use crate::engine::{Failure, WorkflowContext};
use crate::guard::FROM_THE_ANSWER;
use crate::neon::sql::{Executed, Measured};
use crate::neon::views::{Branch, Parent};
use crate::neon::{BranchId, ProjectId};
use crate::sql::Statement;

/// What restores a branch to its own past.
const RESTORE: &str = "restore_branch";

/// What it costs.
const COSTS: &str = "Statements that undo it are better. This takes the whole branch back (all databases, roles, passwords): what anybody wrote \
                     since stays on the preserved branch alone. Connections drop; the user is asked.";

/// The same for whoever is asked.
const COSTS_IN_SHORT: &str = "The branch becomes what it was before, in all of its databases.";

/// Whether statements wrote nothing, so that there is nothing to take back.
pub(in crate::workflows) fn is_nothing(executed: &Executed, statements: &[&Statement]) -> bool {
    // Sequences advance outside of what is counted.
    let advances = |statement: &&Statement| {
        let mentions = statement.mentions();
        ["nextval", "setval"]
            .iter()
            .any(|name| mentions.identifiers.contains(*name))
    };
    if statements.iter().any(advances) {
        return false;
    }
    match &executed.measured {
        Some(measured) => Measured::is_nothing(measured),
        // Of what wasn't measured, Postgres counts the rows that each statement wrote.
        None => executed.results.iter().all(|result| {
            let counts = ["INSERT", "UPDATE", "DELETE", "MERGE"].contains(&result.command.as_str());
            counts && result.row_count == Some(0)
        }),
    }
}

/// The way back to a moment of the target's past: a root branch Neon restores to any time of its history, and no other.
pub(in crate::workflows) async fn to_moment(
    flow: &WorkflowContext<'_, '_>,
    (project, branch): (&ProjectId, &BranchId),
    moment: &str,
) -> Value {
    to_past(flow, (project, branch), Some(moment)).await
}

/// The same before anything ran, as a plan shows it: the moment is told by the answer, and the history counts from now on.
pub(in crate::workflows) async fn before(flow: &WorkflowContext<'_, '_>, target: &Target<'_>) -> Value {
    to_past(flow, (target.project_id, target.branch_id), None).await
}

async fn to_past(
    flow: &WorkflowContext<'_, '_>,
    (project, branch): (&ProjectId, &BranchId),
    known: Option<&str>,
) -> Value {
    let moment = known.unwrap_or(FROM_THE_ANSWER);
    // Where a branch came from doesn't change, so what the call was judged by will do.
    let about = flow.branch(project, branch).await;
    let parent = about.map_or(Parent::Unknown, |about| Branch::in_answer(&about).parent());
    if parent != Parent::Root {
        let reset = match &parent {
            Parent::Branch(parent) if !flow.offers("reset_from_parent") => {
                format!("{RESTORE} with source_branch_id {parent}")
            }
            _ => "reset_from_parent".to_owned(),
        };
        return format!(
            "none by one call: only a branch without a parent can be restored to its past. create_branch with parent_id {branch} and \
             parent_timestamp {moment} makes a branch of what was there before; {reset} makes this one what its parent is now."
        )
        .into();
    }
    let retention = retention(flow, project).await;
    if retention == Ok(0) {
        return "none: the project keeps no history (its history_retention_seconds is 0). Only other statements undo it.".into();
    }
    let mut arguments = Map::new();
    arguments.insert("project_id".into(), project.as_str().into());
    arguments.insert("branch_id".into(), branch.as_str().into());
    arguments.insert("source_branch_id".into(), branch.as_str().into());
    arguments.insert("source_timestamp".into(), moment.into());
    // Without blanks: what holds some comes back to an agent in a fence, and the call must be good as it stands.
    let preserved = match known {
        Some(_) => format!("before-undo-{}", Utc::now().format("%Y%m%d-%H%M%S-%3f")),
        None => FROM_THE_ANSWER.to_owned(),
    };
    arguments.insert("preserve_under_name".into(), preserved.into());
    let mut undo = match flow.offered(RESTORE, arguments) {
        Ok(undo) => undo,
        Err(why) => {
            return format!(
                "none by a tool that is offered: {RESTORE} of branch {branch} from itself, with source_timestamp {moment}, brings it \
                 back. {why}"
            )
            .into();
        }
    };
    if let Some(undo) = undo.as_object_mut() {
        if let Ok(seconds) = retention {
            undo.insert("within_seconds".into(), seconds.into());
            let now = Utc::now().to_rfc3339();
            undo.extend(until(known.unwrap_or(&now), seconds).map(|until| ("until".to_owned(), until.into())));
        }
        undo.insert(
            "note".into(),
            if known.is_some() { COSTS } else { COSTS_IN_SHORT }.into(),
        );
    }
    undo
}

/// The same, of a target whose statements ran.
pub(in crate::workflows) async fn of(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    executed: &Executed,
) -> Option<Value> {
    let moment = executed.moment.as_deref()?;
    Some(to_moment(flow, (target.project_id, target.branch_id), moment).await)
}

/// How long the project keeps its history, in seconds.
async fn retention(flow: &WorkflowContext<'_, '_>, project: &ProjectId) -> Result<u64, ()> {
    let read: Result<_, Failure> = flow.project(project).await;
    let project = read.map_err(drop)?;
    let seconds = project.pointer("/project/history_retention_seconds");
    seconds.and_then(Value::as_u64).ok_or(())
}

/// Until when a moment lies within the history.
fn until(moment: &str, seconds: u64) -> Option<String> {
    let moment = DateTime::parse_from_rfc3339(moment).ok()?.to_utc();
    let until = moment.checked_add_signed(TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?)?;
    Some(until.to_rfc3339_opts(SecondsFormat::Secs, true))
}
