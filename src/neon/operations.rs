//! Waiting for operations: the work that Neon goes on with after it has answered.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::client::Client;
use super::context::Context;
use super::error::{Error, ErrorKind};
use super::ids::{OperationId, ProjectId};
use super::request::Read;
use super::text::one_line;

/// The route by which one operation is read.
const ROUTE: &str = "/projects/{project_id}/operations/{operation_id}";

/// How far an operation is (Neon's `OperationStatus`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationStatus {
    /// Waits for its turn.
    Scheduling,
    /// Runs.
    Running,
    /// Has succeeded.
    Finished,
    /// Has failed.
    Failed,
    /// Has failed; Neon may try again as another operation.
    Error,
    /// Is being cancelled, which isn't the end.
    Cancelling,
    /// Was cancelled.
    Cancelled,
    /// Wasn't needed, which is a success.
    Skipped,
    /// A status that this version doesn't know; taken for unfinished.
    Other(String),
}

impl OperationStatus {
    /// The status of this name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "scheduling" => Self::Scheduling,
            "running" => Self::Running,
            "finished" => Self::Finished,
            "failed" => Self::Failed,
            "error" => Self::Error,
            "cancelling" => Self::Cancelling,
            "cancelled" => Self::Cancelled,
            "skipped" => Self::Skipped,
            other => Self::Other(one_line(other, 60)),
        }
    }

    /// Neon's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Scheduling => "scheduling",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Other(name) => name,
        }
    }

    /// Whether it ended well: `finished` or `skipped`.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Finished | Self::Skipped)
    }

    /// Whether it ended badly: `failed`, `error` or `cancelled`.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::Cancelled)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.is_success() || self.is_failure()
    }
}

impl fmt::Display for OperationStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for OperationStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One operation, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationState {
    /// Its id.
    pub id: OperationId,
    /// What it does, such as `start_compute`. An open set: take an unknown one as it is.
    pub action: String,
    /// How far it is.
    pub status: OperationStatus,
    /// Neon's text about a failure, on one line. Untrusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl OperationState {
    /// Reads one operation object of Neon's; `None` without an id that is a UUID.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        Some(Self {
            id: OperationId::parse(text("id")?).ok()?,
            action: one_line(text("action").unwrap_or("operation"), 60),
            status: OperationStatus::parse(text("status").unwrap_or("running")),
            error: text("error")
                .map(|error| one_line(error, 500))
                .filter(|error| !error.is_empty()),
        })
    }

    /// The operations that an answer names: its `operations` array, or its single `operation`. None means that there is nothing
    /// to wait for.
    #[must_use]
    pub fn from_answer(body: &Value) -> Vec<Self> {
        match (body.get("operations"), body.get("operation")) {
            (Some(Value::Array(operations)), _) => operations.iter().filter_map(Self::from_value).collect(),
            (_, Some(operation)) => Self::from_value(operation).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// How a wait ended, and each operation as it was last seen.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Every operation, in the order given.
    pub operations: Vec<OperationState>,
    /// How it ended.
    pub ending: Ending,
}

impl Outcome {
    /// The operations that haven't ended, as far as is known: Neon goes on with them.
    pub fn unfinished(&self) -> impl Iterator<Item = &OperationState> {
        self.operations.iter().filter(|operation| !operation.status.is_final())
    }

    /// The first operation that ended badly.
    #[must_use]
    pub fn failed(&self) -> Option<&OperationState> {
        self.operations.iter().find(|operation| operation.status.is_failure())
    }
}

/// How a wait ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Ending {
    /// All have finished or were skipped.
    Done,
    /// One has failed; [`Outcome::failed`] says which. Later ones were not waited for.
    Failed,
    /// The time ran out. The work goes on at Neon.
    OutOfTime,
    /// The caller cancelled the *wait*. The work goes on at Neon.
    Cancelled,
    /// The operations couldn't be read. The work goes on at Neon.
    Unseen(Error),
}

