//! Running SQL: one statement, or several in one transaction.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failing::{self, Sent};
use super::losses::{UNHELD, described, is_unheld, lost_when_tried, sentences};
use super::statements::{Level, Target, about, building};
use super::{outside, parameters, placing, plan, rows};
use crate::engine::{
    ArgumentProblem, Basis, CallSql, Failure, Held, Measuring, Preview, RunsOn, WorkflowCall, WorkflowContext,
    WorkflowOutput,
};
use crate::guard::{Effect, JudgedTexts, StatementRisk};
use crate::neon::sql::{Builds, Connection, INDEX_CODE, Isolation, Measured, Query, Reads, Statements};
use crate::neon::{BranchId, Changed, ProjectId};
use crate::sql::{Mentions, Reading, Script, Statement, StatementEffect, Transaction, kept};

/// How long statements may run whose effect is only measured: they hold their locks for that long.
const MEASURING: Duration = Duration::from_secs(15);

/// How long they may wait for a lock.
const MEASURING_LOCKS: Duration = Duration::from_secs(3);

/// SQLSTATEs of what came in the way of measuring, and doesn't mean that the statements would fail.
const IN_THE_WAY: [&str; 4] = ["57014", "55P03", "40P01", "40001"];

/// What `run_sql` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunSql {
    project_id: ProjectId,
    branch_id: BranchId,
    sql: String,
    params: Option<Vec<Value>>,
    database_name: Option<String>,
    role_name: Option<String>,
    timeout_seconds: Option<u64>,
}

impl RunSql {
    fn given(&self) -> Given<'_> {
        let at = (&self.project_id, &self.branch_id);
        Given {
            target: Target::new(at, self.database_name.as_ref(), self.role_name.as_ref()).within(self.timeout_seconds),
            parameters: self.params.as_deref().unwrap_or_default(),
        }
    }
}

/// What `run_sql_transaction` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunSqlTransaction {
    project_id: ProjectId,
    branch_id: BranchId,
    statements: Vec<String>,
    isolation: Option<Level>,
    database_name: Option<String>,
    role_name: Option<String>,
    timeout_seconds: Option<u64>,
}

impl RunSqlTransaction {
    fn given(&self) -> Given<'_> {
        let at = (&self.project_id, &self.branch_id);
        let target = Target::new(at, self.database_name.as_ref(), self.role_name.as_ref()).within(self.timeout_seconds);
        Given {
            target: Target {
                isolation: self.isolation.unwrap_or_default().into(),
                ..target
            },
            parameters: &[],
        }
    }
}

/// What statements that run at once are given with.
#[derive(Debug, Clone, Copy)]
struct Given<'a> {
    target: Target<'a>,
    parameters: &'a [Value],
}

impl WorkflowCall for RunSql {
    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        CallSql {
            runs: vec![&self.sql],
            explains: None,
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Target
    }

    fn assess(&self, scripts: &[Script], _: &Basis<'_>) -> Result<Option<StatementRisk>, Failure> {
        sendable("sql", scripts, false)?;
        Ok(Some(assessed(scripts)))
    }

    fn look<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        scripts: &'f mut [Script],
        basis: &'f Basis<'_>,
        assessed: Option<StatementRisk>,
    ) -> BoxFuture<'f, Result<Option<StatementRisk>, Failure>> {
        async move { look(self, flow, &self.given().target, (scripts, basis), assessed).await }.boxed()
    }

    fn check<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<(), Failure>> {
        async move { readable(flow, &self.given().target).await }.boxed()
    }

    fn preview<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        measuring: Measuring<'f>,
    ) -> BoxFuture<'f, Result<Preview, Failure>> {
        async move { preview(flow, &self.given(), measuring).await }.boxed()
    }

    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        async move { run(flow, &self.given()).await }.boxed()
    }
}

impl WorkflowCall for RunSqlTransaction {
    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        CallSql {
            runs: self.statements.iter().map(String::as_str).collect(),
            explains: None,
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Target
    }

    fn assess(&self, scripts: &[Script], _: &Basis<'_>) -> Result<Option<StatementRisk>, Failure> {
        sendable("statements", scripts, true)?;
        Ok(Some(assessed(scripts)))
    }

