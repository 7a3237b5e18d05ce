//! A migration: tried on a throwaway branch, shown, and sealed.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::script;
use super::trial::{self, Trial};
use crate::engine::{Basis, CallSql, Failure, Measuring, Preview, RunsOn, WorkflowContext, WorkflowOutput};
use crate::guard::StatementRisk;
use crate::sql::Script;
use crate::workflows::sql::readable::refused;
use crate::workflows::sql::statements::{Place, Target};
use crate::workflows::sql::{self, SqlCall};

/// What `prepare_database_migration` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct PrepareDatabaseMigration {
    #[serde(flatten)]
    at: Place,
    sql: String,
    timeout_seconds: Option<u64>,
}

impl SqlCall for PrepareDatabaseMigration {
    const RUNS_ON: RunsOn = RunsOn::Trial;

    fn target(&self) -> Target<'_> {
        self.at.target().within(self.timeout_seconds)
    }

    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        CallSql {
            runs: vec![&self.sql],
            explains: None,
        }
    }

    fn assess(&self, scripts: &[Script], basis: &Basis<'_>) -> Result<StatementRisk, Failure> {
        Ok(sql::tried(scripts, basis))
    }

    async fn preview(&self, flow: &WorkflowContext<'_, '_>, _: Measuring<'_>) -> Result<Preview, Failure> {
        trial::preview(flow, &self.target()).await
    }

    async fn run(&self, flow: &WorkflowContext<'_, '_>) -> Result<WorkflowOutput, Failure> {
        prepare(flow, self).await
    }
}

/// `prepare_database_migration`
async fn prepare(flow: &WorkflowContext<'_, '_>, input: &PrepareDatabaseMigration) -> Result<WorkflowOutput, Failure> {
    let target = input.target();
    let mut script = match script::read("sql", flow.scripts()) {
        Ok(script) => script,
        Err(failure) => return Err(refused(flow, &target, failure).await),
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