/// Waits until all operations have ended, one has failed, or `budget` or the context's deadline is over. Operations are looked
/// at one after the other, the first unfinished one first: Neon runs them in this order. `on_change` is called with all of them
/// whenever one has changed.
///
/// Waiting changes nothing at Neon, nor does giving up.
pub async fn wait(
    client: &Client,
    context: &Context,
    project: &ProjectId,
    operations: Vec<OperationState>,
    budget: Duration,
    mut on_change: impl FnMut(&[OperationState]),
) -> Outcome {
    let policy = client.config().poll;
    let started = Instant::now();
    let deadline = started
        .checked_add(budget)
        .map_or(context.deadline, |end| end.min(context.deadline));
    let context = context.until(deadline);
    let mut operations = operations;
    let mut looks = 0_u32;
    let mut looked_at: Option<OperationId> = None;
    loop {
        if operations.iter().any(|seen| seen.status.is_failure()) {
            return ended(operations, Ending::Failed);
        }
        let Some(unfinished) = operations.iter_mut().find(|seen| !seen.status.is_final()) else {
            return ended(operations, Ending::Done);
        };
        // A new operation in turn is looked at at once, and from then on at growing distances.
        if looked_at.as_ref() == Some(&unfinished.id) {
            looks = looks.saturating_add(1);
            if let Some(ending) = pause(policy.wait(looks, rand::random()), &context).await {
                return ended(operations, ending);
            }
        } else {
            looks = 0;
            looked_at = Some(unfinished.id.clone());
        }
        match look(client, &context, project, unfinished).await {
            Ok(false) => {}
            Ok(true) => on_change(&operations),
            Err(error) => {
                let grace = started.elapsed() < policy.not_found_grace;
                if error.kind() == ErrorKind::NotFound && grace {
                    continue;
                }
                if let Some(ending) = give_up(error, &context).await {
                    return ended(operations, ending);
                }
            }
        }
    }
}

/// What a failed look means: the end of the wait, or (`None`) a pause that Neon asked for, which is over now.
async fn give_up(error: Error, context: &Context) -> Option<Ending> {
    match (error.kind(), error.retry_after()) {
        (ErrorKind::Cancelled, _) => Some(Ending::Cancelled),
        _ if context.left().is_zero() => Some(Ending::OutOfTime),
        (_, Some(asked)) if asked < context.left() => pause(asked, context).await,
        _ => Some(Ending::Unseen(error)),
    }
}

/// Sleeps; says so when the wait is over before the sleep is.
async fn pause(length: Duration, context: &Context) -> Option<Ending> {
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Some(Ending::Cancelled),
        () = tokio::time::sleep_until(context.deadline) => Some(Ending::OutOfTime),
        () = tokio::time::sleep(length) => None,
    }
}

/// Reads one operation; tells whether it has changed.
async fn look(
    client: &Client,
    context: &Context,
    project: &ProjectId,
    seen: &mut OperationState,
) -> Result<bool, Error> {
    let segments = [("project_id", project.into()), ("operation_id", (&seen.id).into())];
    let read = Read::new(ROUTE, &segments)
        .map_err(|error| Error::malformed(format!("The operation can't be asked for: {error}.")))?;
    let answer = client.read(read, context).await?;
    let now = answer
        .body
        .as_ref()
        .and_then(|body| OperationState::from_value(body.get("operation").unwrap_or(body)))
        .filter(|now| now.id.as_str().eq_ignore_ascii_case(seen.id.as_str()))
        .ok_or_else(|| {
            Error::malformed(format!(
                "Neon's answer about operation {} doesn't describe it.",
                seen.id
            ))
            .with_status(answer.status)
            .with_request_id(Some(answer.request_id.clone()))
            .with_attempts(answer.attempts)
        })?;
    let changed = now != *seen;
    *seen = now;
    Ok(changed)
}

fn ended(operations: Vec<OperationState>, ending: Ending) -> Outcome {
    Outcome { operations, ending }
}
