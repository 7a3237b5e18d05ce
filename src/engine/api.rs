//! What others see of the engine: who calls, within which limits, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::base_url::BaseUrl;
use crate::docs::default_docs;
use crate::engine::check::files::FilesDir;
use crate::engine::present::text;
use crate::engine::present::untrusted::Fence;
use crate::guard::audit::AuditLog;
use crate::guard::{ApprovalFlow, Channel, Effect, OwnKey, Policy, Principal, Question, Reply, Session};
use crate::neon::{Client, FairQueue};

/// What answers the requests: every result says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Neon itself (or whatever the operator put in its place).
    Neon,
    /// The sandbox that this program carries.
    Sandbox,
}

impl Service {
    /// The name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Neon => "neon",
            Self::Sandbox => "sandbox",
        }
    }

    /// Says in a result where the call ran, and what time it is there: who counts from its own clock may be wrong by years.
    pub fn stamp(self, result: &mut Map<String, Value>) {
        result.insert("service".to_owned(), self.name().into());
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        result.insert("now".to_owned(), now.into());
    }
}

/// Budgets of a call.
#[derive(Debug, Clone)]
pub struct CallLimits {
    /// How long a call may take in all. Default 180 seconds.
    pub deadline: Duration,
    /// How long it waits for Neon's operations, within the deadline. Default 120 seconds.
    pub wait: Duration,
    /// How large a result may be, in bytes of minified JSON. Default 40,000: about 10,000 tokens.
    pub result_bytes: usize,
    /// The folder that files may come from. Default none.
    pub files_dir: Option<FilesDir>,
    /// Under which hosts SQL may be sent. Default Neon's own.
    pub sql_hosts: crate::neon::sql::SqlHosts,
    /// Where the documentation is; nothing where the operator wants none read. Default Neon's own.
    pub docs: Option<BaseUrl>,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(180),
            wait: Duration::from_secs(120),
            result_bytes: 40_000,
            files_dir: None,
            sql_hosts: crate::neon::sql::SqlHosts::default(),
            docs: default_docs(),
        }
    }
}

/// The argument, beside those of any tool, with which an agent gives back what it was handed with a code.
pub const APPROVAL: &str = "approval";

/// What stands between a call and Neon. Cheap to clone: clones share approvals and the log.
#[derive(Debug, Clone)]
pub struct Guards {
    /// What the operator allows.
    pub policy: Arc<Policy>,
    /// How a human is asked.
    pub approval_flow: ApprovalFlow,
    /// Where calls are recorded. Without a place for it, nothing that changes something runs.
    pub audit: Option<AuditLog>,
}

/// Who calls, and how to reach it while the call runs.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is, as the server established it.
    pub principal: Principal,
    /// The session that the call belongs to.
    pub session: Session,
    /// What was handed out with an earlier question outside the client, and came back with this call. It may also stand among
    /// the arguments, under [`APPROVAL`].
    pub approval: Option<String>,
    /// What the client calls itself. It proves nothing.
    pub client: Option<String>,
    /// How its human can be asked.
    pub way: ApprovalMode,
    /// What its call may do at most, where it comes by a way that says so.
    pub bound: Option<CallBound>,
    /// The caller's place in the line for Neon's rate limits.
    pub lane: FairQueue,
    /// Ends the call's waits and requests.
    pub cancel: CancellationToken,
    /// Hears how long work goes on.
    pub progress: Option<Arc<dyn Progress>>,
}

/// What a call may do at most that comes through a tool which calls others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallBound {
    /// The most.
    pub effect: Effect,
    /// The tool that it came through.
    pub caller: &'static str,
    /// The one that runs what does more.
    pub instead: &'static str,
}

/// How a caller's human can be asked.
#[derive(Debug, Clone)]
pub enum ApprovalMode {
    /// While the call runs.
    InCall(Arc<dyn Ask>),
    /// By a question for an answer: the caller repeats the call with the reply.
    InReturn(Option<Returned>),
    /// Not through the client: in a terminal, or on the approval page.
    OutOfBand,
    /// Not at all: an approval could never be taken.
    Nobody {
        /// Why, as the end of a sentence.
        why: &'static str,
        /// What to do instead, a sentence.
        next: &'static str,
    },
}

