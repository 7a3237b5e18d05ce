//! Making a query faster: changes are tried on a throwaway branch, with the query's plan before and after, and sealed.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::query_plan::{Subject, compared, measured_where_it_reads};
use super::script;
use super::trial::{self, Query, Trial};
use crate::engine::{Basis, CallSql, Failure, Measuring, Preview, RunsOn, WorkflowContext, WorkflowOutput};
use crate::guard::StatementRisk;
use crate::sql::Script;
use crate::workflows::sql::readable::{refused, without_plan};
use crate::workflows::sql::statements::{Place, Target};
use crate::workflows::sql::{self, SqlCall};

/// What `prepare_query_tuning` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct PrepareQueryTuning {
    #[serde(flatten)]
    at: Place,
    sql: String,
    params: Option<Vec<Value>>,
    changes: String,
    timeout_seconds: Option<u64>,
}

impl SqlCall for PrepareQueryTuning {
    const RUNS_ON: RunsOn = RunsOn::Trial;

    fn target(&self) -> Target<'_> {
        self.at.target().within(self.timeout_seconds)
    }

    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        CallSql {
            runs: vec![&self.changes],
            explains: Some(measured_where_it_reads(&self.sql)),
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

/// `prepare_query_tuning`
async fn prepare(flow: &WorkflowContext<'_, '_>, input: &PrepareQueryTuning) -> Result<WorkflowOutput, Failure> {
    let target = input.target();
    let explained = flow.explained()?;
    let subject = match Subject::new(explained, input.params.as_deref().unwrap_or_default()) {
        Ok(subject) => subject,
        Err(failure) => return Err(without_plan(flow, &target, explained, failure).await),
    };
    let mut script = match script::read("changes", flow.scripts()) {
        Ok(script) => script,
        Err(failure) => return Err(refused(flow, &target, failure).await),
    };
    let trial = Trial::begin(flow, target, "tuning").await?;
    let outcome = async {
        let at = (&target, &trial.connection);
        let before = subject.explain(flow, at).await?;
        let tried = match trial.run(flow, &mut script).await {
            Ok(tried) => tried,
            Err(failure) => return Ok(Err(failure)),
        };
        let after = subject.explain(flow, at).await?;
        let query = Query {
            sql: input.sql.clone(),
            params: subject.parameters.to_vec(),
            cost: before.cost,
            ms: before.milliseconds,
        };
        let sealed = trial
            .sealed(flow, &script, tried, "complete_query_tuning", Some(query))
            .await?;
        Ok::<_, Failure>(Ok((before, after, sealed)))
    };
    let (before, after, mut ended) = match outcome.await {
        Ok(Ok(tried)) => tried,
        // Where the changes failed, the branch is gone already, or the failure says that it isn't.
        Ok(Err(failure)) => return Err(failure),
        Err(failure) => {
            trial.end(flow).await;
            return Err(failure);
        }
    };
    if let Some(object) = ended.result.as_object_mut() {
        object.insert("plan_before".into(), before.shown(flow.fence()));
        object.insert("plan_after".into(), after.shown(flow.fence()));
    }
    ended.notes.extend(compared(&before, &after));
    if !subject.measured {
        ended
            .notes
            .push("The query isn't proven to read, so it wasn't run: the plans are estimates.".to_owned());
    }
    let locks = script
        .statements
        .iter()
        .any(|statement| statement.kind == "CREATE INDEX" && statement.transaction != crate::sql::Transaction::Outside);
    if locks {
        ended.notes.push(
            "CREATE INDEX keeps others from writing to the table until it is built: on a busy one prepare CREATE INDEX CONCURRENTLY."
                .to_owned(),
        );
    }
    Ok(ended.note(
        "Nothing was changed on the target. complete_query_tuning applies exactly these changes there, if its schema hasn't changed by \
         then; it asks the user where they drop or delete something.",
    ))
}
