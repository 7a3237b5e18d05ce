//! What the engine wants of workflows: they are handed to it, and it knows none by name.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::catalog::{Addition, Workflow};
use crate::engine::check::sql::Explains;
use crate::engine::error::Failure;
use crate::engine::workflow_context::WorkflowContext;
use crate::engine::workflow_output::WorkflowOutput;
use crate::guard::{Effect, Line, StatementRisk};
use crate::neon::sql::Measured;
use crate::sql::Script;

/// All workflows.
pub trait Workflows: std::fmt::Debug + Send + Sync {
    /// A workflow's call, with what its checked arguments say as the type that the workflow takes.
    ///
    /// # Errors
    /// When the type isn't what the tool's schema says.
    fn begin(&self, workflow: Workflow, arguments: &Map<String, Value>) -> Result<Arc<dyn WorkflowCall>, Failure>;

    /// Adds to a result what its declaration wants beside the answer.
    fn add<'f>(
        &'f self,
        addition: Addition,
        flow: &'f WorkflowContext<'_, '_>,
        value: &'f mut Value,
    ) -> BoxFuture<'f, ()>;
}

/// A call of a tool that is more than one request: what it takes, and with that what it does.
///
/// The engine parses its SQL, assesses it, shows a plan of it where a human must approve it, and runs it, in this order.
pub trait WorkflowCall: std::fmt::Debug + Send + Sync {
    /// The SQL of the call. It is parsed once, before anything else is done with it.
    fn sql<'s>(&'s self, _prepared: Option<&'s Value>) -> CallSql<'s> {
        CallSql::default()
    }

    /// Where that SQL runs.
    fn runs_on(&self) -> RunsOn {
        RunsOn::Nothing
    }

    /// What this call does, where its SQL tells; nothing where the declaration of its tool does.
    ///
    /// # Errors
    /// When the call may not have such SQL.
    fn assess(&self, _scripts: &[Script], _basis: &Basis<'_>) -> Result<Option<StatementRisk>, Failure> {
        Ok(None)
    }

    /// The same with what only the database tells: where statements stand to transactions, and what they call.
    ///
    /// # Errors
    /// As [`WorkflowCall::assess`], and when the database can't be asked.
    fn look<'f>(
        &'f self,
        _flow: &'f WorkflowContext<'_, '_>,
        _scripts: &'f mut [Script],
        _basis: &'f Basis<'_>,
        assessed: Option<StatementRisk>,
    ) -> BoxFuture<'f, Result<Option<StatementRisk>, Failure>> {
        async move { Ok(assessed) }.boxed()
    }

    /// Rejects SQL that Postgres can't read, so that nobody is asked about it.
    ///
    /// # Errors
    /// With what Postgres objects to.
    fn check<'f>(&'f self, _flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<(), Failure>> {
        async { Ok(()) }.boxed()
    }

    /// What a plan shows of the call beside its target. Nothing is changed for it.
    ///
    /// # Errors
    /// When the call would fail.
    fn preview<'f>(
        &'f self,
        _flow: &'f WorkflowContext<'_, '_>,
        _measuring: Measuring<'f>,
    ) -> BoxFuture<'f, Result<Preview, Failure>> {
        async { Ok(Preview::default()) }.boxed()
    }

    /// Runs a call that was let through.
    ///
    /// # Errors
    /// When it ends before its end; the failure says what was changed.
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>>;
}

/// The SQL of a call.
#[derive(Debug, Default)]
pub struct CallSql<'s> {
    /// What runs: a script for each text.
    pub(crate) runs: Vec<&'s str>,
    /// What is only explained.
    pub(crate) explains: Option<Explains<'s>>,
}

/// Where the SQL of a call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunsOn {
    /// It has none that runs.
    #[default]
    Nothing,
    /// On the target, at once: the call is judged by it, and again where it loses more than that.
    Target,
    /// On a branch that the call makes for it.
    Trial,
    /// On the target, after it was tried.
    TargetAsTried,
}

impl RunsOn {
    /// Whether the call changes its target by SQL.
    pub(crate) fn is_target(self) -> bool {
        matches!(self, Self::Target | Self::TargetAsTried)
    }
}

/// What an assessment rests on beside the SQL.
#[derive(Debug)]
pub struct Basis<'b> {
    /// What the tool does by its declaration.
    pub(crate) declared: Effect,
    /// What was prepared, where the call completes it.
    pub(crate) prepared: Option<&'b Value>,
    /// How many rows of a table SQL may lose unasked.
    pub(crate) unasked_rows: u64,
}

/// Whether a preview measures what statements lose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measuring<'m> {
    /// They may be run in a transaction that is taken back.
    pub(crate) wanted: bool,
    /// What they lost in an attempt that was stopped: it was told as the reason, so an approval covers it.
    pub(crate) exceeded: Option<&'m Measured>,
}

/// What a plan shows of a workflow's call.
#[derive(Debug, Default)]
pub struct Preview {
    /// What the statements would lose; nothing where that isn't measured.
    pub(crate) measured: Option<Measured>,
    /// The argument `statements` as the plan shows it, where it is too long to be shown whole.
    pub(crate) statements: Option<Value>,
    /// What is shown of statements and the tables that they name.
    pub(crate) lines: Vec<Line>,
    /// How it would be undone, where that depends on the target; nothing where the declaration of the tool says it.
    pub(crate) undo: Option<Value>,
}
