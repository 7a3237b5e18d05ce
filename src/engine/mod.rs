//! One tool call, from arguments to result: check, resolve, judge, ask, bind, run, wait, shape.

mod check;
mod connect;
mod decide;
mod dispatch;
mod error;
mod flow;
mod left_behind;
mod pace;
mod pipeline;
mod present;
mod record;
mod snapshot;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use check::files::{FilesDir, MOST_FILE_BYTES, MOST_INLINE_BYTES};
pub(crate) use decide::facts::will_expire;
pub use error::{ArgumentProblem, Failure, Told};
pub(crate) use error::{postgres_says, sql_next};
pub(crate) use flow::{Ended, Flow, Held};
pub(crate) use left_behind::Left;
use pace::Pace;
pub(crate) use present::content::{boundary, fitting};
pub(crate) use present::untrusted::Fence;

use crate::catalog::{SelectedTool, Selection, Tool, declared};
use crate::docs::{Docs, DocsBase};
use crate::guard::audit::AuditLog;
use crate::guard::{Channel, Confirmations, OwnKey, Policy, Question, Reply, Session};
use crate::neon::{Client, Lane};

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
}

/// The arguments of a call as it would run, checked as every call's are before anything is sent. Names aren't looked up.
///
/// # Errors
/// Everything that is wrong, each as a sentence.
pub fn complete_arguments(
    selected: &SelectedTool,
    mut given: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<String>> {
    declared(&selected.tool.input, &mut given);
    let said = |problems: Vec<error::ArgumentProblem>| {
        let say = |problem: error::ArgumentProblem| match problem.argument.as_str() {
            "" => problem.message,
            argument => format!("{argument}: {}", problem.message),
        };
        problems.into_iter().map(say).collect::<Vec<String>>()
    };
    let arguments = check::arguments::check(selected, given).map_err(said)?;
    check::reference::check(&selected.tool, &arguments).map_err(said)?;
    Ok(arguments)
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
    pub docs: Option<DocsBase>,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(180),
            wait: Duration::from_secs(120),
            result_bytes: 40_000,
            files_dir: None,
            sql_hosts: crate::neon::sql::SqlHosts::default(),
            docs: DocsBase::neons(),
        }
    }
}

/// The argument, beside those of any tool, with which an agent gives back what it was handed with a code.
pub const APPROVAL: &str = "approval";

/// How many items a list gives when the caller doesn't say.
const LIST_LIMIT: usize = 50;

/// Runs tool calls: the selected tools over the shared client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    selection: Selection,
    service: Service,
    limits: CallLimits,
    guards: Guards,
    pace: Option<Pace>,
    /// Where SQL goes, as far as that is known.
    connections: connect::Connections,
    /// The documentation, where it is read.
    docs: Option<Docs>,
    /// The organizations of the key, once they were read.
    wholes: decide::whole::Wholes,
    organizations: check::organizations::Organizations,
    /// Held while branches are counted and one is added.
    adding: tokio::sync::Mutex<()>,
    /// Which account and which API, as a digest: an approval for one is none for another.
    account: String,
    /// The server's own key, which no answer holds.
    key: OwnKey,
}

/// What stands between a call and Neon.
#[derive(Debug)]
pub struct Guards {
    /// What the operator allows.
    pub policy: Policy,
    /// How a human is asked.
    pub confirmations: Confirmations,
    /// Where calls are recorded. Without a place for it, nothing that changes something runs.
    pub audit: Option<AuditLog>,
}

/// Who calls, and how to reach it while the call runs.
#[derive(Debug, Clone)]
pub struct Caller {
    /// By which way it comes: `stdio`, `http`, `cli`.
    pub principal: String,
    /// Which credential it came with, as a digest; nothing where the way asks for none.
    pub credential: Option<String>,
    /// The session that the call belongs to.
    pub session: Session,
    /// What was handed out with an earlier question outside the client, and came back with this call. It may also stand among
    /// the arguments, under [`APPROVAL`].
    pub approval: Option<String>,
    /// What the client calls itself. It proves nothing.
    pub client: Option<String>,
    /// How its human can be asked.
    pub way: Way,
    /// The caller's place in the line for Neon's rate limits.
    pub lane: Lane,
    /// Ends the call's waits and requests.
    pub cancel: CancellationToken,
    /// Hears how long work goes on.
    pub progress: Option<Arc<dyn Progress>>,
}

/// How a caller's human can be asked.
#[derive(Debug, Clone)]
pub enum Way {
    /// While the call runs.
    InCall(Arc<dyn Ask>),
    /// By a question for an answer: the caller repeats the call with the reply.
    InReturn(Option<Returned>),
    /// Not through the client: in a terminal, or on the approval page.
    Elsewhere,
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
    /// Where the human sits: the policy says from where a yes counts.
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
    /// With a question: the caller asks its human and repeats the call ([`Way::InReturn`]).
    Ask(Box<Question>),
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
}

