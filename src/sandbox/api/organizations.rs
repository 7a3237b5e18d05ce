//! The organization: itself, its members, invitations and keys.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Route, identity};
use crate::sandbox::{
    call::{Call, Reply},
    error::ApiError,
    options::KeyKind,
    pages::{self, SortOrder, Sorted},
    state::{
        State,
        account::{Account, Member},
    },
};

/// Members on a page at most, and when no limit is asked for.
const PAGE: usize = 500;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("getOrganization", "/organizations/{org_id}", get),
        Route::get(
            "getOrganizationMembers",
            "/organizations/{org_id}/members",
            list_members,
        ),
        Route::get(
            "getOrganizationMember",
            "/organizations/{org_id}/members/{member_id}",
            get_member,
        ),
        Route::get(
            "getOrganizationInvitations",
            "/organizations/{org_id}/invitations",
            list_invitations,
        ),
        Route::get("listOrgApiKeys", "/organizations/{org_id}/api_keys", list_keys),
    ]
}

/// The organization as it is shown.
pub(crate) fn view(account: &Account) -> Value {
    json!({
        "id": account.org_id,
        "name": account.org_name,
        "handle": account.org_id,
        "plan": account.plan,
        "created_at": account.created_at,
        "managed_by": "console",
        "updated_at": account.created_at,
    })
}

fn member_view(account: &Account, member: &Member) -> Value {
    json!({
        "id": member.id,
        "user_id": member.user_id,
        "org_id": account.org_id,
        "role": member.role,
        "joined_at": member.joined_at,
    })
}

/// The account, if the organization in the path is its own.
fn account<'a>(call: &Call, state: &'a State) -> Result<&'a Account, ApiError> {
    let id = call.id("org_id")?;
    if id == state.account.org_id {
        Ok(&state.account)
    } else {
        Err(ApiError::not_found(format!("organization {id} not found")))
    }
}

/// Refuses keys that are bound to a project: they have a member's rights only.
fn check_admin(call: &Call) -> Result<(), ApiError> {
    if call.caller.only_project().is_some() {
        Err(ApiError::forbidden(
            "a project-scoped API key cannot manage the organization",
        ))
    } else {
        Ok(())
    }
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    Reply::ok(view(account(call, state)?))
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MemberSort {
    Email,
    Role,
    #[default]
    JoinedAt,
}

impl MemberSort {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Role => "role",
            Self::JoinedAt => "joined_at",
        }
    }

    fn key(self, member: &Member) -> String {
        match self {
            Self::Email => member.email.clone(),
            Self::Role => member.role.clone(),
            Self::JoinedAt => member.joined_at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        }
    }
}

#[derive(Deserialize)]
struct MembersQuery {
    #[serde(default)]
    sort_by: MemberSort,
    sort_order: Option<SortOrder>,
    cursor: Option<String>,
    limit: Option<i64>,
}

fn list_members(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: MembersQuery = call.query()?;
    let limit = pages::limit(query.limit, PAGE, PAGE)?;
    let order = query.sort_order.unwrap_or(SortOrder::Desc);
    let account = account(call, state)?;
    let sort_by = query.sort_by.name();
    let members = account
        .members
        .iter()
        .map(|member| Sorted {
            key: query.sort_by.key(member),
            id: member.id.clone(),
            item: json!({
                "member": member_view(account, member),
                "user": { "email": member.email, "has_mfa": false },
            }),
        })
        .collect();
    let page = pages::page(
        &format!("members by {sort_by} {order:?}"),
        members,
        order,
        query.cursor.as_deref(),
        limit,
    )?;
    let mut pagination = json!({ "sort_by": sort_by, "sort_order": order });
    if let (Some(next), Some(fields)) = (page.next, pagination.as_object_mut()) {
        fields.insert("next".to_owned(), next.into());
    }
    Reply::ok(json!({ "members": page.items, "pagination": pagination }))
}

fn get_member(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.uuid("member_id")?;
    let account = account(call, state)?;
    let member = account
        .members
        .iter()
        .find(|member| member.id == id)
        .ok_or_else(|| ApiError::not_found(format!("member {id} not found")))?;
    Reply::ok(member_view(account, member))
}

fn list_invitations(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    check_admin(call)?;
    account(call, state)?;
    // The sandbox serves no route that invites anybody.
    Reply::ok(json!({ "invitations": [] }))
}

fn list_keys(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    check_admin(call)?;
    let account = account(call, state)?;
    let keys: Vec<Value> = state
        .keys
        .list(false)
        .map(|key| {
            let mut view = identity::key_view(account, key);
            if let (KeyKind::Project { project_id }, Some(fields)) = (&key.kind, view.as_object_mut()) {
                fields.insert("project_id".to_owned(), project_id.as_str().into());
            }
            view
        })
        .collect();
    Reply::ok(keys)
}
