//! The monthly spending limit of an organization, which warns and stops nothing.

use serde::Deserialize;
use serde_json::json;

use super::{Route, organizations};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::State,
};

const PATH: &str = "/organizations/{org_id}/billing/spending_limit";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("getOrganizationSpendingLimit", PATH, get),
        Route::put("setOrganizationSpendingLimit", PATH, set),
        Route::delete("deleteOrganizationSpendingLimit", PATH, delete),
    ]
}

/// 403 on plans without a spending limit.
fn check_plan(state: &State) -> Result<(), ApiError> {
    match state.account.plan {
        "free" => Err(ApiError::forbidden("a spending limit needs the plan launch or scale")),
        _ => Ok(()),
    }
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let organization = organizations::organization(call, state)?;
    check_plan(state)?;
    Reply::ok(json!({ "spending_limit_cents": organization.spending_limit_cents }))
}

#[derive(Deserialize)]
struct Body {
    spending_limit_cents: i64,
}

fn set(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let Body { spending_limit_cents } = call.json()?;
    if spending_limit_cents < 1 {
        return Err(ApiError::bad_request("spending_limit_cents must be at least 1"));
    }
    organizations::administered(call, state)?;
    check_plan(state)?;
    let organization = organizations::administered(call, state)?;
    organization.spending_limit_cents = Some(spending_limit_cents);
    Reply::ok(json!({ "spending_limit_cents": spending_limit_cents }))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    organizations::administered(call, state)?;
    check_plan(state)?;
    organizations::administered(call, state)?.spending_limit_cents = None;
    Reply::ok(json!({}))
}
