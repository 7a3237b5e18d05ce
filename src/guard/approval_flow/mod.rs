//! The approval flow: a question is bound to exactly one call on exactly one resource as it was shown, and an answer is checked
//! against all of it before the call is allowed.
//!
//! ```text
//!  AwaitingApproval ──► question ──► client's dialog ───────────────► reply ──┐
//!                              └──► code ──► terminal or page ──► approval ──┤
//!                     look again at Neon: the same plan? ◄───────────────────┘
//!                              └──► redeem, once ──► AllowedCall
//! ```

mod approver;
mod binding;
mod browser;
mod channels;
mod form;
mod not_approved;
mod noted;
mod page;
mod question;
mod same_person;
#[cfg(test)]
mod tests;

pub use channels::{InTerminal, PageAsks};
pub use form::{APPROVE_FIELD, NAME_FIELD};
pub use not_approved::{NobodyToAsk, NotApproved};
pub use noted::decision_entry;
pub use page::{Page, PageSeal};
pub use question::{Answer, Question, Reply, Subject};

use form::{accepted, read_form};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use crate::guard::approvals::MAX_CALLER;
use crate::guard::approvals::{
    Approval, Approvals, ApprovalsError, DecideError, DecidedBy, Decider, Decision, FromPage, NewApproval, Proof,
    SignedInBefore, State,
};
use crate::guard::decision::{AllowedCall, AwaitingApproval};
use crate::guard::plan::Plan;
use crate::guard::policy::{ApprovalRules, Channel};
use crate::guard::prepared::Stored;
use crate::guard::seal::{Binding, Sealer};
use crate::guard::shown::quoted;
use crate::guard::store::{MemoryStore, Nonce, Nonces, Redeemed, Redemption, StateStore, StoreError};
use crate::neon::{LimitSettings, RateLimits};
use crate::text::one_line;

/// What the tags are for that go with codes.
const PROOF: &str = "approval";

/// What is known of a call whose human is asked outside the client.
#[derive(Debug)]
pub enum OutOfBand {
    /// A human approved it there, and the call is allowed; and when the human was asked.
    Allowed(Box<AllowedCall>, DateTime<Utc>),
    /// It waits under this code.
    Waits(Box<Approval>, AwaitingApproval),
    /// It doesn't run. Where a human said so, who.
    NotApproved(NotApproved, Option<DecidedElsewhere>),
}

/// Who decided a call outside the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedElsewhere {
    /// Where.
    pub channel: Channel,
    /// Their name, where it is known.
    pub who: Option<String>,
}

/// Asks, and takes answers. Cheap to clone: clones share what waits, what was used and what was prepared.
#[derive(Debug, Clone)]
pub struct ApprovalFlow {
    pub(super) sealer: Arc<Sealer>,
    rules: ApprovalRules,
    approvals: Option<Approvals>,
    /// Approvals that were redeemed, for seals that no other process takes.
    used: Arc<Nonces<MemoryStore<Nonce>>>,
    /// Whether a page asks too, so that approvals get a secret for it.
    page: Arc<Mutex<Option<Page>>>,
    /// What was prepared to be completed later.
    pub(super) preparations: Arc<dyn StateStore<Stored>>,
    /// Who signed in to approve.
    people: Arc<dyn StateStore<SignedInBefore>>,
}

impl ApprovalFlow {
    /// Without a place for approvals nobody can be asked outside the client.
    #[must_use]
    pub fn new(sealer: Sealer, rules: ApprovalRules, approvals: Option<Approvals>) -> Self {
        // Beside the approvals, and only where another process could open what lies there.
        let preparations: Arc<dyn StateStore<Stored>> = match &approvals {
            Some(approvals) => approvals.preparations(sealer.is_shared()),
            None => Arc::new(MemoryStore::default()),
        };
        let people: Arc<dyn StateStore<SignedInBefore>> = match &approvals {
            Some(approvals) => approvals.people(sealer.is_shared()),
            None => Arc::new(MemoryStore::default()),
        };
        Self {
            sealer: Arc::new(sealer),
            rules,
            approvals,
            used: Arc::new(Nonces::lasting(MemoryStore::default())),
            page: Arc::default(),
            preparations,
            people,
        }
    }

    /// What tells a caller's key from others, in base64url: the same in every process that has the same seal key, and of no use to
    /// anyone else.
    #[must_use]
    pub(crate) fn key_digest(&self, key: &str) -> String {
        self.sealer.digest("neon key", &[key])
    }

