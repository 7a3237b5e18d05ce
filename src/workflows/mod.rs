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
mod rows;
mod schema;
mod script;
mod search;
mod sql;
mod throwaway;
mod trial;
mod tuning;

use serde_json::Value;

use crate::catalog::{Addition, Workflow};
use crate::engine::{Ended, Failure, Flow};

pub(crate) use placing::place;
pub(crate) use sql::{assess, indexes_call_code, measure, readable, seen, shown, texts};

/// Runs a workflow whose call was let through.
pub(crate) async fn run(workflow: Workflow, flow: &Flow<'_, '_>) -> Result<Ended, Failure> {
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
pub(crate) async fn add(addition: Addition, flow: &Flow<'_, '_>, value: &mut Value) {
    match addition {
        Addition::SchemaSummary => schema::add_summary(flow, value).await,
    }
}
