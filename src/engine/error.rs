//! A call that failed or was refused, as a result that stands alone: what failed, whether anything
//! changed at Neon, what to do next.

use serde_json::{Map, Value, json};

use crate::engine::kind::Kind;
use crate::engine::present::untrusted::Fence;

use crate::docs::DocsError;
use crate::guard::audit::AuditOutcome as Recorded;
use crate::guard::untrusted::bare;
use crate::guard::{self, Denied, InTerminal, NotApproved, PageAsks};
use crate::neon::sql::{Measured, Reaching, SqlEnd, SqlError, Stop};
use crate::neon::text::one_line;
use crate::neon::{Changed, Error, ErrorKind};

/// A failed call, as its result tells it: docs/errors.md has the kinds.
#[derive(Debug)]
pub struct ToolError {
    /// What kind of error it is.
    pub kind: Kind,
    /// Whether anything was changed.
    pub changed: Changed,
    /// What happened, in sentences that stand alone.
    pub message: String,
    /// What to do next.
    pub next: String,
    /// What stands beside it, by the keys that the kind has.
    pub details: Map<String, Value>,
}

impl ToolError {
    /// Details that are no object are none.
    #[must_use]
    pub fn new(kind: Kind, changed: Changed, message: &str, next: &str, details: Value) -> Self {
        let (message, next) = (message.to_owned(), next.to_owned());
        let details = match details {
            Value::Object(details) => details,
            _ => Map::new(),
        };
        Self {
            kind,
            changed,
            message,
            next,
            details,
        }
    }

    /// The value of the result: `{"error": {"kind", "message", "changed", "next", …}}`.
    pub(in crate::engine) fn into_value(self, fence: &Fence) -> Value {
        let mut object = Map::new();
        object.insert("kind".into(), self.kind.name().into());
        object.insert(
            "message".into(),
            fence.line(&fence.resolved_line(&self.message), 900).into(),
        );
        object.insert("changed".into(), changed_name(self.changed).into());
        object.insert("next".into(), fence.line(&self.next, 400).into());
        object.extend(self.details);
        json!({ "error": object })
    }
}

/// How results say whether anything was changed.
pub(in crate::engine) fn changed_name(changed: Changed) -> &'static str {
    match changed {
        Changed::No => "no",
        Changed::Yes => "yes",
        Changed::Unknown => "unknown",
    }
}

/// Why a call has no ordinary result: where it comes from, from which `ToolError` is made, and the line in the audit log.
#[derive(Debug)]
pub enum Failure {
    /// The arguments don't fit. Nothing was sent.
    Arguments(Vec<ArgumentProblem>),
    /// A name leads to nothing, or to more than one thing. Only reads were sent.
    Reference {
        /// The argument.
        argument: String,
        /// What is wrong.
        message: String,
        /// What to do.
        next: String,
    },
    /// Neon would refuse the call, so nobody was asked about it. Only reads were sent.
    WouldFail(Box<WouldFail>),
    /// The operator's policy says no.
    Denied(Denied),
    /// A human must approve the call first, and the client can't ask one.
    RequiresApproval(Box<RequiresApproval>),
    /// A human was asked, and there is no approval that counts.
    NotApproved(NotApproved),
    /// The same, where its statements were tried in a transaction that was rolled back: what they would lose was measured.
    NotApprovedAfterTrial(NotApproved),
    /// The call can't be recorded, so it wasn't made.
    Unrecorded(String),
    /// The copy that the policy demands first couldn't be made.
    NoCopy {
        /// Why not.
        why: String,
        /// Whether Neon may have begun it.
        begun: bool,
    },
    /// The target changed while its copy was made: the call wasn't sent.
    ChangedMeanwhile(Value),
    /// Neon, or the way there, said no.
    Neon {
        /// What it said.
        error: Box<Error>,
        /// What helps when it isn't known whether the call happened.
        help: Box<Help>,
    },
    /// The answer isn't what Neon documents.
    Answer {
        /// What is wrong with it.
        message: String,
        /// Whether the call had changed something by then.
        changed: Changed,
    },
    /// Postgres, or the way there, said no to SQL.
    Sql(Box<SqlError>),
    /// The statements mention something that reaches a listed function under another name. They were not run.
    Reaches(Reaching),
    /// Building indexes outside of a transaction would call code of the database's own by now. The statement was not run.
    CallsCode,
    /// The measured commit stopped statements that lose more than was judged or approved. They were rolled back.
    Exceeded(Box<Measured>),
    /// A step of a workflow didn't come about.
    Step {
        /// The tool that it is.
        step: String,
        /// Why not.
        why: String,
        /// Whether it had changed something by then.
        changed: Changed,
    },
    /// A workflow ended in a way that it tells itself.
    WorkflowError(Box<WorkflowError>),
    /// A workflow failed after the copy that the policy demands was made.
    AfterCopy {
        /// How it failed.
        failure: Box<Failure>,
        /// What was made.
        copy: Value,
    },
    /// The documentation can't be read. Neon has no part in it.
    Docs {
        /// Why.
        error: DocsError,
        /// The sandbox answers here, which carries no documentation.
        sandbox: bool,
    },
    /// A defect of this server.
    Internal(String),
}

