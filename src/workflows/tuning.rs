//! Making a query faster: changes are tried on a throwaway branch, with the query's plan before and after, and sealed.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::looking::without_plan;
use super::statements::Target;
use super::trial::{self, Query, Trial};
use super::{completion, parameters, script, sql};
use crate::engine::{
    self, Analyze, ArgumentProblem, Basis, CallSql, Explains, Failure, Fence, Measuring, Preview, RunsOn, WorkflowCall,
    WorkflowContext, WorkflowOutput,
};
use crate::guard::StatementRisk;
use crate::neon::sql::{Connection, Reads};
use crate::neon::{BranchId, ProjectId};
use crate::sql::{Reading, Script, Statement};

/// The most of a plan that is shown, in bytes.
const MAX_PLAN: usize = 6_000;

/// A query's plan, and what it says in numbers.
struct Explained {
    text: String,
    /// The planner's estimate of the whole query, in its own units.
    cost: Option<f64>,
    /// How long it took, in milliseconds, where it was run.
    milliseconds: Option<f64>,
}

/// The query, and how its plan is read.
struct Subject<'a> {
    statement: &'a Statement,
    reading: &'a Reading,
    parameters: &'a [Value],
    /// It is proven to read, so it may be run and measured.
    measured: bool,
}

impl<'a> Subject<'a> {
    fn new(explained: &'a engine::Explained, parameters: &'a [Value]) -> Result<Self, Failure> {
        let problem = |message: &str| {
            Failure::Arguments(vec![ArgumentProblem {
                argument: "sql".to_owned(),
                message: message.to_owned(),
            }])
        };
        let only = explained.script.only();
        let statement = only.ok_or_else(|| problem("give one statement"))?;
        let reading = explained.reading.as_ref().ok_or_else(|| {
            problem("this statement has no plan: EXPLAIN takes SELECT, INSERT, UPDATE, DELETE, MERGE and VALUES")
        })?;
        Ok(Self {
            statement,
            reading,
            parameters,
            measured: explained.analyzed,
        })
    }

    /// The plan now. What is measured runs twice: the first run fills the caches, the second one counts.
    async fn explain(
        &self,
        flow: &WorkflowContext<'_, '_>,
        at: (&Target<'_>, &Connection),
    ) -> Result<Explained, Failure> {
        let (target, connection) = at;
        // Each time anew: what is tried may change which types are expected.
        let parameters = parameters::encoded(flow, at, self.statement, self.parameters).await?;
        let reads = Reads::proven(self.reading.clone(), parameters).repeated(if self.measured { 2 } else { 1 });
        let results = match flow.query(connection, reads, target.timeout()).await {
            Ok(results) => results,
            Err(failure) => {
                return Err(parameters::explained(flow, at, self.statement, self.parameters, failure).await);
            }
        };
        let text = results
            .last()
            .map(|result| {
                let lines = result.rows.iter().filter_map(|row| row.first()?.as_str());
                lines.collect::<Vec<_>>().join("\n")
            })
            .unwrap_or_default();
        Ok(Explained {
            cost: number_after(&text, ".."),
            milliseconds: number_after(&text, "Execution Time: "),
            text,
        })
    }
}

impl Explained {
    fn shown(&self, fence: &Fence) -> Value {
        let mut shown = Map::new();
        shown.extend(self.cost.map(|cost| ("cost".to_owned(), json!(cost))));
        shown.extend(self.milliseconds.map(|time| ("execution_ms".to_owned(), json!(time))));
        let mut end = self.text.len().min(MAX_PLAN);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let text = self.text.get(..end).unwrap_or_default();
        shown.insert("plan".into(), fence.around(&format!("\n{text}\n")).into());
        Value::Object(shown)
    }
}

/// The first number that stands behind a mark.
fn number_after(text: &str, mark: &str) -> Option<f64> {
    let (_, rest) = text.split_once(mark)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    rest.get(..end)?.trim_end_matches('.').parse().ok()
}

/// How much less the second is than the first, in words.
fn compared(before: &Explained, after: &Explained) -> Option<String> {
    let (from, to, what) = match (before.milliseconds, after.milliseconds) {
        (Some(from), Some(to)) => (from, to, "execution time"),
        _ => (before.cost?, after.cost?, "estimated cost"),
    };
    let factor = if to > 0.0 { from / to } else { return None };
    Some(if (0.95..=1.05).contains(&factor) {
        format!("The {what} is about the same.")
    } else if factor > 1.0 {
        format!("The {what} falls to {:.1} % of what it was.", 100.0 / factor)
    } else {
        format!("The {what} rises to {:.0} % of what it was.", 100.0 / factor)
    })
}

/// What `prepare_query_tuning` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PrepareQueryTuning {
    project_id: ProjectId,
    branch_id: BranchId,
    sql: String,
    params: Option<Vec<Value>>,
    changes: String,
    database_name: Option<String>,
    role_name: Option<String>,
    timeout_seconds: Option<u64>,
}

