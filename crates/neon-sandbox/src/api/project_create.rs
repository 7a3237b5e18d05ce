//! Making a project: with a branch, a role, a database and a compute.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use super::{
    branch_rules::check_annotation,
    compute_size::AskedSize,
    endpoints::{NewEndpoint, add_endpoint},
    names,
    project_rules::{ORG_ID_REQUIRED, check_retention},
    project_view,
    provisioner::Provisioner,
    regions, views,
};
use crate::{
    call::{Call, Reply, check_id},
    error::ApiError,
    state::{
        State,
        access::Access,
        account::Account,
        branch::{Annotation, Branch, BranchState},
        change::Change,
        data::{Contents, Database, History, Lineage, Lsn, Password, Role, TimelineOrigin, Version},
        endpoint::{ComputeSize, EndpointType},
        operation::Action,
        project::{Project, check_length},
        settings::{DefaultEndpointSettings, EndpointSettings, ProjectSettings},
        usage::Usage,
    },
};

/// Where the write-ahead log of a new project starts.
const FIRST_LSN: Lsn = Lsn(0x0194_9EF0);

/// The Postgres versions that projects are made with.
const PG_VERSIONS: std::ops::RangeInclusive<u32> = 14..=18;

/// The Postgres version of a project that asks for none.
const DEFAULT_PG_VERSION: u32 = 17;