/// Why Neon would refuse a call.
#[derive(Debug)]
pub struct WouldFail {
    /// Why, as sentences of ours.
    pub message: String,
    /// What to do before it.
    pub next: String,
    /// What stands in its way: names from outside, marked.
    pub found: Vec<String>,
}

/// A failure in a workflow's own words.
#[derive(Debug)]
pub struct WorkflowError {
    /// The name in results and in the audit log.
    pub kind: Kind,
    /// What happened, as sentences of ours: nothing of the database's is in it.
    pub message: String,
    /// Whether anything was changed.
    pub changed: Changed,
    /// What to do next.
    pub next: String,
    /// Details, as an object; what comes from the database stands in a fence.
    pub more: Value,
}

/// What helps when it isn't known whether a call happened.
#[derive(Debug, Default)]
pub struct Help {
    /// The tool whose answer tells.
    pub check: Option<String>,
    /// The copy that was made first.
    pub copy: Option<Value>,
    /// The way back, should it have happened.
    pub undo: Option<Value>,
}

/// What is said to an agent whose client can't ask its human.
#[derive(Debug)]
pub struct RequiresApproval {
    /// The plan, as data.
    pub plan: Value,
    /// The code for `neon-mcp approve`, where the policy takes approvals from a terminal.
    pub code: Option<String>,
    /// How it is approved in a terminal, and whose that is.
    pub terminal: Option<InTerminal>,
    /// The address of the approval page, where this server has one, and what it asks for.
    pub page: Option<(String, Option<PageAsks>)>,
    /// Why the client isn't the one to ask, where it is the policy's word: who approves such calls instead.
    pub instead_of_client: Option<InsteadOfClient>,
    /// What proves with a later call that this one was told of the code.
    pub approval: Option<String>,
    /// Why nobody can be asked, where that is so.
    pub nobody: Option<String>,
    /// What to do instead, where more is known than that nobody can be asked.
    pub instead: Option<&'static str>,
    /// How long the code waits, in seconds.
    pub waits: u64,
}

/// What the policy says, where it doesn't have the caller's client ask its human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsteadOfClient {
    /// These approve such calls, in words.
    Approvers(String),
    /// No client asks.
    NoClient,
}

/// How the audit log calls an end after which that much was changed.
fn by_change(changed: Changed) -> Recorded {
    match changed {
        Changed::Unknown => Recorded::Unknown,
        // It was done, though its answer may not be readable.
        Changed::Yes => Recorded::Done,
        Changed::No => Recorded::Failed,
    }
}

/// Said where a statement mentions something that reaches a listed function.
pub(in crate::engine) const REACHES: &str =
    "The statement uses something of the database's own that does more than read, so it was not run.";

