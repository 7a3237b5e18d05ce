//! What is told of a completion that ended before its end: what holds, what doesn't, and why.

use serde_json::{Map, Value, json};

use super::apply::{self, Stopped};
use super::script::statements_before;
use super::trial::Prepared;
use crate::engine::{Failure, Kind, WorkflowContext, WorkflowError, postgres_says};
use crate::neon::Changed;
use crate::neon::sql::Connection;
use crate::sql::{Dump, Statement};
use crate::workflows::schema;
use crate::workflows::sql::statements::Target;

/// SQLSTATE of a lock that wasn't had in time.
const LOCK_NOT_HAD: &str = "55P03";

/// What the schema says of a part whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// It is what it was before that part.
    Before,
    /// It is what it was on the throwaway branch after that part.
    After,
    /// The part changes no schema, or something else changed it.
    Neither,
    /// It couldn't be looked at.
    NotSeen,
}

/// Only the part that was under way counts: those after it were never sent, even where they leave the schema as it is.
pub(super) fn shown(prepared: &Prepared, part: usize, state: Option<&String>) -> Shown {
    let (before, after) = (prepared.states.get(part), prepared.states.get(part + 1));
    match state {
        None => Shown::NotSeen,
        Some(_) if before == after => Shown::Neither,
        state if state == before => Shown::Before,
        state if state == after => Shown::After,
        Some(_) => Shown::Neither,
    }
}

pub(super) async fn moved(flow: &WorkflowContext<'_, '_>, prepared: &Prepared) -> Failure {
    let mut more = Map::new();
    if let Some(difference) = moves(flow, prepared).await {
        let mut summary = schema::summary(&difference, flow.fence());
        // Errors are short.
        if summary.to_string().len() > 900
            && let Some(object) = summary.as_object_mut()
        {
            object.shift_remove("objects");
        }
        more.insert("prepared_to_target_diff".into(), summary);
    }
    Failure::WorkflowError(Box::new(WorkflowError {
        kind: Kind::SchemaMoved,
        message: "The target's schema changed since this was prepared, so nothing was applied.".to_owned(),
        changed: Changed::No,
        next: "Prepare it again on what the target is now. With discard: true this one is given up and its branch deleted.".to_owned(),
        more: Value::Object(more),
    }))
}

/// What changed on the target since this was prepared: the statements themselves were tried elsewhere, and aren't in it.
async fn moves(flow: &WorkflowContext<'_, '_>, prepared: &Prepared) -> Option<crate::sql::Difference> {
    let before = prepared.before.as_deref()?;
    let now = schema::dump(
        flow,
        &prepared.project_id,
        &prepared.branch_id,
        &prepared.database_name,
        &[],
    )
    .await;
    Some(Dump::read(before).to(&Dump::read(&now.ok()?)))
}