#[derive(Deserialize)]
struct Body {
    project: NewProject,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewBranch {
    name: Option<String>,
    role_name: Option<String>,
    database_name: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct NewProject {
    #[serde(default)]
    settings: ProjectSettings,
    name: Option<String>,
    #[serde(default)]
    branch: NewBranch,
    autoscaling_limit_min_cu: Option<f64>,
    autoscaling_limit_max_cu: Option<f64>,
    provisioner: Option<Provisioner>,
    region_id: Option<String>,
    #[serde(default)]
    default_endpoint_settings: DefaultEndpointSettings,
    pg_version: Option<u32>,
    store_passwords: Option<bool>,
    history_retention_seconds: Option<i64>,
    org_id: Option<String>,
}

/// 422: no room for another project.
pub(crate) fn projects_limit(limit: usize) -> ApiError {
    ApiError::limit("PROJECTS_LIMIT_EXCEEDED", format!("the plan allows {limit} projects"))
}

/// POST /projects
pub(crate) fn create(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let Body { project: input } = call.json()?;
    let org_id = owner(call, state, input.org_id.as_deref())?;
    let live = state
        .projects
        .iter()
        .filter(|project| project.deleted_at.is_none())
        .count();
    if live >= state.limits.projects {
        return Err(projects_limit(state.limits.projects));
    }
    let size = AskedSize {
        min_cu: input.autoscaling_limit_min_cu,
        max_cu: input.autoscaling_limit_max_cu,
        suspend_timeout_seconds: None,
    };
    let defaults = DefaultEndpointSettings::default()
        .changed_by(&input.default_endpoint_settings)
        .changed_by(&DefaultEndpointSettings {
            autoscaling_limit_min_cu: size.min_cu,
            autoscaling_limit_max_cu: size.max_cu,
            ..DefaultEndpointSettings::default()
        });
    let size = AskedSize::from(&defaults).on(ComputeSize::default(), &state.limits)?;
    let database_name = input.branch.database_name.as_deref().unwrap_or("neondb");
    let contents = first_contents(call, database_name, input.branch.role_name.as_deref())?;
    let annotation = check_annotation(input.branch.annotations.unwrap_or_default())?;
    let branch_name = input.branch.name.unwrap_or_else(|| "main".to_owned());
    check_length("branch name", &branch_name, 256)?;

    let settings = ProjectSettings::default().changed_by(&input.settings)?;
    check_hipaa(&settings, &state.account)?;

    let mut project = Project {
        id: state.ids.project(),
        org_id,
        name: String::new(),
        region_id: region(input.region_id)?,
        pg_version: pg_version(input.pg_version)?,
        provisioner: input.provisioner.unwrap_or(Provisioner::Vm).name().to_owned(),
        store_passwords: input.store_passwords.unwrap_or(true),
        history_retention_seconds: match input.history_retention_seconds {
            Some(seconds) => {
                check_retention(seconds, state.limits.history_retention_seconds)?;
                seconds
            }
            None => state.limits.default_history_retention_seconds,
        },
        hipaa_enabled_at: settings.has_hipaa().then_some(call.now),
        settings,
        default_endpoint_settings: defaults,
        created_at: call.now,
        updated_at: call.now,
        deleted_at: None,
        branches: Vec::new(),
        endpoints: Vec::new(),
        snapshots: Vec::new(),
        operations: Vec::new(),
        access: Access::default(),
        lsn: FIRST_LSN,
        last_database_id: 1,
        usage: Usage::default(),
        held: None,
        made: BTreeSet::new(),
    };
    project.name = match input.name {
        Some(name) => {
            check_length("project name", &name, 256)?;
            name
        }
        None => project.id.clone(),
    };
    let branch_id = state.ids.branch();
    let version = Version {
        at: call.now,
        lsn: FIRST_LSN,
        contents,
    };
    project.branches.push(Branch {
        default: true,
        annotation: Annotation {
            created_at: (!annotation.is_empty()).then_some(call.now),
            value: annotation,
        },
        ..Branch::new(
            branch_id.clone(),
            branch_name,
            History::new(version, Lineage::new(TimelineOrigin::Template)),
            call.now,
        )
    });
    let operation_time = state.operation_time;
    let mut change = Change::new(
        &mut project,
        &mut state.ids,
        &state.limits,
        state.ports.as_mut(),
        operation_time,
        call.now,
        &call.outcome,
    );
    change.make_branch(Action::CreateTimeline, &branch_id, BranchState::Ready)?;
    let settings = EndpointSettings::from(&change.project.default_endpoint_settings);
    let endpoint_id = add_endpoint(
        &mut change,
        NewEndpoint::plain(&branch_id, EndpointType::ReadWrite, size, settings),
    )?;
    let operations = change.operations;

    let branch = project.branch(&branch_id)?;
    let endpoint = project.endpoint(&endpoint_id)?;
    let contents = branch.contents();
    let roles: Vec<_> = contents
        .roles
        .iter()
        .map(|role| views::role_with_password(&branch_id, role))
        .collect();
    let databases: Vec<_> = contents
        .databases
        .iter()
        .map(|database| views::database(&branch_id, database))
        .collect();
    let reply = Reply::created(json!({
        "project": project_view::alone(
            &project,
            &state.account,
            &call.caller,
            state.limits.branches,
            call.now,
        ),
        "connection_uris": views::connections(Some(endpoint), contents).unwrap_or_default(),
        "roles": roles,
        "databases": databases,
        "operations": views::started(&project, &operations),
        "branch": views::branch(&project, branch),
        "endpoints": [views::endpoint(&project, endpoint)],
    }));
    state.projects.push(project);
    reply
}

/// 422 where the project is to be one for health data and the organization may have none.
pub(crate) fn check_hipaa(settings: &ProjectSettings, account: &Account) -> Result<(), ApiError> {
    if settings.has_hipaa() && !account.allow_hipaa_projects {
        return Err(ApiError::refused(
            "HIPAA is not enabled for the organization: an admin must accept Neon's agreement first",
        ));
    }
    Ok(())
}

/// The organization that a new project belongs to. Callers who cannot own one are refused, and organizations that are not
/// theirs.
fn owner(call: &Call, state: &State, org_id: Option<&str>) -> Result<String, ApiError> {
    if call.caller.only_project().is_some() {
        return Err(ApiError::forbidden("a project-scoped API key cannot create projects"));
    }
    match org_id {
        Some(org_id) => {
            check_id("org_id", org_id)?;
            if call.caller.can_see_organization(org_id) && state.account.organization(org_id).is_some() {
                Ok(org_id.to_owned())
            } else {
                Err(ApiError::not_found(format!("organization {org_id} not found")))
            }
        }
        None if call.caller.is_personal() && state.require_org_id => Err(ApiError::bad_request(ORG_ID_REQUIRED)),
        None => Ok(call.caller.org_id.clone()),
    }
}

fn first_contents(call: &Call, database_name: &str, role_name: Option<&str>) -> Result<Contents, ApiError> {
    names::check_database(database_name)?;
    let role_name = role_name.map_or_else(|| format!("{database_name}_owner"), str::to_owned);
    names::check_role(&role_name)?;
    Ok(Contents {
        databases: vec![Database {
            id: 1,
            name: database_name.to_owned(),
            owner_name: role_name.clone(),
            schema: String::new(),
            created_at: call.now,
            updated_at: call.now,
        }],
        roles: vec![Role {
            name: role_name,
            password: Some(Password::random()),
            created_at: call.now,
            updated_at: call.now,
        }],
        auth: None,
    })
}

fn region(asked: Option<String>) -> Result<String, ApiError> {
    let region = asked.unwrap_or_else(|| regions::DEFAULT_REGION.to_owned());
    if regions::exists(&region) {
        Ok(region)
    } else {
        Err(ApiError::bad_request(format!(
            "unknown region {region:?}; GET /regions lists them"
        )))
    }
}

fn pg_version(asked: Option<u32>) -> Result<u32, ApiError> {
    let version = asked.unwrap_or(DEFAULT_PG_VERSION);
    if PG_VERSIONS.contains(&version) {
        return Ok(version);
    }
    if version == PG_VERSIONS.end() + 1 {
        return Err(ApiError::refused(format!(
            "Postgres {version} is not enabled in this region"
        )));
    }
    Err(ApiError::bad_request("pg_version must lie between 14 and 19"))
}
