//! What the engine wants of workflows: they are handed to it, and it knows none by name.

use std::borrow::Cow;

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::catalog::{Addition, Tool, Workflow};
use crate::engine::error::Failure;
use crate::engine::workflow_context::WorkflowContext;
use crate::engine::workflow_output::WorkflowOutput;
use crate::guard::{Line, StatementRisk};
use crate::neon::sql::Measured;
use crate::sql::Script;

/// The tools that are more than one request, and what is known of statements before they run.
pub trait Workflows: std::fmt::Debug + Send + Sync {
    /// The texts with statements that a call gives.
    fn texts(&self, tool: &Tool, arguments: &Map<String, Value>) -> Vec<String>;

    /// What the statements of a call do; nothing where it has none.
    ///
    /// # Errors
    /// When the call may not have such statements.
    fn assess(
        &self,
        tool: &Tool,
        arguments: &Map<String, Value>,
        scripts: &[Script],
        prepared: Option<&Value>,
        unasked_rows: u64,
    ) -> Result<Option<StatementRisk>, Failure>;

    /// Looks up where statements run that their text doesn't tell. Whether any runs elsewhere than its text says.
    fn place<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        scripts: &'f mut [Script],
    ) -> BoxFuture<'f, Result<bool, Failure>>;

    /// Whether building indexes would run code of the database's own.
    fn indexes_call_code<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<bool, Failure>>;

    /// Refuses statements that Postgres can't read, so that nobody is asked about them.
    fn readable<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<(), Failure>>;

    /// What the statements would lose; nothing where that can't be measured.
    fn measure<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        tool: &'f Tool,
    ) -> BoxFuture<'f, Result<Option<Measured>, Failure>>;

    /// The arguments as a plan shows them.
    fn shown<'a>(
        &self,
        tool: &Tool,
        arguments: &'a Map<String, Value>,
        scripts: &[Script],
    ) -> Cow<'a, Map<String, Value>>;

    /// What a plan shows of the statements and of the tables that they name.
    fn seen<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        tool: &'f Tool,
        measured: Option<&'f Measured>,
    ) -> BoxFuture<'f, Result<Vec<Line>, Failure>>;

    /// Runs a workflow whose call was let through.
    fn run<'f>(
        &'f self,
        workflow: Workflow,
        flow: &'f WorkflowContext<'_, '_>,
    ) -> BoxFuture<'f, Result<WorkflowOutput, Failure>>;

    /// Adds to a result what its declaration wants beside the answer.
    fn add<'f>(
        &'f self,
        addition: Addition,
        flow: &'f WorkflowContext<'_, '_>,
        value: &'f mut Value,
    ) -> BoxFuture<'f, ()>;
}
