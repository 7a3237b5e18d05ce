//! Who may come into an app, and where it may send them: users and trusted domains of Neon Auth.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    Route,
    auth::{check_email, check_provider, check_uri, edit, edit_all, empty, read},
};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::{
        State,
        auth::{Provider, User},
        project::check_length,
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const DOMAINS: &str = "/projects/{project_id}/branches/{branch_id}/auth/domains";
    vec![
        Route::get("listBranchNeonAuthTrustedDomains", DOMAINS, list_domains),
        Route::post("addBranchNeonAuthTrustedDomain", DOMAINS, add_domain),
        Route::delete("deleteBranchNeonAuthTrustedDomain", DOMAINS, delete_domains),
        Route::post(
            "createBranchNeonAuthNewUser",
            "/projects/{project_id}/branches/{branch_id}/auth/users",
            create_user,
        ),
        Route::delete(
            "deleteBranchNeonAuthUser",
            "/projects/{project_id}/branches/{branch_id}/auth/users/{auth_user_id}",
            delete_user,
        ),
        Route::put(
            "updateNeonAuthUserRole",
            "/projects/{project_id}/branches/{branch_id}/auth/users/{auth_user_id}/role",
            set_roles,
        ),
    ]
}

fn list_domains(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let on = read(call, state)?;
    let domains: Vec<_> = on
        .domains
        .iter()
        .map(|domain| json!({ "domain": domain, "auth_provider": on.provider }))
        .collect();
    Reply::ok(json!({ "domains": domains }))
}

#[derive(Deserialize)]
struct DomainBody {
    domain: String,
    auth_provider: Provider,
}

fn add_domain(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: DomainBody = call.json()?;
    check_uri("domain", &input.domain)?;
    edit(call, state, |on| {
        check_provider(on, input.auth_provider)?;
        if on.domains.contains(&input.domain) {
            return Err(ApiError::conflict(format!("{} is already trusted", input.domain)));
        }
        on.domains.push(input.domain);
        Ok(())
    })?;
    Ok(empty(StatusCode::CREATED))
}

#[derive(Deserialize)]
struct DeleteDomainsBody {
    auth_provider: Provider,
    domains: Vec<DomainName>,
}

#[derive(Deserialize)]
struct DomainName {
    domain: String,
}

/// Domains that aren't trusted are passed over, as at Neon.
fn delete_domains(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: DeleteDomainsBody = call.json()?;
    edit(call, state, |on| {
        check_provider(on, input.auth_provider)?;
        on.domains
            .retain(|domain| !input.domains.iter().any(|gone| gone.domain == *domain));
        Ok(())
    })?;
    Ok(empty(StatusCode::OK))
}

#[derive(Deserialize)]
struct UserBody {
    email: String,
    name: Option<String>,
}

fn create_user(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: UserBody = call.json()?;
    check_email("email", &input.email)?;
    if let Some(name) = &input.name {
        check_length("name", name, 255)?;
    }
    let id = state.ids.uuid();
    let answer = json!({ "id": id });
    edit_all(call, state, |users, _| {
        if users.iter().any(|user| user.email.eq_ignore_ascii_case(&input.email)) {
            return Err(ApiError::conflict(format!(
                "a user with the address {} exists",
                input.email
            )));
        }
        users.push(User {
            id,
            email: input.email,
            name: input.name,
            roles: Vec::new(),
        });
        Ok(())
    })?;
    Reply::created(answer)
}

fn no_user(id: &str) -> ApiError {
    ApiError::not_found(format!("user {id} not found"))
}

fn delete_user(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.param("auth_user_id")?;
    edit_all(call, state, |users, _| {
        let before = users.len();
        users.retain(|user| user.id != id);
        if users.len() == before {
            return Err(no_user(id));
        }
        Ok(())
    })?;
    Ok(Reply::gone())
}

#[derive(Deserialize)]
struct RolesBody {
    roles: Vec<String>,
}

fn set_roles(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: RolesBody = call.json()?;
    if input.roles.is_empty() {
        return Err(ApiError::bad_request("roles must name at least one role"));
    }
    let id = call.param("auth_user_id")?;
    edit_all(call, state, |users, _| {
        let user = users.iter_mut().find(|user| user.id == id).ok_or_else(|| no_user(id))?;
        user.roles = input.roles;
        Ok(())
    })?;
    Reply::ok(json!({ "id": id }))
}
