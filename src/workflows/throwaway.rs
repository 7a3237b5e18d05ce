//! Throwaway branches: made with an end, listed, ended early, and reset to their parent.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::{ArgumentProblem, Failure, WorkflowCall, WorkflowContext, WorkflowOutput};
use crate::neon::sql::{Connection, Reads};
use crate::neon::text::one_line;
use crate::neon::views::{Branch, Parent};
use crate::neon::{BranchId, Changed, ProjectId};
use crate::workflows::branch_name::branch_in_words;

/// How long a throwaway branch lives when the caller doesn't say.
pub(super) const HOURS: u64 = 24;

/// How long a new branch may take until it answers a query.
const ANSWERS: Duration = Duration::from_secs(30);

/// How long masking may take while a call waits for it.
const MASKED: Duration = Duration::from_secs(90);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// What `create_throwaway_branch` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateThrowawayBranch {
    project_id: ProjectId,
    name: Option<String>,
    parent_id: Option<BranchId>,
    hours: Option<u64>,
    #[serde(default)]
    schema_only: bool,
    masking_rules: Option<Vec<MaskingRule>>,
}

/// How a column of a branch is masked.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MaskingRule {
    database_name: String,
    schema_name: String,
    table_name: String,
    column_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    masking_function: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    masking_value: Option<String>,
}

impl WorkflowCall for CreateThrowawayBranch {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        create(flow, self).boxed()
    }
}

/// `create_throwaway_branch`
async fn create(flow: &WorkflowContext<'_, '_>, input: &CreateThrowawayBranch) -> Result<WorkflowOutput, Failure> {
    let project = &input.project_id;
    let hours = i64::try_from(input.hours.unwrap_or(HOURS)).unwrap_or(720);
    let now = Utc::now();
    let expires = now + TimeDelta::hours(hours);
    let name = match &input.name {
        Some(name) => name.clone(),
        None => format!("throwaway-{}", now.format("%Y%m%d-%H%M%S-%3f")),
    };
    let mut arguments = json!({
        "project_id": project,
        "name": name,
        "expires_at": expires.to_rfc3339_opts(SecondsFormat::Secs, true),
    });
    if let Some(object) = arguments.as_object_mut() {
        if let Some(parent) = &input.parent_id {
            object.insert("parent_id".into(), parent.as_str().into());
        }
        if input.schema_only {
            object.insert("init_source".into(), "schema-only".into());
        }
    }
    let rules = input.masking_rules.as_ref();
    let step = if let (Some(rules), Some(object)) = (rules, arguments.as_object_mut()) {
        object.insert("masking_rules".into(), json!(rules));
        object.insert("start_anonymization".into(), true.into());
        "create_anonymized_branch"
    } else {
        "create_branch"
    };
    let Made { id, branch } = match make(flow, step, arguments, expires).await {
        Ok(made) => made,
        Err(failure) => {
            flow.clean_up().await;
            return Err(failure);
        }
    };
    let about = Branch::of(&branch);
    let text = |field: &str| about.shown(field).as_str().unwrap_or_default();
    let several = json!({"project_id": project, "branches": [id]});
    let delete = if flow.offers("delete_throwaway_branches") {
        json!({"tool": "delete_throwaway_branches", "arguments": several})
    } else {
        // On a throwaway branch it asks nobody, either, and the default list has it.
        json!({"tool": "delete_branch", "arguments": {"project_id": project, "branch_id": id}})
    };
    let mut result = json!({
        "branch_id": id,
        "name": text("name"),
        "expires_at": text("expires_at"),
    });
    // A branch with the schema alone has none.
    if let (Some(object), Parent::Branch(parent)) = (result.as_object_mut(), about.parent()) {
        object.insert("parent_id".into(), parent.as_str().into());
    }
    let masked = match rules {
        Some(_) => masked(flow, project, &id).await,
        None => Ok(true),
    };
    // What isn't masked yet is nothing to work on.
    let waited = match masked {
        Ok(true) => Some(answers(flow, project, &id).await),
        _ => None,
    };
    let mut ended = match waited {
        Some(Waited::Answers(connection)) => {
            if let Some(object) = result.as_object_mut() {
                object.insert("database".into(), connection.database.as_str().into());
                // A child has its parent's passwords, so this one may open the default branch, too: get_connection_string
                // hands it over, by its own rules.
                let string = crate::guard::mask_text(connection.string.expose_secret());
                object.insert("connection".into(), string.into());
            }
            WorkflowOutput::with(result)
                .note("run_sql works on it without a password; connection has all but that, which get_connection_string hands over.")
        }
        Some(Waited::Unasked(why)) => WorkflowOutput::with(result).note(format!(
            "{why} Name one as `database_name` in calls on this branch: run_sql works on it without a password."
        )),
        Some(Waited::Silent(why)) => {
            WorkflowOutput::with(result).note(format!("It was made, but doesn't answer queries yet: {why}"))
        }
        None => WorkflowOutput::with(result),
    };
    match (rules, masked) {
        (None, _) => {}
        (Some(_), Ok(masked)) => {
            if let Some(object) = ended.result.as_object_mut() {
                object.insert("masked".into(), masked.into());
            }
            if !masked {
                ended = ended.note("Its data isn't masked yet: wait until get_anonymization_status says anonymized.");
            }
        }
        (Some(_), Err(why)) => {
            ended.failed = true;
            ended = ended.note(format!(
                "Its data couldn't be masked, so don't use the branch: {}",
                flow.fence().quote(&why)
            ));
        }
    }
    ended.undo = Some(delete);
    Ok(ended.note("Neon deletes the branch when it expires; deleting, resetting and changing it asks nobody."))
}

