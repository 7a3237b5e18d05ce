//! The confirmation ladder: a question is bound to exactly one call on exactly one resource as it was shown, and an answer
//! is checked against all of it before the call is cleared.
//!
//! ```text
//!  Asking ──► question ──► client's dialog ──────────► reply ──┐
//!                     └──► code ──► terminal or page ──► yes ──┤
//!             look again at Neon: the same plan? ◄─────────────┘
//!                     └──► redeem, once ──► Cleared
//! ```

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use thiserror::Error;

use super::approvals::{
    Approval, Approvals, ApprovalsError, DecideError, Decider, Decision, NewApproval, Nonce, State, TypedName, redeem,
};
use super::decision::{AllowedCall, AwaitingApproval};
use super::plan::Plan;
use super::policy::{Channel, ConfirmRules};
use super::prepared::{MAX_FILE, Stored};
use super::seal::{Binding, Sealer};
use super::session::{Session, random_id};
use super::shown::digest;
use super::store::{DirectoryStore, MemoryStore, StateStore};
use crate::text::one_line;

/// The call that a question is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The tool.
    pub tool: &'a str,
    /// The complete arguments, with names resolved to ids.
    pub arguments: &'a Map<String, Value>,
    /// Who calls: account, way and credential, and what the client calls itself, which narrows and proves nothing. No secret.
    pub caller: &'a str,
    /// The account, way and credential alone.
    pub peer: &'a str,
    /// The session that the call belongs to.
    pub session: &'a Session,
    /// What was handed out with a question ([`ApprovalFlow::proof`]) and came back with this call.
    pub approval: Option<&'a str>,
    /// By which way it came, for people.
    pub principal: &'a str,
    /// The client's name for itself, for people.
    pub client: Option<&'a str>,
}

/// A question for a human.
#[derive(Debug, Clone)]
pub struct Question {
    /// The plan, as text.
    pub text: String,
    /// What must be typed, for a severe plan. Otherwise a plain yes will do.
    pub type_name: Option<TypedName>,
    /// What comes back with the answer, unchanged.
    pub seal: String,
    /// How long it waits.
    pub waits: Duration,
}

/// What a client gave back for a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The human accepted; this is what the form holds.
    Accepted(Value),
    /// The human said no.
    Rejected,
    /// The human closed the dialog.
    Cancelled,
    /// Nobody answered in time.
    Silence,
    /// What came back is no answer to a form.
    Malformed(String),
}

/// An answer to a question.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The question's seal.
    pub seal: &'a str,
    /// The reply.
    pub reply: &'a Reply,
    /// By which way it came.
    pub by: Channel,
}

/// What the tags are for that go with codes.
const PROOF: &str = "approval";

/// The field of the form that a severe plan asks for.
pub const NAME_FIELD: &str = "name";

/// The field of the form that any other plan asks for: it must be true.
pub const CONFIRM_FIELD: &str = "confirm";

/// Why a call isn't cleared. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotApproved {
    /// The human said no.
    #[error("The user rejected it.")]
    Rejected,
    /// The human closed the dialog.
    #[error("The user closed the question without an answer, which means no.")]
    Cancelled,
    /// Nobody answered.
    #[error("Nobody answered in time, which means no.")]
    TimedOut,
    /// The typed name isn't the one that is lost.
    #[error("The name that was typed is not the name of the {0}, which means no.")]
    WrongName(String),
    /// The form was accepted without its yes.
    #[error("The form came back accepted, but without the yes that it asks for, which means no.")]
    NotTicked,
    /// What came back is no answer.
    #[error("The answer could not be read ({0}), which means no.")]
    Malformed(String),
    /// The seal was changed, made up, or made with another key (as before a restart).
    #[error("The confirmation is not one that this server gave out, or it was changed.")]
    Tampered,
    /// The confirmation is for another call.
    #[error("The confirmation is for another {0}.")]
    Other(&'static str),
    /// The confirmation ran out.
    #[error("The confirmation has run out.")]
    Expired,
    /// The confirmation was used already.
    #[error("The confirmation was used already: each is good for one call.")]
    Used,
    /// The target isn't what was shown any more.
    #[error("The target changed since the plan was shown, so the confirmation no longer counts.")]
    Changed,
    /// The way by which the yes came isn't one that the policy takes.
    #[error("The operator's policy takes no confirmation from {0}.")]
    Channel(&'static str),
    /// Where used confirmations are kept can't be read or written: who can't tell says no.
    #[error("Used confirmations can't be recorded ({0}), so none counts.")]
    Unrecorded(String),
}

impl NotApproved {
    /// The name in results and in the audit log.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled_by_user",
            Self::TimedOut => "approval_timed_out",
            Self::WrongName(_) => "wrong_name",
            Self::NotTicked | Self::Malformed(_) => "approval_malformed",
            Self::Tampered | Self::Other(_) | Self::Channel(_) => "approval_invalid",
            Self::Expired => "approval_expired",
            Self::Used => "approval_used",
            Self::Changed => "target_changed",
            Self::Unrecorded(_) => "approval_unrecorded",
        }
    }

    /// Whether a human decided against the call, so that asking again would be nagging.
    #[must_use]
    pub fn is_a_decision(&self) -> bool {
        matches!(
            self,
            Self::Rejected | Self::Cancelled | Self::WrongName(_) | Self::NotTicked
        )
    }
}

