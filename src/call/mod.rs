//! One tool call, from arguments to result: check, judge, resolve, bind, run, wait, shape.

mod arguments;
mod bind;
mod facts;
mod failure;
mod list;
mod reference;
mod resolve;
mod run;
mod shape;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use failure::Failure;

use crate::catalog::Selection;
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

/// Budgets of a call.
#[derive(Debug, Clone)]
pub struct CallLimits {
    /// How long a call may take in all. Default 180 seconds.
    pub deadline: Duration,
    /// How long it waits for Neon's operations, within the deadline. Default 120 seconds.
    pub wait: Duration,
    /// How large a result may be, in bytes of minified JSON. Default 40,000: about 10,000 tokens.
    pub result_bytes: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(180),
            wait: Duration::from_secs(120),
            result_bytes: 40_000,
        }
    }
}

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
}

/// Who calls, and how to reach it while the call runs.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The caller's place in the line for Neon's rate limits.
    pub lane: Lane,
    /// Ends the call's waits and requests.
    pub cancel: CancellationToken,
    /// Hears how long work goes on.
    pub progress: Option<Arc<dyn Progress>>,
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
    pub fn new(client: Client, selection: Selection, service: Service, limits: CallLimits) -> Self {
        Self {
            inner: Arc::new(Inner {
                client,
                selection,
                service,
                limits,
            }),
        }
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

    /// What answers the requests.
    #[must_use]
    pub fn service(&self) -> Service {
        self.inner.service
    }

    /// Calls a tool. Whatever goes wrong in the call is in its result.
    ///
    /// # Errors
    /// When there is no such tool in the selection.
    pub async fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        caller: Caller,
    ) -> Result<CallResult, UnknownTool> {
        let selected = self
            .selection()
            .tool(name)
            .ok_or_else(|| UnknownTool(self.selection().missing(name)))?;
        let started = Instant::now();
        let call = run::Call {
            client: &self.inner.client,
            service: self.inner.service,
            limits: &self.inner.limits,
            selected,
            context: crate::neon::Context {
                deadline: started + self.inner.limits.deadline,
                cancel: caller.cancel,
                lane: caller.lane,
            },
            progress: caller.progress,
        };
        let result = call.run(arguments).await;
        tracing::info!(
            tool = name,
            outcome = if result.is_error { "error" } else { "ok" },
            milliseconds = started.elapsed().as_millis(),
            "tool call"
        );
        Ok(result)
    }
}