/// Waits until the data of an anonymized branch is masked. Whether it is by the end of the wait.
///
/// # Errors
/// What Neon says where masking failed.
async fn masked(flow: &WorkflowContext<'_, '_>, project: &ProjectId, branch: &BranchId) -> Result<bool, String> {
    let until = tokio::time::Instant::now() + MASKED;
    loop {
        let status = flow
            .get(
                "/projects/{project_id}/branches/{branch_id}/anonymized_status",
                &[("project_id", project.into()), ("branch_id", branch.into())],
                &[],
            )
            .await
            .unwrap_or_default();
        let text = |field: &str| status.get(field).and_then(Value::as_str).unwrap_or_default();
        match text("state") {
            "anonymized" => return Ok(true),
            "error" | "initialization_error" => return Err(one_line(text("status_message"), 300)),
            _ if tokio::time::Instant::now() >= until => return Ok(false),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// A branch that was made.
pub(super) struct Made {
    pub(super) id: BranchId,
    /// What Neon says of it.
    branch: Value,
}

/// Makes a branch that Neon deletes by itself, and makes sure that Neon took it so.
pub(super) async fn make(
    flow: &WorkflowContext<'_, '_>,
    step: &str,
    arguments: Value,
    expires: DateTime<Utc>,
) -> Result<Made, Failure> {
    let made = flow.tool(step, arguments).await?;
    let about = Branch::in_answer(&made);
    let failed = |why: String| Failure::Step {
        step: step.to_owned(),
        why,
        changed: Changed::Yes,
    };
    let id = about
        .id()
        .map_err(|odd| failed(format!("a branch was made, but Neon's answer {odd}")))?;
    let agreed = about
        .expires()
        .is_some_and(|echoed| (echoed - expires).abs() < TimeDelta::seconds(2));
    if agreed {
        let branch = made.get("branch").cloned().unwrap_or_default();
        return Ok(Made { id, branch });
    }
    Err(failed(format!(
        "the branch {id} was made, but Neon didn't say that it will be deleted: it stays until someone deletes it"
    )))
}

/// What became of the wait for a new branch.
enum Waited {
    /// It answers a query, over that connection.
    Answers(Box<Connection>),
    /// It wasn't asked: the call must say which of its databases, as the text says.
    Unasked(String),
    /// It didn't answer in time, and why.
    Silent(String),
}

/// Waits until a branch answers a query. Gives how it is reached.
async fn answers(flow: &WorkflowContext<'_, '_>, project: &ProjectId, branch: &BranchId) -> Waited {
    let answered = until_it_answers(flow, || async move {
        let connection = flow.connection(project, branch, None, None).await?;
        let reads = Reads::own("SELECT 1 AS one", Vec::new()).pinned();
        flow.query(&connection, reads, ANSWERS).await?;
        Ok(connection)
    });
    match answered.await {
        Ok(connection) => Waited::Answers(Box::new(connection)),
        Err(failure @ Failure::Reference { .. }) => Waited::Unasked(failure.into_message(flow.fence())),
        Err(failure) => Waited::Silent(failure.into_message(flow.fence())),
    }
}

/// Tries until a new branch answers.
///
/// # Errors
/// The last failure, when it doesn't in time, or when more time would change nothing.
pub(super) async fn until_it_answers<T, F: Future<Output = Result<T, Failure>>>(
    flow: &WorkflowContext<'_, '_>,
    attempt: impl Fn() -> F,
) -> Result<T, Failure> {
    let until = tokio::time::Instant::now() + ANSWERS;
    loop {
        match attempt().await {
            Ok(answered) => return Ok(answered),
            Err(failure @ Failure::Reference { .. }) => return Err(failure),
            Err(failure) if tokio::time::Instant::now() >= until || flow.is_over() => return Err(failure),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Whether Neon will delete a branch anyway: it expires, is neither default nor protected, and has no children.
fn is_throwaway(branch: Branch<'_>, all: &[Branch<'_>]) -> bool {
    let may_have_children = |id: &BranchId| all.iter().any(|other| other.may_be_child_of(id));
    branch.will_expire() && !branch.is_default_or_protected() && branch.id().is_ok_and(|id| !may_have_children(&id))
}

/// What `list_throwaway_branches` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListThrowawayBranches {
    project_id: ProjectId,
}

impl WorkflowCall for ListThrowawayBranches {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        list(flow, self).boxed()
    }
}

/// `list_throwaway_branches`
async fn list(flow: &WorkflowContext<'_, '_>, input: &ListThrowawayBranches) -> Result<WorkflowOutput, Failure> {
    let listed = flow.branches(&input.project_id).await?;
    let all: Vec<Branch<'_>> = listed.iter().map(Branch::of).collect();
    let mut throwaway: Vec<Branch<'_>> = all
        .iter()
        .copied()
        .filter(|branch| is_throwaway(*branch, &all))
        .collect();
    throwaway.sort_by_key(|branch| branch.expires());
    let found: Vec<Value> = throwaway
        .into_iter()
        .map(|branch| {
            let shown = |name: &str| branch.shown(name);
            json!({
                "id": shown("id"),
                "name": shown("name"),
                "parent_id": shown("parent_id"),
                "expires_at": shown("expires_at"),
                "created_at": shown("created_at"),
                "created_by": shown("created_by").get("name"),
                "bytes": shown("logical_size"),
            })
        })
        .collect();
    let fence = flow.fence();
    let count = found.len();
    let lines: String = found.iter().map(|branch| format!("{branch}\n")).collect();
    Ok(WorkflowOutput::with(json!({
        "returned": count,
        "other_branches": all.len() - count,
        "throwaway_branches": fence.around(&format!("\n{lines}")),
    })))
}

/// What `delete_throwaway_branches` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteThrowawayBranches {
    project_id: ProjectId,
    /// Ids or names.
    branches: Option<Vec<String>>,
    #[serde(default)]
    expired: bool,
}

impl WorkflowCall for DeleteThrowawayBranches {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        delete(flow, self).boxed()
    }
}

/// `delete_throwaway_branches`
async fn delete(flow: &WorkflowContext<'_, '_>, input: &DeleteThrowawayBranches) -> Result<WorkflowOutput, Failure> {
    let project = &input.project_id;
    let named = input.branches.as_deref().unwrap_or_default();
    let listed = flow.branches(project).await?;
    let all: Vec<Branch<'_>> = listed.iter().map(Branch::of).collect();
    let now = Utc::now();
    let mut chosen: Vec<Branch<'_>> = Vec::new();
    let mut problems = Vec::new();
    for name in named {
        let of_id = BranchId::parse(name.as_str()).ok();
        let by_id = of_id.and_then(|id| all.iter().copied().find(|branch| branch.is(&id)));
        let by_name = || {
            let named = all.iter().filter(|branch| branch.name() == Ok(name.as_str()));
            named.copied().collect::<Vec<_>>()
        };
        match by_id.map_or_else(by_name, |branch| vec![branch]).as_slice() {
            [one] if is_throwaway(*one, &all) => chosen.push(*one),
            [_] => problems.push(format!("{name} is no throwaway branch: it doesn't expire, has children, or is default or protected (delete_branch deletes it, and asks)")),
            [] => problems.push(format!("there is no branch {name}")),
            _ => problems.push(format!("several branches are named {name}: give ids")),
        }
    }
    if !problems.is_empty() {
        // Nothing is deleted where something isn't meant as it was said.
        return Err(Failure::Arguments(
            problems
                .into_iter()
                .map(|message| ArgumentProblem {
                    argument: "branches".to_owned(),
                    message,
                })
                .collect(),
        ));
    }
    // Nor where one is beyond what the operator lets calls reach.
    for branch in &chosen {
        flow.admit_branch(project, *branch).await?;
    }
    if input.expired {
        let expired = |branch: &Branch<'_>| branch.expires().is_some_and(|expires| expires <= now);
        for branch in all
            .iter()
            .copied()
            .filter(|branch| is_throwaway(*branch, &all))
            .filter(expired)
        {
            // Of those that are meant all together, others' are passed over.
            if flow.admit_branch(project, branch).await.is_ok() {
                chosen.push(branch);
            }
        }
    }
    chosen.dedup_by_key(|branch| branch.id().ok());
    let mut deleted = Vec::new();
    let mut failed = Vec::new();
    let mut ours = Vec::new();
    for branch in chosen {
        let (id, name) = (branch.shown("id"), branch.name().unwrap_or_default());
        // Judged once more by what Neon says now: a branch that has become something else is not deleted.
        match flow
            .tool("delete_branch", json!({"project_id": project, "branch_id": id}))
            .await
        {
            Ok(_) => deleted.push(json!({"id": id, "name": name})),
            Err(failure) => {
                let message = failure.into_message(flow.fence());
                failed.push(json!({"id": id, "name": name, "message": message}));
                ours.push(message);
            }
        }
    }
    let mut ended = WorkflowOutput::with(json!({"deleted": deleted}));
    ended.ours = ours;
    if !failed.is_empty() {
        ended.failed = true;
        if let Some(object) = ended.result.as_object_mut() {
            object.insert("not_deleted".into(), failed.into());
        }
    }
    // A call for each, the first with the others beside it.
    let mut calls = deleted.iter().map(|one| {
        let id = one.get("id").cloned().unwrap_or_default();
        json!({"tool": "recover_branch", "arguments": {"project_id": project, "branch_id": id}})
    });
    ended.undo = calls.next().map(|mut first| {
        let also: Vec<Value> = calls.collect();
        if let Some(object) = first.as_object_mut() {
            if !also.is_empty() {
                object.insert("also".to_owned(), also.into());
            }
            let note = "Within 7 days; what comes back has no expiry.";
            object.insert("note".to_owned(), note.into());
        }
        first
    });
    Ok(ended)
}

/// What `reset_from_parent` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetFromParent {
    project_id: ProjectId,
    branch_id: BranchId,
    preserve_under_name: Option<String>,
}

