//! Running SQL: one statement, or several in one transaction.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{ended, ends_with_the_call, taken_along};
use super::assess::{assessed, sendable};
use super::call::SqlCall;
use super::failing::{self, Sent};
use super::readable::readable;
use super::statements::{Level, Place, Target, about};
use super::{outside, parameters, plan, undo};
use crate::engine::{Basis, CallSql, Failure, Held, Measuring, Preview, RunsOn, WorkflowContext, WorkflowOutput};
use crate::guard::StatementRisk;
use crate::neon::Changed;
use crate::neon::sql::{Connection, Isolation, Measured, Query, Reads, Statements};
use crate::sql::{Reading, Script, Statement, Transaction};

/// How long statements may run whose effect is only measured: they hold their locks for that long.
const MEASURING: Duration = Duration::from_secs(15);

/// How long they may wait for a lock.
const MEASURING_LOCKS: Duration = Duration::from_secs(3);

/// SQLSTATEs of what came in the way of measuring, and doesn't mean that the statements would fail.
const IN_THE_WAY: [&str; 4] = ["57014", "55P03", "40P01", "40001"];

/// What `run_sql` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct RunSql {
    #[serde(flatten)]
    at: Place,
    sql: String,
    params: Option<Vec<Value>>,
    timeout_seconds: Option<u64>,
}

/// What `run_sql_transaction` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct RunSqlTransaction {
    #[serde(flatten)]
    at: Place,
    statements: Vec<String>,
    isolation: Option<Level>,
    timeout_seconds: Option<u64>,
}

/// What statements that run at once are given with.
#[derive(Debug, Clone, Copy)]
struct Given<'a> {
    target: Target<'a>,
    parameters: &'a [Value],
}

impl RunSql {
    fn given(&self) -> Given<'_> {
        Given {
            target: self.target(),
            parameters: self.params.as_deref().unwrap_or_default(),
        }
    }
}

impl SqlCall for RunSql {
    const RUNS_ON: RunsOn = RunsOn::Target;

    fn target(&self) -> Target<'_> {
        self.at.target().within(self.timeout_seconds)
    }

    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        CallSql {
            runs: vec![&self.sql],
            explains: None,
        }
    }

    fn assess(&self, scripts: &[Script], _: &Basis<'_>) -> Result<StatementRisk, Failure> {
        sendable("sql", scripts, false)?;
        Ok(assessed(scripts))
    }

    async fn check(&self, flow: &WorkflowContext<'_, '_>) -> Result<(), Failure> {
        readable(flow, &self.target()).await
    }

    async fn preview(&self, flow: &WorkflowContext<'_, '_>, measuring: Measuring<'_>) -> Result<Preview, Failure> {
        preview(flow, &self.given(), measuring).await
    }

    async fn run(&self, flow: &WorkflowContext<'_, '_>) -> Result<WorkflowOutput, Failure> {
        run(flow, &self.given()).await
    }
}

impl RunSqlTransaction {
    fn given(&self) -> Given<'_> {
        Given {
            target: self.target(),
            parameters: &[],
        }
    }
}

impl SqlCall for RunSqlTransaction {
    const RUNS_ON: RunsOn = RunsOn::Target;

    fn target(&self) -> Target<'_> {
        Target {
            isolation: self.isolation.unwrap_or_default().into(),
            ..self.at.target().within(self.timeout_seconds)
        }
    }

    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        CallSql {
            runs: self.statements.iter().map(String::as_str).collect(),
            explains: None,
        }
    }

    fn assess(&self, scripts: &[Script], _: &Basis<'_>) -> Result<StatementRisk, Failure> {
        sendable("statements", scripts, true)?;
        Ok(assessed(scripts))
    }

    async fn check(&self, flow: &WorkflowContext<'_, '_>) -> Result<(), Failure> {
        readable(flow, &self.target()).await
    }

    async fn preview(&self, flow: &WorkflowContext<'_, '_>, measuring: Measuring<'_>) -> Result<Preview, Failure> {
        let mut preview = preview(flow, &self.given(), measuring).await?;
        // What nothing bounds is shown whole.
        if preview.measured.is_some() {
            preview.statements = plan::shortened(&json!(self.statements), flow.scripts());
        }
        Ok(preview)
    }

    async fn run(&self, flow: &WorkflowContext<'_, '_>) -> Result<WorkflowOutput, Failure> {
        run(flow, &self.given()).await
    }
}