impl PrepareQueryTuning {
    fn target(&self) -> Target<'_> {
        let at = (&self.project_id, &self.branch_id);
        Target::new(at, self.database_name.as_ref(), self.role_name.as_ref()).within(self.timeout_seconds)
    }
}

impl WorkflowCall for PrepareQueryTuning {
    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        CallSql {
            runs: vec![&self.changes],
            explains: Some(measured_where_it_reads(&self.sql)),
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

fn measured_where_it_reads(text: &str) -> Explains<'_> {
    Explains {
        text,
        analyze: Analyze::WhereItReads,
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
        Err(failure) => return Err(sql::refused(flow, &target, failure).await),
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

/// What `complete_query_tuning` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompleteQueryTuning {
    project_id: ProjectId,
    branch_id: BranchId,
    /// The handle. It was opened before.
    #[expect(dead_code, reason = "the engine opens the handle")]
    tuning: String,
    #[serde(default)]
    discard: bool,
    timeout_seconds: Option<u64>,
    /// These three come out of the handle.
    #[schemars(skip)]
    statements: Option<Vec<String>>,
    #[schemars(skip)]
    database_name: Option<String>,
    #[schemars(skip)]
    role_name: Option<String>,
}

impl CompleteQueryTuning {
    fn target(&self) -> Target<'_> {
        let at = (&self.project_id, &self.branch_id);
        Target::new(at, self.database_name.as_ref(), self.role_name.as_ref()).within(self.timeout_seconds)
    }
}

impl WorkflowCall for CompleteQueryTuning {
    fn sql<'s>(&'s self, prepared: Option<&'s Value>) -> CallSql<'s> {
        let statements = self.statements.iter().flatten();
        CallSql {
            runs: statements.map(String::as_str).collect(),
            explains: prepared
                .filter(|_| !self.discard)
                .and_then(|prepared| prepared.pointer("/query/sql")?.as_str())
                .map(measured_where_it_reads),
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::TargetAsTried
    }

    fn assess(&self, scripts: &[Script], basis: &Basis<'_>) -> Result<Option<StatementRisk>, Failure> {
        Ok(Some(sql::completed(scripts, basis, self.discard)))
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
        let statements = self.statements.as_deref();
        async move { completion::preview(flow, &self.target(), statements, self.discard).await }.boxed()
    }

    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        complete(flow, self).boxed()
    }
}

/// `complete_query_tuning`
async fn complete(flow: &WorkflowContext<'_, '_>, input: &CompleteQueryTuning) -> Result<WorkflowOutput, Failure> {
    let target = input.target();
    let completed = completion::complete(flow, &target, input.discard).await?;
    let mut ended = completed.ended;
    if let (Some(connection), Some(query)) = (&completed.target, &completed.prepared.query) {
        let subject = Subject::new(flow.explained()?, &query.params)?;
        match subject.explain(flow, (&target, connection)).await {
            Ok(now) => {
                if let Some(object) = ended.result.as_object_mut() {
                    object.insert("plan_on_target".into(), now.shown(flow.fence()));
                }
            }
            Err(_) => ended
                .notes
                .push("The changes are applied; the query's plan couldn't be read afterwards.".to_owned()),
        }
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_plans() {
        let plan = "Seq Scan on t  (cost=0.00..18.50 rows=3 width=8) (actual time=0.01..0.02 rows=1 loops=1)\nPlanning Time: 0.1 ms\nExecution Time: 0.034 ms";
        assert_eq!(number_after(plan, ".."), Some(18.5));
        assert_eq!(number_after(plan, "Execution Time: "), Some(0.034));
        assert_eq!(number_after("no plan", ".."), None);
    }
}
