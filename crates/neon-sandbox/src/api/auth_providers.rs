//! Whom Neon Auth relies on: OAuth providers, and the auth provider's own project with its keys.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    Route,
    auth::{self, check_provider, edit, empty, read},
};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    hosts, ids,
    state::{
        State,
        auth::{Auth, Integration, OauthId, OauthProvider, OauthType, Provider, ProviderKeys, Secret},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const ALL: &str = "/projects/{project_id}/branches/{branch_id}/auth/oauth_providers";
    const ONE: &str = "/projects/{project_id}/branches/{branch_id}/auth/oauth_providers/{oauth_provider_id}";
    vec![
        Route::get("listBranchNeonAuthOauthProviders", ALL, list),
        Route::post("addBranchNeonAuthOauthProvider", ALL, add),
        Route::patch("updateBranchNeonAuthOauthProvider", ONE, update),
        Route::delete("deleteBranchNeonAuthOauthProvider", ONE, delete),
        Route::post("createNeonAuthProviderSDKKeys", "/projects/auth/keys", create_keys),
        Route::post(
            "transferNeonAuthProviderProject",
            "/projects/auth/transfer_ownership",
            transfer,
        ),
    ]
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    Reply::ok(json!({ "providers": read(call, state)?.oauth_providers }))
}

#[derive(Deserialize)]
struct AddBody {
    id: OauthId,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    microsoft_tenant_id: Option<String>,
}

/// Adding a provider again puts the new client in place of the old one, as at Neon.
fn add(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: AddBody = call.json()?;
    let id = input.id;
    let provider = match (input.client_id, input.client_secret) {
        (Some(client_id), Some(client_secret)) => OauthProvider {
            id,
            kind: OauthType::Standard,
            client_id: Some(client_id),
            client_secret: Some(client_secret),
            microsoft_tenant_id: input.microsoft_tenant_id,
        },
        (None, None) if id == OauthId::Google => OauthProvider::shared(id),
        (None, None) => {
            return Err(ApiError::bad_request(
                "only google has shared credentials: give client_id and client_secret",
            ));
        }
        _ => return Err(ApiError::bad_request("client_id and client_secret go together")),
    };
    let answer = provider.clone();
    edit(call, state, |on| {
        match on.oauth_providers.iter_mut().find(|other| other.id == id) {
            Some(other) => *other = provider,
            None => on.oauth_providers.push(provider),
        }
        Ok(())
    })?;
    Reply::ok(answer)
}

/// The provider in the path.
fn provider_id(call: &Call) -> Result<OauthId, ApiError> {
    let text = call.param("oauth_provider_id")?;
    serde_json::from_value(text.into())
        .map_err(|_| ApiError::bad_request(format!("there is no OAuth provider {text:?}")))
}

#[derive(Deserialize)]
struct UpdateBody {
    client_id: Option<String>,
    client_secret: Option<Secret>,
    microsoft_tenant_id: Option<String>,
}

fn update(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = provider_id(call)?;
    let input: UpdateBody = call.json()?;
    let answer = edit(call, state, |on| {
        let provider = on
            .oauth_providers
            .iter_mut()
            .find(|provider| provider.id == id)
            .ok_or_else(|| ApiError::not_found("this OAuth provider isn't set up on the branch"))?;
        let mut new = provider.clone();
        new.client_id = input.client_id.or(new.client_id);
        new.client_secret = input.client_secret.or(new.client_secret);
        new.microsoft_tenant_id = input.microsoft_tenant_id.or(new.microsoft_tenant_id);
        match (&new.client_id, &new.client_secret) {
            (Some(_), Some(_)) => new.kind = OauthType::Standard,
            (None, None) => {}
            _ => return Err(ApiError::bad_request("client_id and client_secret go together")),
        }
        *provider = new.clone();
        Ok(new)
    })?;
    Reply::ok(answer)
}

/// A provider that isn't set up is gone already, as at Neon.
fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = provider_id(call)?;
    edit(call, state, |on| {
        on.oauth_providers.retain(|provider| provider.id != id);
        Ok(())
    })?;
    Ok(empty(StatusCode::OK))
}

#[derive(Deserialize)]
struct ProjectBody {
    project_id: String,
    auth_provider: Provider,
}

/// Changes the integration of a project's default branch, which these older routes are about, and returns that
/// branch's id and database.
fn edit_default(
    call: &Call,
    state: &mut State,
    input: &ProjectBody,
    edit: impl FnOnce(&mut Integration),
) -> Result<(String, String), ApiError> {
    check_id("project_id", &input.project_id)?;
    let mut change = state.change_in(call, &input.project_id)?;
    let branch = change.project.default_branch()?;
    auth::integration(branch)?;
    let branch_id = branch.id.clone();
    let mut contents = branch.contents().clone();
    let mut name = String::new();
    if let Some(Auth {
        database,
        integration: Some(on),
        ..
    }) = &mut contents.auth
    {
        check_provider(on, input.auth_provider)?;
        name.clone_from(database);
        edit(on);
    }
    change.write(&branch_id, contents)?;
    Ok((branch_id, name))
}

fn create_keys(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: ProjectBody = call.json()?;
    let (branch_id, database) = edit_default(call, state, &input, |on| on.keys = ProviderKeys::random())?;
    let project = state.project(&call.caller, &input.project_id)?;
    let branch = project.branch(&branch_id)?;
    let on = auth::integration(branch)?;
    Reply::created(auth::handed_over(project, branch, &database, on))
}

fn transfer(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: ProjectBody = call.json()?;
    edit_default(call, state, &input, |on| on.transfer_begun = true)?;
    Reply::ok(json!({
        "url": format!(
            "https://{}.{}/integrations/neon/projects/transfer/confirm?code={}",
            input.auth_provider.name(),
            hosts::DOMAIN,
            ids::secret_key()
        ),
    }))
}