/// What a plan shows of statements that run at once.
async fn preview(
    flow: &WorkflowContext<'_, '_>,
    given: &Given<'_>,
    measuring: Measuring<'_>,
) -> Result<Preview, Failure> {
    let measured = match measuring.wanted {
        true => measure(flow, given).await?.or_else(|| measuring.exceeded.cloned()),
        false => None,
    };
    let mut lines = plan::kinds(flow.scripts());
    lines.extend(plan::measured(measured.as_ref()));
    lines.extend(plan::tables(flow, &given.target).await?);
    let statements: Vec<&Statement> = flow.scripts().iter().flat_map(|script| &script.statements).collect();
    let undo = match outside_of_transactions(&statements) {
        Some(_) => None,
        None => Some(undo::before(flow, &given.target).await),
    };
    Ok(Preview {
        measured,
        statements: None,
        lines,
        undo,
    })
}

/// The only statement of a call, where it runs in no transaction.
fn outside_of_transactions<'s>(all: &[&'s Statement]) -> Option<&'s Statement> {
    match all {
        [only] if only.transaction == Transaction::Outside => Some(only),
        _ => None,
    }
}

/// The only statement of a call: parameters belong to a statement by itself.
fn only(scripts: &[Script]) -> Option<&Statement> {
    let mut all = scripts.iter().flat_map(|script| &script.statements);
    all.next().filter(|_| all.next().is_none())
}

/// The parameters of a call, as its statement takes them.
async fn encoded(
    flow: &WorkflowContext<'_, '_>,
    given: &Given<'_>,
    connection: &Connection,
) -> Result<Vec<Value>, Failure> {
    match only(flow.scripts()) {
        Some(only) => parameters::encoded(flow, (&given.target, connection), only, given.parameters).await,
        None => Ok(Vec::new()),
    }
}

/// A failure of a call's statements, in the words of its parameters where those are to blame.
async fn explained(
    flow: &WorkflowContext<'_, '_>,
    given: &Given<'_>,
    connection: &Connection,
    failure: Failure,
) -> Failure {
    match only(flow.scripts()) {
        Some(only) => parameters::explained(flow, (&given.target, connection), only, given.parameters, failure).await,
        None => failure,
    }
}

/// The statements of a call that runs them at once: one with its parameters, or several in one transaction.
fn statements(scripts: &[Script], isolation: Isolation, parameters: Vec<Value>) -> Statements {
    let all: Vec<&Statement> = scripts.iter().flat_map(|script| &script.statements).collect();
    let mut queries: Vec<Query> = all
        .iter()
        .map(|statement| Query::plain(statement.text.clone()))
        .collect();
    if let [only] = queries.as_mut_slice() {
        only.parameters = parameters;
    }
    let statements = match <[Query; 1]>::try_from(queries) {
        Ok([only]) if outside_of_transactions(&all).is_some() => Statements::alone(only),
        Ok(only) => Statements::together(only.into(), isolation),
        Err(several) => Statements::together(several, isolation),
    };
    about(statements, all.into_iter())
}

