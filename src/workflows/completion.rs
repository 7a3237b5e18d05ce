//! Completing what was prepared: exactly the prepared statements on exactly the prepared target, as long as its schema is what it
//! was; then a look whether the result is what was shown.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::script::{self, Stopped, statements_before};
use super::statements::Target;
use super::trial::{self, Prepared};
use super::{fingerprint, plan, schema, sql};
use crate::engine::{
    Basis, CallSql, Failure, Kind, Measuring, Preview, RunsOn, WorkflowCall, WorkflowContext, WorkflowError,
    WorkflowOutput, postgres_says,
};
use crate::guard::StatementRisk;
use crate::neon::sql::{Allowance, Connection, Reads};
use crate::neon::views::{Branch, Parent};
use crate::neon::{BranchId, Changed, ProjectId};
use crate::sql::{Dump, Script, Statement};

/// How long a look at the clock may take.
const LOOK: Duration = Duration::from_secs(10);

/// The way back on a branch that has a parent.
const NO_WAY_BACK: &str = "none by one call: Neon restores root branches alone to their past, and this one has a parent. Other statements \
                           undo it as far as no rows were lost; reset_from_parent makes the branch what its parent is now.";
/// SQLSTATE of a lock that wasn't had in time.
const LOCK_NOT_HAD: &str = "55P03";

/// What `complete_database_migration` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompleteDatabaseMigration {
    project_id: ProjectId,
    branch_id: BranchId,
    /// The handle. It was opened before.
    #[expect(dead_code, reason = "the engine opens the handle")]
    migration: String,
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

impl CompleteDatabaseMigration {
    fn target(&self) -> Target<'_> {
        let at = (&self.project_id, &self.branch_id);
        Target::new(at, self.database_name.as_ref(), self.role_name.as_ref()).within(self.timeout_seconds)
    }
}

impl WorkflowCall for CompleteDatabaseMigration {
    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        let statements = self.statements.iter().flatten();
        CallSql {
            runs: statements.map(String::as_str).collect(),
            explains: None,
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
        async move { preview(flow, &self.target(), statements, self.discard).await }.boxed()
    }

    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        async move {
            let completed = complete(flow, &self.target(), self.discard).await?;
            Ok(completed.ended)
        }
        .boxed()
    }
}

/// What a plan shows of completing what was prepared. It is held to what was lost where it was tried.
pub(super) async fn preview(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    statements: Option<&[String]>,
    discards: bool,
) -> Result<Preview, Failure> {
    let mut lines = plan::prepared(flow, discards)?;
    lines.extend(plan::kinds(flow.scripts()));
    lines.extend(plan::tables(flow, target).await?);
    Ok(Preview {
        measured: None,
        statements: statements.and_then(|statements| plan::shortened(&json!(statements), flow.scripts())),
        lines,
    })
}

/// How a completion ended.
pub(super) struct Completed {
    pub(super) ended: WorkflowOutput,
    pub(super) prepared: Prepared,
    /// How to reach the target; nothing where what was prepared was discarded.
    pub(super) target: Option<Connection>,
}

/// What the call completes.
pub(super) fn prepared(flow: &WorkflowContext<'_, '_>) -> Result<Prepared, Failure> {
    serde_json::from_value(flow.prepared()?.clone()).map_err(|error| Failure::Internal(error.to_string()))
}

