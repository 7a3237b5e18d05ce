//! Trying a script: on a throwaway branch of the target, with the schema before and after, sealed for its completion.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::apply::{Stopped, Tried};
use super::fingerprint;
use super::script::{self, Part, Script};
use crate::engine::{
    Failure, Kind, Left, Preview, WorkflowContext, WorkflowError, WorkflowOutput, postgres_says, sql_next,
};
use crate::guard;
use crate::neon::sql::{Connection, Measured};
use crate::neon::views::Branch;
use crate::neon::{BranchId, Changed, ProjectId};
use crate::sql::Dump;
use crate::workflows::sql::statements::Target;
use crate::workflows::sql::{self, failing, losses, plan};
use crate::workflows::{schema, throwaway};

/// The longest schema that is kept with what was prepared, in bytes: what is kept has 2 MiB in all.
const MAX_KEPT: usize = 256 * 1024;

/// SQLSTATE of a statement that took too long.
const TOOK_TOO_LONG: &str = "57014";

/// Said where completing asks a human, who couldn't be shown all that would run.
const TOO_LONG: &str = "Where completing this asks the user, it is refused: what they lose is more than one question can show (2,000 \
                        characters). Prepare it again in smaller steps.";

/// Said where a summary shows what was renamed.
const RENAMED: &str = "A rename loses nothing; the summary shows it as a drop and an addition.";

/// Said where a summary shows losses that may be none, since a script of several parts renames.
const MAY_BE_RENAMED: &str = "A rename loses nothing, but the summary shows it as a drop and an addition, and so as a loss: `losses` tells what is lost.";

/// What was prepared: what completing needs, and nothing that it could take from elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prepared {
    /// The tool that completes it.
    pub(super) tool: String,
    /// The target.
    pub(super) project_id: ProjectId,
    pub(super) branch_id: BranchId,
    pub(super) database_name: String,
    pub(super) role_name: String,
    /// The branch where it was tried.
    pub(super) trial_branch_id: BranchId,
    pub(super) statements: Vec<String>,
    pub(super) parts: Vec<Part>,
    /// The schema's fingerprint before the first part, and after each.
    pub(super) states: Vec<String>,
    /// What changes, a line for each object: for whoever must approve it.
    pub(super) changes: Vec<String>,
    /// What the statements lost where they were tried: completing loses no more.
    pub(super) measured: Measured,
    /// Indexes call code of the database's own once the statements ran; nothing where that wasn't looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) index_code: Option<bool>,
    /// The target's schema when it was prepared, to show what moved since; nothing where it is too long to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
    /// The query that it should make faster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) query: Option<Query>,
}

/// The query that changes should make faster, and what it took before them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
    /// The planner's estimate.
    pub(super) cost: Option<f64>,
    /// How long it took, in milliseconds, where it was run.
    pub(super) ms: Option<f64>,
}

/// A throwaway branch on which something is tried.
pub(super) struct Trial<'a> {
    at: Target<'a>,
    pub(super) branch_id: BranchId,
    name: String,
    expires_at: DateTime<Utc>,
    /// The target's database and role.
    target: Connection,
    /// The same on the throwaway branch.
    pub(super) connection: Connection,
    before: String,
    state: String,
}

impl<'a> Trial<'a> {
    /// Makes the branch and waits until it answers.
    pub(super) async fn begin(flow: &WorkflowContext<'_, '_>, at: Target<'a>, purpose: &str) -> Result<Self, Failure> {
        let project = at.project_id;
        flow.room_to_prepare()?;
        // First who connects to what: if nobody can, no branch is made.
        let target = at.connect(flow).await?;
        let now = Utc::now();
        let longest = TimeDelta::from_std(flow.longest_throwaway()).unwrap_or(TimeDelta::MAX);
        let lifetime = TimeDelta::hours(throwaway::HOURS.cast_signed()).min(longest);
        let expires_at = now + lifetime;
        let own: u16 = rand::random();
        let name = format!("{purpose}-{}-{own:04x}", now.format("%Y%m%d-%H%M%S"));
        let branch = throwaway::make(
            flow,
            "create_branch",
            json!({
                "project_id": project,
                "parent_id": at.branch_id,
                "name": name,
                "expires_at": expires_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            }),
            expires_at,
        )
        .await;
        let branch = match branch {
            Ok(branch) => branch,
            Err(failure) => {
                flow.clean_up().await;
                return Err(explained(flow, &at, failure).await);
            }
        };
        let branch_id = branch.id;
        let made = async {
            let (trial, target) = (&branch_id, &target);
            // As the target's role: how to connect, and what the schema is.
            let (connection, state) = throwaway::until_it_answers(flow, || async move {
                let connection = flow
                    .connection(project, trial, Some(&target.database), Some(&target.role))
                    .await?;
                let state = fingerprint::of(flow, &connection).await?;
                Ok((connection, state))
            })
            .await?;
            let before = schema::dump(flow, project, &branch_id, &target.database, &[]).await?;
            Ok::<_, Failure>((connection, state, before))
        };
        match made.await {
            Ok((connection, state, before)) => Ok(Self {
                at,
                branch_id,
                name,
                expires_at,
                target,
                connection,
                before,
                state,
            }),
            Err(failure) => {
                flow.clean_up().await;
                Err(failure)
            }
        }
    }

