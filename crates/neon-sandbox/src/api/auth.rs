//! Neon Auth of a branch: turning it on and off, the app's name, and what its other parts share.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::Route;
use crate::{
    call::{Call, Reply},
    error::ApiError,
    hosts,
    state::{
        State,
        auth::{Auth, Integration, Provider, User},
        branch::Branch,
        project::{Project, check_length},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const AUTH: &str = "/projects/{project_id}/branches/{branch_id}/auth";
    vec![
        Route::get("getNeonAuth", AUTH, get),
        Route::post("createNeonAuth", AUTH, create),
        Route::delete("disableNeonAuth", AUTH, disable),
        Route::patch(
            "updateNeonAuthConfig",
            "/projects/{project_id}/branches/{branch_id}/auth/config",
            rename,
        ),
    ]
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    Reply {
        status,
        body: None,
        bytes: None,
    }
}

fn is_off(branch_id: &str) -> ApiError {
    ApiError::not_found(format!("Neon Auth is not enabled on branch {branch_id}"))
}

/// Neon Auth of a branch, or 404 where it is off.
pub(super) fn integration(branch: &Branch) -> Result<&Integration, ApiError> {
    branch
        .contents()
        .auth
        .as_ref()
        .and_then(|auth| auth.integration.as_ref())
        .ok_or_else(|| is_off(&branch.id))
}

/// Reads Neon Auth of the branch in the path, which must be on.
pub(super) fn read<'a>(call: &Call, state: &'a State) -> Result<&'a Integration, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    integration(project.branch(call.branch_id()?)?)
}

/// Changes Neon Auth of the branch in the path, which must be on, users included.
pub(super) fn edit_all<T>(
    call: &Call,
    state: &mut State,
    edit: impl FnOnce(&mut Vec<User>, &mut Integration) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let branch_id = call.branch_id()?;
    let mut change = state.change(call)?;
    let mut contents = change.project.branch(branch_id)?.contents().clone();
    let Some(Auth {
        users,
        integration: Some(integration),
        ..
    }) = &mut contents.auth
    else {
        return Err(is_off(branch_id));
    };
    let done = edit(users, integration)?;
    change.write(branch_id, contents)?;
    Ok(done)
}

/// Changes Neon Auth of the branch in the path, which must be on.
pub(super) fn edit<T>(
    call: &Call,
    state: &mut State,
    edit: impl FnOnce(&mut Integration) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    edit_all(call, state, |_, integration| edit(integration))
}

/// Where apps reach Neon Auth, and where its public keys are. Every branch has its own address.
pub(super) fn urls(
    project: &Project,
    branch: &Branch,
    database: &str,
    integration: &Integration,
) -> (Option<String>, String) {
    if integration.provider == Provider::BetterAuth {
        let host = project
            .write_endpoint(&branch.id)
            .map_or(branch.id.as_str(), |endpoint| endpoint.id.as_str());
        let base = format!("https://{host}.neonauth.{}/{database}/auth", hosts::DOMAIN);
        let keys = format!("{base}/.well-known/jwks.json");
        return (Some(base), keys);
    }
    let keys = format!(
        "https://{}.{}/api/v1/projects/{}/.well-known/jwks.json",
        integration.provider.name(),
        hosts::DOMAIN,
        integration.provider_project
    );
    (None, keys)
}

/// What apps need, the secret key among it.
pub(super) fn handed_over(
    project: &Project,
    branch: &Branch,
    database: &str,
    integration: &Integration,
) -> serde_json::Value {
    let (base_url, jwks_url) = urls(project, branch, database, integration);
    let mut view = json!({
        "auth_provider": integration.provider,
        "auth_provider_project_id": integration.provider_project,
        "pub_client_key": integration.keys.public,
        "secret_server_key": integration.keys.server,
        "jwks_url": jwks_url,
        "schema_name": "neon_auth",
        "table_name": "users_sync",
    });
    if let (Some(base_url), Some(fields)) = (base_url, view.as_object_mut()) {
        fields.insert("base_url".to_owned(), base_url.into());
    }
    view
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let on = integration(branch)?;
    let database = branch
        .contents()
        .auth
        .as_ref()
        .map_or("", |auth| auth.database.as_str());
    let (base_url, jwks_url) = urls(project, branch, database, on);
    let mut view = json!({
        "auth_provider": on.provider,
        "auth_provider_project_id": on.provider_project,
        "branch_id": branch.id,
        "db_name": database,
        "created_at": on.created_at,
        "owned_by": "neon",
        "jwks_url": jwks_url,
        "name": on.app_name,
    });
    if let Some(fields) = view.as_object_mut() {
        if let Some(base_url) = base_url {
            fields.insert("base_url".to_owned(), base_url.into());
        }
        if on.transfer_begun {
            fields.insert("transfer_status".to_owned(), "initiated".into());
        }
    }
    Reply::ok(view)
}

