//! Computes: listing, making, changing, deleting, starting, suspending, restarting.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::json;

use super::{
    Route,
    compute_size::AskedSize,
    provisioner::{DEFAULT_PROVISIONER, Provisioner},
    views,
};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    state::{
        State,
        change::Change,
        endpoint::{ComputeSize, Endpoint, EndpointState, EndpointType},
        project::{Project, check_length},
        settings::EndpointSettings,
    },
};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("listProjectEndpoints", "/projects/{project_id}/endpoints", list),
        Route::post("createProjectEndpoint", "/projects/{project_id}/endpoints", create),
        Route::get(
            "getProjectEndpoint",
            "/projects/{project_id}/endpoints/{endpoint_id}",
            get,
        ),
        Route::patch(
            "updateProjectEndpoint",
            "/projects/{project_id}/endpoints/{endpoint_id}",
            update,
        ),
        Route::delete(
            "deleteProjectEndpoint",
            "/projects/{project_id}/endpoints/{endpoint_id}",
            delete,
        ),
        Route::post(
            "startProjectEndpoint",
            "/projects/{project_id}/endpoints/{endpoint_id}/start",
            start,
        ),
        Route::post(
            "suspendProjectEndpoint",
            "/projects/{project_id}/endpoints/{endpoint_id}/suspend",
            suspend,
        ),
        Route::post(
            "restartProjectEndpoint",
            "/projects/{project_id}/endpoints/{endpoint_id}/restart",
            restart,
        ),
        Route::get(
            "listProjectBranchEndpoints",
            "/projects/{project_id}/branches/{branch_id}/endpoints",
            list_of_branch,
        ),
    ]
}

/// A compute that is to be made.
#[derive(Debug)]
pub(crate) struct NewEndpoint {
    pub(crate) branch_id: String,
    pub(crate) kind: EndpointType,
    pub(crate) size: ComputeSize,
    pub(crate) settings: EndpointSettings,
    pub(crate) name: Option<String>,
    pub(crate) pooler_enabled: bool,
    pub(crate) disabled: bool,
    pub(crate) passwordless_access: bool,
    pub(crate) provisioner: &'static str,
}

impl NewEndpoint {
    /// One without anything special.
    pub(crate) fn plain(branch_id: &str, kind: EndpointType, size: ComputeSize, settings: EndpointSettings) -> Self {
        Self {
            branch_id: branch_id.to_owned(),
            kind,
            size,
            settings,
            name: None,
            pooler_enabled: false,
            disabled: false,
            passwordless_access: true,
            provisioner: DEFAULT_PROVISIONER,
        }
    }
}

/// Adds a compute and starts it, unless it is disabled. Returns its id.
pub(crate) fn add_endpoint(change: &mut Change<'_>, new: NewEndpoint) -> Result<String, ApiError> {
    let id = change.ids.endpoint();
    let disabled = new.disabled;
    let port = change.open_port()?;
    change.project.endpoints.push(Endpoint {
        id: id.clone(),
        branch_id: new.branch_id,
        name: new.name,
        kind: new.kind,
        size: new.size,
        settings: new.settings,
        pooler_enabled: new.pooler_enabled,
        disabled,
        passwordless_access: new.passwordless_access,
        provisioner: new.provisioner.to_owned(),
        state: if disabled {
            EndpointState::Idle
        } else {
            EndpointState::Init
        },
        transitions: VecDeque::new(),
        last_active: None,
        started_at: None,
        suspended_at: None,
        created_at: change.now,
        updated_at: change.now,
        port,
        restarts: 0,
        deleted_with_branch: false,
        session: None,
        past_sessions: Vec::new(),
    });
    if !disabled {
        change.start_endpoint(&id)?;
    }
    Ok(id)
}

/// Refuses more computes than the plan allows.
pub(crate) fn check_room(
    project: &Project,
    change: &Change<'_>,
    new_read_only: usize,
    new: usize,
) -> Result<(), ApiError> {
    if new > 0 {
        project.check_quota(change.now)?;
    }
    check_limits(change, new_read_only, new)
}

/// Refuses more computes than the plan allows, whether they start or not.
pub(crate) fn check_limits(change: &Change<'_>, new_read_only: usize, new: usize) -> Result<(), ApiError> {
    let project = &*change.project;
    let replicas = project
        .live_endpoints()
        .filter(|endpoint| endpoint.kind == EndpointType::ReadOnly)
        .count();
    if new_read_only > 0 && replicas + new_read_only > change.limits.read_replicas {
        return Err(ApiError::limit(
            "ENDPOINTS_LIMIT_EXCEEDED",
            format!(
                "the plan allows {} read replicas in a project",
                change.limits.read_replicas
            ),
        ));
    }
    if project.live_endpoints().count() + new > change.limits.endpoints {
        return Err(ApiError::limit(
            "ENDPOINTS_LIMIT_EXCEEDED",
            format!("the plan allows {} endpoints in a project", change.limits.endpoints),
        ));
    }
    Ok(())
}