/// `complete_database_migration`, and the most of `complete_query_tuning`
pub(super) async fn complete(
    flow: &WorkflowContext<'_, '_>,
    at: &Target<'_>,
    discards: bool,
) -> Result<Completed, Failure> {
    let prepared = prepared(flow)?;
    flow.take_prepared()?;
    if discards {
        return Ok(discarded(flow, prepared).await);
    }
    let target = flow
        .connection(
            &prepared.project_id,
            &prepared.branch_id,
            Some(&prepared.database_name),
            Some(&prepared.role_name),
        )
        .await
        .inspect_err(|_| flow.give_back_prepared())?;
    let moment = moment(flow, &target).await;
    let before = prepared.states.first().cloned().unwrap_or_default();
    let statements: Vec<Statement> = flow
        .scripts()
        .iter()
        .flat_map(|script| script.statements.clone())
        .collect();
    let allowance = Allowance::approved(&prepared.measured, flow.unasked_rows());
    let whole = (statements.as_slice(), prepared.parts.as_slice());
    let applied = script::apply(flow, (at, &target), whole, &before, &allowance).await;
    // What the schema is now tells what holds, whatever became of the answer.
    let settled = match &applied {
        Err(stopped) if stopped.failure.changed() == Changed::Unknown => {
            script::settled(flow, &target, &stopped.hold).await
        }
        _ => Ok(()),
    };
    let now = match settled {
        Ok(()) => fingerprint::of(flow, &target).await.ok(),
        // It may still take effect: the schema says nothing yet.
        Err(_) => None,
    };
    let state = now.as_ref();
    let as_shown = state.is_some() && state == prepared.states.last();
    let lost = match applied {
        Ok(()) => false,
        Err(stopped) if stopped.moved => {
            flow.give_back_prepared();
            return Err(moved(flow, &prepared).await);
        }
        // It was the last part, and it took effect: all did.
        Err(stopped)
            if stopped.part + 1 == prepared.parts.len()
                && stopped.failure.changed() == Changed::Unknown
                && shown(&prepared, stopped.part, state) == Shown::After =>
        {
            true
        }
        Err(stopped) => {
            let failure = halted(flow, &prepared, ((at, &target), &statements), stopped, state).await;
            if failure.changed == Changed::No {
                flow.give_back_prepared();
            }
            return Err(Failure::WorkflowError(Box::new(failure)));
        }
    };
    let mut result = Map::new();
    result.insert("applied_statements".into(), prepared.statements.len().into());
    result.insert("database".into(), prepared.database_name.as_str().into());
    result.insert("role".into(), prepared.role_name.as_str().into());
    let mut ended = WorkflowOutput::default();
    if lost {
        ended
            .notes
            .push("The answer to the statements was lost; the schema shows that they were applied.".to_owned());
    }
    let matches = state.map(|_| as_shown);
    result.insert("schema_matches_preview".into(), matches.into());
    match matches {
        Some(true) => {}
        Some(false) => {
            if let Ok(difference) = difference(flow, &prepared).await {
                result.insert(
                    "preview_to_target_diff".into(),
                    schema::summary(&difference, flow.fence()),
                );
            }
            ended.notes.push(
                "The statements were applied, but the schema isn't what the throwaway branch has: something else changed it at the \
                 same time. The branch where they were tried is kept, to compare with."
                    .to_owned(),
            );
        }
        None => ended
            .notes
            .push("The statements were applied; the schema couldn't be looked at afterwards.".to_owned()),
    }
    if as_shown {
        let deleted = trial::discard(flow, &prepared.project_id, &prepared.trial_branch_id).await;
        result.insert("trial_branch_deleted".into(), deleted.into());
        if !deleted {
            let left = trial::left_behind(flow, &prepared.project_id, &prepared.trial_branch_id);
            result.insert("left_behind".into(), left);
            ended.notes.push(format!(
                "The branch {} where it was tried couldn't be deleted: Neon deletes it when it expires.",
                prepared.trial_branch_id
            ));
        }
    }
    ended.result = Value::Object(result);
    ended.undo = Some(way_back(flow, &prepared, &moment).await);
    Ok(Completed {
        ended,
        prepared,
        target: Some(target),
    })
}