/// What the statements of a call would lose: they are run in a transaction that is never committed. Nothing where they couldn't be
/// measured in time.
///
/// # Errors
/// When a statement fails: then the call would, too.
async fn measure(flow: &WorkflowContext<'_, '_>, given: &Given<'_>) -> Result<Option<Measured>, Failure> {
    if flow.scripts().is_empty() {
        return Ok(None);
    }
    let target = &given.target;
    let connection = target.connect(flow).await?;
    let parameters = encoded(flow, given, &connection).await?;
    let statements = statements(flow.scripts(), target.isolation, parameters).waiting_for_locks(MEASURING_LOCKS);
    match flow
        .measure(&connection, &statements, target.timeout().min(MEASURING))
        .await
    {
        Ok(measured) => Ok(Some(measured)),
        Err(Failure::Sql(error))
            if error.changed() == Changed::No && error.code().is_none_or(|code| IN_THE_WAY.contains(&code)) =>
        {
            Ok(None)
        }
        Err(failure) => {
            let failure = explained(flow, given, &connection, failure).await;
            let sources = flow.statement_sources();
            let sent = Sent::all(flow.scripts(), &sources);
            Err(failing::explained(flow, (target, &connection), failure, &sent).await)
        }
    }
}

/// `run_sql` and `run_sql_transaction`
async fn run(flow: &WorkflowContext<'_, '_>, given: &Given<'_>) -> Result<WorkflowOutput, Failure> {
    let connection = given.target.connect(flow).await?;
    match ran(flow, given, &connection).await {
        Err(failure) => {
            let sources = flow.statement_sources();
            let sent = Sent::all(flow.scripts(), &sources);
            Err(failing::explained(flow, (&given.target, &connection), failure, &sent).await)
        }
        ended => ended,
    }
}

async fn ran(
    flow: &WorkflowContext<'_, '_>,
    given: &Given<'_>,
    connection: &Connection,
) -> Result<WorkflowOutput, Failure> {
    let target = &given.target;
    let scripts = flow.scripts();
    let texts: Vec<&Statement> = scripts.iter().flat_map(|script| &script.statements).collect();
    let parameters = encoded(flow, given, connection).await?;
    let readings: Option<Vec<_>> = texts.iter().map(|statement| Reading::of(statement)).collect();
    let mut taken = Vec::new();
    let mut unchanged = false;
    let mut way_back = None;
    let results = match readings.filter(|_| !flow.changes()) {
        Some(readings) => {
            let reads = match <[Reading; 1]>::try_from(readings) {
                Ok([only]) => Reads::proven(only, parameters),
                Err(several) => Reads::proven_batch(several),
            };
            match flow.query(connection, reads, target.timeout()).await {
                Ok(results) => results,
                Err(failure) => return Err(explained(flow, given, connection, failure).await),
            }
        }
        None => {
            let statements = statements(scripts, target.isolation, parameters);
            let alone = outside_of_transactions(&texts);
            let before = match alone {
                Some(_) => outside::before(flow, target, connection).await,
                None => None,
            };
            let ran = flow
                .execute(connection, statements, Held::AsJudged, target.timeout())
                .await;
            match (ran, alone) {
                (Err(Failure::Sql(error)), Some(alone)) => {
                    return Err(outside::failed(flow, (target, connection), alone, before, error).await);
                }
                (Ok(executed), _) => {
                    taken = taken_along(executed.measured.as_ref(), &texts);
                    unchanged = undo::is_nothing(&executed, &texts);
                    if !unchanged {
                        way_back = undo::of(flow, target, &executed).await;
                    }
                    executed.results
                }
                (Err(Failure::Sql(error)), None) => {
                    let failure = outside::rolled_back(flow, connection, &texts, error).await;
                    return Err(explained(flow, given, connection, failure).await);
                }
                (Err(failure), _) => return Err(failure),
            }
        }
    };
    let mut ended = ended(flow, connection, &results, &taken);
    ended.undo = way_back;
    ended.unchanged = unchanged;
    ended.notes.extend(ends_with_the_call(&texts));
    if flow.changes() {
        ended
            .notes
            .extend(outside::still_invalid(flow, connection, &texts).await);
    }
    Ok(ended)
}
