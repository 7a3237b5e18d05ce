//! Who approves: whether the operator's policy has this one approve this call, at the decision and again when an approval is used.

use std::sync::PoisonError;

use chrono::{DateTime, Utc};

use super::ApprovalFlow;
use super::not_approved::{NobodyToAsk, NotApproved};
use super::page::Page;
use super::question::Subject;
use super::same_person::{Telling, Why, at_terminal, digests, how_to_tell, person_digest, whose, whose_of_digests};
use crate::guard::approvals::{
    Approval, Approvals, DecideError, DecidedBy, Decision, FromPage, PersonDigest, Proof, SignedInBefore, Standing,
};
use crate::guard::plan::Plan;
use crate::guard::policy::{AskedCall, Channel, MayApprove, Whose, projects_of};
use crate::guard::principal::{Identity, Person, Principal};

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
        standing(&approval.may, who, self.whose_kept(approval, who))
    }

    /// Whose a call that waits is to who decides it, as far as what is kept with it tells.
    fn whose_kept(&self, approval: &Approval, who: &DecidedBy) -> Whose {
        if !approval.principal.is_empty() && approval.principal == self.principal_digest(&who.id) {
            return Whose::Own;
        }
        // Of the approver it is the issuer that speaks.
        let approver = who.person.as_ref();
        let approver = approver.map(|person| digests(&self.sealer, &self.claim(), person, Telling::Sure));
        match (&approval.person, approver) {
            (Some(caller), Some(approver)) => whose_of_digests(caller, &approver),
            _ => Whose::Unknown,
        }
    }

    /// What is kept of who calls with a call that waits.
    pub(super) fn person_digest(&self, caller: &Principal) -> Option<PersonDigest> {
        let person = caller.person()?;
        Some(digests(&self.sealer, &self.claim(), &person, self.telling(caller)))
    }

    /// Whether a subject that differs from this caller's is another human's.
    fn telling(&self, caller: &Principal) -> Telling {
        let (is_sure, why) = match caller.identity() {
            Identity::Subject { .. } => (self.names_claim(), Why::ClaimUnsaid),
            _ => (
                caller.person().is_some_and(|person| self.has_signed_in(&person)),
                Why::NeverSignedIn,
            ),
        };
        match is_sure {
            true => Telling::Sure,
            false => Telling::Unsure(why),
        }
    }

    /// Whether the operator said which claim names a human in access tokens and at sign-ins alike.
    fn names_claim(&self) -> bool {
        self.page().is_some_and(|page| page.names_claim)
    }

    /// Remembers that the issuer named somebody so at a sign-in.
    pub fn signed_in(&self, approver: &Principal) {
        let Some(person) = approver.person() else { return };
        let now = Utc::now();
        let seen = SignedInBefore::at(now);
        if let Err(error) = seen.keep(&*self.people, &self.person_id(&person), now) {
            tracing::warn!(
                "who signed in can't be remembered, so tokens that name them tell nobody from others: {error}"
            );
        }
    }

    /// Whether the issuer named somebody so at a sign-in here, not too long ago. Where that can't be looked up, it isn't known.
    fn has_signed_in(&self, person: &Person) -> bool {
        let known = self.people.get(&self.person_id(person));
        known.is_ok_and(|known| known.is_some_and(|(seen, _)| seen.counts(Utc::now())))
    }

    /// What a person is remembered by who signed in.
    fn person_id(&self, person: &Person) -> String {
        person_digest(&self.sealer, &self.claim(), person)
    }

    /// The claim that names humans here; nothing where no page is served. It is part of whatever is remembered of anybody: the operator
    /// may name another claim, by which one human has another name, and another human this one.
    pub(super) fn claim(&self) -> String {
        self.page().map(|page| page.claim).unwrap_or_default()
    }

    pub(super) fn principal_digest(&self, id: &str) -> String {
        self.sealer.digest("principal", &[&self.claim(), id])
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
        let (who, whose) = match by {
            // Whoever runs the command.
            Channel::Terminal => (Principal::new(Identity::Cli), at_terminal(subject.principal)),
            // A client asks its own human, whoever it says that is.
            Channel::Client | Channel::Page => (subject.principal.clone(), Whose::Own),
        };
        let may = self.may_approve(plan, subject);
        match may.allows((&who.name(), who.groups()), by, whose) {
            true => Ok(who.name()),
            false => Err(self.refused(&may, whose, subject)),
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
        let caller = subject.principal;
        let (counts, whose) = match (by, approval.decided_by()) {
            // What the file says of it is anybody's word.
            (Channel::Terminal, _) => (self.terminal_decides(&may, caller), at_terminal(caller)),
            (Channel::Page, Some(who)) => {
                let whose = whose(caller, self.telling(caller), who);
                (standing(&may, who, whose) == Standing::Approver, whose)
            }
            // Whoever had the secret.
            (Channel::Page, None) => (may.allows_anybody(Channel::Page), Whose::Unknown),
            (Channel::Client, _) => (false, Whose::Own),
        };
        match counts {
            true => Ok(()),
            false => Err(self.refused(&may, whose, subject)),
        }
    }

    /// Whether a human may approve a caller's call in a terminal: it is whoever runs this program there.
    pub(super) fn terminal_decides(&self, may: &MayApprove, caller: &Principal) -> bool {
        let cli = Principal::new(Identity::Cli).name();
        self.takes(Channel::Terminal) && may.allows((&cli, &[]), Channel::Terminal, at_terminal(caller))
    }

    /// The page, where somebody may approve a caller's call there.
    pub(super) fn page_decides(&self, may: &MayApprove, caller: &Principal) -> Option<Page> {
        self.page().filter(|page| {
            let Some(issuer) = &page.issuer else {
                return may.allows_anybody(Channel::Page);
            };
            let is_comparable = caller.person().is_some_and(|person| person.is_of(issuer));
            let is_told = || is_comparable && self.telling(caller) == Telling::Sure;
            match may.names_approvers() {
                true => may.may_come_through(Channel::Page) && (may.allows_own() || is_told()),
                // Only the caller itself is left.
                false => may.allows_own() && is_comparable,
            }
        })
    }

    /// The page, where this process serves one and the policy takes approvals from there.
    fn page(&self) -> Option<Page> {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner).clone();
        page.filter(|_| self.takes(Channel::Page))
    }

    /// Why nobody can approve a caller's call outside its client.
    pub(super) fn nobody(&self, may: &MayApprove, caller: &Principal) -> NobodyToAsk {
        match self.untold(may, caller) {
            Some(how) => NobodyToAsk::CallerUntold(how),
            None => NobodyToAsk::Policy(may.in_words()),
        }
    }

    /// What the operator is to set, where another than the caller would have to approve and nothing but that is missing: nobody can
    /// tell the caller from who approves.
    fn untold(&self, may: &MayApprove, caller: &Principal) -> Option<String> {
        let cli = Principal::new(Identity::Cli).name();
        let terminal = self.takes(Channel::Terminal)
            && at_terminal(caller) == Whose::Unknown
            && may.allows((&cli, &[]), Channel::Terminal, Whose::Others);
        let page = self.takes(Channel::Page) && may.may_come_through(Channel::Page);
        (!may.allows_own() && (terminal || page)).then(|| self.how_to_tell(caller))
    }

    /// What the operator is to set, where the policy has another than the caller approve and no approval of such a caller's calls can
    /// count, whatever is called.
    #[must_use]
    pub fn never_approved(&self, caller: &Principal) -> Option<String> {
        let may = self.rules.may_approve_some();
        let is_reached = self.approvals.as_ref().is_some_and(Approvals::is_reached_by_others);
        let is_met = (is_reached && self.terminal_decides(&may, caller)) || self.page_decides(&may, caller).is_some();
        (!may.allows_own() && !is_met).then(|| self.how_to_tell(caller))
    }

    /// Whether approvers sign in on the page and yet nobody ever approves such a caller's calls there: the policy leaves that to the
    /// caller, whom nothing tells as one of those who sign in.
    #[must_use]
    pub fn never_signs_in(&self, caller: &Principal) -> bool {
        let may = self.rules.may_approve_some();
        let signs_in = self.page().is_some_and(|page| page.issuer.is_some());
        signs_in && may.allows_own() && self.page_decides(&may, caller).is_none()
    }

    /// What the operator is to set for a caller to be told from who approves.
    fn how_to_tell(&self, caller: &Principal) -> String {
        let issuer = self.page().and_then(|page| page.issuer);
        how_to_tell(
            caller,
            self.telling(caller),
            self.takes(Channel::Page),
            issuer.as_deref(),
        )
    }

    fn refused(&self, may: &MayApprove, whose: Whose, subject: Subject<'_>) -> NotApproved {
        if whose == Whose::Unknown && !may.allows_own() {
            return NotApproved::CallerUntold(self.how_to_tell(subject.principal));
        }
        match may.in_words() {
            words if words.is_empty() => NotApproved::Approver("the caller itself".to_owned()),
            words => NotApproved::Approver(words.join(", and by ")),
        }
    }
}

/// How a signed-in human stands to a call. Where the policy names no approvers, calls are their callers' own to approve.
fn standing(may: &MayApprove, who: &DecidedBy, whose: Whose) -> Standing {
    let is_own = whose == Whose::Own;
    let named = may.names_approvers() || is_own;
    if named && may.allows((&who.name, &who.groups), Channel::Page, whose) {
        Standing::Approver
    } else if is_own {
        Standing::Caller
    } else {
        Standing::Stranger
    }
}
