//! Who approves: whether the operator's policy has this one approve this call, at the decision and again when an approval is used.

use std::sync::PoisonError;

use chrono::{DateTime, Utc};

use super::ApprovalFlow;
use super::not_approved::NotApproved;
use super::page::Page;
use super::question::Subject;
use crate::guard::approvals::{Approval, DecideError, DecidedBy, Decision, FromPage, Proof, Standing};
use crate::guard::plan::Plan;
use crate::guard::policy::{AskedCall, Channel, MayApprove, projects_of};
use crate::guard::principal::{Identity, Principal};

impl ApprovalFlow {
    /// Whether an answer that comes through the channel while the call runs, or with it, could count: the approver is the caller's own
    /// human then.
    #[must_use]
    pub fn takes_answer(&self, by: Channel, plan: &Plan, subject: Subject<'_>) -> bool {
        self.takes(by) && self.approver_of_answer(plan, subject, by).is_ok()
    }

    /// A signed-in human's decision on the approval page.
    ///
    /// # Errors
    /// When there is nothing that they may decide, or the name is wrong: after five wrong ones the call is refused.
    pub fn decide_signed_in(
        &self,
        code: &str,
        approver: &Principal,
        decision: &Decision,
        now: DateTime<Utc>,
    ) -> Result<Approval, DecideError> {
        let approvals = self.approvals.as_ref().ok_or(DecideError::Unknown)?;
        let who = DecidedBy::from(approver);
        let page = FromPage {
            proof: Proof::SignedIn(&who, &|approval| self.standing(approval, &who)),
            seal: &|approval, who| self.page_seal(approval, who),
        };
        approvals.decide_from_page(code, decision, page, now)
    }

    /// What a human who signed in on the page may do with a call. Who may do nothing with it isn't told of it.
    #[must_use]
    pub fn standing_of(&self, approval: &Approval, approver: &Principal) -> Standing {
        self.standing(approval, &DecidedBy::from(approver))
    }

    fn standing(&self, approval: &Approval, who: &DecidedBy) -> Standing {
        let is_own = !approval.principal.is_empty() && approval.principal == self.principal_digest(&who.id);
        standing(&approval.may, who, is_own)
    }

    pub(super) fn principal_digest(&self, id: &str) -> String {
        self.sealer.digest("principal", &[id])
    }

    /// Who may approve a call, by the rules that hold for its caller now.
    pub(super) fn may_approve(&self, plan: &Plan, subject: Subject<'_>) -> MayApprove {
        let projects = projects_of(subject.arguments);
        self.rules.may_approve(AskedCall {
            tool: subject.tool,
            effect: plan.assessment().effect(),
            projects: &projects,
        })
    }

    /// The name of who answers a question through a channel, where their approval counts.
    pub(super) fn approver_of_answer(
        &self,
        plan: &Plan,
        subject: Subject<'_>,
        by: Channel,
    ) -> Result<String, NotApproved> {
        let who = match by {
            // Whoever runs the command.
            Channel::Terminal => DecidedBy::from(&Principal::new(Identity::Cli)),
            Channel::Client | Channel::Page => DecidedBy::from(subject.principal),
        };
        let may = self.may_approve(plan, subject);
        // A client asks its own human, whoever it says that is.
        let is_own = by == Channel::Client || who.id == subject.principal.id();
        match may.allows((&who.name, &who.groups), by, is_own) {
            true => Ok(who.name),
            false => Err(refused(&may)),
        }
    }

    /// Whether the one who approved a call elsewhere may, by the rules that hold now.
    pub(super) fn approver_counts(
        &self,
        approval: &Approval,
        plan: &Plan,
        subject: Subject<'_>,
        by: Channel,
    ) -> Result<(), NotApproved> {
        let may = self.may_approve(plan, subject);
        let counts = match (by, approval.decided_by()) {
            // What the file says of it is anybody's word.
            (Channel::Terminal, _) => self.terminal_decides(&may, subject),
            (Channel::Page, Some(who)) => standing(&may, who, who.id == subject.principal.id()) == Standing::Approver,
            (Channel::Page, None) => may.allows_anybody(Channel::Page),
            (Channel::Client, _) => false,
        };
        match counts {
            true => Ok(()),
            false => Err(refused(&may)),
        }
    }

    /// Whether a human may approve the call in a terminal: it is whoever runs this program there.
    pub(super) fn terminal_decides(&self, may: &MayApprove, subject: Subject<'_>) -> bool {
        let cli = Principal::new(Identity::Cli);
        let is_own = cli.id() == subject.principal.id();
        self.takes(Channel::Terminal) && may.allows((&cli.name(), &[]), Channel::Terminal, is_own)
    }

    /// The page, where somebody may approve the call there.
    pub(super) fn page_decides(&self, may: &MayApprove, subject: Subject<'_>) -> Option<Page> {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner).clone();
        page.filter(|_| self.takes(Channel::Page))
            .filter(|page| match &page.issuer {
                None => may.allows_anybody(Channel::Page),
                Some(_) if may.names_approvers() => may.may_come_through(Channel::Page),
                // Only the caller itself is left.
                Some(own) => {
                    let identity = subject.principal.identity();
                    may.allows_own()
                        && matches!(identity, Identity::Subject { issuer, .. } if is_same_issuer(issuer, own))
                }
            })
    }
}

/// Whether two texts are one issuer's address: some end it with a slash.
fn is_same_issuer(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// How a signed-in human stands to a call. Where the policy names no approvers, calls are their callers' own to approve.
fn standing(may: &MayApprove, who: &DecidedBy, is_own: bool) -> Standing {
    let named = may.names_approvers() || is_own;
    if named && may.allows((&who.name, &who.groups), Channel::Page, is_own) {
        Standing::Approver
    } else if is_own {
        Standing::Caller
    } else {
        Standing::Stranger
    }
}

fn refused(may: &MayApprove) -> NotApproved {
    match may.in_words() {
        words if words.is_empty() => NotApproved::Approver("the caller itself".to_owned()),
        words => NotApproved::Approver(words.join(", and by ")),
    }
}