/// Said where a statement outside of a transaction builds indexes that call code by now.
pub(in crate::engine) const CALLS_CODE: &str = "Indexes of the database call functions of its own by now, which nothing holds outside of a transaction: the \
                          statement wasn't run.";

/// Said where the measured commit stopped statements.
pub(in crate::engine) const EXCEEDED: &str =
    "The statements lose more than was judged or approved, so they were rolled back. Nothing was changed.";

/// What a database said of itself, by the settings' names.
fn identity(found: &Value) -> String {
    let said: Vec<String> = found
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| match value.as_str().unwrap_or_default() {
            "" => format!("{} isn't told", one_line(name, 40)),
            value => format!("{} is {}", one_line(name, 40), one_line(value, 80)),
        })
        .collect();
    said.join(", ")
}

/// Whether this is a code of Postgres': five upper case letters or digits (SQL standard, 24.1). Anything else is somebody's text.
pub(in crate::engine) fn is_sqlstate(code: &str) -> bool {
    code.len() == 5
        && code
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// What the audit log says of a failed statement: Postgres' own words may quote rows.
fn sql_summary(error: &SqlError) -> String {
    match error.code().filter(|code| is_sqlstate(code)) {
        Some(code) => format!("the SQL failed ({code})"),
        None if error.end() == SqlEnd::Refused => "the SQL failed".to_owned(),
        // Words of ours, without the end of a sentence.
        None => error.to_string().trim_end_matches('.').to_owned(),
    }
}

/// A failure, as the audit log names it.
#[derive(Debug)]
pub(in crate::engine) struct Named {
    pub(in crate::engine) outcome: Recorded,
    pub(in crate::engine) reason: String,
    pub(in crate::engine) rule: Option<String>,
    pub(in crate::engine) request_id: Option<String>,
    /// This server said no, whatever the call would have done.
    pub(in crate::engine) is_refusal: bool,
}

/// What is wrong with one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentProblem {
    /// The argument, or a pointer into it; empty for the arguments as a whole.
    pub argument: String,
    /// What is wrong, as a sentence.
    pub message: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Neon {
            error: Box::new(error),
            help: Box::default(),
        }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl Failure {
    /// The branch that the operator fixed isn't in the project.
    pub(in crate::engine) fn no_such_pin(branch: &str) -> Self {
        Self::Reference {
            argument: "--branch".to_owned(),
            message: format!(
                "The operator set --branch {}, and the project has no such branch. Nothing was changed.",
                one_line(branch, 100)
            ),
            next: "Tell the user: only the operator can change --branch.".to_owned(),
        }
    }

    /// Why SQL gave no rows: Postgres said no, or a statement of our own stopped the others.
    pub(in crate::engine) fn of_sql(error: SqlError) -> Self {
        let told = |kind: Kind, message: String, next: &str| {
            Self::WorkflowError(Box::new(WorkflowError {
                kind,
                message,
                changed: Changed::No,
                next: next.to_owned(),
                more: Value::Null,
            }))
        };
        match error.stop() {
            None | Some(Stop::Measured(_) | Stop::Stale) => Self::Sql(Box::new(error)),
            Some(Stop::Reaches(reaching)) => Self::Reaches(reaching.clone()),
            Some(Stop::Exceeded(measured)) => Self::Exceeded(measured.clone()),
            Some(Stop::CallsCode) => Self::CallsCode,
            Some(Stop::Identity(found)) => told(
                Kind::AnotherDatabase,
                format!(
                    "The database that answered isn't the one that the call is about ({}). No statement was run.",
                    identity(found)
                ),
                "Its compute may have moved to another branch just now: look with describe_branch and list_branch_computes, then try again.",
            ),
            Some(Stop::Role) => told(
                Kind::DeniedByPolicy,
                "The operator bounds the roles that this server works with, and a statement took another one than the connection's. All of it was rolled back."
                    .to_owned(),
                "Leave that out. Only the operator can change which roles there are: tell the user.",
            ),
            Some(Stop::Lexical(setting)) => told(
                Kind::UnsafeSetting,
                format!(
                    "The role or database sets {} so that a text means something else than it says. No statement was run.",
                    one_line(setting, 60)
                ),
                "Run ALTER ROLE … RESET or ALTER DATABASE … RESET for that setting, or let another role run it.",
            ),
            Some(Stop::Tampered | Stop::Unsettled | Stop::Cursor | Stop::Catalogue) => told(
                Kind::NotVerifiable,
                format!(
                    "What the statements lose can't be verified ({}), so they were rolled back.",
                    match error.stop() {
                        Some(Stop::Unsettled) => "deferred triggers go on making work for the commit",
                        Some(Stop::Cursor) => "a cursor WITH HOLD would run its query at the commit",
                        _ => "the baseline that the server keeps was changed",
                    }
                ),
                "Leave that out, or run it on a throwaway branch (create_throwaway_branch).",
            ),
        }
    }

    /// Adds what helps when it isn't known whether the call happened: the read that tells, the copy that was made before, and
    /// the way back.
    #[must_use]
    pub fn with_help(self, tool: Option<&str>, made: Option<&Value>, way: Option<Value>) -> Self {
        match self {
            Self::Neon { error, .. } => Self::Neon {
                help: Box::new(Help {
                    check: tool.map(str::to_owned),
                    copy: made.cloned(),
                    undo: way.filter(|_| error.changed() != Changed::No),
                }),
                error,
            },
            other => other,
        }
    }

    /// Neon's own refusal, where it is one.
    #[must_use]
    pub(in crate::engine) fn of_neon(&self) -> Option<&Error> {
        match self {
            Self::Neon { error, .. } => Some(error),
            Self::AfterCopy { failure, .. } => failure.of_neon(),
            _ => None,
        }
    }

    /// Adds the copy that was made before, if one was.
    #[must_use]
    pub(in crate::engine) fn after_copy(self, copy: Option<&Value>) -> Self {
        match copy {
            Some(copy) => Self::AfterCopy {
                failure: Box::new(self),
                copy: copy.clone(),
            },
            None => self,
        }
    }

    /// The failure, as the audit log names it.
    pub(in crate::engine) fn recorded(&self) -> Named {
        let named = |outcome: Recorded, reason: String| Named {
            outcome,
            reason,
            rule: None,
            request_id: None,
            is_refusal: false,
        };
        let refusal = |outcome: Recorded, reason: String| Named {
            is_refusal: true,
            ..named(outcome, reason)
        };
        match self {
            Self::Arguments(_) => named(Recorded::Failed, "the arguments don't fit".to_owned()),
            Self::Reference { message, .. } => named(Recorded::Failed, message.clone()),
            Self::WouldFail(why) => refusal(
                Recorded::Refused,
                format!("it would fail: {}", one_line(&why.message, 300)),
            ),
            Self::Denied(denied) => Named {
                rule: Some(denied.rule.clone()),
                ..refusal(Recorded::Refused, bare(&denied.message))
            },
            Self::RequiresApproval(needs) => match (&needs.code, &needs.nobody) {
                (_, Some(nobody)) => refusal(Recorded::Refused, format!("nobody can be asked: {nobody}")),
                (Some(code), _) => refusal(Recorded::Asked, format!("waits for a human's approval as {code}")),
                (None, None) => refusal(Recorded::Asked, "waits for a human's approval on the page".to_owned()),
            },
            Self::NotApproved(no) | Self::NotApprovedAfterTrial(no) => {
                let outcome = match no {
                    NotApproved::Rejected | NotApproved::WrongTries => Recorded::Rejected,
                    NotApproved::Cancelled => Recorded::Cancelled,
                    NotApproved::TimedOut => Recorded::TimedOut,
                    NotApproved::WrongName(_) => Recorded::WrongName,
                    NotApproved::NotTicked | NotApproved::Malformed(_) => Recorded::Malformed,
                    NotApproved::Expired | NotApproved::StoreBegan => Recorded::Expired,
                    NotApproved::Used => Recorded::Used,
                    NotApproved::Changed => Recorded::Changed,
                    NotApproved::Tampered
                    | NotApproved::Other(_)
                    | NotApproved::Channel(_)
                    | NotApproved::Approver(_)
                    | NotApproved::CallerUntold(_)
                    | NotApproved::Unrecorded(_)
                    | NotApproved::StoreUnavailable(_) => Recorded::Refused,
                };
                refusal(outcome, guard::untrusted::bare(&no.to_string()))
            }
            Self::Unrecorded(_) => refusal(Recorded::Refused, self.message()),
            Self::NoCopy { begun: true, .. } => named(Recorded::Failed, self.message()),
            Self::NoCopy { begun: false, .. } => refusal(Recorded::Refused, self.message()),
            Self::ChangedMeanwhile(_) => named(Recorded::Changed, self.message()),
            Self::Neon { error, .. } => Named {
                request_id: error.request_id().map(str::to_owned),
                ..named(by_change(error.changed()), error.summary().to_owned())
            },
            Self::Answer { message, changed } => named(by_change(*changed), message.clone()),
            Self::Sql(error) => named(by_change(error.changed()), sql_summary(error)),
            Self::Exceeded(_) => refusal(Recorded::Refused, EXCEEDED.to_owned()),
            Self::Reaches(_) => refusal(Recorded::Refused, REACHES.to_owned()),
            Self::CallsCode => refusal(Recorded::Refused, CALLS_CODE.to_owned()),
            Self::Step { step, why, changed } => named(by_change(*changed), format!("{step}: {}", one_line(why, 300))),
            Self::WorkflowError(told) if told.kind == Kind::WrongCaller => {
                refusal(Recorded::Refused, one_line(&told.message, 300))
            }
            Self::WorkflowError(told) => named(by_change(told.changed), one_line(&told.message, 300)),
            Self::AfterCopy { failure, .. } => failure.recorded(),
            Self::Docs { error, .. } => named(Recorded::Failed, error.to_string()),
            Self::Internal(message) => named(Recorded::Unknown, message.clone()),
        }
    }

    /// What is said of failures that are this server's own.
    pub(in crate::engine) fn message(&self) -> String {
        match self {
            Self::Unrecorded(why) => format!(
                "The call can't be recorded in the audit log ({}), and what leaves no trace doesn't run. Nothing was sent to Neon.",
                one_line(why, 300)
            ),
            Self::ChangedMeanwhile(_) => {
                "The target changed while its copy was made, so the call was not sent.".to_owned()
            }
            Self::NoCopy { why, .. } => format!(
                "The operator's policy demands a copy first, and it couldn't be made: {}. The call was not sent.",
                one_line(why, 300)
            ),
            _ => String::new(),
        }
    }

    /// The failure of a call whose statements were tried before a human was asked, if they were.
    pub(in crate::engine) fn after_trial(self, were_tried: bool) -> Self {
        match self {
            Self::NotApproved(no) if were_tried => Self::NotApprovedAfterTrial(no),
            other => other,
        }
    }

    /// What kind of error it is.
    #[must_use]
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Arguments(_) => Kind::InvalidArguments,
            Self::Reference { .. } => Kind::Unresolved,
            Self::WouldFail(_) => Kind::WouldFail,
            Self::Denied(_) => Kind::DeniedByPolicy,
            Self::RequiresApproval(_) => Kind::RequiresApproval,
            Self::NotApproved(no) | Self::NotApprovedAfterTrial(no) => {
                Kind::named(no.kind()).unwrap_or(Kind::ApprovalInvalid)
            }
            Self::Unrecorded(_) => Kind::Unrecorded,
            Self::NoCopy { .. } => Kind::NoSafetyCopy,
            Self::ChangedMeanwhile(_) => Kind::TargetChanged,
            Self::Neon { error, .. } => kind_of(error.kind()),
            Self::Answer { .. } => Kind::MalformedAnswer,
            Self::Sql(error) => sql_kind(error),
            Self::Reaches(_) => Kind::ReachesListedFunction,
            Self::CallsCode => Kind::RunsUnguardedCode,
            Self::Exceeded(_) => Kind::LosesMoreThanApproved,
            Self::Step { .. } => Kind::StepFailed,
            Self::WorkflowError(told) => told.kind,
            Self::AfterCopy { failure, .. } => failure.kind(),
            Self::Docs { error, .. } => docs_kind(error),
            Self::Internal(_) => Kind::Internal,
        }
    }

    /// Whether anything was changed, as far as that is known.
    #[must_use]
    pub(crate) fn changed(&self) -> Changed {
        match self {
            Self::Sql(error) => error.changed(),
            Self::Step { changed, .. } | Self::Answer { changed, .. } => *changed,
            Self::Neon { error, .. } => error.changed(),
            Self::WorkflowError(told) => told.changed,
            // The copy is there.
            Self::ChangedMeanwhile(_) => Changed::Yes,
            Self::AfterCopy { failure, .. } => failure.changed(),
            Self::Internal(_) => Changed::Unknown,
            Self::Arguments(_)
            | Self::Reference { .. }
            | Self::WouldFail(_)
            | Self::Denied(_)
            | Self::RequiresApproval(_)
            | Self::NotApproved(_)
            | Self::NotApprovedAfterTrial(_)
            | Self::Unrecorded(_)
            | Self::NoCopy { .. }
            | Self::Reaches(_)
            | Self::CallsCode
            | Self::Exceeded(_)
            | Self::Docs { .. } => Changed::No,
        }
    }
}

