//! A question for a human about a call, and what comes back for it.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::guard::approvals::TypedName;
use crate::guard::policy::Channel;
use crate::guard::principal::Principal;
use crate::guard::session::Session;

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
    /// What was handed out with a question ([`crate::guard::ApprovalFlow::proof`]) and came back with this call.
    pub approval: Option<&'a str>,
    /// Who calls, as the server established it.
    pub principal: &'a Principal,
    /// The client's name for itself, for people.
    pub client: Option<&'a str>,
}

/// A question for a human.
#[derive(Debug, Clone)]
pub struct Question {
    /// The plan, as text.
    pub text: String,
    /// What must be typed, for a severe plan. Otherwise nothing.
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