/// What holds when an application ended before its end, what doesn't, and why.
pub(super) async fn halted(
    flow: &WorkflowContext<'_, '_>,
    prepared: &Prepared,
    (at, statements): ((&Target<'_>, &Connection), &[Statement]),
    stopped: Stopped,
    state: Option<&String>,
) -> WorkflowError {
    let fence = flow.fence();
    let changed = stopped.failure.changed();
    let committed = stopped.part;
    let parts = prepared.parts.len();
    let part = prepared.parts.get(committed);
    let alone = part.is_some_and(|part| part.alone);
    let in_part = part.map_or(0, |part| part.count);
    let of = prepared.statements.len();
    let shown = shown(prepared, committed, state);
    // What went through before counts, and the part whose answer was lost where the schema shows that it took effect.
    let took = matches!((changed, shown), (Changed::Unknown, Shown::After));
    let done = statements_before(&prepared.parts, committed + usize::from(took));
    let before = statements_before(&prepared.parts, committed);
    let whole = (statements, prepared.parts.as_slice());
    let (failure, failed) = apply::explained(flow, at, whole, committed, stopped.failure).await;
    let mut more = match &failure {
        Failure::Sql(error) => postgres_says(error, fence),
        _ => Map::new(),
    };
    let failed = failed.filter(|_| changed != Changed::Unknown || alone);
    // A number within the part means nothing to who sent all of them.
    more.remove("statement");
    more.remove("kind_of_statement");
    let kind_of = |number: usize| statements.get(number.wrapping_sub(1)).map(|one| one.kind.as_str());
    if let Some((number, kind)) = failed.and_then(|number| Some((number, kind_of(number)?))) {
        more.insert("statement".into(), number.into());
        more.insert("kind_of_statement".into(), kind.into());
    }
    more.insert("part".into(), (committed + 1).into());
    more.insert("part_count".into(), parts.into());
    more.insert("applied_statements".into(), done.into());
    more.insert("statement_count".into(), of.into());
    let number = committed + 1;
    let held = if done == 0 {
        "no statement took effect".to_owned()
    } else {
        format!("the first {done} of {of} statements took effect and stay")
    };
    // Where the part itself isn't known to have taken effect or not, only what came before it can be told.
    let earlier = if done == 0 { String::new() } else { format!("; {held}") };
    let so_far = if done == 0 { Changed::No } else { Changed::Yes };
    let which = match (failed.and_then(kind_of), failed) {
        (Some(kind), Some(number)) => format!("Statement {number} ({kind})"),
        _ if parts == 1 => "It".to_owned(),
        _ => format!("Part {number} of {parts}"),
    };
    // A schema that is what it was says that a statement left nothing of what a schema shows.
    let as_before = state.is_some() && state == prepared.states.get(committed);
    let left = stopped.left.filter(|left| left.beyond_schema || !as_before);
    if let Some(left) = &left {
        left.tell(&mut more);
    }
    let (message, overall) = match (changed, shown, &left) {
        (Changed::Unknown, Shown::Before, _) if !alone => (
            format!("The answer was lost. The schema shows that part {number} of {parts} didn't take effect; {held}."),
            so_far,
        ),
        (Changed::Unknown, Shown::After, _) => (
            format!("The answer was lost. The schema shows that {held}; nothing after them was sent."),
            Changed::Yes,
        ),
        (Changed::Unknown, Shown::NotSeen, _) => (
            format!(
                "The answer was lost, and the schema couldn't be looked at: part {number} of {parts} may have taken effect{earlier}."
            ),
            Changed::Unknown,
        ),
        (Changed::Unknown, ..) => (
            format!(
                "The answer was lost, and the schema doesn't tell whether part {number} of {parts} took effect{earlier}."
            ),
            Changed::Unknown,
        ),
        (_, _, Some(left)) => (
            format!(
                "{which} failed outside of a transaction, so nothing rolled it back: {}{earlier}.",
                left.what()
            ),
            if done == 0 { left.changed } else { Changed::Yes },
        ),
        _ => (format!("{which} failed and left nothing behind; {held}."), so_far),
    };
    more.insert("not_applied".into(), not_applied((before, in_part, of), changed, took));
    let waited = matches!(&failure, Failure::Sql(error) if error.code() == Some(LOCK_NOT_HAD));
    let outgrown = matches!(&failure, Failure::Exceeded(_) | Failure::Reaches(_));
    let lost = changed == Changed::Unknown;
    let cause = cause(failure, flow);
    let advice = cause.get("next").and_then(Value::as_str).unwrap_or_default().to_owned();
    more.insert("cause".into(), cause);
    let first_left = done + 1;
    let rest = if first_left < of {
        format!("statements {first_left} to {of}")
    } else {
        format!("statement {of}")
    };
    if overall != Changed::No && left.is_none() {
        let mut look = json!({
            "tool": "compare_database_schema",
            "arguments": {
                "project_id": prepared.project_id,
                "branch_id": prepared.branch_id,
                "database_name": prepared.database_name,
                "base_branch_id": prepared.trial_branch_id,
            },
        });
        fence.enclose_undo(&mut look);
        more.insert("look".into(), look);
    }
    let next = match overall {
        Changed::No if waited => {
            "Somebody else held a lock on it for over 10 s: inspect_database (blocked, long_running) shows who. The handle is still \
             good: call again."
                .to_owned()
        }
        Changed::No if outgrown => {
            "It does more on the target than where it was tried, since rows or definitions are others by now. Prepare it again: completing \
             that one asks the user."
                .to_owned()
        }
        Changed::No if lost => {
            "The handle is still good: call again, or prepare something else.".to_owned()
        }
        Changed::No => {
            format!("Correct what failed. The handle is still good: call again, or prepare something else. {advice}")
        }
        _ => match &left {
            Some(left) => format!("{} Then prepare {rest} as a migration of its own.", left.next()),
            None => format!(
                "Look what is there with compare_database_schema, called as in `look`, or with inspect_database (invalid_indexes), then \
                 prepare {rest} as a migration of its own."
            ),
        },
    };
    WorkflowError {
        kind: match overall {
            Changed::No => Kind::NotApplied,
            Changed::Yes => Kind::AppliedInPart,
            Changed::Unknown => Kind::OutcomeUnknown,
        },
        message,
        changed: overall,
        next,
        more: Value::Object(more),
    }
}

/// Which statements didn't take effect, or may not have, and why not: from the first number to the last.
fn not_applied((before, in_part, of): (usize, usize, usize), changed: Changed, took: bool) -> Value {
    let mut all = Vec::new();
    if !took {
        let because = match (changed, in_part) {
            (Changed::Unknown, _) => "answer_lost",
            (_, 1) => "failed",
            _ => "rolled_back",
        };
        all.push(json!({"from": before + 1, "to": before + in_part, "reason": because}));
    }
    if before + in_part < of {
        all.push(json!({"from": before + in_part + 1, "to": of, "reason": "not_sent"}));
    }
    all.into()
}

/// Why an application ended, as that failure would be told by itself: what it says of the whole is left out.
fn cause(failure: Failure, flow: &WorkflowContext<'_, '_>) -> Value {
    const TOLD_OF_ALL: [&str; 9] = [
        "changed",
        "sqlstate",
        "postgres_says",
        "statement",
        "kind_of_statement",
        "position",
        "line",
        "column",
        "nearest",
    ];
    let mut value = failure.into_value(flow.fence());
    let mut cause = value.get_mut("error").map(Value::take).unwrap_or_default();
    if let Some(object) = cause.as_object_mut() {
        object.retain(|name, _| !TOLD_OF_ALL.contains(&name.as_str()));
    }
    cause
}
