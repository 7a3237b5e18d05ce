//! What waits, what was decided, and what can be wrong about either.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::guard::policy::MayApprove;
use crate::guard::principal::{Person, Principal};
use crate::guard::quoted;
use crate::guard::store::StoreError;
use crate::text::one_line;

/// How many calls may wait at once. More than a human can look at is an agent that went wrong. One more takes the place of the oldest of
/// whichever credential has most, if that has at least two more than its own.
pub const MAX_WAITING: usize = 100;

/// How many of them one session may have waiting. One more takes the place of its oldest.
pub const MAX_OF_ONE: usize = 20;

/// How many of them all sessions with the same credential may have waiting, so that there is room for others.
pub const MAX_OF_GROUP: usize = 60;

/// The longest name of a caller, in characters: an issuer's address and a subject (which OpenID Connect keeps to 255).
pub(in crate::guard) const MAX_CALLER: usize = 600;

/// How many wrong names, or wrong secrets of a page, make a no.
pub(super) const MAX_WRONG: u32 = 5;

/// The way of who calls by hand.
const BY_HAND: &str = "cli";

/// What a human must type for a severe plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedName {
    /// Of what it is the name: `branch`.
    pub what: String,
    /// The name.
    pub name: String,
}

impl TypedName {
    /// Whether this was typed: exact, case and all, surrounding blanks aside.
    #[must_use]
    pub fn matches(&self, typed: &str) -> bool {
        typed.trim() == self.name.trim()
    }
}

/// A call to put down.
#[derive(Debug, Clone)]
pub struct NewApproval {
    /// The server's seal over what was asked.
    pub token: String,
    /// Under what the same call by the same caller is found again.
    pub call: String,
    /// Digest of the plan: the same call with another plan is another question.
    pub plan_digest: String,
    /// The session that asks, as a keyed digest: each has a share of the places.
    pub from: String,
    /// The credential behind the session, as a keyed digest: all of its sessions have a share too.
    pub group: String,
    /// The tool.
    pub tool: String,
    /// The name of its effect.
    pub effect: String,
    /// Whether a name must be typed.
    pub severe: bool,
    /// The plan as data.
    pub plan: Value,
    /// The plan for people.
    pub text: String,
    /// What the plan shows by its digest alone, whole.
    pub whole: Option<String>,
    /// What must be typed, for a severe plan.
    pub type_name: Option<TypedName>,
    /// By which way the caller came.
    pub caller: String,
    /// What the client calls itself.
    pub client: Option<String>,
    /// Now.
    pub asked_at: DateTime<Utc>,
    /// How long it waits for a decision.
    pub expires_at: DateTime<Utc>,
    /// How long an approval lasts, in seconds.
    pub approval_seconds: u64,
    /// Whether it may be decided in a terminal.
    pub terminal: bool,
    /// Whether an approval counts that comes from no terminal: the operator's policy has scripts approve.
    pub without_terminal: bool,
    /// The secret that the approval page asks for, as a keyed digest.
    pub page_secret: Option<String>,
    /// Whether the approval page decides it for who signs in there. Without that and without a secret, no page does.
    pub signs_in: bool,
    /// Who made the call, as a keyed digest.
    pub principal: String,
    /// What person made the call, where that is known.
    pub person: Option<PersonDigest>,
    /// Who may approve it.
    pub may: MayApprove,
}

/// A call that was put down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approval {
    /// What it is known by, as people write it: `BCDF-GHJK`.
    pub code: String,
    /// The server's seal over what was asked.
    pub token: String,
    /// Under what the same call by the same caller is found again.
    pub(super) call: String,
    pub(super) plan_digest: String,
    pub(super) from: String,
    #[serde(default)]
    pub(super) group: String,
    /// The tool.
    pub tool: String,
    /// The name of its effect.
    pub effect: String,
    /// Whether a name must be typed.
    pub severe: bool,
    /// The plan as data.
    pub plan: Value,
    /// The plan for people.
    pub text: String,
    /// What the plan shows by its digest alone, whole.
    #[serde(default)]
    pub whole: Option<String>,
    /// What must be typed, for a severe plan.
    pub type_name: Option<TypedName>,
    /// By which way the caller came.
    pub caller: String,
    /// What the client calls itself.
    pub client: Option<String>,
    /// When it was put down.
    pub asked_at: DateTime<Utc>,
    /// Until when it can be decided.
    pub expires_at: DateTime<Utc>,
    /// How long an approval lasts, in seconds.
    pub approval_seconds: u64,
    /// Whether it may be decided in a terminal.
    pub terminal: bool,
    /// Whether an approval counts that comes from no terminal: the operator's policy has scripts approve.
    pub without_terminal: bool,
    /// Keyed digest of the secret that the approval page asks for.
    pub(super) page_secret: Option<String>,
    /// Whether the approval page decides it for who signs in there.
    #[serde(default)]
    pub(in crate::guard) signs_in: bool,
    /// Keyed digest of who made the call.
    #[serde(default)]
    pub(in crate::guard) principal: String,
    /// What person made the call, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::guard) person: Option<PersonDigest>,
    /// Who may approve it.
    #[serde(default)]
    pub may: MayApprove,
    /// How many wrong names and secrets were given.
    pub(super) wrong: u32,
    /// What was decided.
    pub state: State,
}

