//! A call that failed or was refused, as a result that stands alone: what failed, whether anything changed at Neon, what to do next.

use serde_json::{Map, Value, json};

use crate::docs::DocsError;
use crate::engine::error::{ArgumentProblem, Failure, Help, ToolError, docs_kind, kind_of, sql_kind};
use crate::engine::kind::Kind;
use crate::engine::present::approval::requires_approval;
use crate::engine::present::sql::{postgres_says, sql_next};
use crate::engine::present::untrusted::Fence;
use crate::guard;
use crate::neon::sql::SqlError;
use crate::neon::text::one_line;
use crate::neon::{Changed, Error};

/// What an agent is told where the store is needed and can't be used.
const AWAY: &str =
    "What replicas of this server share can't be used now, and this call needs it. Nothing was sent to Neon.";

/// What an agent is told where the statements ran for their measure alone.
const TRIED: &str = "The statements had been tried in a transaction that was rolled back, to see what they change: no row and no object \
                     is another than before, but numbers that sequences gave out stay given out.";

impl Failure {
    /// What the failure says, for a sentence of a result.
    #[must_use]
    pub(crate) fn into_message(self, fence: &Fence) -> String {
        let value = self.into_value(fence);
        let message = value.pointer("/error/message").and_then(Value::as_str);
        message.unwrap_or_default().to_owned()
    }

    /// The failure as the value of a result.
    #[must_use]
    pub(crate) fn into_value(self, fence: &Fence) -> Value {
        self.into_error(fence).into_value(fence)
    }

    /// The failure as it is told: its kind and whether anything was changed are its own, the words are made here.
    fn into_error(self, fence: &Fence) -> ToolError {
        let (kind, changed) = (self.kind(), self.changed());
        let was_tried = matches!(self, Self::NotApprovedAfterTrial(_));
        let error = |message: &str, next: &str, details: Value| ToolError::new(kind, changed, message, next, details);
        match self {
            Self::Arguments(problems) => arguments(&problems, fence),
            Self::Reference {
                argument,
                message,
                next,
            } => error(&message, &next, json!({"argument": argument})),
            Self::WouldFail(why) => {
                let mut more = json!({});
                if !why.found.is_empty() {
                    more = json!({ "found": why.found });
                    fence.enclose_plan(&mut more);
                }
                error(
                    &format!("{} Nobody was asked, and nothing was sent.", why.message),
                    &why.next,
                    more,
                )
            }
            Self::Denied(denied) => error(&denied.message, &denied.next, json!({"rule": denied.rule})),
            Self::RequiresApproval(needs) => requires_approval(*needs, fence),
            Self::NotApproved(ref no) | Self::NotApprovedAfterTrial(ref no) => error(
                &fence.resolved_line(&match no {
                    // Where the store is and what it said is for its operator, in the log.
                    guard::NotApproved::StoreUnavailable(_) => AWAY.to_owned(),
                    no if was_tried => format!("{no} {TRIED}"),
                    no => format!("{no} Nothing was sent to Neon."),
                }),
                if matches!(no, guard::NotApproved::StoreUnavailable(_)) {
                    "Call again in a while, with the same approval where one was given. If it lasts, tell the user: the operator must look after the store."
                } else if *no == guard::NotApproved::WrongTries {
                    "Tell the user: it may be that somebody guessed. Call again in some minutes, when its time is over, to be asked anew, if the user still wants it."
                } else if no.is_a_decision() {
                    "Take it as the user's decision: don't call this again, and don't try another way around, unless the user asks for it."
                } else {
                    "Call again without an approval to be asked anew, if the user still wants it."
                },
                Value::Null,
            ),
            Self::Unrecorded(_) => error(
                &self.message(),
                "Tell the user: the operator must make the audit log writable, or name another with --audit-log.",
                Value::Null,
            ),
            Self::ChangedMeanwhile(ref copy) => error(
                &self.message(),
                "The copy is there. Call again to be asked about what is there now, if the user still wants it.",
                {
                    let mut copy = copy.clone();
                    fence.enclose_copy(&mut copy);
                    json!({"safety_copy": copy})
                },
            ),
            Self::NoCopy { .. } => error(
                &self.message(),
                "Tell the user. A copy that was begun may exist: list_snapshots and list_branches show it.",
                Value::Null,
            ),
            Self::Neon { error: cause, help } => neon(&cause, *help, fence),
            Self::Answer { message, .. } => error(
                &message,
                "Don't repeat a changing call before a reading tool has shown what Neon has now.",
                Value::Null,
            ),
            Self::Sql(failed) => sql_failed(&failed, fence),
            Self::Reaches(reaching) => {
                let mut more = json!({ "reason": format!("it {}", guard::reaching(&reaching)) });
                fence.enclose_plan(&mut more);
                error(
                    crate::engine::error::REACHES,
                    "Run it with run_sql, which asks the user where it must, or leave out what it names.",
                    more,
                )
            }
            Self::CallsCode => error(
                crate::engine::error::CALLS_CODE,
                "Call again, or prepare what is left once more: completing it asks the user.",
                Value::Null,
            ),
            Self::Exceeded(measured) => {
                let losses: Vec<String> = guard::told_losses(&measured).into_iter().take(20).collect();
                let mut more = json!({ "losses": losses });
                fence.enclose_plan(&mut more);
                error(
                    crate::engine::error::EXCEEDED,
                    "Call again to be asked about what it loses now, if the user still wants it.",
                    more,
                )
            }
            Self::Step { step, why, .. } => error(
                &format!(
                    "The step {step} didn't come about: {}.",
                    fence.line(why.trim_end_matches('.'), 700)
                ),
                "The list calls show what there is.",
                json!({ "step": step }),
            ),
            Self::WorkflowError(told) => error(&told.message, &told.next, told.more),
            Self::AfterCopy { failure, mut copy } => {
                let mut error = failure.into_error(fence);
                fence.enclose_copy(&mut copy);
                error.details.insert("safety_copy".into(), copy);
                error
            }
            Self::Docs { error: cause, sandbox } => docs(&cause, sandbox),
            Self::Internal(message) => error(
                &format!("neon-mcp failed: {message}"),
                "Look with a reading tool before repeating a changing call, and report this to the project.",
                Value::Null,
            ),
        }
    }
}