    /// The same flow under other rules: those of one caller, or those that were read again.
    #[must_use]
    pub fn with_rules(&self, rules: ApprovalRules) -> Self {
        Self { rules, ..self.clone() }
    }

    /// Says that this process serves the approval page.
    pub fn serve_page(&self, page: Page) {
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
    }

    /// A human's decision on the approval page, with the secret that was given out for it.
    ///
    /// # Errors
    /// When there is nothing to decide, or secret or name are wrong: after five wrong ones the call is refused.
    pub fn decide_from_page(
        &self,
        code: &str,
        secret: &str,
        decision: &Decision,
        now: DateTime<Utc>,
    ) -> Result<Approval, DecideError> {
        let approvals = self.approvals.as_ref().ok_or(DecideError::Unknown)?;
        let operators = self.operators_page_secret();
        let of_all = operators
            .as_ref()
            .map(|of_all| self.page_secret(of_all.expose_secret(), true));
        let page = FromPage {
            proof: Proof::Secret(&self.page_secret(secret, of_all.is_some()), of_all.as_deref()),
            seal: &|approval, who| self.page_seal(approval, who),
        };
        approvals.decide_from_page(code, decision, page, now)
    }

    /// Whether every approval has the operator's own secret, which no log tells.
    #[must_use]
    pub fn page_has_own_secret(&self) -> bool {
        self.operators_page_secret().is_some()
    }

    fn operators_page_secret(&self) -> Option<Arc<SecretString>> {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        page.as_ref().and_then(|page| page.secret.clone())
    }

    /// What is kept of a secret of the page: of the operator's another than of one that is given out for one call, so that neither
    /// counts in the other's place.
    fn page_secret(&self, secret: &str, is_operators: bool) -> String {
        let purpose = match is_operators {
            true => "operator's page secret",
            false => "page secret",
        };
        self.sealer.digest(purpose, &[secret.trim()])
    }

    /// Has the page that this process serves ask for another secret of the operator's from now on, or for one of each call. What was
    /// asked for before decides nothing any more, unless it was given out for one call.
    pub fn change_page_secret(&self, secret: Option<Arc<SecretString>>) {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = page.as_mut() {
            page.secret = secret;
        }
    }

    /// One seal over what was approved, where, and by whom.
    fn page_seal(&self, approval: &Approval, who: Option<&DecidedBy>) -> String {
        // Who signed in is named by a claim: under another one, the same name is no proof of who approved.
        let claim = who.map(|_| self.claim()).unwrap_or_default();
        let who = who.and_then(|who| serde_json::to_string(who).ok()).unwrap_or_default();
        let parts = [&approval.code, &approval.token, "page", &claim, &who];
        self.sealer.digest("approval", &parts)
    }

    /// What is wrong with an answer whatever is there now: whose question it was, how long it waited, a plain no. Known before
    /// anything is read from Neon.
    ///
    /// # Errors
    /// [`NotApproved`]; then nothing may be sent.
    pub fn look_over(&self, subject: Subject<'_>, answer: Answer<'_>, now: DateTime<Utc>) -> Result<(), NotApproved> {
        self.check_channel(answer.by)?;
        // First whose question it is: another's answer says nothing about this call.
        let binding = self.open(subject, &self.owner(subject), answer.seal)?;
        accepted(answer.reply)?;
        if binding.until < now.timestamp() {
            return Err(NotApproved::Expired);
        }
        Ok(())
    }