/// The size that a new compute gets: what is asked for, on the project's defaults.
pub(crate) fn new_size(change: &Change<'_>, asked: AskedSize) -> Result<ComputeSize, ApiError> {
    let defaults =
        AskedSize::from(&change.project.default_endpoint_settings).on(ComputeSize::default(), change.limits)?;
    asked.on(defaults, change.limits)
}

/// The settings that a new compute gets: what is asked for, on the project's defaults.
pub(crate) fn new_settings(change: &Change<'_>, asked: &EndpointSettings) -> EndpointSettings {
    EndpointSettings::from(&change.project.default_endpoint_settings).changed_by(asked)
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let endpoints: Vec<_> = project
        .live_endpoints()
        .map(|endpoint| views::endpoint(project, endpoint))
        .collect();
    Reply::ok(json!({ "endpoints": endpoints }))
}

fn list_of_branch(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let branch = project.branch(call.branch_id()?)?;
    let endpoints: Vec<_> = project
        .endpoints_of(&branch.id)
        .map(|endpoint| views::endpoint(project, endpoint))
        .collect();
    Reply::ok(json!({ "endpoints": endpoints }))
}

fn get(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let project = state.project(&call.caller, call.project_id()?)?;
    let endpoint = project.endpoint(call.id("endpoint_id")?)?;
    Reply::ok(json!({ "endpoint": views::endpoint(project, endpoint) }))
}

/// The only pooler mode that Neon still has.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PoolerMode {
    Transaction,
}

#[derive(Deserialize)]
struct CreateBody {
    endpoint: CreateEndpoint,
}

#[derive(Deserialize)]
struct CreateEndpoint {
    branch_id: String,
    region_id: Option<String>,
    r#type: EndpointType,
    #[serde(default)]
    settings: EndpointSettings,
    autoscaling_limit_min_cu: Option<f64>,
    autoscaling_limit_max_cu: Option<f64>,
    provisioner: Option<Provisioner>,
    #[serde(default)]
    pooler_enabled: bool,
    #[serde(rename = "pooler_mode")]
    _pooler_mode: Option<PoolerMode>,
    #[serde(default)]
    disabled: bool,
    passwordless_access: Option<bool>,
    suspend_timeout_seconds: Option<i64>,
    name: Option<String>,
}

fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let CreateBody { endpoint: input } = call.json()?;
    check_id("branch_id", &input.branch_id)?;
    if let Some(name) = &input.name {
        check_length("endpoint name", name, 64)?;
    }
    let mut change = state.change(call)?;
    let ready = change.project.branch(&input.branch_id)?.check_ready();
    change.check_lock()?;
    ready?;
    if input
        .region_id
        .as_ref()
        .is_some_and(|region| *region != change.project.region_id)
    {
        return Err(ApiError::refused(format!(
            "a compute runs in its project's region, {}",
            change.project.region_id
        )));
    }
    if input.r#type == EndpointType::ReadWrite {
        check_no_write_endpoint(change.project, &input.branch_id)?;
    }
    let read_only = usize::from(input.r#type == EndpointType::ReadOnly);
    check_room(change.project, &change, read_only, 1)?;
    let asked = AskedSize {
        min_cu: input.autoscaling_limit_min_cu,
        max_cu: input.autoscaling_limit_max_cu,
        suspend_timeout_seconds: input.suspend_timeout_seconds,
    };
    let new = NewEndpoint {
        branch_id: input.branch_id,
        kind: input.r#type,
        size: new_size(&change, asked)?,
        settings: new_settings(&change, &input.settings),
        name: input.name,
        pooler_enabled: input.pooler_enabled,
        disabled: input.disabled,
        passwordless_access: input.passwordless_access.unwrap_or(true),
        provisioner: input.provisioner.unwrap_or(Provisioner::Vm).name(),
    };
    let id = add_endpoint(&mut change, new)?;
    let endpoint = change.project.endpoint(&id)?;
    Reply::created(json!({
        "endpoint": views::endpoint(change.project, endpoint),
        "operations": views::started(change.project, &change.operations),
    }))
}

fn check_no_write_endpoint(project: &Project, branch_id: &str) -> Result<(), ApiError> {
    match project.write_endpoint(branch_id) {
        Some(endpoint) => Err(ApiError::refused(format!(
            "branch {branch_id} already has a read-write endpoint, {}",
            endpoint.id
        ))),
        None => Ok(()),
    }
}

#[derive(Deserialize)]
struct UpdateBody {
    endpoint: UpdateEndpoint,
}

#[derive(Deserialize)]
struct UpdateEndpoint {
    branch_id: Option<String>,
    autoscaling_limit_min_cu: Option<f64>,
    autoscaling_limit_max_cu: Option<f64>,
    provisioner: Option<Provisioner>,
    #[serde(default)]
    settings: EndpointSettings,
    pooler_enabled: Option<bool>,
    #[serde(rename = "pooler_mode")]
    _pooler_mode: Option<PoolerMode>,
    disabled: Option<bool>,
    passwordless_access: Option<bool>,
    suspend_timeout_seconds: Option<i64>,
    name: Option<String>,
}

