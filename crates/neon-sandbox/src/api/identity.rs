//! Who calls: the user, the key, and the user's organizations.

use serde_json::{Value, json};

use super::{Route, organizations};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::State,
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("getCurrentUserInfo", "/users/me", user),
        Route::get(
            "getCurrentUserOrganizations",
            "/users/me/organizations",
            user_organizations,
        ),
        Route::get("getAuthDetails", "/auth", auth_details),
    ]
}

/// Routes of the user answer 404 to keys that act for an organization.
pub(crate) fn check_personal(call: &Call) -> Result<(), ApiError> {
    if call.caller.is_personal() {
        Ok(())
    } else {
        Err(ApiError::not_found(
            "this route is not available for organization API keys",
        ))
    }
}

fn user(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    check_personal(call)?;
    let account = &state.account;
    Reply::ok(json!({
        "active_seconds_limit": 0,
        "auth_accounts": [{
            "email": account.email,
            "image": "",
            "login": "sandbox",
            "name": "Sandbox",
            "provider": "keycloak",
        }],
        "email": account.email,
        "id": account.user_id,
        "image": "",
        "login": "sandbox",
        "name": "Sandbox",
        "last_name": "Owner",
        "projects_limit": state.limits.projects,
        "branches_limit": state.limits.branches,
        "max_autoscaling_limit": state.limits.autoscaling_max_cu,
        "plan": account.plan,
    }))
}

/// The user's organizations; for a key that acts for an organization, that one.
fn user_organizations(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let organizations: Vec<Value> = state
        .account
        .organizations()
        .filter(|organization| call.caller.can_see_organization(&organization.id))
        .map(|organization| organizations::view(&state.account, organization))
        .collect();
    Reply::ok(json!({ "organizations": organizations }))
}

fn auth_details(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let (account_id, auth_method) = if call.caller.is_personal() {
        (state.account.user_id.clone(), "api_key_user")
    } else {
        (call.caller.org_id.clone(), "api_key_org")
    };
    Reply::ok(json!({
        "account_id": account_id,
        "auth_method": auth_method,
        "auth_data": call.caller.key_id.to_string(),
    }))
}