#[derive(Deserialize)]
struct CreateBody {
    auth_provider: Provider,
    database_name: Option<String>,
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: CreateBody = call.json()?;
    let branch_id = call.branch_id()?;
    let mut change = state.change(call)?;
    let branch = change.project.branch(branch_id)?;
    branch.check_ready()?;
    let mut contents = branch.contents().clone();
    match &contents.auth {
        None => {}
        Some(Auth {
            integration: Some(_), ..
        }) => {
            return Err(ApiError::conflict(format!(
                "Neon Auth is already enabled on branch {branch_id}"
            )));
        }
        Some(Auth { database, .. }) => {
            return Err(ApiError::conflict(format!(
                "the schema neon_auth already exists in database {database}: it was kept when Neon Auth was disabled"
            )));
        }
    }
    let database = match input.database_name {
        Some(name) => contents
            .database(&name)
            .ok_or_else(|| ApiError::not_found(format!("database {name} not found")))?,
        None => contents
            .databases
            .first()
            .ok_or_else(|| ApiError::refused("the branch has no database to hold the users"))?,
    }
    .name
    .clone();
    let integration = Integration::new(
        input.auth_provider,
        change.ids.uuid(),
        change.project.name.clone(),
        change.now,
    );
    contents.auth = Some(Auth {
        database: database.clone(),
        users: Vec::new(),
        integration: Some(integration.clone()),
    });
    change.write(branch_id, contents)?;
    let branch = change.project.branch(branch_id)?;
    Reply::created(handed_over(change.project, branch, &database, &integration))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DisableBody {
    delete_data: bool,
}

fn disable(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: DisableBody = call.optional_json()?;
    let branch_id = call.branch_id()?;
    let mut change = state.change(call)?;
    let branch = change.project.branch(branch_id)?;
    integration(branch)?;
    let mut contents = branch.contents().clone();
    contents.auth = contents.auth.filter(|_| !input.delete_data).map(|auth| Auth {
        integration: None,
        ..auth
    });
    change.write(branch_id, contents)?;
    Ok(empty(StatusCode::OK))
}

/// Refuses a provider that isn't the branch's.
pub(super) fn check_provider(on: &Integration, asked: Provider) -> Result<(), ApiError> {
    if on.provider == asked {
        Ok(())
    } else {
        Err(ApiError::not_found(format!(
            "there is no integration with {}: Neon Auth uses {}",
            asked.name(),
            on.provider.name()
        )))
    }
}

/// Refuses what is no URI with a scheme and something behind it.
pub(super) fn check_uri(name: &str, text: &str) -> Result<(), ApiError> {
    let fits = text.split_once("://").is_some_and(|(scheme, rest)| {
        let letters = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
        letters && !rest.is_empty() && !rest.chars().any(|char| char.is_whitespace() || char.is_control())
    });
    if fits {
        Ok(())
    } else {
        Err(ApiError::bad_request(format!(
            "{name} must be a URI with its scheme, such as https://app.example.com"
        )))
    }
}

/// Refuses what is no e-mail address.
pub(super) fn check_email(name: &str, text: &str) -> Result<(), ApiError> {
    check_length(name, text, 256)?;
    let fits = text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(char::is_whitespace)
    });
    if fits {
        Ok(())
    } else {
        Err(ApiError::bad_request(format!("{name} must be an e-mail address")))
    }
}

#[derive(Deserialize)]
struct NameBody {
    name: String,
}

fn rename(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: NameBody = call.json()?;
    check_length("name", &input.name, 256)?;
    let answer = json!({ "name": input.name });
    edit(call, state, |on| {
        on.app_name = input.name;
        Ok(())
    })?;
    Reply::ok(answer)
}