/// What is known of a call whose human is asked outside the client.
#[derive(Debug)]
pub enum OutOfBand {
    /// A human said yes there, and the call is cleared.
    Allowed(Box<AllowedCall>),
    /// It waits under this code.
    Waits(Box<Approval>, AwaitingApproval),
    /// It doesn't run.
    NotApproved(NotApproved),
}

/// Asks, and takes answers.
#[derive(Debug)]
pub struct ApprovalFlow {
    pub(super) sealer: Sealer,
    rules: ConfirmRules,
    approvals: Option<Approvals>,
    /// Confirmations that were used, for seals that no other process takes.
    used: MemoryStore<Nonce>,
    /// Whether a page asks too, so that approvals get a secret for it.
    page: Mutex<Option<Page>>,
    /// What was prepared to be completed later.
    pub(super) preparations: Box<dyn StateStore<Stored>>,
}

/// The approval page of an HTTP server.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it is: the address in front of `/approve/CODE`.
    pub origin: String,
    /// The secret that the operator gave, for every approval. Without one, each gets its own, which goes to the log.
    pub secret: Option<std::sync::Arc<secrecy::SecretString>>,
}

impl ApprovalFlow {
    /// Without a place for approvals nobody can be asked outside the client.
    #[must_use]
    pub fn new(sealer: Sealer, rules: ConfirmRules, approvals: Option<Approvals>) -> Self {
        // Beside the approvals, and only where another process could open what lies there.
        let preparations: Box<dyn StateStore<Stored>> = match &approvals {
            Some(approvals) if sealer.is_shared() => {
                let directory = approvals.directory().with_file_name("prepared");
                Box::new(DirectoryStore::new(directory, MAX_FILE, true))
            }
            _ => Box::new(MemoryStore::default()),
        };
        Self {
            sealer,
            rules,
            approvals,
            used: MemoryStore::default(),
            page: Mutex::default(),
            preparations,
        }
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
        approvals.decide_from_page(
            code,
            &self.page_secret(secret),
            decision,
            |approval| self.page_seal(approval),
            now,
        )
    }

    /// Whether every approval has the operator's own secret, which no log tells.
    #[must_use]
    pub fn page_has_own_secret(&self) -> bool {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        page.as_ref().is_some_and(|page| page.secret.is_some())
    }

    fn page_secret(&self, secret: &str) -> String {
        self.sealer.digest("page secret", &[secret.trim()])
    }

