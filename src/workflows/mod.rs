//! The tools that are more than one request.
//!
//! What they are called, what they take and what they do to the world is declared in `tools/*.json` as every tool's is; what
//! is here is the way from arguments to a result, over [`crate::engine`]'s flow: it reads, it calls declared tools, it runs SQL,
//! it reads the documentation, and nothing else leads out.

mod completion;
mod docs;
mod failing;
mod fingerprint;
mod looking;
mod migration;
mod outside;
mod parameters;
mod placing;
mod plan;
mod rows;
mod schema;
mod script;
mod search;
mod sql;
mod statements;
mod throwaway;
mod trial;
mod tuning;

use std::borrow::Cow;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::catalog::{Addition, Tool, Workflow};
use crate::engine::{Failure, WorkflowContext, WorkflowOutput, Workflows};
use crate::guard::{Line, StatementRisk};
use crate::neon::sql::Measured;
use crate::sql::Script;

/// All workflows, to be handed to an engine.
#[must_use]
pub fn all() -> Arc<dyn Workflows> {
    Arc::new(All)
}

#[derive(Debug)]
struct All;

impl Workflows for All {
    fn texts(&self, tool: &Tool, arguments: &Map<String, Value>) -> Vec<String> {
        sql::texts(tool, arguments)
    }

    fn assess(
        &self,
        tool: &Tool,
        arguments: &Map<String, Value>,
        scripts: &[Script],
        prepared: Option<&Value>,
        unasked_rows: u64,
    ) -> Result<Option<StatementRisk>, Failure> {
        sql::assess(tool, arguments, scripts, prepared, unasked_rows)
    }

    fn place<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        scripts: &'f mut [Script],
    ) -> BoxFuture<'f, Result<bool, Failure>> {
        placing::place(flow, scripts).boxed()
    }

    fn indexes_call_code<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<bool, Failure>> {
        sql::indexes_call_code(flow).boxed()
    }

    fn readable<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<(), Failure>> {
        sql::readable(flow).boxed()
    }

    fn measure<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        tool: &'f Tool,
    ) -> BoxFuture<'f, Result<Option<Measured>, Failure>> {
        sql::measure(flow, tool).boxed()
    }

    fn shown<'a>(
        &self,
        tool: &Tool,
        arguments: &'a Map<String, Value>,
        scripts: &[Script],
    ) -> Cow<'a, Map<String, Value>> {
        plan::shown(tool, arguments, scripts)
    }

    fn seen<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        tool: &'f Tool,
        measured: Option<&'f Measured>,
    ) -> BoxFuture<'f, Result<Vec<Line>, Failure>> {
        plan::seen(flow, tool, measured).boxed()
    }

    fn run<'f>(
        &'f self,
        workflow: Workflow,
        flow: &'f WorkflowContext<'_, '_>,
    ) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        run(workflow, flow).boxed()
    }

    fn add<'f>(
        &'f self,
        addition: Addition,
        flow: &'f WorkflowContext<'_, '_>,
        value: &'f mut Value,
    ) -> BoxFuture<'f, ()> {
        add(addition, flow, value).boxed()
    }
}

/// Runs a workflow whose call was let through.
async fn run(workflow: Workflow, flow: &WorkflowContext<'_, '_>) -> Result<WorkflowOutput, Failure> {
    match workflow {
        Workflow::RunSql | Workflow::RunSqlTransaction => sql::run(flow).await,
        Workflow::ExplainSqlStatement => looking::explain(flow).await,
        Workflow::GetDatabaseTables => looking::tables(flow).await,
        Workflow::DescribeTableSchema => looking::table(flow).await,
        Workflow::ListSlowQueries => looking::slow(flow).await,
        Workflow::InspectDatabase => looking::inspect(flow).await,
        Workflow::CreateThrowawayBranch => throwaway::create(flow).await,
        Workflow::ListThrowawayBranches => throwaway::list(flow).await,
        Workflow::DeleteThrowawayBranches => throwaway::delete(flow).await,
        Workflow::ResetFromParent => throwaway::reset(flow).await,
        Workflow::PrepareDatabaseMigration => migration::prepare(flow).await,
        Workflow::CompleteDatabaseMigration => completion::complete(flow).await.map(|completed| completed.ended),
        Workflow::PrepareQueryTuning => tuning::prepare(flow).await,
        Workflow::CompleteQueryTuning => tuning::complete(flow).await,
        Workflow::Search => search::search(flow).await,
        Workflow::Fetch => search::fetch(flow).await,
        Workflow::ListDocsResources => docs::list(flow).await,
        Workflow::GetDocResource => docs::get(flow).await,
    }
}

/// Adds to a result what its declaration wants beside the answer. What can't be read is said, and fails nothing.
async fn add(addition: Addition, flow: &WorkflowContext<'_, '_>, value: &mut Value) {
    match addition {
        Addition::SchemaSummary => schema::add_summary(flow, value).await,
    }
}
