//! `explain_sql_statement`: the plan of one statement.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failing::{self, Sent};
use super::parameters;
use super::readable::{sent, without_plan};
use super::statements::Place;
use crate::engine::{
    Analyze, ArgumentProblem, CallSql, Explains, Failure, WorkflowCall, WorkflowContext, WorkflowOutput,
};
use crate::neon::sql::Reads;
use crate::sql::Reading;

/// What `explain_sql_statement` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct ExplainSqlStatement {
    #[serde(flatten)]
    at: Place,
    sql: String,
    params: Option<Vec<Value>>,
    #[serde(default)]
    analyze: bool,
    timeout_seconds: Option<u64>,
}

impl WorkflowCall for ExplainSqlStatement {
    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        let analyze = match self.analyze {
            true => Analyze::Always,
            false => Analyze::Never,
        };
        CallSql {
            runs: Vec::new(),
            explains: Some(Explains {
                text: &self.sql,
                analyze,
            }),
        }
    }

    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        explain(flow, self).boxed()
    }
}

/// `explain_sql_statement`
async fn explain(flow: &WorkflowContext<'_, '_>, input: &ExplainSqlStatement) -> Result<WorkflowOutput, Failure> {
    let target = input.at.target().within(input.timeout_seconds);
    let problem = |message: &str| {
        Failure::Arguments(vec![ArgumentProblem {
            argument: "sql".to_owned(),
            message: message.to_owned(),
        }])
    };
    let analyze = input.analyze;
    let text = input.sql.as_str();
    let explained = flow.explained()?;
    let only = explained.script.only();
    let statement = only.ok_or_else(|| problem("give one statement"))?;
    let Some(reading) = &explained.reading else {
        let explains = crate::sql::name_at(text.trim_start(), 1) == ["explain"];
        let refused = problem(if explains {
            "give the statement without EXPLAIN, which this tool puts before it; analyze runs it"
        } else if analyze {
            "ANALYZE runs the statement, and this one isn't proven to read: leave analyze out, or try it on a throwaway branch with run_sql"
        } else {
            "this statement has no plan: EXPLAIN takes SELECT, INSERT, UPDATE, DELETE, MERGE and VALUES"
        });
        return Err(without_plan(flow, &target, explained, refused).await);
    };
    // What stands before the statement is ours.
    let ours = Reading::explaining_words(analyze).chars().count();
    let connection = target.connect(flow).await?;
    let given = input.params.as_deref().unwrap_or_default();
    let parameters = parameters::encoded(flow, (&target, &connection), statement, given).await?;
    let results = match flow
        .query(
            &connection,
            Reads::proven(reading.clone(), parameters),
            target.timeout(),
        )
        .await
    {
        Ok(results) => results,
        Err(failure) => {
            let failure = parameters::explained(flow, (&target, &connection), statement, given, failure).await;
            let sent: Vec<Sent<'_>> = sent(explained).into_iter().map(|one| one.behind(ours)).collect();
            return Err(failing::explained(flow, (&target, &connection), failure, &sent).await);
        }
    };
    let lines: Vec<String> = results
        .first()
        .into_iter()
        .flat_map(|result| &result.rows)
        .filter_map(|row| row.first().and_then(Value::as_str).map(str::to_owned))
        .collect();
    let fence = flow.fence();
    Ok(WorkflowOutput::with(json!({
        "database": connection.database,
        "analyzed": analyze,
        "plan": fence.around(&format!("\n{}\n", lines.join("\n"))),
    })))
}
