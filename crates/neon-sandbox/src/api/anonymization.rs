//! Anonymized branches: making them, their masking rules, running the masking. No data is masked, for there is none.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Route, branch_create};
use crate::{
    call::{Call, Reply},
    clock::{Timestamp, delta},
    error::ApiError,
    state::{
        State,
        account::Account,
        anonymization::{Anonymization, AnonymizationState, MaskingRule, Run, check_rules, why_not_applied},
        branch::{Branch, InitSource},
        operation::Outcome,
        project::Project,
    },
};

/// How many times the time of an operation's step a run takes.
const RUN_STEPS: i32 = 2;

pub(crate) fn routes() -> Vec<Route> {
    const RULES: &str = "/projects/{project_id}/branches/{branch_id}/masking_rules";
    vec![
        Route::post(
            "createProjectBranchAnonymized",
            "/projects/{project_id}/branch_anonymized",
            create,
        ),
        Route::get("getMaskingRules", RULES, get_rules),
        Route::patch("updateMaskingRules", RULES, update_rules),
        Route::get(
            "getAnonymizedBranchStatus",
            "/projects/{project_id}/branches/{branch_id}/anonymized_status",
            status,
        ),
        Route::post(
            "startAnonymization",
            "/projects/{project_id}/branches/{branch_id}/anonymize",
            start,
        ),
    ]
}

#[derive(Deserialize)]
struct CreateBody {
    #[serde(default)]
    annotation_value: BTreeMap<String, String>,
    #[serde(default)]
    branch_create: branch_create::Body,
    #[serde(default)]
    masking_rules: Vec<MaskingRule>,
    #[serde(default)]
    start_anonymization: bool,
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: CreateBody = call.json()?;
    check_rules(&input.masking_rules)?;
    let mut body = input.branch_create;
    if !input.annotation_value.is_empty() {
        body.annotation_value = input.annotation_value;
    }
    if body.branch.init_source != InitSource::ParentData {
        return Err(ApiError::refused(
            "an anonymized branch starts with its parent's data, so init_source must be parent-data",
        ));
    }
    let run = run_by(&state.account);
    let run_time = delta(state.operation_time) * RUN_STEPS;
    let (change, id) = branch_create::make(call, state, body)?;
    let mut anonymization = Anonymization::new(input.masking_rules, call.now);
    let made = change.operations.first();
    if let Some(ready_at) = made.and_then(|operation| operation.ends_at) {
        let failure = made.and_then(|operation| operation.failure.clone());
        let works = failure.is_none();
        anonymization.initialize(ready_at, failure);
        if works && input.start_anonymization {
            let broken = why_not_applied(&anonymization.rules, change.project.branch(&id)?.contents());
            anonymization.run(run, ready_at, Some(ready_at + run_time), broken);
        }
    }
    change.project.branch_mut(&id)?.anonymization = Some(anonymization);
    branch_create::answer(&change, &id)
}

fn run_by(account: &Account) -> Run {
    Run::by(account.user_id.clone(), account.email.clone())
}

fn not_anonymized(id: &str) -> ApiError {
    ApiError::not_found(format!("branch {id} is not an anonymized branch"))
}

/// The masking of the branch in the path, or 404.
fn of_branch(branch: &Branch) -> Result<&Anonymization, ApiError> {
    branch.anonymization.as_ref().ok_or_else(|| not_anonymized(&branch.id))
}

fn get_rules(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let anonymization = of_branch(project.branch(call.branch_id()?)?)?;
    Reply::ok(json!({ "masking_rules": anonymization.rules }))
}

#[derive(Deserialize)]
struct UpdateBody {
    masking_rules: Vec<MaskingRule>,
}

fn update_rules(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let UpdateBody { masking_rules } = call.json()?;
    check_rules(&masking_rules)?;
    let id = call.branch_id()?;
    let change = state.change(call)?;
    let now = change.now;
    let anonymization = anonymization_mut(change.project, id)?;
    anonymization.rules = masking_rules;
    anonymization.updated_at = now;
    Reply::ok(json!({ "masking_rules": anonymization.rules }))
}

fn anonymization_mut<'a>(project: &'a mut Project, id: &str) -> Result<&'a mut Anonymization, ApiError> {
    project
        .branch_mut(id)?
        .anonymization
        .as_mut()
        .ok_or_else(|| not_anonymized(id))
}

fn status(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    Reply::ok(view(&project.id, &branch.id, of_branch(branch)?))
}

fn view(project_id: &str, branch_id: &str, anonymization: &Anonymization) -> Value {
    let mut view = json!({
        "project_id": project_id,
        "branch_id": branch_id,
        "state": anonymization.state,
        "created_at": anonymization.created_at,
        "updated_at": anonymization.updated_at,
    });
    if let Some(fields) = view.as_object_mut() {
        if let Some(message) = &anonymization.message {
            fields.insert("status_message".to_owned(), message.as_str().into());
        }
        if let Some(failed_at) = anonymization.failed_at {
            fields.insert("failed_at".to_owned(), json!(failed_at));
        }
        if let Some(run) = &anonymization.last_run {
            fields.insert("last_run".to_owned(), json!(run));
        }
    }
    view
}

fn start(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.branch_id()?;
    let run = run_by(&state.account);
    let run_time = delta(state.operation_time) * RUN_STEPS;
    let change = state.change(call)?;
    let now = change.now;
    let branch = change.project.branch(id)?;
    let broken = why_not_applied(&of_branch(branch)?.rules, branch.contents());
    let project_id = change.project.id.clone();
    let anonymization = anonymization_mut(change.project, id)?;
    let may_start = matches!(
        anonymization.state,
        AnonymizationState::Initialized | AnonymizationState::Error | AnonymizationState::Anonymized
    );
    if !may_start {
        return Err(ApiError::refused(format!(
            "anonymization cannot start while the branch is {}",
            json!(anonymization.state).as_str().unwrap_or_default()
        )));
    }
    let (until, failure): (Option<Timestamp>, Option<String>) = match &call.outcome {
        Outcome::Finished => (Some(now + run_time), broken),
        Outcome::Failed(text) => (Some(now + run_time), Some(text.clone())),
        Outcome::Stuck => (None, None),
    };
    anonymization.run(run, now, until, failure);
    anonymization.settle(now);
    Reply::ok(view(&project_id, id, anonymization))
}
