//! What a workflow prepares, to be completed by a later call.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::WorkflowContext;
use crate::engine::error::{Failure, WorkflowError};
use crate::engine::kind::Kind;
use crate::guard::{NotApproved, NotPrepared, Preparer};
use crate::neon::Changed;

impl WorkflowContext<'_, '_> {
    /// What the call completes.
    pub(crate) fn prepared(&self) -> Result<&Value, Failure> {
        match &self.call.prepared {
            Some(opened) => Ok(&opened.content),
            None => Err(Failure::Internal("the call completes nothing".to_owned())),
        }
    }

    /// Keeps what was prepared until then, for a call that completes it. Gives the handle.
    pub(crate) fn prepare(&self, content: Value, until: DateTime<Utc>) -> Result<String, Failure> {
        let approval_flow = &self.call.guards.approval_flow;
        approval_flow
            .prepare(self.preparer(), content, until, Utc::now())
            .map_err(|error| self.not_stored(error))
    }

    fn preparer(&self) -> Preparer<'_> {
        Preparer {
            caller: &self.call.owner,
            group: &self.call.peer,
        }
    }

    /// Why nothing is prepared: where too much waits, with what waits of the caller's own and how to complete or give up each.
    pub(super) fn not_stored(&self, error: NotPrepared) -> Failure {
        let is_full = matches!(error, NotPrepared::Full(_));
        let mut failure = not_stored(error);
        if is_full && let Failure::WorkflowError(told) = &mut failure {
            let waiting = self.call.guards.approval_flow.waiting(&self.call.owner, Utc::now());
            let all = waiting.len();
            let shown: Vec<Value> = waiting
                .into_iter()
                .take(MAX_WAITING_TOLD)
                .map(|(handle, until, content)| {
                    let field = |name: &str| content.get(name).cloned().unwrap_or_default();
                    let tool = field("tool");
                    let argument = if tool == "complete_query_tuning" { "tuning" } else { "migration" };
                    serde_json::json!({
                        "tool": tool,
                        "arguments": {"project_id": field("project_id"), "branch_id": field("branch_id"), argument: handle, "discard": true},
                        "good_until": until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                    })
                })
                .collect();
            if !shown.is_empty() {
                told.more = serde_json::json!({"waiting": all, "to_discard": shown});
                told.next = "Give up what isn't wanted: `to_discard` has the calls, those that end first in front; without discard the same \
                             call completes it. Each ends by itself when its branch does."
                    .to_owned();
            }
        }
        failure
    }

    /// Refuses what would be prepared in vain, before any work: too much waits already, or the statements are too long to be kept.
    pub(crate) fn room_to_prepare(&self) -> Result<(), Failure> {
        let approval_flow = &self.call.guards.approval_flow;
        let statements = self.call.scripts.iter().flat_map(|script| &script.statements);
        let bytes = statements.map(|statement| statement.text.len()).sum();
        approval_flow
            .room_to_prepare(self.preparer(), bytes, Utc::now())
            .map_err(|error| self.not_stored(error))
    }

    /// Takes what the call completes: of several calls at the same time, one does.
    pub(crate) fn take_prepared(&self) -> Result<(), Failure> {
        let Some(opened) = &self.call.prepared else {
            return Err(Failure::Internal("the call completes nothing".to_owned()));
        };
        let approval_flow = &self.call.guards.approval_flow;
        approval_flow
            .take_prepared(&self.call.owner, &opened.handle, Utc::now())
            .map_err(|error| match error {
                NotPrepared::Away(why) => Failure::NotApproved(NotApproved::StoreUnavailable(why)),
                error => Failure::WorkflowError(Box::new(WorkflowError {
                    kind: Kind::AlreadyCompleted,
                    message: format!("The handle {error}. This call did nothing."),
                    changed: Changed::No,
                    next: "If another call completes it, wait for that one; otherwise prepare again.".to_owned(),
                    more: Value::Null,
                })),
            })
    }

    /// Gives back what was taken: nothing came of it.
    pub(crate) fn give_back_prepared(&self) {
        if let Some(opened) = &self.call.prepared {
            self.call.guards.approval_flow.give_back_prepared(&opened.handle);
        }
    }
}

/// The most of what waits that is told.
const MAX_WAITING_TOLD: usize = 10;

/// Why nothing is prepared.
fn not_stored(error: NotPrepared) -> Failure {
    match error {
        NotPrepared::Away(why) => Failure::NotApproved(NotApproved::StoreUnavailable(why)),
        NotPrepared::Full(why) => Failure::WorkflowError(Box::new(WorkflowError {
            kind: Kind::TooManyPrepared,
            message: format!("Nothing more can be prepared: {why}."),
            changed: Changed::No,
            next: "Complete one that waits, or give it up: the tool that completes it takes discard: true. Each ends by itself \
                   when its branch does."
                .to_owned(),
            more: Value::Null,
        })),
        NotPrepared::TooLarge(_) => Failure::WorkflowError(Box::new(WorkflowError {
            kind: Kind::TooLargeToPrepare,
            message: format!("What would be prepared {error}."),
            changed: Changed::No,
            next: "Prepare it in several smaller steps.".to_owned(),
            more: Value::Null,
        })),
        error => Failure::WorkflowError(Box::new(WorkflowError {
            kind: Kind::NotStored,
            message: format!("What was prepared {error}. Nothing was applied."),
            changed: Changed::No,
            next: "Tell the user: the operator must make the state directory writable, or name another with --state-dir.".to_owned(),
            more: Value::Null,
        })),
    }
}
