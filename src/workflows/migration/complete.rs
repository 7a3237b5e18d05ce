//! Completing what was prepared: exactly the prepared statements on exactly the prepared target, as long as its schema is what it
//! was; then a look whether the result is what was shown.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::apply;
use super::fingerprint;
use super::halted::{Shown, halted, moved, shown};
use super::query_plan::{Subject, measured_where_it_reads};
use super::trial::{self, Prepared};
use crate::engine::{Basis, CallSql, Failure, Measuring, Preview, RunsOn, WorkflowContext, WorkflowOutput};
use crate::guard::StatementRisk;
use crate::neon::sql::{Allowance, Connection, Isolation, Reads};
use crate::neon::{BranchId, Changed, ProjectId};
use crate::sql::{Dump, Script, Statement};
use crate::workflows::schema;
use crate::workflows::sql::statements::Target;
use crate::workflows::sql::{self, SqlCall, plan};

/// How long a look at the clock may take.
const LOOK: Duration = Duration::from_secs(10);

/// What `complete_database_migration` and `complete_query_tuning` take: they differ in the name of their handle.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct Completion<H> {
    project_id: ProjectId,
    branch_id: BranchId,
    /// It was opened before.
    #[serde(flatten)]
    #[expect(dead_code, reason = "the engine opens the handle")]
    handle: H,
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

/// The handle of a migration.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::workflows) struct MigrationHandle {
    #[expect(dead_code, reason = "the engine opens the handle")]
    migration: String,
}

/// The handle of changes that make a query faster.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::workflows) struct TuningHandle {
    #[expect(dead_code, reason = "the engine opens the handle")]
    tuning: String,
}

impl<H: std::fmt::Debug + Send + Sync> SqlCall for Completion<H> {
    const RUNS_ON: RunsOn = RunsOn::TargetAsTried;

    fn target(&self) -> Target<'_> {
        Target {
            project_id: &self.project_id,
            branch_id: &self.branch_id,
            database_name: self.database_name.as_deref(),
            role_name: self.role_name.as_deref(),
            timeout_seconds: self.timeout_seconds,
            isolation: Isolation::ReadCommitted,
        }
    }

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

    fn assess(&self, scripts: &[Script], basis: &Basis<'_>) -> Result<StatementRisk, Failure> {
        Ok(sql::completed(scripts, basis, self.discard))
    }

    async fn preview(&self, flow: &WorkflowContext<'_, '_>, _: Measuring<'_>) -> Result<Preview, Failure> {
        preview(flow, &self.target(), self.statements.as_deref(), self.discard).await
    }

    async fn run(&self, flow: &WorkflowContext<'_, '_>) -> Result<WorkflowOutput, Failure> {
        let target = self.target();
        let completed = complete(flow, &target, self.discard).await?;
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
}

/// What a plan shows of completing what was prepared. It is held to what was lost where it was tried.
async fn preview(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    statements: Option<&[String]>,
    discards: bool,
) -> Result<Preview, Failure> {
    if !discards {
        refuse_moved(flow).await?;
    }
    let mut lines = plan::prepared(flow, discards)?;
    lines.extend(plan::kinds(flow.scripts()));
    lines.extend(plan::tables(flow, target).await?);
    Ok(Preview {
        measured: None,
        statements: statements.and_then(|statements| plan::shortened(&json!(statements), flow.scripts())),
        lines,
        undo: match discards {
            true => None,
            false => Some(sql::undo::before(flow, target).await),
        },
    })
}

/// Nobody is asked about what can't be applied any more, because the schema is another one than where it was tried. What can't be read now
/// is looked at again before anything is applied.
async fn refuse_moved(flow: &WorkflowContext<'_, '_>) -> Result<(), Failure> {
    let prepared = prepared(flow)?;
    let (database, role) = (Some(prepared.database_name.as_str()), Some(prepared.role_name.as_str()));
    let Ok(target) = flow
        .connection(&prepared.project_id, &prepared.branch_id, database, role)
        .await
    else {
        return Ok(());
    };
    let Ok(now) = fingerprint::of(flow, &target).await else {
        return Ok(());
    };
    match prepared.states.first() {
        Some(before) if *before != now => Err(moved(flow, &prepared).await),
        _ => Ok(()),
    }
}

/// How a completion ended.
struct Completed {
    ended: WorkflowOutput,
    prepared: Prepared,
    /// How to reach the target; nothing where what was prepared was discarded.
    target: Option<Connection>,
}

/// What the call completes.
fn prepared(flow: &WorkflowContext<'_, '_>) -> Result<Prepared, Failure> {
    serde_json::from_value(flow.prepared()?.clone()).map_err(|error| Failure::Internal(error.to_string()))
}

/// Applies what was prepared, or gives it up.
async fn complete(flow: &WorkflowContext<'_, '_>, at: &Target<'_>, discards: bool) -> Result<Completed, Failure> {
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
    let allowance = Allowance::approved(&prepared.measured, flow.unasked());
    let whole = (statements.as_slice(), prepared.parts.as_slice());
    let applied = apply::apply(flow, (at, &target), whole, &before, &allowance).await;
    // What the schema is now tells what holds, whatever became of the answer.
    let settled = match &applied {
        Err(stopped) if stopped.failure.changed() == Changed::Unknown => {
            apply::settled(flow, &target, &stopped.hold).await
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
    let on = (&prepared.project_id, &prepared.branch_id);
    ended.undo = Some(sql::undo::to_moment(flow, on, &moment).await);
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