    /// Runs the script on the branch. Where it fails, the branch is deleted, and the failure says which statement it was.
    pub(super) async fn run(&self, flow: &WorkflowContext<'_, '_>, script: &mut Script) -> Result<Tried, Failure> {
        let timeout = self.at.timeout();
        let stopped = match script.try_on(flow, &self.connection, timeout).await {
            Ok(mut tried) => {
                tried.states.insert(0, self.state.clone());
                return Ok(tried);
            }
            Err(stopped) => stopped,
        };
        let told = self.told(flow, script, stopped, timeout).await;
        let deleted = self.end(flow).await;
        Err(match told {
            Failure::WorkflowError(mut told) => {
                if !deleted {
                    told.message.push_str(&format!(
                        " The throwaway branch {} is still there, until it expires.",
                        self.branch_id
                    ));
                }
                Failure::WorkflowError(told)
            }
            other => other,
        })
    }

    async fn told(
        &self,
        flow: &WorkflowContext<'_, '_>,
        script: &Script,
        stopped: Stopped,
        timeout: Duration,
    ) -> Failure {
        let Failure::Sql(error) = stopped.failure else {
            return stopped.failure;
        };
        if stopped.looking {
            return Failure::WorkflowError(Box::new(WorkflowError {
                kind: Kind::TrialFailed,
                message: "It was tried on a throwaway branch and ran there, but the schema couldn't be looked at afterwards. The target \
                          was not touched, and nothing is prepared."
                    .to_owned(),
                changed: Changed::No,
                next: "Prepare again.".to_owned(),
                more: Value::Object(postgres_says(&error, flow.fence())),
            }));
        }
        // Only what Postgres refuses can be found again; what took too long isn't run once more.
        let refused = error.code().is_some_and(|code| code != TOOK_TOO_LONG);
        let alone = script
            .parts
            .get(stopped.part)
            .is_some_and(|part| part.alone || part.count == 1);
        let number = match (alone, refused) {
            (true, _) => Some(script::statements_before(&script.parts, stopped.part) + 1),
            (false, true) => Some(script.culprit(flow, &self.connection, stopped.part, timeout).await + 1),
            (false, false) => None,
        };
        let statement = number.and_then(|number| script.statements.get(number - 1));
        let error = match statement {
            Some(statement) => failing::explained_one(flow, (&self.at, &self.connection), *error, statement).await,
            None => *error,
        };
        let mut more = postgres_says(&error, flow.fence());
        if let (Some(number), Some(statement)) = (number, statement) {
            more.insert("statement".into(), number.into());
            more.insert("kind_of_statement".into(), statement.kind.as_str().into());
        }
        if script.parts.len() > 1 {
            more.insert("part".into(), (stopped.part + 1).into());
            more.insert("part_count".into(), script.parts.len().into());
        }
        let which = match (number, statement) {
            (Some(number), Some(statement)) => format!("statement {number} ({})", statement.kind),
            _ => "a statement".to_owned(),
        };
        Failure::WorkflowError(Box::new(WorkflowError {
            kind: Kind::TrialFailed,
            message: format!(
                "It was tried on a throwaway branch and failed there, at {which}. The target was not touched, and nothing is prepared."
            ),
            changed: Changed::No,
            next: if error.code() == Some(TOOK_TOO_LONG) {
                "Prepare again with a longer timeout_seconds (at most 120), or with fewer statements.".to_owned()
            } else {
                format!("{} Then prepare again.", sql_next(&error))
            },
            more: Value::Object(more),
        }))
    }