fn update(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let UpdateBody { endpoint: input } = call.json()?;
    if let Some(name) = &input.name {
        check_length("endpoint name", name, 64)?;
    }
    let id = call.id("endpoint_id")?;
    let mut change = state.change(call)?;
    let before = change.project.endpoint(id)?.clone();
    change.check_lock()?;
    let asked = AskedSize {
        min_cu: input.autoscaling_limit_min_cu,
        max_cu: input.autoscaling_limit_max_cu,
        suspend_timeout_seconds: input.suspend_timeout_seconds,
    };
    let size = asked.on(before.size, change.limits)?;
    let settings = before.settings.changed_by(&input.settings);
    let branch_id = input.branch_id.unwrap_or_else(|| before.branch_id.clone());
    if branch_id != before.branch_id {
        change.project.branch(&branch_id)?;
        if before.kind == EndpointType::ReadWrite {
            check_no_write_endpoint(change.project, &branch_id)?;
        }
    }
    let disables = input.disabled.unwrap_or(before.disabled);
    let configures = size != before.size || settings != before.settings || branch_id != before.branch_id;
    if configures && !disables && before.state == EndpointState::Idle {
        change.project.check_quota(change.now)?;
    }

    let now = change.now;
    let endpoint = change.project.endpoint_mut(id)?;
    endpoint.size = size;
    endpoint.settings = settings.clone();
    endpoint.branch_id.clone_from(&branch_id);
    endpoint.pooler_enabled = input.pooler_enabled.unwrap_or(before.pooler_enabled);
    endpoint.passwordless_access = input.passwordless_access.unwrap_or(before.passwordless_access);
    endpoint.disabled = disables;
    if let Some(provisioner) = input.provisioner {
        endpoint.provisioner = provisioner.name().to_owned();
    }
    endpoint.name = input.name.or(endpoint.name.take());
    endpoint.updated_at = now;
    endpoint.divide_session(now);
    if disables && !before.disabled {
        if before.state == EndpointState::Active {
            change.suspend_endpoint(id)?;
        }
    } else if !disables && configures {
        change.configure_endpoint(id, true)?;
    }
    answer(&change, id)
}

/// The compute and the operations that were started.
fn answer(change: &Change<'_>, id: &str) -> Result<Reply, ApiError> {
    let endpoint = change.project.endpoint(id)?;
    Reply::ok(json!({
        "endpoint": views::endpoint(change.project, endpoint),
        "operations": views::started(change.project, &change.operations),
    }))
}

fn delete(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.id("endpoint_id")?;
    let mut change = state.change(call)?;
    let Ok(endpoint) = change.project.endpoint(id) else {
        return Ok(Reply::gone());
    };
    let branch = change.project.branch(&endpoint.branch_id)?;
    let refusal = branch.protected.then(|| {
        ApiError::refused(format!(
            "the endpoint cannot be deleted because its branch {} is protected",
            branch.id
        ))
    });
    change.check_lock()?;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    change.suspend_endpoint(id)?;
    let reply = answer(&change, id);
    let now = change.now;
    change.project.endpoint_mut(id)?.stop(now);
    change.project.forget_endpoints(|endpoint| endpoint.id == id);
    reply
}

fn start(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.id("endpoint_id")?;
    let mut change = state.change(call)?;
    let endpoint = change.project.endpoint(id)?;
    let (disabled, active) = (endpoint.disabled, endpoint.state == EndpointState::Active);
    change.check_lock()?;
    if disabled {
        return Err(disabled_refusal(id));
    }
    if !active {
        change.project.check_quota(change.now)?;
        change.start_endpoint(id)?;
    }
    answer(&change, id)
}

fn disabled_refusal(id: &str) -> ApiError {
    ApiError::refused(format!("endpoint {id} is disabled"))
}

fn suspend(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.id("endpoint_id")?;
    let mut change = state.change(call)?;
    let endpoint = change.project.endpoint(id)?;
    if endpoint.is_in_transition() && change.project.is_locked(change.now) {
        return Err(ApiError::locked_because(
            "endpoint is in some transitive state, could not suspend",
        ));
    }
    let active = endpoint.state == EndpointState::Active;
    change.check_lock()?;
    if active {
        change.suspend_endpoint(id)?;
    }
    answer(&change, id)
}

fn restart(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let id = call.id("endpoint_id")?;
    let mut change = state.change(call)?;
    let disabled = change.project.endpoint(id)?.disabled;
    change.check_lock()?;
    if disabled {
        return Err(disabled_refusal(id));
    }
    change.project.check_quota(change.now)?;
    change.restart_endpoint(id)?;
    answer(&change, id)
}