impl Approval {
    /// When it is forgotten: an approval when it has run out, what wasn't decided or was refused when it waited long enough.
    #[must_use]
    pub fn ends_at(&self) -> DateTime<Utc> {
        match self.state {
            State::Approved { until, .. } => until,
            State::Waiting | State::Rejected { .. } => self.expires_at,
        }
    }

    /// Who asks. What a client calls itself is its own word, and so is quoted.
    #[must_use]
    pub fn asker(&self) -> String {
        if self.caller == BY_HAND && self.client.is_none() {
            return "somebody with `neon-mcp call`".to_owned();
        }
        let caller = one_line(&self.caller, MAX_CALLER);
        let whose = match caller.split_once(' ') {
            Some((issuer, subject)) if issuer.contains("://") => format!("of {} at {issuer}", quoted(subject)),
            Some(_) => format!("of {caller}"),
            None => format!("over {caller}"),
        };
        match &self.client {
            Some(client) => format!("a client {whose} that calls itself {}", quoted(client)),
            None => format!("a client {whose} without a name"),
        }
    }

    /// Whether a page decides it.
    #[must_use]
    pub fn has_page(&self) -> bool {
        self.signs_in || self.page_secret.is_some()
    }

    /// Who decided it, where that is known by name.
    #[must_use]
    pub fn decided_by(&self) -> Option<&DecidedBy> {
        match &self.state {
            State::Waiting => None,
            State::Approved { who, .. } | State::Rejected { who, .. } => who.as_ref(),
        }
    }

    /// Whether it still waits for a decision.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self.state, State::Waiting)
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing yet.
    Waiting,
    /// A human approved it.
    Approved {
        /// When.
        at: DateTime<Utc>,
        /// Where.
        by: Decider,
        /// Who, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<DecidedBy>,
        /// Until when it counts.
        until: DateTime<Utc>,
        /// The server's seal on an approval from its page: a file that anyone of this user writes is no approval from there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seal: Option<String>,
    },
    /// A human rejected it, or too many wrong tries did.
    Rejected {
        /// When.
        at: DateTime<Utc>,
        /// Where.
        by: Decider,
        /// Who, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<DecidedBy>,
        /// Whether nobody decided, but too many wrong secrets or names were given.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_wrong_tries: bool,
    },
}

/// A human who decided, as the server knew them then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedBy {
    /// What tells the principal from every other.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// The groups that the issuer names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What person it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
}

/// A person, as keyed digests: enough to compare, and nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonDigest {
    /// Of the issuer and the claim that names its people: persons of two issuers, or by two claims, can't be compared.
    pub(in crate::guard) issuer: String,
    /// Of these and the subject.
    pub(in crate::guard) person: String,
    /// Of these and the subject, without what may be written in several ways.
    pub(in crate::guard) folded: String,
    /// Whether another subject is another human's.
    pub(in crate::guard) tells_others: bool,
}

impl From<&Principal> for DecidedBy {
    fn from(principal: &Principal) -> Self {
        Self {
            id: principal.id(),
            name: principal.name(),
            groups: principal.groups().to_vec(),
            person: principal.person(),
        }
    }
}

/// What a signed-in human may do with a call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Approve or reject it.
    Approver,
    /// Reject it: it is their own call, which another must approve.
    Caller,
    /// Nothing: it isn't theirs to see.
    Stranger,
}

/// Where a human decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// In a terminal.
    Terminal,
    /// On the approval page.
    Page,
}

/// What a human says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Approve it, with the name where one must be typed.
    Approve {
        /// What was typed.
        typed: Option<String>,
    },
    /// Reject it.
    Reject,
}

