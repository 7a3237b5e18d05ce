//! Credentials of a branch, and whether its object storage and AI gateway work. Nothing answers behind their URLs.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Route;
use crate::{
    call::{Call, Reply},
    error::ApiError,
    hosts,
    state::{
        State,
        branch::Branch,
        credential::{Credential, Principal, Scope, Secrets},
        project::Project,
    },
};

/// The longest name of a credential, in characters.
const MAX_NAME: usize = 256;

/// The most scopes that can be asked for.
const MAX_SCOPES: usize = 16;

pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/projects/{project_id}/branches/{branch_id}/credentials";
    vec![
        Route::get("listCredentials", ALL, list),
        Route::post("createCredential", ALL, create),
        Route::delete(
            "revokeCredential",
            "/projects/{project_id}/branches/{branch_id}/credentials/{token_id}",
            revoke,
        ),
        Route::post(
            "revealCredential",
            "/projects/{project_id}/branches/{branch_id}/credentials/{token_id}/reveal",
            reveal,
        ),
        Route::post(
            "rotateCredential",
            "/projects/{project_id}/branches/{branch_id}/credentials/{token_id}/rotate",
            rotate,
        ),
        Route::get(
            "getProjectBranchAiGateway",
            "/projects/{project_id}/branches/{branch_id}/ai_gateway",
            ai_gateway,
        ),
        Route::get(
            "getProjectBranchStorage",
            "/projects/{project_id}/branches/{branch_id}/storage",
            storage,
        ),
    ]
}

fn not_found(token_id: &str) -> ApiError {
    ApiError::not_found(format!("credential {token_id} not found"))
}

/// The last part of the id, to tell credentials apart at a glance.
fn short(token_id: &str) -> &str {
    token_id.rsplit('-').next().unwrap_or(token_id)
}

/// A credential without its secrets.
fn view(branch_id: &str, credential: &Credential) -> Value {
    let mut view = json!({
        "token_id": credential.token_id,
        "token_id_short": short(&credential.token_id),
        "scopes": credential.scopes,
        "branch_id": branch_id,
        "principal_type": credential.principal,
        "created_at": credential.created_at,
    });
    if let (Some(name), Some(fields)) = (&credential.name, view.as_object_mut()) {
        fields.insert("name".to_owned(), name.as_str().into());
    }
    view
}

/// The same with them.
fn view_with_secrets(branch_id: &str, credential: &Credential) -> Value {
    let mut view = view(branch_id, credential);
    if let (Value::Object(secrets), Some(fields)) = (json!(credential.secrets), view.as_object_mut()) {
        fields.extend(secrets);
    }
    view
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let credentials: Vec<_> = branch
        .credentials
        .iter()
        .map(|credential| view(&branch.id, credential))
        .collect();
    Reply::ok(json!({ "credentials": credentials }))
}

#[derive(Deserialize)]
struct CreateBody {
    name: Option<String>,
    scopes: Vec<Scope>,
    principal_type: Principal,
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: CreateBody = call.json()?;
    if !(1..=MAX_SCOPES).contains(&input.scopes.len()) {
        return Err(ApiError::bad_request(format!(
            "a credential has 1 to {MAX_SCOPES} scopes"
        )));
    }
    if input.name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME) {
        return Err(ApiError::bad_request(format!(
            "a credential's name has at most {MAX_NAME} characters"
        )));
    }
    let mut scopes: Vec<Scope> = Vec::new();
    for scope in input.scopes {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    let branch_id = call.branch_id()?;
    let change = state.change(call)?;
    let credential = Credential {
        token_id: change.ids.credential(),
        name: input.name.filter(|name| !name.is_empty()),
        scopes,
        principal: input.principal_type,
        secrets: Secrets::random(),
        created_at: change.now,
    };
    let mut body = view_with_secrets(branch_id, &credential);
    if let Some(fields) = body.as_object_mut() {
        fields.remove("principal_type");
    }
    change.project.branch_mut(branch_id)?.credentials.push(credential);
    Reply::created(body)
}

fn credential<'a>(project: &'a mut Project, branch_id: &str, token_id: &str) -> Result<&'a mut Credential, ApiError> {
    project
        .branch_mut(branch_id)?
        .credentials
        .iter_mut()
        .find(|credential| credential.token_id == token_id)
        .ok_or_else(|| not_found(token_id))
}

fn revoke(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let branch_id = call.branch_id()?;
    let token_id = call.param("token_id")?;
    let change = state.change(call)?;
    credential(change.project, branch_id, token_id)?;
    change
        .project
        .branch_mut(branch_id)?
        .credentials
        .retain(|credential| credential.token_id != token_id);
    Ok(Reply::gone())
}

fn reveal(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let branch_id = call.branch_id()?;
    let token_id = call.param("token_id")?;
    let change = state.change(call)?;
    let credential = credential(change.project, branch_id, token_id)?;
    Reply::ok(json!({
        "token_id": credential.token_id,
        "api_token": credential.secrets.api_token,
        "s3_secret_access_key": credential.secrets.s3_secret_access_key,
    }))
}

fn rotate(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let branch_id = call.branch_id()?;
    let token_id = call.param("token_id")?;
    let change = state.change(call)?;
    let credential = credential(change.project, branch_id, token_id)?;
    credential.secrets = Secrets::random();
    Reply::ok(view_with_secrets(branch_id, credential))
}

/// A feature that a branch has or hasn't, and what Neon calls it when it hasn't.
struct Feature {
    name: &'static str,
    code: &'static str,
    /// Why it is off where it doesn't exist.
    elsewhere: &'static str,
}

const AI_GATEWAY: Feature = Feature {
    name: "the AI gateway",
    code: "AI_GATEWAY_NOT_ENABLED",
    elsewhere: "ai_gateway_unavailable",
};

const STORAGE: Feature = Feature {
    name: "object storage",
    code: "STORAGE_NOT_ENABLED",
    elsewhere: "region_unavailable",
};

/// The branch that a feature is asked for. Where it isn't, Neon's answer is that of a feature that is off.
fn featured<'a>(call: &Call, state: &'a State, feature: &Feature) -> Result<(&'a Project, &'a Branch), ApiError> {
    let project_id = call.project_id()?;
    let branch_id = call.branch_id()?;
    let found = state
        .project(&call.caller, project_id)
        .and_then(|project| Ok((project, project.branch(branch_id)?)));
    let (project, branch) = found.map_err(|error| match error.status {
        StatusCode::NOT_FOUND => ApiError::not_enabled(feature.code, "branch_not_found", error.message),
        _ => error,
    })?;
    if !project.region_id.starts_with("aws-") {
        let message = format!("{} is not available in {}", feature.name, project.region_id);
        return Err(ApiError::not_enabled(feature.code, feature.elsewhere, message));
    }
    Ok((project, branch))
}

fn ai_gateway(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let (_, branch) = featured(call, state, &AI_GATEWAY)?;
    Reply::ok(json!({
        "enabled": true,
        "base_url": format!("http://{}.ai.{}", branch.id, hosts::DOMAIN),
    }))
}

fn storage(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let (project, branch) = featured(call, state, &STORAGE)?;
    Reply::ok(json!({
        "enabled": true,
        "s3_endpoint": format!("http://{}.storage.{}", branch.id, hosts::DOMAIN),
        "region": project.region_id.trim_start_matches("aws-"),
        "force_path_style": true,
    }))
}