/// Now, by the clock that Postgres stamps its commits with: what is committed by now is before it, and what comes is after it.
async fn moment(flow: &WorkflowContext<'_, '_>, target: &Connection) -> String {
    const NOW: &str = r#"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now"#;
    let results = flow.query(target, Reads::own(NOW, Vec::new()).pinned(), LOOK).await;
    let now = results.ok().and_then(|results| {
        let now = results.first()?.first("now")?;
        now.as_str().map(str::to_owned)
    });
    // Another clock may differ: better a little too early than too late.
    now.unwrap_or_else(|| (Utc::now() - TimeDelta::seconds(1)).to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Back to the moment before: a root branch Neon restores to any time of its history, and no other.
async fn way_back(flow: &WorkflowContext<'_, '_>, prepared: &Prepared, moment: &str) -> Value {
    // Where its branch came from doesn't change, so what the call was judged by will do.
    let about = flow.branch(&prepared.project_id, &prepared.branch_id).await;
    // What can't be told to be a root branch is promised no restore.
    if !about.is_ok_and(|about| Branch::in_answer(&about).parent() == Parent::Root) {
        return NO_WAY_BACK.into();
    }
    json!({
        "tool": "restore_branch",
        "arguments": {
            "project_id": prepared.project_id,
            "branch_id": prepared.branch_id,
            "source_branch_id": prepared.branch_id,
            "source_timestamp": moment,
            // Without blanks: what holds some comes back to an agent in a fence, and the call must be good as it stands.
            "preserve_under_name": format!("before-undo-{}", Utc::now().format("%Y%m%d-%H%M%S")),
        },
        "note": "The branch becomes what it was before: what was written since goes from it, too, and stays on the preserved branch. \
                 Connections drop. Works as long as the project's history reaches back. Where statements can undo it, prepare those instead.",
    })
}

async fn discarded(flow: &WorkflowContext<'_, '_>, prepared: Prepared) -> Completed {
    let deleted = trial::discard(flow, &prepared.project_id, &prepared.trial_branch_id).await;
    let mut ended =
        WorkflowOutput::with(json!({"applied_statements": 0, "discarded": true, "trial_branch_deleted": deleted}));
    ended.undo = Some(json!("Nothing was applied; prepare again."));
    if !deleted {
        if let Some(object) = ended.result.as_object_mut() {
            let left = trial::left_behind(flow, &prepared.project_id, &prepared.trial_branch_id);
            object.insert("left_behind".into(), left);
        }
        ended.notes.push(format!(
            "The branch {} where it was tried couldn't be deleted: Neon deletes it when it expires.",
            prepared.trial_branch_id
        ));
    }
    Completed {
        ended,
        prepared,
        target: None,
    }
}

/// From the schema of the branch where it was tried to that of the target.
async fn difference(flow: &WorkflowContext<'_, '_>, prepared: &Prepared) -> Result<crate::sql::Difference, Failure> {
    let dump = |branch| schema::dump(flow, &prepared.project_id, branch, &prepared.database_name, &[]);
    let (shown, now) = futures::future::try_join(dump(&prepared.trial_branch_id), dump(&prepared.branch_id)).await?;
    Ok(Dump::read(&shown).to(&Dump::read(&now)))
}

/// What changed on the target since this was prepared: the statements themselves were tried elsewhere, and aren't in it.
async fn moves(flow: &WorkflowContext<'_, '_>, prepared: &Prepared) -> Option<crate::sql::Difference> {
    let before = prepared.before.as_deref()?;
    let now = schema::dump(
        flow,
        &prepared.project_id,
        &prepared.branch_id,
        &prepared.database_name,
        &[],
    )
    .await;
    Some(Dump::read(before).to(&Dump::read(&now.ok()?)))
}

async fn moved(flow: &WorkflowContext<'_, '_>, prepared: &Prepared) -> Failure {
    let mut more = Map::new();
    if let Some(difference) = moves(flow, prepared).await {
        let mut summary = schema::summary(&difference, flow.fence());
        // Errors are short.
        if summary.to_string().len() > 900
            && let Some(object) = summary.as_object_mut()
        {
            object.shift_remove("objects");
        }
        more.insert("prepared_to_target_diff".into(), summary);
    }
    Failure::WorkflowError(Box::new(WorkflowError {
        kind: Kind::SchemaMoved,
        message: "The target's schema changed since this was prepared, so nothing was applied.".to_owned(),
        changed: Changed::No,
        next: "Prepare it again on what the target is now. With discard: true this one is given up and its branch deleted.".to_owned(),
        more: Value::Object(more),
    }))
}

/// What the schema says of a part whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// It is what it was before that part.
    Before,
    /// It is what it was on the throwaway branch after that part.
    After,
    /// The part changes no schema, or something else changed it.
    Neither,
    /// It couldn't be looked at.
    NotSeen,
}

/// Only the part that was under way counts: those after it were never sent, even where they leave the schema as it is.
fn shown(prepared: &Prepared, part: usize, state: Option<&String>) -> Shown {
    let (before, after) = (prepared.states.get(part), prepared.states.get(part + 1));
    match state {
        None => Shown::NotSeen,
        Some(_) if before == after => Shown::Neither,
        state if state == before => Shown::Before,
        state if state == after => Shown::After,
        Some(_) => Shown::Neither,
    }
}

/// What holds when an application ended before its end, what doesn't, and why.
async fn halted(
    flow: &WorkflowContext<'_, '_>,
    prepared: &Prepared,
    (at, statements): ((&Target<'_>, &Connection), &[Statement]),
    stopped: Stopped,
    state: Option<&String>,
) -> WorkflowError {
    let fence = flow.fence();
    let changed = stopped.failure.changed();
    let committed = stopped.part;
    let parts = prepared.parts.len();
    let part = prepared.parts.get(committed);
    let alone = part.is_some_and(|part| part.alone);
    let in_part = part.map_or(0, |part| part.count);
    let of = prepared.statements.len();
    let shown = shown(prepared, committed, state);
    // What went through before counts, and the part whose answer was lost where the schema shows that it took effect.
    let took = matches!((changed, shown), (Changed::Unknown, Shown::After));
    let done = statements_before(&prepared.parts, committed + usize::from(took));
    let before = statements_before(&prepared.parts, committed);
    let whole = (statements, prepared.parts.as_slice());
    let (failure, failed) = script::explained(flow, at, whole, committed, stopped.failure).await;
    let mut more = match &failure {
        Failure::Sql(error) => postgres_says(error, fence),
        _ => Map::new(),
    };
    let failed = failed.filter(|_| changed != Changed::Unknown || alone);
    // A number within the part means nothing to who sent all of them.
    more.remove("statement");
    more.remove("kind_of_statement");
    let kind_of = |number: usize| statements.get(number.wrapping_sub(1)).map(|one| one.kind.as_str());
    if let Some((number, kind)) = failed.and_then(|number| Some((number, kind_of(number)?))) {
        more.insert("statement".into(), number.into());
        more.insert("kind_of_statement".into(), kind.into());
    }
    more.insert("part".into(), (committed + 1).into());
    more.insert("part_count".into(), parts.into());
    more.insert("applied_statements".into(), done.into());
    more.insert("statement_count".into(), of.into());
    let number = committed + 1;
    let held = if done == 0 {
        "no statement took effect".to_owned()
    } else {
        format!("the first {done} of {of} statements took effect and stay")
    };
    // Where the part itself isn't known to have taken effect or not, only what came before it can be told.
    let earlier = if done == 0 { String::new() } else { format!("; {held}") };
    let so_far = if done == 0 { Changed::No } else { Changed::Yes };
    let which = match (failed.and_then(kind_of), failed) {
        (Some(kind), Some(number)) => format!("Statement {number} ({kind})"),
        _ if parts == 1 => "It".to_owned(),
        _ => format!("Part {number} of {parts}"),
    };
    // A schema that is what it was says that a statement left nothing of what a schema shows.
    let as_before = state.is_some() && state == prepared.states.get(committed);
    let left = stopped.left.filter(|left| left.beyond_schema || !as_before);
    if let Some(left) = &left {
        left.tell(&mut more);
    }
    let (message, overall) = match (changed, shown, &left) {
        (Changed::Unknown, Shown::Before, _) if !alone => (
            format!("The answer was lost. The schema shows that part {number} of {parts} didn't take effect; {held}."),
            so_far,
        ),
        (Changed::Unknown, Shown::After, _) => (
            format!("The answer was lost. The schema shows that {held}; nothing after them was sent."),
            Changed::Yes,
        ),
        (Changed::Unknown, Shown::NotSeen, _) => (
            format!(
                "The answer was lost, and the schema couldn't be looked at: part {number} of {parts} may have taken effect{earlier}."
            ),
            Changed::Unknown,
        ),
        (Changed::Unknown, ..) => (
            format!(
                "The answer was lost, and the schema doesn't tell whether part {number} of {parts} took effect{earlier}."
            ),
            Changed::Unknown,
        ),
        (_, _, Some(left)) => (
            format!(
                "{which} failed outside of a transaction, so nothing rolled it back: {}{earlier}.",
                left.what()
            ),
            if done == 0 { left.changed } else { Changed::Yes },
        ),
        _ => (format!("{which} failed and left nothing behind; {held}."), so_far),
    };
    more.insert("not_applied".into(), not_applied((before, in_part, of), changed, took));
    let waited = matches!(&failure, Failure::Sql(error) if error.code() == Some(LOCK_NOT_HAD));
    let outgrown = matches!(&failure, Failure::Exceeded(_) | Failure::Reaches(_));
    let lost = changed == Changed::Unknown;
    let cause = cause(failure, flow);
    let advice = cause.get("next").and_then(Value::as_str).unwrap_or_default().to_owned();
    more.insert("cause".into(), cause);
    let first_left = done + 1;
    let rest = if first_left < of {
        format!("statements {first_left} to {of}")
    } else {
        format!("statement {of}")
    };
    if overall != Changed::No && left.is_none() {
        let mut look = json!({
            "tool": "compare_database_schema",
            "arguments": {
                "project_id": prepared.project_id,
                "branch_id": prepared.branch_id,
                "db_name": prepared.database_name,
                "base_branch_id": prepared.trial_branch_id,
            },
        });
        fence.enclose_undo(&mut look);
        more.insert("look".into(), look);
    }
    let next = match overall {
        Changed::No if waited => {
            "Somebody else held a lock on it for over 10 s: inspect_database (blocked, long_running) shows who. The handle is still \
             good: call again."
                .to_owned()
        }
        Changed::No if outgrown => {
            "It does more on the target than where it was tried, since rows or definitions are others by now. Prepare it again: completing \
             that one asks the user."
                .to_owned()
        }
        Changed::No if lost => {
            "The handle is still good: call again, or prepare something else.".to_owned()
        }
        Changed::No => {
            format!("Correct what failed. The handle is still good: call again, or prepare something else. {advice}")
        }
        _ => match &left {
            Some(left) => format!("{} Then prepare {rest} as a migration of its own.", left.next()),
            None => format!(
                "Look what is there with compare_database_schema, called as in `look`, or with inspect_database (invalid_indexes), then \
                 prepare {rest} as a migration of its own."
            ),
        },
    };
    WorkflowError {
        kind: match overall {
            Changed::No => Kind::NotApplied,
            Changed::Yes => Kind::AppliedInPart,
            Changed::Unknown => Kind::OutcomeUnknown,
        },
        message,
        changed: overall,
        next,
        more: Value::Object(more),
    }
}

/// Which statements didn't take effect, or may not have, and why not: from the first number to the last.
fn not_applied((before, in_part, of): (usize, usize, usize), changed: Changed, took: bool) -> Value {
    let mut all = Vec::new();
    if !took {
        let because = match (changed, in_part) {
            (Changed::Unknown, _) => "answer_lost",
            (_, 1) => "failed",
            _ => "rolled_back",
        };
        all.push(json!({"from": before + 1, "to": before + in_part, "reason": because}));
    }
    if before + in_part < of {
        all.push(json!({"from": before + in_part + 1, "to": of, "reason": "not_sent"}));
    }
    all.into()
}

/// Why an application ended, as that failure would be told by itself: what it says of the whole is left out.
fn cause(failure: Failure, flow: &WorkflowContext<'_, '_>) -> Value {
    const TOLD_OF_ALL: [&str; 9] = [
        "changed",
        "sqlstate",
        "postgres_says",
        "statement",
        "kind_of_statement",
        "position",
        "line",
        "column",
        "nearest",
    ];
    let mut value = failure.into_value(flow.fence());
    let mut cause = value.get_mut("error").map(Value::take).unwrap_or_default();
    if let Some(object) = cause.as_object_mut() {
        object.retain(|name, _| !TOLD_OF_ALL.contains(&name.as_str()));
    }
    cause
}
