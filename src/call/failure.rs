//! A call that failed or was refused, as a result that stands alone: what failed, whether anything
//! changed at Neon, what to do next.

use serde_json::{Map, Value, json};

use crate::guard::Plan;
use crate::neon::text::one_line;
use crate::neon::{Changed, Error, ErrorKind};

/// The largest refusal with a plan, in bytes. Other errors are built from texts that are bounded to less than half of it.
const MOST_PLAN_BYTES: usize = 3_800;

/// Why a call has no ordinary result.
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
    /// A human must say yes first.
    Refused(Box<Plan>),
    /// Neon, or the way there, said no.
    Neon {
        /// What it said.
        error: Box<Error>,
        /// The tool whose answer tells whether a lost change happened, with its arguments.
        check: Option<String>,
    },
    /// The answer isn't what Neon documents.
    Answer {
        /// What is wrong with it.
        message: String,
        /// Whether the call had changed something by then.
        changed: Changed,
    },
    /// A defect of this server.
    Internal(String),
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
            check: None,
        }
    }
}

impl Failure {
    /// Names the read that tells whether a lost change happened.
    #[must_use]
    pub fn with_check(self, tool: &str) -> Self {
        match self {
            Self::Neon { error, .. } => Self::Neon {
                error,
                check: Some(tool.to_owned()),
            },
            other => other,
        }
    }

    /// The failure as the value of a result.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self {
            Self::Arguments(problems) => arguments(&problems),
            Self::Reference {
                argument,
                message,
                next,
            } => error(
                "unresolved",
                &message,
                Changed::No,
                &next,
                json!({"argument": argument}),
            ),
            Self::Refused(plan) => error(
                "needs_confirmation",
                "This call needs a human's yes, and this server can't ask for one yet, so it was refused and not sent. Nothing was changed at Neon.",
                Changed::No,
                "Tell the user what the plan says; they can do it in the Neon Console. Don't try another way around.",
                json!({"plan": bounded(plan.into_value())}),
            ),
            Self::Neon { error: cause, check } => neon(&cause, check.as_deref()),
            Self::Answer { message, changed } => error(
                "malformed_answer",
                &message,
                changed,
                "Don't repeat a changing call before a reading tool has shown what Neon has now.",
                Value::Null,
            ),
            Self::Internal(message) => error(
                "internal",
                &format!("neon-mcp failed: {message}"),
                Changed::Unknown,
                "Look with a reading tool before repeating a changing call, and report this to the project.",
                Value::Null,
            ),
        }
    }
}

/// A plan that fits into a result: the body goes first, it only repeats the arguments.
fn bounded(mut plan: Value) -> Value {
    for part in ["/would_send/body", "/undo", "/because"] {
        let size = serde_json::to_string(&plan).map_or(0, |text| text.len());
        if size + 700 <= MOST_PLAN_BYTES {
            break;
        }
        if let Some(place) = plan.pointer_mut(part) {
            *place = "(too long to show)".into();
        }
    }
    plan
}

fn error(kind: &str, message: &str, changed: Changed, next: &str, more: Value) -> Value {
    let mut object = Map::new();
    object.insert("kind".into(), kind.into());
    object.insert("message".into(), one_line(message, 900).into());
    object.insert("changed".into(), changed_name(changed).into());
    object.insert("next".into(), one_line(next, 400).into());
    if let Value::Object(more) = more {
        object.extend(more);
    }
    json!({"error": object})
}

fn changed_name(changed: Changed) -> &'static str {
    match changed {
        Changed::No => "nothing",
        Changed::Yes => "yes",
        Changed::Unknown => "unknown",
    }
}

fn arguments(problems: &[ArgumentProblem]) -> Value {
    let mut shown: Vec<Value> = Vec::new();
    let mut bytes = 0;
    for problem in problems {
        let message = one_line(&problem.message, 300);
        bytes += message.len() + problem.argument.len() + 40;
        if bytes > 1_300 {
            shown.push(json!({"message": format!("and {} more", problems.len() - shown.len())}));
            break;
        }
        shown.push(match problem.argument.as_str() {
            "" => json!({"message": message}),
            argument => json!({"argument": one_line(argument, 100), "message": message}),
        });
    }
    error(
        "invalid_arguments",
        "The arguments don't fit this tool. Nothing was sent to Neon.",
        Changed::No,
        "Correct the arguments and call again.",
        json!({"problems": shown}),
    )
}

fn neon(cause: &Error, check: Option<&str>) -> Value {
    let next = match (cause.changed(), check) {
        (Changed::No, _) | (_, None) => cause.hint().to_owned(),
        (_, Some(tool)) => format!(
            "Call {tool} to see whether it happened before you call this again. {}",
            cause.hint()
        ),
    };
    let mut message = cause.summary().to_owned();
    if let Some(said) = cause.message() {
        message.push_str(&format!(" Neon says: “{said}”"));
    }
    let mut more = Map::new();
    if let Some(status) = cause.status() {
        more.insert("status".into(), status.into());
    }
    if let Some(code) = cause.code().filter(|code| !code.is_empty()) {
        more.insert("code".into(), one_line(code, 100).into());
    }
    if let Some(wait) = cause.retry_after() {
        more.insert("retry_after_seconds".into(), wait.as_secs_f64().ceil().into());
    }
    if let Some(id) = cause.request_id() {
        more.insert("request_id".into(), one_line(id, 100).into());
    }
    more.insert("attempts".into(), cause.attempts().into());
    error(
        kind_name(cause.kind()),
        &message,
        cause.changed(),
        &next,
        Value::Object(more),
    )
}

fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Refused => "refused_by_neon",
        ErrorKind::Locked => "locked",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Upstream => "neon_error",
        ErrorKind::Network => "network",
        ErrorKind::TimedOut => "timed_out",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::OutcomeUnknown => "outcome_unknown",
        ErrorKind::AnswerUnreadable => "answer_unreadable",
        ErrorKind::Malformed => "malformed_answer",
        ErrorKind::TooLarge => "too_large",
        ErrorKind::RedirectRefused => "redirect_refused",
        ErrorKind::Setup => "internal",
        // The kinds are the client's own; a new one is named here when it is made.
        #[allow(unreachable_patterns)]
        _ => "other",
    }
}
