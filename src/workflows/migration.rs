//! A migration: tried on a throwaway branch, shown, and sealed.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::statements::Target;
use super::trial::{self, Trial};
use super::{script, sql};
use crate::engine::{
    Basis, CallSql, Failure, Measuring, Preview, RunsOn, WorkflowCall, WorkflowContext, WorkflowOutput,
};
use crate::guard::StatementRisk;
use crate::neon::{BranchId, ProjectId};
use crate::sql::Script;

/// What `prepare_database_migration` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PrepareDatabaseMigration {
    project_id: ProjectId,
    branch_id: BranchId,
    sql: String,
    database_name: Option<String>,
    role_name: Option<String>,
    timeout_seconds: Option<u64>,
}

impl PrepareDatabaseMigration {
    fn target(&self) -> Target<'_> {
        let at = (&self.project_id, &self.branch_id);
        Target::new(at, self.database_name.as_ref(), self.role_name.as_ref()).within(self.timeout_seconds)
    }
}

impl WorkflowCall for PrepareDatabaseMigration {
    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        CallSql {
            runs: vec![&self.sql],
            explains: None,
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Trial
    }

    fn assess(&self, scripts: &[Script], basis: &Basis<'_>) -> Result<Option<StatementRisk>, Failure> {
        Ok(Some(sql::tried(scripts, basis)))
    }

    fn look<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        scripts: &'f mut [Script],
        basis: &'f Basis<'_>,
        assessed: Option<StatementRisk>,
    ) -> BoxFuture<'f, Result<Option<StatementRisk>, Failure>> {
        async move { sql::look(self, flow, &self.target(), (scripts, basis), assessed).await }.boxed()
    }

    fn preview<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        _: Measuring<'f>,
    ) -> BoxFuture<'f, Result<Preview, Failure>> {
        async move { trial::preview(flow, &self.target()).await }.boxed()
    }

    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        prepare(flow, self).boxed()
    }
}

/// `prepare_database_migration`
async fn prepare(flow: &WorkflowContext<'_, '_>, input: &PrepareDatabaseMigration) -> Result<WorkflowOutput, Failure> {
    let target = input.target();
    let mut script = match script::read("sql", flow.scripts()) {
        Ok(script) => script,
        Err(failure) => return Err(sql::refused(flow, &target, failure).await),
    };
    let trial = Trial::begin(flow, target, "migration").await?;
    let tried = trial.run(flow, &mut script).await?;
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
