//! The organization's members as a project sees them: their roles on it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Route, organizations};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    pages::{self, SortOrder, Sorted},
    state::{
        State,
        access::ProjectRole,
        account::{Member, Organization},
        project::Project,
    },
};

/// Members on a page when no limit is asked for, and at most.
const PAGE: usize = 100;
const MOST: usize = 500;

const ROLE: &str = "/projects/{project_id}/members/{member_id}/role";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("listProjectMembers", "/projects/{project_id}/members", list),
        Route::put("setProjectMemberRole", ROLE, set),
        Route::delete("removeProjectMemberRole", ROLE, remove),
    ]
}

/// What a member may do on a project, and why.
struct Standing {
    by_organization: Option<ProjectRole>,
    own: Option<ProjectRole>,
}

impl Standing {
    fn of(project: &Project, member: &Member) -> Self {
        Self {
            by_organization: ProjectRole::of_organization_role(&member.role),
            own: project.access.role(&member.id),
        }
    }

    fn effective(&self) -> Option<ProjectRole> {
        self.own.max(self.by_organization)
    }

    fn source(&self) -> &'static str {
        match (self.by_organization, self.own) {
            (Some(ProjectRole::Admin), _) => "org_admin_override",
            (by, own) if own.is_some() && own >= by => "explicit",
            (Some(_), _) => "org_role_default",
            (None, _) => "unassigned",
        }
    }

    fn view(&self, member: &Member) -> Map<String, Value> {
        let mut view = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                view.insert(name.to_owned(), value);
            }
        };
        let permission = |role: Option<ProjectRole>| role.map(|role| role.permission().into());
        put("member_id", Some(member.id.as_str().into()));
        put("user_id", Some(member.user_id.as_str().into()));
        put("email", Some(member.email.as_str().into()));
        put("org_role", Some(member.role.as_str().into()));
        put("project_role", self.own.map(|role| json!(role)));
        put("org_default_project_permission", permission(self.by_organization));
        put("explicit_project_permission", permission(self.own));
        put("effective_project_permission", permission(self.effective()));
        view
    }
}

/// The project in the path and its organization.
fn project<'a>(call: &Call, state: &'a State) -> Result<(&'a Project, &'a Organization), ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let organization = state
        .account
        .organization(&project.org_id)
        .ok_or_else(|| ApiError::forbidden("the project is shared with you and belongs to somebody else"))?;
    Ok((project, organization))
}

/// Whether the caller may say who reaches the project.
fn manages(call: &Call, state: &State, project: &Project, organization: &Organization) -> bool {
    if !call.caller.is_personal() {
        return call.caller.only_project().is_none();
    }
    organization
        .members
        .iter()
        .filter(|member| member.user_id == state.account.user_id)
        .any(|member| Standing::of(project, member).effective() == Some(ProjectRole::Admin))
}

/// 404 when the caller can't see the project in the path, 403 when they may not say who reaches it.
pub(crate) fn check_manager(call: &Call, state: &State) -> Result<(), ApiError> {
    let (project, organization) = project(call, state)?;
    if manages(call, state, project, organization) {
        Ok(())
    } else {
        Err(ApiError::forbidden(
            "only an admin of the project can say who reaches it",
        ))
    }
}

#[derive(Deserialize)]
struct ListQuery {
    cursor: Option<String>,
    limit: Option<i64>,
}

/// Who manages the project sees the members without access too.
fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ListQuery = call.query()?;
    let limit = pages::limit(query.limit, PAGE, MOST)?;
    let (project, organization) = project(call, state)?;
    let all = manages(call, state, project, organization);
    let members = organization
        .members
        .iter()
        .map(|member| (member, Standing::of(project, member)))
        .filter(|(_, standing)| all || standing.effective().is_some())
        .map(|(member, standing)| {
            let mut item = standing.view(member);
            item.insert("grant_source".to_owned(), standing.source().into());
            Sorted {
                key: member.email.clone(),
                id: member.id.clone(),
                item,
            }
        })
        .collect();
    let cursor = query.cursor.as_deref();
    let page = pages::page("project members", members, SortOrder::Asc, cursor, limit)?;
    let mut pagination = json!({ "sort_by": "email", "sort_order": "asc" });
    if let (Some(next), Some(fields)) = (page.next, pagination.as_object_mut()) {
        fields.insert("next".to_owned(), next.into());
    }
    Reply::ok(json!({ "project_members": page.items, "pagination": pagination }))
}

#[derive(Deserialize)]
struct Role {
    role: ProjectRole,
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(default, alias = "confirm_self_lockout")]
    confirm_self_demotion: bool,
}

fn set(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let Role { role } = call.json()?;
    change(call, state, Some(role), "confirm_self_demotion")
}

fn remove(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    change(call, state, None, "confirm_self_lockout")
}

/// Gives a member a role on the project, or takes theirs away. Doing it twice is doing it once.
fn change(call: &Call, state: &mut State, role: Option<ProjectRole>, confirmation: &str) -> Result<Reply, ApiError> {
    let id = call.uuid("member_id")?;
    let confirmed = call.query::<Confirmation>()?.confirm_self_demotion;
    check_manager(call, state)?;
    let (project, organization) = project(call, state)?;
    let member = organizations::member(organization, &id)?.clone();
    let before = Standing::of(project, &member);
    let after = Standing {
        own: role,
        by_organization: before.by_organization,
    };
    let lowered = after.effective() < before.effective();
    let is_self = call.caller.is_personal() && member.user_id == state.account.user_id;
    if is_self && lowered && before.effective() == Some(ProjectRole::Admin) && !confirmed {
        return Err(ApiError::refused(format!(
            "you would no longer manage the project: {confirmation}=true says that you mean it"
        )));
    }
    let mut view = after.view(&member);
    view.insert("project_id".to_owned(), project.id.as_str().into());
    view.insert("credential_rotation_recommended".to_owned(), lowered.into());
    let knows_keys = lowered && state.keys.has_of_project(&project.id);
    view.insert("org_api_key_rotation_recommended".to_owned(), knows_keys.into());
    state.change(call)?.project.access.set_role(&id, role);
    Reply::ok(view)
}
