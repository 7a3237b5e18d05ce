//! A migration: tried on a throwaway branch, shown, and sealed.

use super::trial::Trial;
use super::{script, sql};
use crate::engine::{Failure, WorkflowContext, WorkflowOutput};

/// `prepare_database_migration`
pub(super) async fn prepare(flow: &WorkflowContext<'_, '_>) -> Result<WorkflowOutput, Failure> {
    let mut script = match script::read("sql", flow.scripts()) {
        Ok(script) => script,
        Err(failure) => return Err(sql::refused(flow, failure).await),
    };
    let trial = Trial::begin(flow, "migration").await?;
    let tried = trial.run(flow, &mut script, super::statements::timeout(flow)).await?;
    let sealed = trial
        .sealed(flow, &script, tried, "complete_database_migration", None)
        .await;
    match sealed {
        Ok(ended) => Ok(ended.note(
            "Nothing was changed on the target. Show the user what changes; run_sql on the branch where it was tried shows that it \
             works. complete_database_migration applies exactly these statements, if the target's schema hasn't changed by then; \
             it asks the user where they drop or delete something.",
        )),
        Err(failure) => {
            trial.end(flow).await;
            Err(failure)
        }
    }
}