/// What came back with a repeated call.
#[derive(Debug, Clone)]
pub struct Returned {
    /// The question's seal.
    pub seal: String,
    /// The reply; nothing when the client sent none, which is a reason to ask again.
    pub reply: Option<Reply>,
}

/// Puts a question to a human and waits for the reply.
pub trait Ask: Send + Sync + std::fmt::Debug {
    /// Where the human sits: the policy says from where an approval counts.
    fn channel(&self) -> Channel {
        Channel::Client
    }

    /// Ends with [`Reply::Silence`] when the question's time is over.
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Reply>;
}

/// How a call ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// With a result.
    Done(CallResult),
    /// With a question: the caller asks its human and repeats the call ([`ApprovalMode::InReturn`]).
    Ask(Box<Question>),
    /// Nobody is signed in, and a human can on a page: then the call can be made again. The result says so to whoever has no
    /// page.
    SignIn(CallResult, Arc<dyn SignInPage>),
}

/// Ends when somebody signed in, or nobody did: why then.
pub type SignInEnd = BoxFuture<'static, Result<(), String>>;

/// A page on which a human signs in.
pub trait SignInPage: Send + Sync + std::fmt::Debug {
    /// The page's address, and what ends when somebody signed in there, or nobody did in time. Where there is none, why.
    fn open(&self) -> BoxFuture<'_, Result<(String, SignInEnd), String>>;

    /// The command that does the same in a terminal.
    fn command(&self) -> String;
}

/// An account, as an engine is given it.
#[derive(Debug, Clone)]
pub struct EngineAccount {
    /// What calls name it by, where there are several.
    pub name: Option<String>,
    /// The client of it.
    pub client: Client,
    /// What its requests are sent with, which nothing that is told or kept holds.
    pub key: OwnKey,
    /// Where a human signs in to it, where one can.
    pub page: Option<Arc<dyn SignInPage>>,
}

impl EngineAccount {
    /// The one account of a client whose key stays. Of any other client the key isn't known here.
    #[must_use]
    pub fn of_key(client: Client) -> Self {
        let key = OwnKey::default();
        if let Some(own) = client.config().credential.fixed() {
            key.add(own.expose());
        }
        key.keep_out_of_logs();
        Self {
            name: None,
            client,
            key,
            page: None,
        }
    }
}

/// Hears about the progress of a call.
pub trait Progress: Send + Sync + std::fmt::Debug {
    /// `done` of `total` operations have ended; `message` says which runs.
    fn report(&self, done: usize, total: usize, message: String);
}

/// The result of a tool call: a JSON object that stands alone.
#[derive(Debug, Clone)]
pub struct CallResult {
    /// What the agent gets.
    pub value: Value,
    /// The call failed, or was refused.
    pub is_error: bool,
    /// What delimits the texts of others in it.
    fence: Fence,
    /// Its text, where that isn't made of the value as that of every result.
    own_text: Option<String>,
}

impl CallResult {
    pub(crate) fn new(value: Value, is_error: bool, fence: Fence) -> Self {
        Self {
            value,
            is_error,
            fence,
            own_text: None,
        }
    }

    /// The same, told in these words.
    pub(crate) fn with_text(self, text: String) -> Self {
        Self {
            own_text: Some(text),
            ..self
        }
    }

    /// The result as a person would read it: all that the value holds, in fewer words.
    #[must_use]
    pub fn text(&self) -> String {
        self.own_text
            .clone()
            .unwrap_or_else(|| text::written(&self.value, &self.fence))
    }

    /// The value for a person, who needs no marks around what others wrote: without them, and without the note about them.
    #[must_use]
    pub fn bare(&self) -> Value {
        let mut value = self.value.clone();
        self.fence.strip(&mut value);
        value
    }
}

/// There is no such tool here. The text says what was probably meant, or why it isn't offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownTool(pub String);
