//! The line of the audit log about a human's decision.

use crate::guard::approvals::{Approval, Decider, State};
use crate::guard::audit::{AuditOutcome, Entry};
use crate::permit::Effect;

/// What the audit log holds of a decision outside the client: who took it, where, and about which plan. Nothing of a call that waits.
#[must_use]
pub fn decision_entry(approval: &Approval, service: &str) -> Option<Entry> {
    let (outcome, at, by, by_wrong_tries) = match &approval.state {
        State::Waiting => return None,
        State::Approved { at, by, .. } => (AuditOutcome::Approved, at, by, false),
        State::Rejected {
            at, by, by_wrong_tries, ..
        } => (AuditOutcome::Rejected, at, by, *by_wrong_tries),
    };
    // Whoever can write the file may have written another name.
    let effect = serde_json::from_value(approval.effect.as_str().into()).unwrap_or(Effect::Destructive);
    let mut entry = Entry::new(approval.tool.as_str(), effect, outcome);
    entry.time = *at;
    service.clone_into(&mut entry.service);
    entry.caller.clone_from(&approval.caller);
    entry.client.clone_from(&approval.client);
    entry.plan = Some(approval.plan_digest().to_owned());
    let channel = match by {
        Decider::Terminal => "terminal",
        Decider::Page => "page",
    };
    entry.channel = Some(channel.to_owned());
    entry.approver = approval.decided_by().map(|who| who.name.clone());
    // The caller of the line is who asked: without a name it would read as if that one had decided.
    if entry.approver.is_none() {
        let who = match (by, outcome) {
            (Decider::Terminal, _) if by_wrong_tries => "five wrong names were typed in a terminal: nobody decided it",
            (Decider::Page, _) if by_wrong_tries => {
                "five wrong secrets or names were given on the page: nobody decided it"
            }
            (Decider::Terminal, _) => "decided in a terminal of whoever runs the server",
            (Decider::Page, AuditOutcome::Approved) => "approved by whoever has the page's secret",
            (Decider::Page, _) => "rejected on the page by whoever has its secret",
        };
        entry.reason = Some(who.to_owned());
    }
    Some(entry)
}