    fn look<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        scripts: &'f mut [Script],
        basis: &'f Basis<'_>,
        assessed: Option<StatementRisk>,
    ) -> BoxFuture<'f, Result<Option<StatementRisk>, Failure>> {
        async move { look(self, flow, &self.given().target, (scripts, basis), assessed).await }.boxed()
    }

    fn check<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<(), Failure>> {
        async move { readable(flow, &self.given().target).await }.boxed()
    }

    fn preview<'f>(
        &'f self,
        flow: &'f WorkflowContext<'_, '_>,
        measuring: Measuring<'f>,
    ) -> BoxFuture<'f, Result<Preview, Failure>> {
        async move {
            let mut preview = preview(flow, &self.given(), measuring).await?;
            // What nothing bounds is shown whole.
            if preview.measured.is_some() {
                preview.statements = plan::shortened(&json!(self.statements), flow.scripts());
            }
            Ok(preview)
        }
        .boxed()
    }

    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        async move { run(flow, &self.given()).await }.boxed()
    }
}

/// What only the database tells of a call's statements: those that it places elsewhere are assessed there.
pub(super) async fn look(
    call: &dyn WorkflowCall,
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    (scripts, basis): (&mut [Script], &Basis<'_>),
    mut assessed: Option<StatementRisk>,
) -> Result<Option<StatementRisk>, Failure> {
    if placing::place(flow, target, scripts).await? {
        assessed = call.assess(scripts, basis)?;
    }
    Ok(match assessed {
        Some(assessed) if assessed.rebuilds_indexes && indexes_call_code(flow, target, scripts).await? => {
            Some(assessed.running_code())
        }
        assessed => assessed,
    })
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
    Ok(Preview {
        measured,
        statements: None,
        lines,
    })
}

/// What a call does that tries statements on a branch which it makes for them: that branch is all that the call changes.
pub(super) fn tried(scripts: &[Script], basis: &Basis<'_>) -> StatementRisk {
    let statements = scripts.iter().flat_map(|script| &script.statements);
    StatementRisk {
        effect: basis.declared,
        leaves: false,
        reasons: Vec::new(),
        texts: JudgedTexts::new(statements.map(|statement| statement.text.as_str())),
        measurable: false,
        rebuilds_indexes: false,
    }
}

/// What a call does that completes what was prepared. Its statements were checked when they were prepared; completing changes
/// something in any case: at least a branch goes.
pub(super) fn completed(scripts: &[Script], basis: &Basis<'_>, discards: bool) -> StatementRisk {
    let mut assessed = assessed(scripts);
    assessed.effect = assessed.effect.max(Effect::Write);
    match basis.prepared.and_then(lost_when_tried) {
        Some(measured) if measured.exceeds(basis.unasked_rows) && !discards => {
            assessed.exceeding(&measured, basis.unasked_rows)
        }
        _ => assessed,
    }
}

/// Rejects statements of an argument that can't be sent as they are, whatever they do.
fn sendable(argument: &str, scripts: &[Script], several: bool) -> Result<(), Failure> {
    let problem = |message: String| {
        Failure::Arguments(vec![ArgumentProblem {
            argument: argument.to_owned(),
            message,
        }])
    };
    for (index, script) in scripts.iter().enumerate() {
        let which = if several {
            format!("statement {}", index + 1)
        } else {
            "it".to_owned()
        };
        if let Some((at, refusal)) = script
            .statements
            .iter()
            .enumerate()
            .find_map(|(at, statement)| Some((at, statement.refusal.as_deref()?)))
        {
            let place = match script.statements.as_slice() {
                [_] => String::new(),
                _ => format!(", in its statement {},", at + 1),
            };
            return Err(problem(format!("{which}{place} {refusal}.")));
        }
        match script.statements.as_slice() {
            [one] if one.session.contains(&crate::sql::SessionAct::ResetsAll) => {
                return Err(problem(format!(
                    "{which} takes every setting back, those of transactions among them: RESET each by its name. Every call begins with \
                     all of them as the role and the database have them."
                )));
            }
            [] => return Err(problem(format!("{which} holds no statement."))),
            [one] if one.transaction == Transaction::Control => {
                return Err(problem(format!(
                    "{which} is transaction control{}.",
                    instead_of(one, several)
                )));
            }
            [one] if several && one.transaction == Transaction::Outside => {
                return Err(problem(format!(
                    "{which} ({}) can't run inside a transaction: run it with run_sql.",
                    one.kind
                )));
            }
            [_] => {}
            more => {
                let controls = more.iter().any(|one| one.transaction == Transaction::Control);
                return Err(problem(format!(
                    "{which} holds {} statements, and one is sent at a time: give them {}to run_sql_transaction, each as an item of its list{}.",
                    more.len(),
                    if several { "" } else { "all " },
                    if controls {
                        ", without the transaction control (BEGIN, COMMIT, …): the list is one transaction"
                    } else {
                        ""
                    }
                )));
            }
        }
    }
    Ok(())
}

/// What to do in place of transaction control: the end of a sentence.
fn instead_of(statement: &Statement, several: bool) -> String {
    let kind = match statement.is_read() {
        true => format!(" ({})", statement.kind),
        false => String::new(),
    };
    let instead = match statement.kind.as_str() {
        kind if kind.contains("SAVEPOINT") => {
            "to go on after an error, write DO $$ BEGIN …; EXCEPTION WHEN … THEN …; END $$, which is a savepoint"
        }
        "SET TRANSACTION" | "SET SESSION CHARACTERISTICS" => {
            "run_sql_transaction takes the level as `isolation`, and what only reads runs READ ONLY anyway"
        }
        "ROLLBACK" => {
            "to see what statements would do and keep nothing, run them on a throwaway branch (create_throwaway_branch)"
        }
        kind if kind.ends_with("PREPARED") || kind.starts_with("PREPARE") => {
            "there are no prepared transactions here: give all of the statements to run_sql_transaction as one list"
        }
        _ if several => "the list is one transaction already, of which all takes effect or nothing",
        _ => {
            "run_sql is a transaction by itself, and run_sql_transaction takes several statements as one: all takes effect, or nothing"
        }
    };
    format!("{kind}, which this server does itself: leave it out; {instead}")
}

/// What completing these statements will be judged as, once they were tried: its effect, and why it asks.
pub(super) fn completing(
    flow: &WorkflowContext<'_, '_>,
    statements: &[Statement],
    measured: &Measured,
    runs_index_code: bool,
) -> (Effect, Vec<String>) {
    let script = Script {
        statements: statements.to_vec(),
    };
    let unasked = flow.unasked_rows();
    let mut assessed = assessed(std::slice::from_ref(&script));
    assessed.effect = assessed.effect.max(Effect::Write);
    if measured.exceeds(unasked) {
        assessed = assessed.exceeding(measured, unasked);
    }
    if assessed.rebuilds_indexes && runs_index_code {
        assessed = assessed.running_code();
    }
    (assessed.effect, assessed.reasons)
}

/// Whether indexes call code of the database's own once the statements ran where they were tried. What can't be looked at counts as
/// that. Completing asks by it; whatever a block does on the target, each statement that builds an index looks there for itself.
pub(super) async fn index_code_after(
    flow: &WorkflowContext<'_, '_>,
    tried_on: &Connection,
    statements: &[Statement],
) -> bool {
    let all: Vec<&Statement> = statements.iter().collect();
    if !all.iter().any(|statement| statement.builds_indexes()) {
        return false;
    }
    all.iter().any(|statement| makes_code(statement)) || call_code(flow, tried_on, &all).await.unwrap_or(true)
}

/// What scripts do.
fn assessed(scripts: &[Script]) -> StatementRisk {
    let statements = || scripts.iter().flat_map(|script| &script.statements);
    let effect = statements().map(|statement| statement.effect).max();
    let mut reasons: Vec<String> = Vec::new();
    for reason in statements().flat_map(|statement| &statement.reasons) {
        if !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    let unguarded = statements().any(is_unheld);
    let effect = if unguarded {
        Some(StatementEffect::Destructive)
    } else {
        effect
    };
    if unguarded {
        reasons.push(UNHELD.to_owned());
    }
    StatementRisk {
        rebuilds_indexes: statements().any(Statement::builds_indexes),
        effect: match effect {
            Some(StatementEffect::Read) | None => Effect::Read,
            Some(StatementEffect::Write) => Effect::Write,
            Some(StatementEffect::Destructive) => Effect::Destructive,
        },
        leaves: scripts.iter().any(Script::leaves),
        reasons,
        texts: JudgedTexts::new(statements().map(|statement| statement.text.as_str())),
        // Measuring must take everything back.
        measurable: statements().all(|statement| {
            !statement.leaves
                && statement.transaction == Transaction::Inside
                && !statement.mentions().outlive_rollback()
        }) && effect.is_some_and(|effect| effect > StatementEffect::Read),
    }
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

/// Whether building indexes would run code of the database's own: what the statements mention, or what indexes, operator classes,
/// range types, casts and statistics are made of, or what the statements make themselves. Code in C or of Postgres itself isn't
/// meant. What a block or a procedure makes isn't told by its text: where it was tried, what was found there counts.
pub(super) async fn indexes_call_code(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    scripts: &[Script],
) -> Result<bool, Failure> {
    let statements: Vec<&Statement> = scripts.iter().flat_map(|script| &script.statements).collect();
    let found_when_tried = flow
        .prepared()
        .ok()
        .and_then(|prepared| prepared.get("index_code")?.as_bool());
    let unknown = statements.iter().any(|statement| runs_any(statement)) && found_when_tried.is_none();
    if unknown || found_when_tried == Some(true) || statements.iter().any(|statement| makes_code(statement)) {
        return Ok(true);
    }
    let connection = target.connect(flow).await?;
    call_code(flow, &connection, &statements).await
}

/// Whether a statement may make what an index calls later.
fn makes_code(statement: &Statement) -> bool {
    const CODE: [&str; 9] = [
        "FUNCTION",
        "PROCEDURE",
        "ROUTINE",
        "AGGREGATE",
        "OPERATOR",
        "CAST",
        "EXTENSION",
        "LANGUAGE",
        "STATISTICS",
    ];
    let makes = statement.kind.starts_with("CREATE")
        || statement.kind.starts_with("ALTER")
        || statement.kind.starts_with("IMPORT");
    // What a column's own type is changed to is no new type.
    let object = statement.kind.split(" … ").next().unwrap_or_default();
    makes && CODE.iter().any(|word| object.contains(word))
}

/// Whether a statement may make or run anything, whatever its text says.
fn runs_any(statement: &Statement) -> bool {
    matches!(statement.kind.as_str(), "DO" | "CALL" | "EXECUTE")
}

/// Whether a statement makes or changes a type or a domain. Neither is code: what a range type or a check calls is a function that is
/// there already and stands in the text, or a cast, which needn't.
fn makes_type(statement: &Statement) -> bool {
    let object = statement.kind.split(" … ").next().unwrap_or_default();
    (object.starts_with("CREATE") || object.starts_with("ALTER"))
        && ["TYPE", "DOMAIN"].iter().any(|word| object.contains(word))
}

/// Whether building indexes would run code of the database's own, as it is at this moment.
async fn call_code(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    statements: &[&Statement],
) -> Result<bool, Failure> {
    let mentions = Mentions::all(statements.iter().map(|statement| statement.mentions()));
    let brings = statements
        .iter()
        .any(|statement| building(statement) == Some(Builds::Expressions) || makes_type(statement));
    let mentioned = mentions.to_json();
    let parameters = vec![mentioned.to_string().into(), brings.to_string().into(), "".into()];
    let reads = Reads::own(INDEX_CODE, parameters).pinned();
    let results = flow.query(connection, reads, MEASURING).await?;
    Ok(results.first().and_then(|result| result.first("calls")) != Some(Value::Bool(false)))
}

/// Refuses statements that Postgres can't read either, so that nobody is asked about them. They are not run.
///
/// # Errors
/// With the place that Postgres names. What can't be found out is no error: then a human decides.
async fn readable(flow: &WorkflowContext<'_, '_>, target: &Target<'_>) -> Result<(), Failure> {
    let sources = flow.statement_sources();
    let sent = Sent::all(flow.scripts(), &sources);
    if sent.iter().all(Sent::is_read) {
        return Ok(());
    }
    let Ok(connection) = target.connect(flow).await else {
        return Ok(());
    };
    failing::readable(flow, &connection, &sent).await
}

/// Why a script is refused: where it isn't SQL, that is told as Postgres tells it, before anything that follows from it.
pub(super) async fn refused(flow: &WorkflowContext<'_, '_>, target: &Target<'_>, failure: Failure) -> Failure {
    let mut statements = flow.scripts().iter().flat_map(|script| &script.statements);
    // What no server runs is told as that.
    if statements.any(|statement| statement.refusal.is_some()) {
        return failure;
    }
    readable(flow, target).await.err().unwrap_or(failure)
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
    ended.notes.extend(ends_with_the_call(&texts));
    if flow.changes() {
        ended
            .notes
            .extend(outside::still_invalid(flow, connection, &texts).await);
    }
    Ok(ended)
}

/// What is said of what the statements left in a session that is over: nothing of what the same call used.
fn ends_with_the_call(all: &[&Statement]) -> Option<String> {
    let gone: Vec<String> = kept(all.iter().copied())
        .into_iter()
        .filter(|kept| {
            let later = all.get(kept.by + 1..).unwrap_or_default();
            kept.is_around() || !later.iter().any(|statement| kept.is_used_by(statement))
        })
        .map(|kept| kept.in_words())
        .collect();
    if !gone.is_empty() {
        return Some(format!(
            "Gone with this call, since each call is a session of its own: {}. Send statements that need one another as one list in one \
             call.",
            gone.join(", ")
        ));
    }
    let takes_back = |statement: &&Statement| {
        use crate::sql::SessionAct as Does;
        let only_ends = |act: &Does| {
            matches!(
                act,
                Does::Resets(_)
                    | Does::LeavesRole
                    | Does::LeavesUser
                    | Does::Forgets(_)
                    | Does::Closes(_)
                    | Does::Unlistens
                    | Does::Unlocks
                    | Does::UnlocksAll
                    | Does::DiscardsTemporary
                    | Does::DiscardsAll
            )
        };
        !statement.session.is_empty() && statement.session.iter().all(only_ends)
    };
    // There was nothing that it could have taken back.
    matches!(all, [only] if takes_back(only)).then(|| {
        "It took nothing back: each call is a session of its own, and begins with nothing of an earlier one.".to_owned()
    })
}

/// What statements lost beside the rows of the tables that they name: what a cascade, a trigger or a rule took with it.
fn taken_along(measured: Option<&Measured>, statements: &[&Statement]) -> Vec<String> {
    let Some(measured) = measured else { return Vec::new() };
    let named = |table: &str| {
        let mut names = statements.iter().flat_map(|statement| &statement.tables);
        names.any(|name| match &name.schema {
            Some(schema) => table == format!("{schema}.{}", name.name),
            None => table.split_once('.').is_some_and(|(_, own)| own == name.name),
        })
    };
    crate::guard::done_losses(measured, |table| !named(&table.name))
}

fn ended(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    results: &[crate::neon::sql::ResultSet],
    taken: &[String],
) -> WorkflowOutput {
    let fence = flow.fence();
    let mut ended = WorkflowOutput::default();
    let shown = rows::shown(
        results,
        fence,
        flow.most_bytes().saturating_sub(2_000),
        &mut ended.notes,
    );
    let mut result = Map::new();
    result.insert("database".into(), connection.database.as_str().into());
    result.insert("role".into(), connection.role.as_str().into());
    match <[Value; 1]>::try_from(shown) {
        Ok([Value::Object(one)]) => result.extend(one),
        Ok([other]) => {
            result.insert("result".into(), other);
        }
        Err(several) => {
            result.insert("results".into(), several.into());
        }
    }
    if !taken.is_empty() {
        let mut lost = json!(taken);
        fence.enclose_plan(&mut lost);
        let lost = sentences(&lost);
        result.insert("losses".into(), described(&lost));
        ended.ours.extend(lost);
    }
    ended.result = Value::Object(result);
    ended
}
