//! Making a branch off another.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{
    branch_rules::{check_annotation, check_protection, read_expiry},
    compute_size::AskedSize,
    endpoints::{NewEndpoint, add_endpoint, check_room as check_endpoint_room, new_settings, new_size},
    point::read_point,
    provisioner::Provisioner,
    views,
};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    state::{
        State,
        branch::{Annotation, Branch, BranchState, InitSource, Origin},
        change::Change,
        data::{History, Point, Version},
        endpoint::{ComputeSize, EndpointType},
        operation::Action,
        services::Services,
        settings::EndpointSettings,
    },
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Body {
    endpoints: Vec<EndpointInput>,
    pub(crate) branch: BranchInput,
    pub(crate) annotation_value: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(crate) struct EndpointInput {
    r#type: EndpointType,
    #[serde(default)]
    settings: EndpointSettings,
    autoscaling_limit_min_cu: Option<f64>,
    autoscaling_limit_max_cu: Option<f64>,
    provisioner: Option<Provisioner>,
    suspend_timeout_seconds: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct BranchInput {
    parent_id: Option<String>,
    name: Option<String>,
    parent_lsn: Option<String>,
    parent_timestamp: Option<String>,
    protected: bool,
    archived: bool,
    pub(crate) init_source: InitSource,
    expires_at: Option<String>,
}

/// POST /projects/{project_id}/branches
pub(crate) fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let (change, id) = make(call, state, call.optional_json()?)?;
    answer(&change, &id)
}

/// Makes a branch. Returns its id, and the change that it is part of.
pub(crate) fn make<'a>(call: &'a Call, state: &'a mut State, body: Body) -> Result<(Change<'a>, String), ApiError> {
    let Body {
        endpoints,
        branch: input,
        annotation_value,
    } = body;
    let annotation = check_annotation(annotation_value)?;
    let point = read_point(
        ("parent_lsn", input.parent_lsn.as_deref()),
        ("parent_timestamp", input.parent_timestamp.as_deref()),
    )?;
    let expiry = input
        .expires_at
        .as_deref()
        .map(|text| read_expiry(text, call.now))
        .transpose()?;
    if let Some(parent_id) = &input.parent_id {
        check_id("parent_id", parent_id)?;
    }

    // What a child copies is kept once more.
    let copied = match input.init_source {
        InitSource::ParentData => state.objects_on(call.project_id()?, input.parent_id.as_deref()),
        _ => 0,
    };
    if copied > 0 {
        state.room_for_objects(copied)?;
    }
    let mut change = state.change(call)?;
    let parent = match &input.parent_id {
        Some(id) => change.project.branch(id)?,
        None => change.project.default_branch()?,
    }
    .clone();
    change.check_lock()?;
    let root = match input.init_source {
        InitSource::ParentData => false,
        InitSource::SchemaOnly | InitSource::ParentSchema => true,
        InitSource::Import => {
            return Err(ApiError::refused("the sandbox imports no databases"));
        }
    };
    if input.protected {
        if expiry.is_some() {
            return Err(ApiError::refused("a protected branch cannot expire"));
        }
        check_protection(&change)?;
    }
    if let Some(name) = &input.name {
        change.project.check_branch_name(name)?;
    }
    check_parent(&parent)?;
    check_room(&change, root)?;
    let new_endpoints = read_endpoints(&change, &endpoints)?;
    if input.archived && input.protected {
        return Err(ApiError::refused("a protected branch cannot be archived"));
    }
    if input.archived && !new_endpoints.is_empty() {
        return Err(ApiError::refused("an archived branch cannot be made with endpoints"));
    }
    let version = parent.history.at(point, change.now, change.project.window())?;

    let id = change.ids.branch();
    let branch = Branch {
        parent: (!root).then(|| Origin {
            branch_id: parent.id.clone(),
            lsn: version.lsn,
            timestamp: if point == Point::Head { change.now } else { version.at },
        }),
        init_source: input.init_source,
        protected: input.protected,
        expiry,
        annotation: Annotation {
            created_at: (!annotation.is_empty()).then_some(change.now),
            value: annotation,
        },
        services: if root {
            Services::default()
        } else {
            parent.services.inherited()
        },
        ..Branch::new(
            id.clone(),
            input.name.unwrap_or_else(|| id.clone()),
            child_history(&parent, version, point, root),
            change.now,
        )
    };
    change.project.branches.push(branch);
    change.unarchive_branch(&parent.id)?;
    change.make_branch(Action::CreateBranch, &id, BranchState::Ready)?;
    if input.archived {
        change.archive_branch(&id)?;
    }
    for (kind, size, settings, provisioner) in new_endpoints {
        add_endpoint(
            &mut change,
            NewEndpoint {
                provisioner,
                ..NewEndpoint::plain(&id, kind, size, settings)
            },
        )?;
    }
    Ok((change, id))
}