    fn page_seal(&self, approval: &Approval) -> String {
        self.sealer.digest("page yes", &[&approval.code, &approval.token])
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

    /// Whether this process serves the approval page, and the policy takes a yes from there.
    #[must_use]
    pub fn serves_page(&self) -> bool {
        self.takes(Channel::Page) && self.page.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Where waiting approvals are kept.
    #[must_use]
    pub fn approvals(&self) -> Option<&Approvals> {
        self.approvals.as_ref()
    }

    /// Whether the policy takes a human's yes that comes that way.
    #[must_use]
    pub fn takes(&self, channel: Channel) -> bool {
        self.rules.channels.contains(&channel)
    }

    /// A question about a call, for the client to put to its human.
    #[must_use]
    pub fn question(&self, plan: &Plan, subject: Subject<'_>, now: DateTime<Utc>) -> Question {
        let waits = self.rules.question_seconds;
        Question {
            text: plan.text(),
            type_name: plan.type_name().cloned(),
            seal: self
                .sealer
                .seal(&self.binding(plan, subject, &self.owner(subject), now, waits)),
            waits: Duration::from_secs(waits),
        }
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
        self.redeem(&binding)?;
        Ok(asking.confirmed(by.into()))
    }

    /// Looks whether a human said yes outside the client, and if nobody was asked yet, asks.
    ///
    /// # Errors
    /// When the place for approvals can't be used, or the policy takes no yes from there: nobody can be asked.
    pub fn elsewhere(
        &self,
        asking: AwaitingApproval,
        plan: &Plan,
        subject: Subject<'_>,
        now: DateTime<Utc>,
    ) -> Result<OutOfBand, NobodyToAsk> {
        let approvals = self.approvals.as_ref().ok_or(NobodyToAsk::NoPlace)?;
        if !self.takes(Channel::Terminal) && !self.serves_page() {
            return Err(NobodyToAsk::Policy);
        }
        let call = self.call(subject);
        let mut changed = false;
        let mut waits_already = None;
        for known in self.known(approvals, subject, &call, now)? {
            match &known.state {
                State::Rejected { .. } => return Ok(OutOfBand::NotApproved(NotApproved::Rejected)),
                // Written by someone who isn't the page: no yes.
                State::Approved {
                    by: Decider::Page,
                    seal,
                    ..
                } if seal.as_deref() != Some(self.page_seal(&known).as_str()) => {}
                State::Approved { by, .. } => {
                    let by = match by {
                        Decider::Page => Channel::Page,
                        Decider::Terminal => Channel::Terminal,
                    };
                    // Of many that come at once, one takes it.
                    let Some(taken) = approvals.take(&known.code, now)? else {
                        continue;
                    };
                    match self.taken(&taken, plan, subject, by, now) {
                        Ok(()) => return Ok(OutOfBand::Allowed(Box::new(asking.confirmed(by.into())))),
                        // What was approved isn't what is there now: a new plan, under a new code.
                        Err(NotApproved::Changed) => changed = true,
                        Err(no) => return Ok(OutOfBand::NotApproved(no)),
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
        let waits = self.rules.question_seconds;
        let approval = self.rules.approval_seconds;
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let page = page.filter(|_| self.takes(Channel::Page));
        let secret = page.as_ref().map(Page::secret_for_one);
        let waiting = approvals.add(NewApproval {
            token: self
                .sealer
                .seal(&self.binding(plan, subject, subject.caller, now, waits + approval)),
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
            caller: one_line(subject.principal, 60),
            client: subject.client.map(|client| one_line(client, 100)),
            asked_at: now,
            expires_at: now + seconds(waits),
            approval_seconds: approval,
            terminal: self.takes(Channel::Terminal),
            terminal_yes: self.rules.terminal_yes,
            page_secret: secret.as_deref().map(|secret| self.page_secret(secret)),
        })?;
        if let (Some(page), Some(secret)) = (&page, &secret)
            && waiting.asked_at == now
        {
            page.tell(&waiting.code, subject.tool, secret);
        }
        Ok(OutOfBand::Waits(Box::new(waiting), asking))
    }

    /// The page's address for a code, where this process serves one.
    #[must_use]
    pub fn page_for(&self, code: &str) -> Option<String> {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let page = page.as_ref().filter(|_| self.takes(Channel::Page))?;
        Some(format!("{}/approve/{code}", page.origin))
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

    fn binding(&self, plan: &Plan, subject: Subject<'_>, caller: &str, now: DateTime<Utc>, waits: u64) -> Binding {
        Binding {
            v: 1,
            tool: subject.tool.to_owned(),
            arguments: arguments_digest(subject),
            state: plan.digest().to_owned(),
            caller: self.caller(caller),
            until: (now + seconds(waits)).timestamp(),
            nonce: random_id(),
        }
    }

    /// What a seal is about, if it is about this call by this caller.
    fn open(&self, subject: Subject<'_>, caller: &str, seal: &str) -> Result<Binding, NotApproved> {
        let binding = self.sealer.open(seal).ok_or(NotApproved::Tampered)?;
        if binding.tool != subject.tool {
            return Err(NotApproved::Other("tool"));
        }
        if binding.caller != self.caller(caller) {
            return Err(NotApproved::Other("caller"));
        }
        if binding.arguments != arguments_digest(subject) {
            return Err(NotApproved::Other("set of arguments"));
        }
        Ok(binding)
    }

    fn caller(&self, caller: &str) -> String {
        self.sealer.digest("caller", &[caller])
    }

    fn owner(&self, subject: Subject<'_>) -> String {
        self.owner_of(subject.caller, subject.session)
    }

    /// Whom a question or prepared work belongs to: the session. Where no session lasts, and between processes that share a key,
    /// it is whoever has the seal or the handle, which nobody can guess.
    #[must_use]
    pub fn owner_of(&self, caller: &str, session: &Session) -> String {
        match session {
            Session::Mcp(id) => format!("{caller} session {id}"),
            Session::Process(id) if !self.sealer.is_shared() => format!("{caller} process {id}"),
            Session::Process(_) | Session::Stateless => caller.to_owned(),
        }
    }

    /// Under what the same call by the same session is found again. A request that stands alone is found by nothing of its own.
    fn call(&self, subject: Subject<'_>) -> String {
        let alone = random_id();
        let session = subject.session.id().unwrap_or(&alone);
        let parts = [subject.tool, &arguments_digest(subject), subject.caller, session];
        self.sealer.digest("call", &parts)
    }

    /// Who has a share of the places for waiting calls: the session, or all that comes with a credential and without one.
    fn session(&self, subject: Subject<'_>) -> String {
        let session = subject.session.id().unwrap_or_default();
        self.sealer.digest("session", &[subject.peer, session])
    }

    /// Which sessions have a share together: those with one credential. A process is one by itself.
    fn group(&self, subject: Subject<'_>) -> String {
        let process = match subject.session {
            Session::Process(id) => id,
            Session::Mcp(_) | Session::Stateless => "",
        };
        self.sealer.digest("group", &[subject.peer, process])
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

    /// Uses a confirmation up. Of many that come at once, one succeeds.
    fn redeem(&self, binding: &Binding) -> Result<(), NotApproved> {
        let until = DateTime::from_timestamp(binding.until, 0).unwrap_or_default();
        let first = if self.sealer.is_shared() {
            let approvals = self.approvals.as_ref();
            let approvals =
                approvals.ok_or_else(|| NotApproved::Unrecorded("there is no state directory".to_owned()))?;
            approvals
                .redeem(&binding.nonce, until)
                .map_err(|error| NotApproved::Unrecorded(error.to_string()))?
        } else {
            redeem(&self.used, &binding.nonce, until).map_err(|error| NotApproved::Unrecorded(error.to_string()))?
        };
        if first { Ok(()) } else { Err(NotApproved::Used) }
    }
}

/// Why nobody can be asked outside the client.
#[derive(Debug, Error)]
pub enum NobodyToAsk {
    /// There is no directory for it.
    #[error("there is no state directory (set XDG_STATE_HOME or HOME)")]
    NoPlace,
    /// The policy takes no yes from there.
    #[error("the operator's policy takes no confirmation from where this server could get one")]
    Policy,
    /// The directory can't be used.
    #[error("waiting approvals can't be kept: {0}")]
    Approvals(#[from] ApprovalsError),
}

impl Page {
    /// The secret of one approval.
    fn secret_for_one(&self) -> String {
        use secrecy::ExposeSecret as _;
        match &self.secret {
            Some(secret) => secret.expose_secret().to_owned(),
            None => {
                const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
                let random: [u8; 20] = rand::random();
                random
                    .iter()
                    .filter_map(|byte| LETTERS.get(usize::from(byte % 32)))
                    .map(|letter| char::from(*letter))
                    .collect()
            }
        }
    }

    /// Tells the operator, on standard error, what waits. The log of a server is where its operator looks.
    fn tell(&self, code: &str, tool: &str, secret: &str) {
        let origin = &self.origin;
        if self.secret.is_some() {
            tracing::warn!("{tool} waits for a human's yes: {origin}/approve/{code}, with the operator's secret");
        } else {
            tracing::warn!("{tool} waits for a human's yes: {origin}/approve/{code}, one-time secret {secret}");
        }
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

/// The form, when a human accepted it.
fn accepted(reply: &Reply) -> Result<&Value, NotApproved> {
    match reply {
        Reply::Accepted(content) => Ok(content),
        Reply::Rejected => Err(NotApproved::Rejected),
        Reply::Cancelled => Err(NotApproved::Cancelled),
        Reply::Silence => Err(NotApproved::TimedOut),
        Reply::Malformed(what) => Err(NotApproved::Malformed(one_line(what, 200))),
    }
}

/// Whether the form says yes.
fn read_form(plan: &Plan, content: &Value) -> Result<(), NotApproved> {
    let Some(form) = content.as_object() else {
        return Err(NotApproved::Malformed("the form is missing".to_owned()));
    };
    match plan.type_name() {
        Some(expected) => match form.get(NAME_FIELD) {
            Some(Value::String(typed)) if expected.matches(typed) => Ok(()),
            Some(Value::String(_)) => Err(NotApproved::WrongName(expected.what.clone())),
            Some(_) => Err(NotApproved::Malformed(format!("`{NAME_FIELD}` is no text"))),
            None => Err(NotApproved::Malformed(format!("`{NAME_FIELD}` is missing"))),
        },
        // Whoever must type a name and has none to type can't say yes.
        None if plan.assessment().severe() => Err(NotApproved::Malformed("there is no name to type".to_owned())),
        None => match form.get(CONFIRM_FIELD) {
            Some(Value::Bool(true)) => Ok(()),
            Some(Value::Bool(false)) | None => Err(NotApproved::NotTicked),
            Some(_) => Err(NotApproved::Malformed(format!(
                "`{CONFIRM_FIELD}` is neither true nor false"
            ))),
        },
    }
}

fn arguments_digest(subject: Subject<'_>) -> String {
    digest(&Value::Object(subject.arguments.clone()))
}

fn seconds(count: u64) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(count).unwrap_or(i64::MAX / 1_000))
}