/// The directory of waiting calls can't be used, or takes no more.
#[derive(Debug, Error)]
pub enum ApprovalsError {
    /// Where they are kept can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many calls wait.
    #[error(
        "{MAX_WAITING} calls wait for approval already: decide some (neon-mcp approve), or wait until they run out"
    )]
    Full,
    /// Too many calls of other sessions with the same credential wait.
    #[error(
        "{MAX_OF_GROUP} calls of other sessions with the same credential wait for approval already: decide some (neon-mcp approve), or wait until they run out"
    )]
    FullOfGroup,
}

/// A decision that doesn't count.
#[derive(Debug, Error)]
pub enum DecideError {
    /// No call waits under this code.
    #[error("no call waits under this code: it has run out, was used, or never was")]
    Unknown,
    /// It was decided before.
    #[error("it was decided before: {}", match **.0 { State::Approved { .. } => "approved", State::Rejected { .. } => "rejected", State::Waiting => "waiting" })]
    Decided(Box<State>),
    /// The name isn't the one that is lost.
    #[error("that is not the name of the {what}: {}", tries(*.left))]
    WrongName {
        /// Of what the name was asked.
        what: String,
        /// How many tries are left.
        left: u32,
        /// The call, where this was the last try and refused it.
        refused: Option<Box<Approval>>,
    },
    /// The secret of the page is wrong.
    #[error("that is not the secret that was given out for it: {}", tries(*.left))]
    WrongSecret {
        /// How many tries are left.
        left: u32,
        /// The call, where this was the last try and refused it.
        refused: Option<Box<Approval>>,
    },
    /// It is the approver's own call, which another must approve.
    #[error("it is your own call: the operator's policy has another approve it; you may reject it")]
    OwnCall,
    /// It can't be decided there.
    #[error("the operator's policy has it decided elsewhere, not {}", match .0 { Decider::Terminal => "in a terminal", Decider::Page => "on a page" })]
    NotHere(Decider),
    /// The directory can't be used.
    #[error(transparent)]
    Approvals(#[from] ApprovalsError),
}

impl DecideError {
    /// The call that this try was one too many for.
    #[must_use]
    pub fn refused(&self) -> Option<&Approval> {
        match self {
            Self::WrongName { refused, .. } | Self::WrongSecret { refused, .. } => refused.as_deref(),
            _ => None,
        }
    }
}

impl From<StoreError> for DecideError {
    fn from(error: StoreError) -> Self {
        Self::Approvals(error.into())
    }
}

fn tries(left: u32) -> String {
    match left {
        0 => "it is refused now".to_owned(),
        1 => "one more wrong one refuses it".to_owned(),
        left => format!("{left} tries are left"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(caller: &str, client: Option<&str>) -> Approval {
        serde_json::from_value(json!({
            "code": "HXRS-GJZD", "token": "t", "call": "c", "plan_digest": "d", "from": "f", "group": "g", "tool": "delete_branch",
            "effect": "destructive", "severe": false, "plan": {}, "text": "Delete it.", "whole": null, "type_name": null,
            "caller": caller, "client": client, "asked_at": "2026-11-30T06:51:04Z", "expires_at": "2026-11-30T06:56:04Z",
            "approval_seconds": 300, "terminal": true, "without_terminal": false, "page_secret": null, "signs_in": false,
            "principal": "", "may": MayApprove::default(), "wrong": 0, "state": State::Waiting,
        }))
        .unwrap()
    }

    #[test]
    fn whoever_asks_is_told_whole_and_its_clients_word_in_quotes() {
        let issuer = "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0";
        let names = ["trusted", "mallory"].map(|end| format!("{issuer} {}-{end}", "a".repeat(200)));
        let told = names.map(|name| of(&name, Some("c\" of \"boss")).asker());
        assert_ne!(told[0], told[1]);
        for (told, end) in told.iter().zip(["trusted", "mallory"]) {
            let whose = format!(
                "a client of \"{}-{end}\" at {issuer} that calls itself ",
                "a".repeat(200)
            );
            assert_eq!(told.strip_prefix(&whose), Some(r#""c\" of \"boss""#));
        }
        for (caller, named) in [
            ("stdio", "stdio"),
            ("token ann", "token ann"),
            ("cli", "`neon-mcp call`"),
        ] {
            assert!(of(caller, None).asker().contains(named), "{caller}");
        }
    }
}
