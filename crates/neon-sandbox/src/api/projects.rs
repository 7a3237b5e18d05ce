//! Projects: listing, reading, changing, deleting, recovering, and connection URIs.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Route,
    compute_size::AskedSize,
    project_create,
    project_rules::{ORG_ID_REQUIRED, check_retention},
    project_view, views,
};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    hosts,
    pages::{self, SortOrder, Sorted},
    state::{
        State,
        change::Change,
        endpoint::{ComputeSize, EndpointState},
        operation::Action,
        project::{Project, check_length},
        settings::{DefaultEndpointSettings, ProjectSettings},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("listProjects", "/projects", list),
        Route::post("createProject", "/projects", project_create::create),
        Route::get("listSharedProjects", "/projects/shared", list_shared),
        Route::get("getProject", "/projects/{project_id}", get),
        Route::patch("updateProject", "/projects/{project_id}", update),
        Route::delete("deleteProject", "/projects/{project_id}", delete),
        Route::post("recoverProject", "/projects/{project_id}/recover", recover),
        Route::get(
            "getConnectionURI",
            "/projects/{project_id}/connection_uri",
            connection_uri,
        ),
    ]
}

#[derive(Deserialize)]
struct ListQuery {
    cursor: Option<String>,
    limit: Option<i64>,
    search: Option<String>,
    org_id: Option<String>,
    timeout: Option<i64>,
    #[serde(default)]
    recoverable: bool,
}

impl ListQuery {
    fn limit(&self) -> Result<usize, ApiError> {
        if self.timeout.is_some_and(|timeout| !(100..=30_000).contains(&timeout)) {
            return Err(ApiError::bad_request(
                "timeout must lie between 100 and 30000 milliseconds",
            ));
        }
        pages::limit(self.limit, 10, 400)
    }

    fn finds(&self, project: &Project) -> bool {
        self.search.as_ref().is_none_or(|search| {
            let search = search.to_lowercase();
            project.id.contains(&search) || project.name.to_lowercase().contains(&search)
        })
    }
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ListQuery = call.query()?;
    if query.org_id.is_none() && call.caller.is_personal() && state.require_org_id {
        return Err(ApiError::bad_request(ORG_ID_REQUIRED));
    }
    if let Some(org_id) = &query.org_id {
        check_id("org_id", org_id)?;
        if state.account.organization(org_id).is_none() || !call.caller.can_see_organization(org_id) {
            return Err(ApiError::not_found(format!("organization {org_id} not found")));
        }
    }
    let wanted = |project: &Project| {
        state.account.owns(&project.org_id)
            && project.deleted_at.is_some() == query.recoverable
            && query.org_id.as_ref().is_none_or(|org_id| project.org_id == *org_id)
            && query.finds(project)
    };
    let what = if query.recoverable {
        "recoverable projects"
    } else {
        "projects"
    };
    let mut body = page(call, state, &query, what, wanted)?;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("applications".to_owned(), json!({}));
        fields.insert("integrations".to_owned(), json!({}));
    }
    Reply::ok(body)
}

/// Projects of others that the user can open.
fn list_shared(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ListQuery = call.query()?;
    let wanted = |project: &Project| {
        !state.account.owns(&project.org_id) && project.deleted_at.is_none() && query.finds(project)
    };
    Reply::ok(page(call, state, &query, "shared projects", wanted)?)
}

/// A page of the projects that the caller can see and that are wanted.
fn page(
    call: &Call,
    state: &State,
    query: &ListQuery,
    what: &str,
    wanted: impl Fn(&Project) -> bool,
) -> Result<Value, ApiError> {
    let limit = query.limit()?;
    let projects = state
        .projects
        .iter()
        .enumerate()
        .filter(|(_, project)| call.caller.can_see(project) && wanted(project))
        .map(|(position, project)| Sorted {
            key: format!("{position:09}"),
            id: project.id.clone(),
            item: project_view::listed(project, &state.account, &call.caller),
        })
        .collect();
    let page = pages::page(what, projects, SortOrder::Desc, query.cursor.as_deref(), limit)?;
    let mut body = json!({ "projects": page.items });
    if let (Some(cursor), Some(fields)) = (page.next, body.as_object_mut()) {
        fields.insert("pagination".to_owned(), json!({ "cursor": cursor }));
    }
    Ok(body)
}

/// The project of the call, as it is shown alone.
fn shown(call: &Call, state: &State, project: &Project) -> project_view::ProjectView {
    project_view::alone(project, &state.account, &call.caller, state.limits.branches, call.now)
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    Reply::ok(json!({ "project": shown(call, state, project) }))
}

#[derive(Deserialize)]
struct UpdateBody {
    project: ProjectUpdate,
}

#[derive(Deserialize)]
struct ProjectUpdate {
    name: Option<String>,
    #[serde(default)]
    settings: ProjectSettings,
    #[serde(default)]
    default_endpoint_settings: DefaultEndpointSettings,
    history_retention_seconds: Option<i64>,
}