/// What a child starts with. Children of a protected branch get new passwords.
pub(crate) fn child_history(parent: &Branch, mut version: Version, at: Point, root: bool) -> History {
    if parent.protected {
        version.contents = version.contents.with_new_passwords();
    }
    if root {
        // Users and settings of Neon Auth are data.
        version.contents.auth = None;
        History::new(version, parent.history.lineage().schema(at))
    } else {
        parent.history.fork(version, at)
    }
}

/// Refuses parents that no branch can come off now.
fn check_parent(parent: &Branch) -> Result<(), ApiError> {
    parent.check_ready()?;
    if parent.expiry.is_some() {
        return Err(ApiError::refused(format!(
            "branch {} expires, so no branch can come off it",
            parent.id
        )));
    }
    Ok(())
}

/// Refuses more branches than the plan allows.
pub(crate) fn check_room(change: &Change<'_>, root: bool) -> Result<(), ApiError> {
    let limits = change.limits;
    if change.project.live_branches().count() >= limits.branches {
        return Err(ApiError::limit(
            "BRANCHES_LIMIT_EXCEEDED",
            format!("the plan allows {} branches in a project", limits.branches),
        ));
    }
    let roots = change.project.live_branches().filter(|branch| branch.is_root()).count();
    if root && roots >= limits.root_branches {
        return Err(ApiError::limit(
            "ROOT_BRANCHES_LIMIT_EXCEEDED",
            format!("the plan allows {} root branches in a project", limits.root_branches),
        ));
    }
    Ok(())
}

type EndpointPlan = (EndpointType, ComputeSize, EndpointSettings, &'static str);

fn read_endpoints(change: &Change<'_>, inputs: &[EndpointInput]) -> Result<Vec<EndpointPlan>, ApiError> {
    let read_only = inputs
        .iter()
        .filter(|input| input.r#type == EndpointType::ReadOnly)
        .count();
    if inputs.len() - read_only > 1 {
        return Err(ApiError::refused("a branch has at most one read-write endpoint"));
    }
    check_endpoint_room(change.project, change, read_only, inputs.len())?;
    inputs
        .iter()
        .map(|input| {
            let size = new_size(
                change,
                AskedSize {
                    min_cu: input.autoscaling_limit_min_cu,
                    max_cu: input.autoscaling_limit_max_cu,
                    suspend_timeout_seconds: input.suspend_timeout_seconds,
                },
            )?;
            Ok((
                input.r#type,
                size,
                new_settings(change, &input.settings),
                input.provisioner.unwrap_or(Provisioner::Vm).name(),
            ))
        })
        .collect()
}

/// The new branch with what is on it, and the operations that were started.
pub(crate) fn answer(change: &Change<'_>, id: &str) -> Result<Reply, ApiError> {
    let project = &*change.project;
    let branch = project.branch(id)?;
    let contents = branch.contents();
    let endpoints: Vec<_> = project
        .endpoints_of(id)
        .map(|endpoint| views::endpoint(project, endpoint))
        .collect();
    let roles: Vec<_> = contents
        .roles
        .iter()
        .map(|role| {
            if project.store_passwords {
                views::role_with_password(id, role)
            } else {
                views::role(id, role)
            }
        })
        .collect();
    let databases: Vec<_> = contents
        .databases
        .iter()
        .map(|database| views::database(id, database))
        .collect();
    let mut body = json!({
        "branch": views::branch(project, branch),
        "endpoints": endpoints,
        "operations": views::started(project, &change.operations),
        "roles": roles,
        "databases": databases,
    });
    let connections = views::connections(project.write_endpoint(id), contents).filter(|_| project.store_passwords);
    if let (Some(connections), Some(fields)) = (connections, body.as_object_mut()) {
        fields.insert("connection_uris".to_owned(), json!(connections));
    }
    Reply::created(body)
}