    /// Deletes the branch. Whether it is gone.
    pub(super) async fn end(&self, flow: &WorkflowContext<'_, '_>) -> bool {
        flow.clean_up().await;
        flow.left_nothing()
    }

    /// Seals what was tried, and shows it.
    pub(super) async fn sealed(
        &self,
        flow: &WorkflowContext<'_, '_>,
        script: &Script,
        tried: Tried,
        completing: &str,
        query: Option<Query>,
    ) -> Result<WorkflowOutput, Failure> {
        let project = self.at.project_id;
        let after = schema::dump(flow, project, &self.branch_id, &self.target.database, &[]).await?;
        let mut difference = Dump::read(&self.before).to(&Dump::read(&after));
        // Dumps know objects by their names; what was measured knows them by their ids. Names are those of before its part.
        let follows = script.parts.len() == 1 && tried.measured.is_whole();
        if script.renames() && follows {
            difference.keep_losses(|table, column| lost(&tried.measured, table, column));
        }
        let index_code = sql::index_code_after(flow, &self.connection, &script.statements).await;
        let prepared = Prepared {
            tool: completing.to_owned(),
            project_id: project.to_owned(),
            branch_id: self.at.branch_id.clone(),
            database_name: self.target.database.clone(),
            role_name: self.target.role.clone(),
            trial_branch_id: self.branch_id.clone(),
            statements: script.texts(),
            parts: script.parts.clone(),
            states: tried.states,
            changes: schema::lines(&difference),
            measured: tried.measured,
            index_code: Some(index_code),
            before: (self.before.len() <= MAX_KEPT).then(|| self.before.clone()),
            query,
        };
        let content = serde_json::to_value(&prepared).map_err(|error| Failure::Internal(error.to_string()))?;
        let handle = flow.prepare(content, self.expires_at)?;
        let fence = flow.fence();
        let mut result = Map::new();
        let argument = if completing == "complete_query_tuning" {
            "tuning"
        } else {
            "migration"
        };
        result.insert(argument.into(), handle.as_str().into());
        result.insert(
            "expires_at".into(),
            self.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true).into(),
        );
        result.insert("database".into(), self.target.database.as_str().into());
        result.insert(
            "trial_branch".into(),
            json!({"branch_id": self.branch_id, "name": self.name}),
        );
        result.insert("statements".into(), script.shown());
        result.insert("parts".into(), script.shown_parts());
        let mut lost = guard::told_losses(&prepared.measured);
        lost.extend(losses::unmeasured(&script.statements));
        let mut lost = json!(lost);
        fence.enclose_plan(&mut lost);
        let told = losses::sentences(&lost);
        result.insert("losses".into(), losses::described(&told));
        // As completing it will be judged: labels of single statements don't tell what they lost together.
        let (effect, reasons) = sql::completing(flow, &script.statements, &prepared.measured, index_code);
        let asks = effect.needs_consent();
        let mut completion = json!({"effect": effect.name(), "requires_approval": asks});
        let mut because = Value::Null;
        if asks && let Some(object) = completion.as_object_mut() {
            because = script::because(reasons.iter().map(String::as_str)).into();
            fence.enclose_plan(&mut because);
            object.insert("description".into(), because.clone());
        }
        result.insert("completion".into(), completion);
        result.insert("summary".into(), schema::summary(&difference, fence));
        let diff = schema::unified(&self.before, &after).await?;
        if !diff.is_empty() {
            // The handle and what is lost are worth more than the end of a long diff.
            let room = flow.most_bytes().saturating_sub(14_000);
            result.insert("diff".into(), fence.around(&format!("\n{}", cut(&diff, room))).into());
        }
        let mut ended = WorkflowOutput::with(Value::Object(result));
        ended.ours = script.ours();
        ended.ours.extend(told);
        ended.ours.extend(because.as_str().map(str::to_owned));
        ended.ours.push(handle.clone());
        ended.ours.push(completing.to_owned());
        ended.notes.extend(script.notes.iter().cloned());
        ended
            .notes
            .push(format!("Its statements run {}.", script::in_words(&script.parts)));
        if difference.is_empty() {
            ended
                .notes
                .push("The schema stays as it is; rows aren't compared.".to_owned());
        }
        if script.renames() && !difference.is_empty() {
            let note = if follows || difference.losses.is_empty() {
                RENAMED
            } else {
                MAY_BE_RENAMED
            };
            ended.notes.push(note.to_owned());
        }
        let statements = json!(prepared.statements);
        let scripts: Vec<crate::sql::Script> = script
            .statements
            .iter()
            .map(|statement| crate::sql::Script {
                statements: vec![statement.clone()],
            })
            .collect();
        let too_long = !guard::can_be_shown(&plan::shortened(&statements, &scripts).unwrap_or(statements));
        if too_long && script.loses() {
            ended.notes.push(TOO_LONG.to_owned());
        }
        let complete = json!({"project_id": project, "branch_id": prepared.branch_id, argument: handle});
        if let Some(completion) = ended.result.get_mut("completion").and_then(Value::as_object_mut) {
            completion.insert("call".into(), json!({"tool": completing, "arguments": complete}));
        }
        ended.undo = Some(json!({
            "tool": completing,
            "arguments": {"project_id": project, "branch_id": prepared.branch_id, argument: handle, "discard": true},
            "note": "Nothing is applied, and the branch where it was tried is deleted.",
        }));
        Ok(ended)
    }
}