fn update(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let UpdateBody { project: input } = call.json()?;
    project_create::check_hipaa(&input.settings, &state.account)?;
    let mut change = state.change(call)?;
    change.check_lock()?;
    if let Some(name) = &input.name {
        check_length("project name", name, 256)?;
    }
    let settings = change.project.settings.changed_by(&input.settings)?;
    let defaults = change
        .project
        .default_endpoint_settings
        .changed_by(&input.default_endpoint_settings);
    check_defaults(&defaults, &change)?;
    if let Some(retention) = input.history_retention_seconds {
        check_retention(retention, change.limits.history_retention_seconds)?;
    }

    let replicates = change.project.settings.has_logical_replication();
    let suspends = settings.has_logical_replication() && !replicates;
    let retention = input
        .history_retention_seconds
        .unwrap_or(change.project.history_retention_seconds);
    let restores = retention != change.project.history_retention_seconds;
    if let Some(name) = input.name {
        change.project.name = name;
    }
    if settings.has_hipaa() && change.project.hipaa_enabled_at.is_none() {
        change.project.hipaa_enabled_at = Some(change.now);
    }
    change.project.settings = settings;
    change.project.default_endpoint_settings = defaults;
    change.project.history_retention_seconds = retention;
    change.project.updated_at = change.now;
    if restores {
        change.run(Action::ApplyStorageConfig, None, None);
    }
    if suspends {
        let active: Vec<String> = change
            .project
            .live_endpoints()
            .filter(|endpoint| endpoint.state == EndpointState::Active)
            .map(|endpoint| endpoint.id.clone())
            .collect();
        for endpoint_id in active {
            change.suspend_endpoint(&endpoint_id)?;
        }
    }
    let operations = views::started(change.project, &change.operations);
    let project = state.project(&call.caller, call.project_id()?)?;
    Reply::ok(json!({ "project": shown(call, state, project), "operations": operations }))
}

fn check_defaults(defaults: &DefaultEndpointSettings, change: &Change<'_>) -> Result<(), ApiError> {
    AskedSize::from(defaults)
        .on(ComputeSize::default(), change.limits)
        .map(|_| ())
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    if call.caller.only_project().is_some() {
        state.project(&call.caller, call.project_id()?)?;
        return Err(ApiError::forbidden(
            "a project-scoped API key cannot delete its project",
        ));
    }
    if !state
        .account
        .owns(&state.project(&call.caller, call.project_id()?)?.org_id)
    {
        return Err(ApiError::forbidden("only its owner can delete a shared project"));
    }
    let change = state.change(call)?;
    change.check_lock()?;
    if let Some(branch) = change.project.live_branches().find(|branch| branch.protected) {
        return Err(ApiError::refused(format!(
            "the project cannot be deleted while branch {} ({}) is protected",
            branch.name, branch.id
        )));
    }
    let now = change.now;
    for endpoint in &mut change.project.endpoints {
        endpoint.stop(now);
    }
    change.project.updated_at = now;
    let id = change.project.id.clone();
    let project = state.project(&call.caller, &id)?;
    let body = json!({ "project": shown(call, state, project) });
    for project in &mut state.projects {
        if project.id == id {
            project.deleted_at = Some(now);
        }
    }
    Reply::ok(body)
}

fn recover(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.project_id()?;
    let live = state
        .projects
        .iter()
        .filter(|project| project.deleted_at.is_none())
        .count();
    let limit = state.limits.projects;
    let project = state
        .projects
        .iter_mut()
        .find(|project| project.id == id && call.caller.can_see(project))
        .ok_or_else(|| ApiError::not_found(format!("project {id} not found")))?;
    if project.deleted_at.is_none() {
        return Err(ApiError::refused("the project is not deleted"));
    }
    if live >= limit {
        return Err(project_create::projects_limit(limit));
    }
    project.deleted_at = None;
    project.updated_at = call.now;
    let project = state.project(&call.caller, id)?;
    let branches: Vec<_> = project
        .live_branches()
        .map(|branch| views::branch(project, branch))
        .collect();
    Reply::ok(json!({ "project": shown(call, state, project), "branches": branches }))
}

#[derive(Deserialize)]
struct UriQuery {
    branch_id: Option<String>,
    endpoint_id: Option<String>,
    database_name: String,
    role_name: String,
    #[serde(default)]
    pooled: bool,
}

fn connection_uri(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: UriQuery = call.query()?;
    let project = state.project(&call.caller, call.project_id()?)?;
    let endpoint = query
        .endpoint_id
        .as_deref()
        .map(|id| project.endpoint(id))
        .transpose()?;
    let branch = match (&query.branch_id, endpoint) {
        (Some(id), _) => project.branch(id)?,
        (None, Some(endpoint)) => project.branch(&endpoint.branch_id)?,
        (None, None) => project.default_branch()?,
    };
    let endpoint = match endpoint {
        Some(endpoint) if endpoint.branch_id == branch.id => endpoint,
        Some(endpoint) => {
            return Err(ApiError::not_found(format!(
                "endpoint {} doesn't belong to branch {}",
                endpoint.id, branch.id
            )));
        }
        None => project
            .write_endpoint(&branch.id)
            .or_else(|| project.endpoints_of(&branch.id).next())
            .ok_or_else(|| ApiError::not_found(format!("branch {} has no endpoint", branch.id)))?,
    };
    let contents = branch.contents();
    let database = contents
        .database(&query.database_name)
        .ok_or_else(|| ApiError::not_found(format!("database {} not found", query.database_name)))?;
    let role = contents
        .role(&query.role_name)
        .ok_or_else(|| ApiError::not_found(format!("role {} not found", query.role_name)))?;
    if !project.store_passwords {
        return Err(ApiError::precondition(
            "the project doesn't store passwords, so no connection URI can be made",
        ));
    }
    let password = role
        .password
        .as_ref()
        .ok_or_else(|| ApiError::refused(format!("the role {} cannot log in", query.role_name)))?;
    let host = if query.pooled {
        hosts::pooler_host(endpoint)
    } else {
        hosts::host(endpoint)
    };
    Reply::ok(json!({
        "uri": hosts::connection_uri(&role.name, password.reveal(), &host, &database.name),
    }))
}