    /// Whether this process serves the approval page, and the policy takes approvals from there.
    #[must_use]
    pub fn serves_page(&self) -> bool {
        self.takes(Channel::Page) && self.page.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Where waiting approvals are kept.
    #[must_use]
    pub fn approvals(&self) -> Option<&Approvals> {
        self.approvals.as_ref()
    }

    /// Whether the policy takes approvals of that channel.
    #[must_use]
    pub fn takes(&self, channel: Channel) -> bool {
        self.rules.channels.contains(&channel)
    }

    /// A question about a call, for the client to put to its human.
    ///
    /// # Errors
    /// When the store of approvals can't be used: then nobody is asked in vain.
    pub fn question(&self, plan: &Plan, subject: Subject<'_>, now: DateTime<Utc>) -> Result<Question, NotApproved> {
        self.asking(plan, subject, now, false)
    }

    /// The same question once more, after a name that was wrong. A name that is wrong again ends it.
    ///
    /// # Errors
    /// As [`Self::question`].
    pub fn question_again(
        &self,
        plan: &Plan,
        subject: Subject<'_>,
        now: DateTime<Utc>,
    ) -> Result<Question, NotApproved> {
        let mut question = self.asking(plan, subject, now, true)?;
        if let Some(name) = &question.type_name {
            question.text = format!(
                "What was typed is not the name of the {}, which is {}. Nothing was done.\n\n{}",
                name.what,
                quoted(&name.name),
                question.text
            );
        }
        Ok(question)
    }

    /// Whether the question behind a seal is one that was asked again.
    #[must_use]
    pub fn was_asked_again(&self, subject: Subject<'_>, seal: &str) -> bool {
        self.open(subject, &self.owner(subject), seal)
            .is_ok_and(|binding| binding.again)
    }

    fn asking(
        &self,
        plan: &Plan,
        subject: Subject<'_>,
        now: DateTime<Utc>,
        again: bool,
    ) -> Result<Question, NotApproved> {
        let waits = self.rules.question_seconds;
        let binding = Binding {
            again,
            ..self.binding(plan, subject, &self.owner(subject), now, waits)?
        };
        Ok(Question {
            text: plan.text(),
            type_name: plan.type_name().cloned(),
            seal: self.sealer.seal(&binding),
            waits: Duration::from_secs(waits),
        })
    }

    /// Takes an answer to a question. `plan` is what a new look at the target shows, and `asking` the
    /// judgement of that look.
    ///
    /// # Errors
    /// [`NotApproved`]; then nothing may be sent.
    pub fn answer(
        &self,
        asking: AwaitingApproval,
        plan: &Plan,
        subject: Subject<'_>,
        answer: Answer<'_>,
        now: DateTime<Utc>,
    ) -> Result<AllowedCall, NotApproved> {
        self.look_over(subject, answer, now)?;
        let Answer { seal, reply, by } = answer;
        let binding = self.open(subject, &self.owner(subject), seal)?;
        let form = accepted(reply)?;
        // A form is read against what was asked: about what is there now, the question is another.
        if binding.state != plan.digest() {
            return Err(NotApproved::Changed);
        }
        read_form(plan, form)?;
        let approver = self.approver_of_answer(plan, subject, by)?;
        self.redeem(&binding)?;
        Ok(asking.approved(by.into(), Some(approver)))
    }

    /// Looks whether a human approved the call outside the client, and if nobody was asked yet, asks.
    ///
    /// # Errors
    /// When the place for approvals can't be used, or the policy takes no approval from there: nobody can be asked.
    pub fn elsewhere(
        &self,
        asking: AwaitingApproval,
        plan: &Plan,
        subject: Subject<'_>,
        now: DateTime<Utc>,
    ) -> Result<OutOfBand, NobodyToAsk> {
        let approvals = self.approvals.as_ref().ok_or(NobodyToAsk::NoPlace)?;
        let may = self.may_approve(plan, subject);
        let caller = subject.principal;
        let (terminal, page) = (self.terminal_decides(&may, caller), self.page_decides(&may, caller));
        if !terminal && page.is_none() {
            return Err(self.nobody(&may, caller));
        }
        // No terminal gets at the memory of this process.
        let terminal = terminal && approvals.is_reached_by_others();
        if !terminal && page.is_none() {
            return Err(NobodyToAsk::NoPlace);
        }
        let call = self.call(subject);
        let mut changed = false;
        let mut waits_already = None;
        for known in self.known(approvals, subject, &call, now)? {
            match &known.state {
                State::Rejected {
                    by,
                    who,
                    by_wrong_tries,
                    ..
                } => {
                    let by = DecidedElsewhere {
                        channel: channel_of(*by),
                        who: who.as_ref().map(|who| who.name.clone()),
                    };
                    let no = match by_wrong_tries {
                        true => NotApproved::WrongTries,
                        false => NotApproved::Rejected,
                    };
                    return Ok(OutOfBand::NotApproved(no, Some(by)));
                }
                // Written by someone who isn't the page: no approval.
                State::Approved {
                    by: Decider::Page,
                    seal,
                    who,
                    ..
                } if seal.as_deref() != Some(self.page_seal(&known, who.as_ref()).as_str()) => {}
                State::Approved { by, .. } => {
                    let by = channel_of(*by);
                    let who = known.decided_by().map(|who| who.name.clone());
                    // Of many that come at once, one redeems it. Where that can't be recorded it waits on.
                    let redeemed = self.taken(&known, plan, subject, by, now);
                    if let Err(no @ (NotApproved::StoreUnavailable(_) | NotApproved::Unrecorded(_))) = redeemed {
                        return Ok(OutOfBand::NotApproved(no, None));
                    }
                    if let Err(error) = approvals.take(&known.code, now) {
                        tracing::warn!("an approval that counts no more can't be taken out: {error}");
                    }
                    match redeemed {
                        Ok(()) => {
                            let allowed = asking.approved(by.into(), who);
                            return Ok(OutOfBand::Allowed(Box::new(allowed), known.asked_at));
                        }
                        Err(NotApproved::Used) => {}
                        // What was approved isn't what is there now: a new plan, under a new code.
                        Err(NotApproved::Changed) => changed = true,
                        Err(no) => {
                            let by = DecidedElsewhere { channel: by, who };
                            return Ok(OutOfBand::NotApproved(no, Some(by)));
                        }
                    }
                }
                State::Waiting if known.shows(plan.digest()) => waits_already = Some(known),
                State::Waiting => {}
            }
        }
        if let Some(waiting) = waits_already {
            return Ok(OutOfBand::Waits(Box::new(waiting), asking));
        }
        if changed {
            tracing::info!(tool = subject.tool, "an approval no longer counts: its target changed");
        }
        let waits = self.waits_for(&may);
        let approval = self.rules.approval_seconds;
        let secret = page
            .as_ref()
            .filter(|page| page.issuer.is_none())
            .map(Page::secret_for_one);
        let binding = self.binding(plan, subject, subject.caller, now, waits + approval);
        let waiting = approvals.add(NewApproval {
            token: self.sealer.seal(&binding.map_err(ApprovalsError::from)?),
            call,
            plan_digest: plan.digest().to_owned(),
            from: self.session(subject),
            group: self.group(subject),
            tool: subject.tool.to_owned(),
            effect: plan.assessment().effect().name().to_owned(),
            severe: plan.assessment().severe(),
            plan: plan.to_value(),
            text: plan.text(),
            whole: plan.whole().map(bounded),
            type_name: plan.type_name().cloned(),
            // Whole: whoever approves must tell two callers apart.
            caller: one_line(&subject.principal.name(), MAX_CALLER),
            client: subject.client.map(|client| one_line(client, 100)),
            asked_at: now,
            expires_at: now + seconds(waits),
            approval_seconds: approval,
            terminal,
            without_terminal: self.rules.without_terminal,
            page_secret: secret
                .as_deref()
                .map(|secret| self.page_secret(secret, page.as_ref().is_some_and(|page| page.secret.is_some()))),
            signs_in: page.as_ref().is_some_and(|page| page.issuer.is_some()),
            principal: self.principal_digest(&caller.id()),
            person: self.person_digest(caller),
            may,
        })?;
        if let Some(page) = &page
            && waiting.asked_at == now
        {
            page.tell(&waiting.code, subject.tool, secret.as_deref());
        }
        Ok(OutOfBand::Waits(Box::new(waiting), asking))
    }

    /// The page's address for a call that waits, where this process serves one that decides it.
    #[must_use]
    pub fn page_for(&self, approval: &Approval) -> Option<String> {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let page = page
            .as_ref()
            .filter(|_| self.takes(Channel::Page) && approval.has_page())?;
        Some(format!("{}/approve/{}", page.origin, approval.code))
    }

    /// Whether a taken approval is for this call on this target.
    fn taken(
        &self,
        approval: &Approval,
        plan: &Plan,
        subject: Subject<'_>,
        by: Channel,
        now: DateTime<Utc>,
    ) -> Result<(), NotApproved> {
        self.check_channel(by)?;
        let binding = self.open(subject, subject.caller, &approval.token)?;
        if binding.until < now.timestamp() {
            return Err(NotApproved::Expired);
        }
        if binding.state != plan.digest() {
            return Err(NotApproved::Changed);
        }
        self.approver_counts(approval, plan, subject, by)?;
        self.redeem(&binding)
    }

    fn check_channel(&self, by: Channel) -> Result<(), NotApproved> {
        if self.takes(by) {
            return Ok(());
        }
        Err(NotApproved::Channel(match by {
            Channel::Client => "the client",
            Channel::Terminal => "a terminal",
            Channel::Page => "the approval page",
        }))
    }

    /// What is known of this call: what this session asked, and what the call proves that it was told of.
    fn known(
        &self,
        approvals: &Approvals,
        subject: Subject<'_>,
        call: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<Approval>, ApprovalsError> {
        let mut known = approvals.find(call, now)?;
        let Some((code, tag)) = subject.approval.and_then(|proof| proof.trim().split_once('.')) else {
            return Ok(known);
        };
        if let Some(shown) = approvals.get(code, now)?
            && self.sealer.is_tag(PROOF, &[&shown.code, &shown.token], tag)
            // Of another call it says nothing here.
            && self.open(subject, subject.caller, &shown.token).is_ok()
            && known.iter().all(|one| one.code != shown.code)
        {
            known.push(shown);
            known.sort_by_key(Approval::waits);
        }
        Ok(known)
    }

    /// What is handed out with the code, and proves with a later call that it comes from the one who asked: the code, and a tag
    /// that nobody makes without the server's key. It is kept nowhere.
    #[must_use]
    pub fn proof(&self, approval: &Approval) -> String {
        let tag = self.sealer.tag(PROOF, &[&approval.code, &approval.token]);
        format!("{}.{tag}", approval.code)
    }

    /// Redeems an approval. Of many that come at once, one succeeds.
    fn redeem(&self, binding: &Binding) -> Result<(), NotApproved> {
        let until = DateTime::from_timestamp(binding.until, 0).unwrap_or_default();
        let redeemed = match (&self.approvals, self.sealer.is_shared()) {
            (Some(approvals), true) => approvals.redeem_under(&binding.nonce, &binding.mark, until)?,
            (None, true) => return Err(NotApproved::Unrecorded("there is no state directory".to_owned())),
            (_, false) => self.used.redeem(&binding.nonce, &binding.mark, until)?,
        };
        match redeemed {
            Redemption::First => Ok(()),
            Redemption::Before => Err(NotApproved::Used),
            Redemption::OtherMark => Err(NotApproved::StoreBegan),
        }
    }

    /// The mark that what is asked and prepared now carries.
    pub(super) fn mark(&self) -> Result<String, StoreError> {
        match (&self.approvals, self.sealer.is_shared()) {
            (Some(approvals), true) => approvals.mark(),
            _ => self.used.mark(),
        }
    }

    /// Whether the store that replicas share answered in the last seconds; true where there is none. Asks nothing by itself.
    #[must_use]
    pub fn is_store_available(&self) -> bool {
        #[cfg(feature = "http-server")]
        if let Some(store) = self.approvals.as_ref().and_then(Approvals::redis) {
            return store.is_available();
        }
        true
    }

    /// The rate budget of an account: within the one that replicas share, where there is one. `account` is whatever tells the account from
    /// others, which nobody sees.
    #[must_use]
    pub fn rate_limits(&self, settings: LimitSettings, account: &str) -> RateLimits {
        #[cfg(feature = "http-server")]
        if let Some(store) = self.approvals.as_ref().and_then(Approvals::redis) {
            return store.rate_limits(settings, account);
        }
        let _ = account;
        RateLimits::new(settings)
    }

    /// Looks whether the store that replicas share can be used; always, where there is none.
    ///
    /// # Errors
    /// [`StoreError::Away`] when it can't be reached now, [`StoreError::Refused`] when it says no.
    pub async fn check_store(&self) -> Result<(), StoreError> {
        #[cfg(feature = "http-server")]
        if let Some(store) = self.approvals.as_ref().and_then(Approvals::redis) {
            return store.check().await;
        }
        Ok(())
    }

    /// Counts a change of the last minute for all replicas, where fewer than `most` were made, or says whether one more would fit;
    /// nothing where there is no store that replicas share.
    ///
    /// # Errors
    /// When the store can't be used: then nothing was counted.
    pub fn count_change(&self, whose: &str, most: u32, count: bool) -> Result<Option<bool>, StoreError> {
        #[cfg(feature = "http-server")]
        if let Some(store) = self.approvals.as_ref().and_then(Approvals::redis) {
            return store.count_change(whose, most, count).map(Some);
        }
        let _ = (whose, most, count);
        Ok(None)
    }
}

fn channel_of(decider: Decider) -> Channel {
    match decider {
        Decider::Page => Channel::Page,
        Decider::Terminal => Channel::Terminal,
    }
}

/// The most of a list of statements that waits with a call, in bytes: the file of an approval has a bound.
const MAX_WHOLE: usize = 64 * 1024;

/// As much of a text as waits with a call.
fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_WHOLE);
    let mut shown = text.get(..end).unwrap_or_default().to_owned();
    if end < text.len() {
        shown.push_str(&format!("\n-- … and {} more bytes", text.len() - end));
    }
    shown
}

fn seconds(count: u64) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(count).unwrap_or(i64::MAX / 1_000))
}