pub(in crate::engine) fn kind_of(kind: ErrorKind) -> Kind {
    match kind {
        ErrorKind::NotSignedIn => Kind::NotSignedIn,
        ErrorKind::Unauthorized => Kind::Unauthorized,
        ErrorKind::Forbidden => Kind::Forbidden,
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::Conflict => Kind::Conflict,
        ErrorKind::Refused => Kind::RejectedByNeon,
        ErrorKind::Locked => Kind::Locked,
        ErrorKind::RateLimited => Kind::RateLimited,
        ErrorKind::Unavailable => Kind::Unavailable,
        ErrorKind::Upstream => Kind::NeonError,
        ErrorKind::NoBudget => Kind::StoreUnavailable,
        ErrorKind::Network => Kind::Network,
        ErrorKind::TimedOut => Kind::TimedOut,
        ErrorKind::Cancelled => Kind::Cancelled,
        ErrorKind::OutcomeUnknown => Kind::OutcomeUnknown,
        ErrorKind::AnswerUnreadable => Kind::AnswerUnreadable,
        ErrorKind::Malformed => Kind::MalformedAnswer,
        ErrorKind::TooLarge => Kind::TooLarge,
        ErrorKind::RedirectRefused => Kind::RedirectRefused,
        ErrorKind::Setup => Kind::Internal,
    }
}

/// The kind of a failed statement.
pub(in crate::engine) fn sql_kind(failed: &SqlError) -> Kind {
    match (failed.is_too_large(), failed.is_without_postgres()) {
        (true, _) => Kind::ResultTooLarge,
        (false, true) => Kind::NoPostgres,
        (false, false) => match (failed.end(), failed.changed()) {
            (SqlEnd::Refused, _) => Kind::SqlFailed,
            (SqlEnd::Cancelled, _) => Kind::Cancelled,
            // What read alone may simply be read again.
            (SqlEnd::OutOfTime, Changed::No) => Kind::TimedOut,
            (SqlEnd::Unreached | SqlEnd::Lost, Changed::No) => Kind::Network,
            (SqlEnd::OutOfTime | SqlEnd::Unreached | SqlEnd::Lost, _) => Kind::OutcomeUnknown,
        },
    }
}

/// The kind of documentation that can't be read.
pub(in crate::engine) fn docs_kind(cause: &DocsError) -> Kind {
    Kind::named(cause.kind()).unwrap_or(Kind::DocsUnusable)
}
