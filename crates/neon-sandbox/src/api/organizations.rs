//! Organizations: themselves and their members.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Route;
use crate::{
    call::{Call, Reply},
    error::ApiError,
    pages::{self, SortOrder, Sorted},
    state::{
        State,
        account::{Account, Member, Organization},
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
        Route::patch(
            "updateOrganizationMember",
            "/organizations/{org_id}/members/{member_id}",
            update_member,
        ),
        Route::delete(
            "removeOrganizationMember",
            "/organizations/{org_id}/members/{member_id}",
            remove_member,
        ),
    ]
}

/// An organization as it is shown.
pub(crate) fn view(account: &Account, organization: &Organization) -> Value {
    json!({
        "id": organization.id,
        "name": organization.name,
        "handle": organization.id,
        "plan": account.plan,
        "created_at": organization.created_at,
        "managed_by": "console",
        "updated_at": organization.created_at,
        "allow_hipaa_projects": account.allow_hipaa_projects,
    })
}

fn member_view(organization: &Organization, member: &Member) -> Value {
    json!({
        "id": member.id,
        "user_id": member.user_id,
        "org_id": organization.id,
        "role": member.role,
        "joined_at": member.joined_at,
    })
}

/// 404: there is no such organization, or the key can't see it.
pub(crate) fn not_found(id: &str) -> ApiError {
    ApiError::not_found(format!("organization {id} not found"))
}

/// The organization in the path, if the key can see it.
pub(crate) fn organization<'a>(call: &Call, state: &'a State) -> Result<&'a Organization, ApiError> {
    let id = call.id("org_id")?;
    seen(call, state, id)
}

/// An organization, if the key can see it.
pub(crate) fn seen<'a>(call: &Call, state: &'a State, id: &str) -> Result<&'a Organization, ApiError> {
    state
        .account
        .organization(id)
        .filter(|_| call.caller.can_see_organization(id))
        .ok_or_else(|| not_found(id))
}

/// The organization in the path, for a change by an admin of it.
pub(crate) fn administered<'a>(call: &Call, state: &'a mut State) -> Result<&'a mut Organization, ApiError> {
    check_admin(call, state, organization(call, state)?)?;
    let id = call.id("org_id")?;
    state.account.organization_mut(id).ok_or_else(|| not_found(id))
}

/// Refuses who isn't an admin of the organization: keys that are bound to a project, which have a member's rights, and the
/// user with another role.
pub(crate) fn check_admin(call: &Call, state: &State, organization: &Organization) -> Result<(), ApiError> {
    if call.caller.only_project().is_some() {
        return Err(ApiError::forbidden(
            "a project-scoped API key cannot manage the organization",
        ));
    }
    let is_admin = |member: &Member| member.user_id == state.account.user_id && member.role == "admin";
    if call.caller.is_personal() && !organization.members.iter().any(is_admin) {
        return Err(ApiError::forbidden("only an admin can manage the organization"));
    }
    Ok(())
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    Reply::ok(view(&state.account, organization(call, state)?))
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
    let organization = organization(call, state)?;
    let sort_by = query.sort_by.name();
    let members = organization
        .members
        .iter()
        .map(|member| Sorted {
            key: query.sort_by.key(member),
            id: member.id.clone(),
            item: json!({
                "member": member_view(organization, member),
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
    let organization = organization(call, state)?;
    Reply::ok(member_view(organization, member(organization, &id)?))
}

/// A member, or 404.
pub(crate) fn member<'a>(organization: &'a Organization, id: &str) -> Result<&'a Member, ApiError> {
    organization
        .members
        .iter()
        .find(|member| member.id == id)
        .ok_or_else(|| ApiError::not_found(format!("member {id} not found")))
}

/// A role in an organization.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Admin,
    Member,
    Editor,
    Viewer,
    Collaborator,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
            Self::Collaborator => "collaborator",
        }
    }
}

#[derive(Deserialize)]
struct UpdateMember {
    role: Role,
}

fn update_member(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.uuid("member_id")?;
    let input: UpdateMember = call.json()?;
    let organization = administered(call, state)?;
    if organization.is_last_admin(member(organization, &id)?) && !matches!(input.role, Role::Admin) {
        return Err(last_admin());
    }
    for member in organization.members.iter_mut().filter(|member| member.id == id) {
        input.role.name().clone_into(&mut member.role);
    }
    let organization = &*organization;
    Reply::ok(member_view(organization, member(organization, &id)?))
}

fn last_admin() -> ApiError {
    ApiError::refused("the organization must keep an admin, and this member is the last one")
}

fn remove_member(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.uuid("member_id")?;
    let organization = administered(call, state)?;
    if organization.is_last_admin(member(organization, &id)?) {
        return Err(last_admin());
    }
    organization.members.retain(|member| member.id != id);
    for project in &mut state.projects {
        project.access.set_role(&id, None);
    }
    Reply::ok(json!({}))
}