/// What a plan shows of statements that are tried on a branch of their own.
pub(super) async fn preview(flow: &WorkflowContext<'_, '_>, target: &Target<'_>) -> Result<Preview, Failure> {
    let mut lines = plan::kinds(flow.scripts());
    lines.extend(plan::measured(None));
    lines.extend(plan::tables(flow, target).await?);
    Ok(Preview {
        lines,
        ..Preview::default()
    })
}

/// Whether a table, or a column of it, is among what was lost. Names are as a dump writes them.
fn lost(measured: &Measured, table: &str, column: Option<&str>) -> bool {
    let bare = |name: &str| name.replace('"', "");
    measured.lines.iter().any(|loss| {
        let whole = loss.what == "gone" && loss.facet.is_none();
        let own = loss.facet.as_deref().is_some_and(|facet| facet.starts_with("column "));
        bare(&loss.name) == bare(table)
            && match column {
                None => whole,
                Some(column) => whole || own && loss.label.as_deref().is_some_and(|label| bare(label) == bare(column)),
            }
    })
}

/// Why no branch could come off the target: off one that expires Neon lets none.
async fn explained(flow: &WorkflowContext<'_, '_>, at: &Target<'_>, failure: Failure) -> Failure {
    if !matches!(&failure, Failure::Neon { error, .. } if error.changed() == Changed::No) {
        return failure;
    }
    let about = flow.branch(at.project_id, at.branch_id).await;
    let expires = about.is_ok_and(|about| Branch::in_answer(&about).has_expiry());
    if !expires {
        return failure;
    }
    Failure::WorkflowError(Box::new(WorkflowError {
        kind: Kind::TargetExpires,
        message: "The branch expires, and Neon lets no branch come off one that does, so nothing could be tried."
            .to_owned(),
        changed: Changed::No,
        next: "It is a throwaway branch already: run the statements on it with run_sql_transaction, and see what changed with \
               compare_database_schema."
            .to_owned(),
        more: Value::Null,
    }))
}

/// A text cut at a line, with how much was left out.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    for line in text.lines() {
        if kept.len() + line.len() + 1 > most {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    let left = text.len() - kept.len();
    kept + &format!("… {left} more bytes: compare_database_schema shows them\n")
}

/// Deletes a branch on which something was tried. Whether it is gone.
pub(super) async fn discard(flow: &WorkflowContext<'_, '_>, project: &ProjectId, branch: &BranchId) -> bool {
    let deleted = flow
        .tool("delete_branch", json!({"project_id": project, "branch_id": branch}))
        .await
        .is_ok();
    // An answer may be lost of a deletion that came about.
    deleted || flow.is_gone(project, branch).await
}

/// The item of `left_behind` for a branch on which something was tried, and which couldn't be deleted.
pub(super) fn left_behind(flow: &WorkflowContext<'_, '_>, project: &ProjectId, branch: &BranchId) -> Value {
    json!([Left::branch(project, branch).shown(flow.fence())])
}