/// What is said where the documentation can't be read.
fn docs(cause: &DocsError, sandbox: bool) -> ToolError {
    let mut message = cause.to_string();
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    message.push_str(". All other tools work without it.");
    if sandbox && !matches!(cause, DocsError::NoPage { .. }) {
        message.push_str(" The sandbox carries no documentation of its own: it is read from that host here too.");
    }
    let next = match cause {
        DocsError::NoPage { .. } => "Call list_docs_resources to see which pages there are.",
        DocsError::Cancelled => "Call again.",
        DocsError::Unreachable { .. } => {
            "Go on without the documentation, or try again later; the operator names its host with --docs-url."
        }
        DocsError::Unusable { .. } => {
            "Go on without it, and tell the user: the operator names the documentation's host with --docs-url."
        }
    };
    ToolError::new(docs_kind(cause), Changed::No, &message, next, Value::Null)
}

fn arguments(problems: &[ArgumentProblem], fence: &Fence) -> ToolError {
    let mut shown: Vec<Value> = Vec::new();
    let mut bytes = 0;
    for problem in problems {
        let message = fence.line(&problem.message, 300);
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
    ToolError::new(
        Kind::InvalidArguments,
        Changed::No,
        "The arguments don't fit this tool. Nothing was sent to Neon.",
        "Correct the arguments and call again.",
        json!({"problems": shown}),
    )
}

fn neon(cause: &Error, help: Help, fence: &Fence) -> ToolError {
    let Help {
        check,
        mut copy,
        mut undo,
    } = help;
    if let Some(copy) = &mut copy {
        fence.enclose_copy(copy);
    }
    if let Some(undo) = &mut undo {
        fence.enclose_undo(undo);
    }
    let check = check.as_deref();
    let next = match (cause.changed(), check) {
        (Changed::No, _) | (_, None) => cause.hint().to_owned(),
        (_, Some(tool)) => format!(
            "Call {tool} to see whether it happened before you call this again. {}",
            cause.hint()
        ),
    };
    let mut message = cause.summary().to_owned();
    if let Some(said) = cause.message() {
        message.push_str(&format!(" Neon says: “{}”", fence.quote(said)));
    }
    let mut more = Map::new();
    if let Some(status) = cause.status() {
        more.insert("status".into(), status.into());
    }
    if let Some(code) = cause.code().filter(|code| !code.is_empty()) {
        more.insert("code".into(), fence.quote(&one_line(code, 100)).into());
    }
    if let Some(wait) = cause.retry_after() {
        more.insert("retry_after_seconds".into(), wait.as_secs_f64().ceil().into());
    }
    if let Some(id) = cause.request_id() {
        more.insert("request_id".into(), fence.quote(&one_line(id, 100)).into());
    }
    if cause.attempts() > 1 {
        more.insert("attempts".into(), cause.attempts().into());
    }
    if let Some(copy) = copy {
        more.insert("safety_copy".into(), copy);
    }
    if let Some(undo) = undo {
        more.insert("undo_if_applied".into(), undo);
    }
    ToolError::new(
        kind_of(cause.kind()),
        cause.changed(),
        &message,
        &next,
        Value::Object(more),
    )
}

/// How a sandbox gets a PostgreSQL.
const WITH_POSTGRES: &str = "Tell the user: start the sandbox again with --fetch-postgres, which fetches one (neon-mcp install --sandbox \
                             --fetch-postgres writes it into a client's entry), or install the system's package (Debian, Ubuntu: apt \
                             install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql).";

/// A failed statement.
fn sql_failed(failed: &SqlError, fence: &Fence) -> ToolError {
    if failed.is_without_postgres() {
        let message = "The sandbox runs no PostgreSQL, so its branches hold no data and SQL can't run.";
        return ToolError::new(sql_kind(failed), failed.changed(), message, WITH_POSTGRES, Value::Null);
    }
    let more = postgres_says(failed, fence);
    let found = failed.found();
    let next = sql_next(failed);
    let mut message = failed.to_string();
    if found.at_end {
        message.push_str(" It was none of the statements by itself, but what was put off until their end: deferred constraints and triggers.");
    }
    match &found.statement {
        Some((number, _)) if found.at_end => {
            message.push_str(&format!(" Statement {number} is the one that changes the table."));
        }
        Some((number, kind)) if kind == crate::sql::UNREAD => message.push_str(&format!(" It was statement {number}.")),
        Some((number, kind)) => message.push_str(&format!(" It was statement {number} ({kind}).")),
        None => {}
    }
    ToolError::new(sql_kind(failed), failed.changed(), &message, &next, Value::Object(more))
}