impl WorkflowCall for ResetFromParent {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        reset(flow, self).boxed()
    }
}

/// `reset_from_parent`
async fn reset(flow: &WorkflowContext<'_, '_>, input: &ResetFromParent) -> Result<WorkflowOutput, Failure> {
    let (project, branch) = (&input.project_id, &input.branch_id);
    let about = flow.branch(project, branch).await?;
    let Some(parent) = Branch::in_answer(&about).parent().known() else {
        return Err(Failure::Arguments(vec![ArgumentProblem {
            argument: "branch_id".to_owned(),
            message: "the branch has no parent to be reset to: restore_branch restores it from a branch or a time"
                .to_owned(),
        }]));
    };
    let mut arguments = json!({"project_id": project, "branch_id": branch, "source_branch_id": parent});
    let kept = input.preserve_under_name.as_deref();
    if let (Some(name), Some(object)) = (kept, arguments.as_object_mut()) {
        object.insert("preserve_under_name".into(), name.into());
    }
    // Judged by what the call itself was judged by a moment ago.
    let answer = flow.tool_at_once("restore_branch", arguments).await?;
    let field = |pointer: &str| answer.pointer(pointer).cloned().unwrap_or_default();
    let mut ended = WorkflowOutput::with(json!({
        "branch_id": field("/branch/id"),
        "name": field("/branch/name"),
        "parent_id": parent,
        "last_reset_at": field("/branch/last_reset_at"),
    }));
    ended.undo = kept.map(|name| {
        json!({
            "tool": "restore_branch",
            "arguments": {"project_id": project, "branch_id": branch, "source_branch_id": name},
            "note": "What was written since the reset goes, and connections drop again.",
        })
    });
    let parent = branch_in_words(flow, project, &parent).await;
    Ok(ended.note(format!(
        "Its parent is {parent}. Connections dropped; the host stays that of the branch, and its roles and passwords are the parent's: get_connection_string has the ones that count now."
    )))
}
