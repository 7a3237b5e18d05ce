//! The tools that are more than one request.
//!
//! What they are called, what they take and what they do to the world is declared in `tools/*.json` as every tool's is; what
//! is here is the way from arguments to a result, over [`crate::call`]'s flow: it reads, it calls declared tools, it runs SQL,
//! and reads
//! the documentation, and nothing else leads out.

mod docs;
mod looking;
mod rows;
mod search;
mod sql;
mod throwaway;

use crate::call::{Ended, Failure, Flow};
use crate::catalog::Workflow;

pub(crate) use rows::Fence;
pub(crate) use sql::{assess, seen};

/// Runs a workflow whose call was let through.
pub(crate) async fn run(workflow: Workflow, flow: &Flow<'_, '_>) -> Result<Ended, Failure> {
    match workflow {
        Workflow::RunSql => sql::run_one(flow).await,
        Workflow::RunSqlTransaction => sql::run_many(flow).await,
        Workflow::ExplainSqlStatement => looking::explain(flow).await,
        Workflow::GetDatabaseTables => looking::tables(flow).await,
        Workflow::DescribeTableSchema => looking::table(flow).await,
        Workflow::ListSlowQueries => looking::slow(flow).await,
        Workflow::InspectDatabase => looking::inspect(flow).await,
        Workflow::CreateThrowawayBranch => throwaway::create(flow).await,
        Workflow::ListThrowawayBranches => throwaway::list(flow).await,
        Workflow::DeleteThrowawayBranches => throwaway::delete(flow).await,
        Workflow::ResetFromParent => throwaway::reset(flow).await,
        Workflow::Search => search::search(flow).await,
        Workflow::Fetch => search::fetch(flow).await,
        Workflow::ListDocsResources => docs::list(flow).await,
        Workflow::GetDocResource => docs::get(flow).await,
    }
}
