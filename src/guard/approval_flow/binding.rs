//! What a question is bound to: the call, its arguments, what it was shown, and who asked.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::not_approved::NotApproved;
use super::question::Subject;
use super::{ApprovalFlow, seconds};
use crate::guard::plan::Plan;
use crate::guard::seal::Binding;
use crate::guard::session::{Session, random_id};
use crate::guard::shown::digest;
use crate::guard::store::StoreError;

impl ApprovalFlow {
    pub(super) fn binding(
        &self,
        plan: &Plan,
        subject: Subject<'_>,
        caller: &str,
        now: DateTime<Utc>,
        waits: u64,
    ) -> Result<Binding, StoreError> {
        Ok(Binding {
            v: 1,
            tool: subject.tool.to_owned(),
            arguments: arguments_digest(subject),
            state: plan.digest().to_owned(),
            caller: self.caller(caller),
            until: (now + seconds(waits)).timestamp(),
            nonce: random_id(),
            mark: self.mark()?,
            again: false,
        })
    }

    /// What a seal is about, if it is about this call by this caller.
    pub(super) fn open(&self, subject: Subject<'_>, caller: &str, seal: &str) -> Result<Binding, NotApproved> {
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

    /// When the question behind a seal was asked, where it is one of this call.
    #[must_use]
    pub fn asked_at(&self, subject: Subject<'_>, seal: &str) -> Option<DateTime<Utc>> {
        let binding = self.open(subject, &self.owner(subject), seal).ok()?;
        Some(DateTime::from_timestamp(binding.until, 0)? - seconds(self.rules.question_seconds))
    }

    pub(super) fn caller(&self, caller: &str) -> String {
        self.sealer.digest("caller", &[caller])
    }

    pub(super) fn owner(&self, subject: Subject<'_>) -> String {
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
    pub(super) fn call(&self, subject: Subject<'_>) -> String {
        let alone = random_id();
        let session = subject.session.id().unwrap_or(&alone);
        let parts = [subject.tool, &arguments_digest(subject), subject.caller, session];
        self.sealer.digest("call", &parts)
    }

    /// Who has a share of the places for waiting calls: the session, or all that comes with a credential and without one.
    pub(super) fn session(&self, subject: Subject<'_>) -> String {
        let session = subject.session.id().unwrap_or_default();
        self.sealer.digest("session", &[subject.peer, session])
    }

    /// Which sessions have a share together: those with one credential. A process is one by itself.
    pub(super) fn group(&self, subject: Subject<'_>) -> String {
        let process = match subject.session {
            Session::Process(id) => id,
            Session::Mcp(_) | Session::Stateless => "",
        };
        self.sealer.digest("group", &[subject.peer, process])
    }
}

fn arguments_digest(subject: Subject<'_>) -> String {
    digest(&Value::Object(subject.arguments.clone()))
}
