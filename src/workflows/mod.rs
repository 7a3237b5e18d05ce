//! The tools that are more than one request.
//!
//! What they are called, what they take and what they do to the world is declared in `tools/*.json` as every tool's is; what
//! is here is the way from arguments to a result, over [`crate::call`]'s flow: it reads, it calls declared tools, it runs SQL,
//! and nothing else leads out.

mod rows;
mod sql;

use crate::call::{Ended, Failure, Flow};
use crate::catalog::Workflow;

pub(crate) use sql::{assess, seen};

/// Runs a workflow whose call was let through.
pub(crate) async fn run(workflow: Workflow, flow: &Flow<'_, '_>) -> Result<Ended, Failure> {
    match workflow {
        Workflow::RunSql => sql::run_one(flow).await,
        Workflow::RunSqlTransaction => sql::run_many(flow).await,
        other => Err(Failure::Internal(format!("the workflow {other:?} is not made yet"))),
    }
}
