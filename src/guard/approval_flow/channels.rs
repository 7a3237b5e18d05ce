//! What a caller is told of the channels by which its call can be approved: those that can be its own, and nothing of the server's.

use std::sync::PoisonError;

use super::ApprovalFlow;
use super::question::Subject;
use crate::guard::approvals::{Approval, Approvals};
use crate::guard::plan::Plan;
use crate::guard::policy::MayApprove;

/// What the approval page asks of whoever decides there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAsks {
    /// To sign in with the operator's issuer.
    SignIn,
    /// For the secret that the operator keeps in a file.
    OperatorsSecret,
    /// For the secret of this one approval, which stands in the server's log.
    SecretOfLog {
        /// The log is somebody else's than the caller's.
        is_anothers: bool,
    },
}

/// How a call can be approved in a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InTerminal {
    /// By this command, in a terminal of the caller's own.
    Own(String),
    /// By whoever runs the server: which command that is, is nobody else's to know.
    Operators,
}

impl ApprovalFlow {
    /// How a call that waits can be approved in a terminal, as whoever comes over the network is told; nothing where it can't.
    #[must_use]
    pub fn in_terminal(&self, approval: &Approval) -> Option<InTerminal> {
        let approvals = self.approvals.as_ref().filter(|_| approval.terminal)?;
        match self.is_shared() {
            true => approvals.is_reached_by_others().then_some(InTerminal::Operators),
            false => approvals.command(&approval.code).map(InTerminal::Own),
        }
    }

    /// What the page asks for, where this process serves one.
    #[must_use]
    pub fn page_asks(&self) -> Option<PageAsks> {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let page = page.as_ref()?;
        Some(match (&page.issuer, &page.secret) {
            (Some(_), _) => PageAsks::SignIn,
            (None, Some(_)) => PageAsks::OperatorsSecret,
            (None, None) => PageAsks::SecretOfLog {
                is_anothers: page.is_shared,
            },
        })
    }

    /// Who may approve a call, in words, where the policy doesn't leave that to whoever reaches a channel.
    #[must_use]
    pub fn named_approvers(&self, plan: &Plan, subject: Subject<'_>) -> Option<String> {
        let words = self.may_approve(plan, subject).in_words();
        (!words.is_empty()).then(|| words.join(", and by "))
    }

    /// How long a call waits for a human who is asked outside the client, in seconds.
    pub(super) fn waits_for(&self, may: &MayApprove) -> u64 {
        match may.names_approvers() || !may.allows_own() {
            true => self.rules.approver_seconds,
            false => self.rules.question_seconds,
        }
    }

    /// What waits for a decision on the page that this process serves.
    ///
    /// # Errors
    /// When what waits can't be read.
    pub fn waiting_on_page(&self) -> Result<Vec<Approval>, crate::guard::ApprovalsError> {
        let all = self
            .approvals
            .as_ref()
            .map(|approvals: &Approvals| approvals.list(chrono::Utc::now()));
        let mut all = all.transpose()?.unwrap_or_default();
        all.retain(|approval| approval.waits() && self.page_for(approval).is_some());
        Ok(all)
    }

    /// Whether others than who runs the server call it.
    fn is_shared(&self) -> bool {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        page.as_ref().is_some_and(|page| page.is_shared)
    }
}
