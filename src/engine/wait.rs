//! Waiting until Neon has done what it was asked to do.

use serde_json::{Map, Value};

use crate::engine::context::CallContext;
use crate::neon::operations::{self, OperationState};
use crate::neon::{Ending, ProjectId};

/// How the work that a call started went, for its result.
#[derive(Debug)]
pub(in crate::engine) struct Waited {
    /// Each operation: its action and status, its id where it didn't end well, and Neon's error when it failed.
    pub(in crate::engine) operations: Vec<Value>,
    /// What to say about it.
    pub(in crate::engine) note: Option<String>,
    /// All of it is done, so what the answer said of states is out of date.
    pub(in crate::engine) done: bool,
    /// One failed.
    pub(in crate::engine) failed: bool,
}

/// Waits for the operations that an answer names, and tells the caller of each change.
pub(in crate::engine) async fn wait(
    call: &CallContext<'_>,
    arguments: &Map<String, Value>,
    answer: Option<&Value>,
    waits: bool,
) -> Waited {
    let answer = answer.unwrap_or(&Value::Null);
    let started = OperationState::from_answer(answer);
    if started.is_empty() {
        return Waited {
            operations: Vec::new(),
            note: None,
            done: false,
            failed: false,
        };
    }
    let project = arguments
        .get("project_id")
        .or_else(|| answer.pointer("/project/id"))
        .or_else(|| answer.pointer("/operations/0/project_id"))
        .and_then(Value::as_str)
        .and_then(|id| ProjectId::parse(id).ok());
    let ended = started.iter().all(|operation| operation.status.is_final());
    let (Some(project), true) = (project, waits || ended) else {
        let note = "Neon is still at work: get_operation shows how far it is.".to_owned();
        return Waited {
            operations: listed(&started),
            note: Some(note),
            done: false,
            failed: false,
        };
    };
    report(call, &started);
    let outcome = operations::wait(
        call.client,
        &call.context,
        &project,
        started,
        call.limits.wait,
        |states| report(call, states),
    )
    .await;
    let unfinished = outcome.unfinished().count();
    let goes_on = format!(
        "{unfinished} of {} operations had not ended, and Neon goes on with them: get_operation shows how far they are. Don't repeat the call.",
        outcome.operations.len()
    );
    let (note, failed) = match &outcome.ending {
        Ending::Done => (None, false),
        Ending::Failed => {
            let what = outcome.failed().map(|operation| match &operation.error {
                Some(error) => format!("{} failed: {}", operation.action, call.fence.quote(error)),
                None => format!("{} ended as {}", operation.action, operation.status),
            });
            let what = what.unwrap_or_else(|| "one failed".to_owned());
            (
                Some(format!(
                    "Neon accepted the call, but its operation {what}. What came before it was done; operations after it were not waited for. Read the target's state before going on."
                )),
                true,
            )
        }
        Ending::OutOfTime => (
            Some(format!(
                "The wait of {} s ran out: {goes_on}",
                call.limits.wait.min(call.limits.deadline).as_secs()
            )),
            false,
        ),
        Ending::Cancelled => (Some(format!("The wait was cancelled: {goes_on}")), false),
        Ending::Unseen(error) => (
            Some(format!(
                "The operations couldn't be read ({}): {goes_on}",
                error.summary()
            )),
            false,
        ),
    };
    Waited {
        done: matches!(outcome.ending, Ending::Done),
        operations: listed(&outcome.operations),
        note,
        failed,
    }
}

fn listed(operations: &[OperationState]) -> Vec<Value> {
    operations
        .iter()
        .map(|operation| {
            let mut listed = Map::new();
            // Nobody looks at one again that ended well.
            if !operation.status.is_success() {
                listed.insert("id".into(), operation.id.as_str().into());
            }
            listed.insert("action".into(), operation.action.as_str().into());
            listed.insert("status".into(), operation.status.as_str().into());
            if let Some(error) = &operation.error {
                listed.insert("error".into(), error.as_str().into());
            }
            listed.into()
        })
        .collect()
}

/// Tells what is under way. That all has ended the result tells: a notification right before it is one too late for clients that take
/// results before notifications (the TypeScript SDK calls its token unknown).
fn report(call: &CallContext<'_>, operations: &[OperationState]) {
    let Some(progress) = &call.progress else { return };
    let Some(under_way) = operations.iter().find(|operation| !operation.status.is_final()) else {
        return;
    };
    let done = operations
        .iter()
        .filter(|operation| operation.status.is_final())
        .count();
    let message = format!("{} {}", under_way.action, under_way.status);
    progress.report(done, operations.len(), message);
}