/// There is no such tool here. The text says what was probably meant, or why it isn't offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownTool(pub String);

impl Engine {
    /// An engine for the selected tools.
    #[must_use]
    pub fn new(client: Client, selection: Selection, service: Service, limits: CallLimits, guards: Guards) -> Self {
        let config = client.config();
        let account = crate::guard::digest(&json!([config.base.as_str(), config.credential.expose()]));
        let pace = guards.policy.changes_per_minute().map(Pace::new);
        let key = OwnKey::new(config.credential.expose());
        key.keep_out_of_logs();
        Self {
            inner: Arc::new(Inner {
                pace,
                connections: connect::Connections::new(limits.sql_hosts.clone()),
                docs: limits.docs.clone().map(Docs::new),
                organizations: check::organizations::Organizations::default(),
                wholes: decide::whole::Wholes::default(),
                adding: tokio::sync::Mutex::default(),
                account,
                key,
                client,
                selection,
                service,
                limits,
                guards,
            }),
        }
    }

    /// What stands between a call and Neon.
    #[must_use]
    pub fn guards(&self) -> &Guards {
        &self.inner.guards
    }

    /// All statements of a plan that shows some of them by their digest alone, without their secrets, under the address that
    /// the plan names.
    #[must_use]
    pub fn statements(&self, uri: &str) -> Option<String> {
        self.inner.wholes.get(uri)
    }

    /// The tools.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.inner.selection
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// The server's own key, as what is told and kept is looked through for it.
    fn key(&self) -> &OwnKey {
        &self.inner.key
    }

    /// What answers the requests.
    #[must_use]
    pub fn service(&self) -> Service {
        self.inner.service
    }

    /// Notes a call that is refused before it begins, as every refusal is: one that would have changed something, or handed
    /// over a secret.
    pub fn note_refusal(&self, tool: &Tool, why: &str, arguments: &Map<String, Value>, caller: &Caller) {
        record::left_out(tool, why, arguments, caller, self);
    }

    /// Calls a tool. Whatever goes wrong in the call is in its result.
    ///
    /// # Errors
    /// When there is no such tool in the selection.
    pub async fn call(
        &self,
        name: &str,
        mut arguments: Map<String, Value>,
        caller: Caller,
    ) -> Result<Outcome, UnknownTool> {
        let Some(selected) = self.selection().tool(name) else {
            let missing = self.selection().missing(name);
            if let Some(tool) = self.selection().catalog().tool(name) {
                record::left_out(tool, &missing, &arguments, &caller, self);
            }
            return Err(UnknownTool(missing));
        };
        let started = Instant::now();
        // Before anything looks at them or records them.
        declared(&selected.tool.input, &mut arguments);
        let inner = &self.inner;
        let mut approval = caller.approval.clone();
        if selected.tool.property(APPROVAL).is_none() && arguments.get(APPROVAL).is_some_and(Value::is_string) {
            let given = arguments.shift_remove(APPROVAL);
            approval = given.as_ref().and_then(Value::as_str).map(str::to_owned).or(approval);
        }
        let credential = caller.credential.as_deref().unwrap_or("-");
        let peer = format!("{} {} {credential}", inner.account, caller.principal);
        let who = format!("{peer} {}", caller.client.as_deref().unwrap_or("-"));
        let call = pipeline::Call {
            client: &inner.client,
            catalog: inner.selection.catalog(),
            service: inner.service,
            limits: &inner.limits,
            guards: &inner.guards,
            pace: inner.pace.as_ref(),
            adding: &inner.adding,
            connections: &inner.connections,
            wholes: &inner.wholes,
            docs: inner.docs.as_ref(),
            organizations: &inner.organizations,
            left_behind: left_behind::LeftBehind::default(),
            assessed: None,
            scripts: Vec::new(),
            exceeded: None,
            prepared: None,
            owner: inner.guards.confirmations.owner_of(&who, &caller.session),
            who,
            peer,
            session: &caller.session,
            approval,
            principal: &caller.principal,
            client_name: caller.client.as_deref(),
            way: &caller.way,
            selected,
            selection: &inner.selection,
            context: crate::neon::Context {
                deadline: started + inner.limits.deadline,
                cancel: caller.cancel.clone(),
                lane: caller.lane.clone(),
            },
            progress: caller.progress.clone(),
            fence: present::untrusted::Fence::new(&arguments),
            files: check::files::Files::default(),
            key: &inner.key,
        };
        let mut outcome = call.run(arguments).await;
        match &mut outcome {
            Outcome::Done(result) => inner.key.redact(&mut result.value),
            // The plan was looked through before: what holds the key isn't asked about.
            Outcome::Ask(_) => {}
        }
        tracing::info!(
            tool = name,
            outcome = match &outcome {
                Outcome::Done(result) if result.is_error => "error",
                Outcome::Done(_) => "ok",
                Outcome::Ask(_) => "asked",
            },
            milliseconds = started.elapsed().as_millis(),
            "tool call"
        );
        Ok(outcome)
    }
}
