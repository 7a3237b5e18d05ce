//! How things look in answers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    clock::Timestamp,
    hosts,
    state::{
        branch::{Annotation, Branch, BranchState, DeletionMethod, InitSource, RestoreStatus},
        data::{Contents, Database, Lsn, Role},
        endpoint::{Endpoint, EndpointState, EndpointType},
        operation::{Action, Operation, OperationStatus},
        project::Project,
        settings::EndpointSettings,
        snapshot::Snapshot,
        usage_sum::{Span, Sums, month_around, whole},
    },
};

/// An operation.
#[derive(Debug, Serialize)]
pub(crate) struct OperationView {
    id: String,
    project_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<String>,
    action: Action,
    status: OperationStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    failures_count: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
    total_duration_ms: i64,
}

/// An operation as it stands.
pub(crate) fn operation(project: &Project, operation: &Operation, now: Timestamp) -> OperationView {
    let status = operation.status(now);
    let failed = status == OperationStatus::Failed;
    let until = operation.ends_at.filter(|ends| *ends <= now).unwrap_or(now);
    OperationView {
        id: operation.id.clone(),
        project_id: project.id.clone(),
        branch_id: operation.branch_id.clone(),
        endpoint_id: operation.endpoint_id.clone(),
        action: operation.action,
        status,
        error: operation.failure.clone().filter(|_| failed),
        failures_count: u32::from(failed),
        created_at: operation.created_at,
        updated_at: operation.updated_at(now),
        total_duration_ms: (until - operation.created_at).num_milliseconds(),
    }
}

/// The operations that a call has just started: the first runs, the others wait.
pub(crate) fn started(project: &Project, operations: &[Operation]) -> Vec<OperationView> {
    operations
        .iter()
        .enumerate()
        .map(|(position, started)| OperationView {
            status: if position == 0 {
                OperationStatus::Running
            } else {
                OperationStatus::Scheduling
            },
            error: None,
            failures_count: 0,
            updated_at: started.created_at,
            total_duration_ms: 0,
            ..operation(project, started, started.created_at)
        })
        .collect()
}

/// Why a branch refuses something.
#[derive(Debug, Serialize)]
struct RestrictedAction {
    name: &'static str,
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct CreatedBy {
    name: &'static str,
    image: &'static str,
}

#[derive(Debug, Serialize)]
struct RecoveryView {
    deleted_at: Timestamp,
    recoverable_until: Timestamp,
    deletion_method: DeletionMethod,
}

/// A branch.
#[derive(Debug, Serialize)]
pub(crate) struct BranchView {
    id: String,
    project_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_lsn: Option<Lsn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_timestamp: Option<Timestamp>,
    name: String,
    current_state: BranchState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_state: Option<BranchState>,
    state_changed_at: Timestamp,
    logical_size: u64,
    creation_source: &'static str,
    primary: bool,
    default: bool,
    protected: bool,
    cpu_used_sec: u64,
    compute_time_seconds: u64,
    active_time_seconds: u64,
    written_data_bytes: u64,
    data_transfer_bytes: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_interval_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reset_at: Option<Timestamp>,
    created_by: CreatedBy,
    init_source: InitSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    restore_status: Option<RestoreStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_as: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restricted_actions: Vec<RestrictedAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<RecoveryView>,
}

impl BranchView {
    /// With what the branch has used this month.
    pub(crate) fn using(self, project: &Project, now: Timestamp) -> Self {
        let (from, until) = month_around(now);
        let sums = Sums::new(project, Some(&self.id), Span { from, until }, now);
        let compute_time_seconds = whole(sums.compute_unit_seconds());
        let active_time_seconds = whole(sums.active_seconds());
        let written_data_bytes = sums.written_bytes();
        Self {
            cpu_used_sec: compute_time_seconds,
            compute_time_seconds,
            active_time_seconds,
            written_data_bytes,
            ..self
        }
    }
}

/// A branch as it is, without what it has used.
pub(crate) fn branch(project: &Project, branch: &Branch) -> BranchView {
    let restore = branch.snapshot_restore.as_ref();
    BranchView {
        id: branch.id.clone(),
        project_id: project.id.clone(),
        parent_id: branch.parent_id().map(str::to_owned),
        parent_lsn: branch.parent.as_ref().map(|parent| parent.lsn),
        parent_timestamp: branch.parent.as_ref().map(|parent| parent.timestamp),
        name: branch.name.clone(),
        current_state: branch.state,
        pending_state: branch.transition.map(|transition| transition.to),
        state_changed_at: branch.state_changed_at,
        logical_size: branch.contents().logical_size(),
        creation_source: "console",
        primary: branch.default,
        default: branch.default,
        protected: branch.protected,
        cpu_used_sec: 0,
        compute_time_seconds: 0,
        active_time_seconds: 0,
        written_data_bytes: 0,
        data_transfer_bytes: 0,
        created_at: branch.created_at,
        updated_at: branch.updated_at,
        ttl_interval_seconds: branch.expiry.map(|expiry| expiry.ttl_seconds),
        expires_at: branch.expiry.map(|expiry| expiry.at),
        last_reset_at: branch.last_reset_at,
        created_by: CreatedBy {
            name: "sandbox",
            image: "",
        },
        init_source: branch.init_source,
        restore_status: restore.map(|restore| restore.status),
        restored_from: restore
            .map(|restore| restore.snapshot_id.clone())
            .or_else(|| branch.restored_from.clone()),
        restored_as: restore.and_then(|restore| restore.target_branch_id.clone()),
        restricted_actions: if branch.undeletable_backup {
            vec![RestrictedAction {
                name: "delete",
                reason: "it is the backup of a root branch that was restored from another branch",
            }]
        } else {
            Vec::new()
        },
        recovery: branch.deletion.map(|deletion| RecoveryView {
            deleted_at: deletion.at,
            recoverable_until: deletion.recoverable_until(),
            deletion_method: deletion.method,
        }),
    }
}

#[derive(Debug, Serialize)]
struct AnnotatedObject {
    r#type: &'static str,
    id: String,
}

/// A branch's labels.
#[derive(Debug, Serialize)]
pub(crate) struct AnnotationView {
    object: AnnotatedObject,
    value: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
}

/// A branch's labels as they are.
pub(crate) fn annotation(branch: &Branch) -> AnnotationView {
    let Annotation { value, created_at } = branch.annotation.clone();
    AnnotationView {
        object: AnnotatedObject {
            r#type: "console/branch",
            id: branch.id.clone(),
        },
        value,
        created_at,
        updated_at: created_at,
    }
}

/// A compute.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointView {
    host: String,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    project_id: String,
    branch_id: String,
    autoscaling_limit_min_cu: f64,
    autoscaling_limit_max_cu: f64,
    region_id: String,
    r#type: EndpointType,
    current_state: EndpointState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_state: Option<EndpointState>,
    settings: EndpointSettings,
    pooler_enabled: bool,
    pooler_mode: &'static str,
    disabled: bool,
    passwordless_access: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_active: Option<Timestamp>,
    creation_source: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_at: Option<Timestamp>,
    proxy_host: &'static str,
    suspend_timeout_seconds: i64,
    provisioner: String,
}

/// A compute as it is.
pub(crate) fn endpoint(project: &Project, endpoint: &Endpoint) -> EndpointView {
    EndpointView {
        host: hosts::host(endpoint),
        id: endpoint.id.clone(),
        name: endpoint.name.clone(),
        project_id: project.id.clone(),
        branch_id: endpoint.branch_id.clone(),
        autoscaling_limit_min_cu: endpoint.size.min_cu,
        autoscaling_limit_max_cu: endpoint.size.max_cu,
        region_id: project.region_id.clone(),
        r#type: endpoint.kind,
        current_state: endpoint.state,
        pending_state: endpoint.pending_state(),
        settings: endpoint.settings.clone(),
        pooler_enabled: endpoint.pooler_enabled,
        pooler_mode: "transaction",
        disabled: endpoint.disabled,
        passwordless_access: endpoint.passwordless_access,
        last_active: endpoint.last_active,
        creation_source: "console",
        created_at: endpoint.created_at,
        updated_at: endpoint.updated_at,
        started_at: endpoint.started_at,
        suspended_at: endpoint.suspended_at,
        proxy_host: hosts::DOMAIN,
        suspend_timeout_seconds: endpoint.size.suspend_timeout_seconds,
        provisioner: endpoint.provisioner.clone(),
    }
}

/// A role.
#[derive(Debug, Serialize)]
pub(crate) struct RoleView {
    branch_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    protected: bool,
    authentication_method: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A role without its password, as lists show it.
pub(crate) fn role(branch_id: &str, role: &Role) -> RoleView {
    RoleView {
        branch_id: branch_id.to_owned(),
        name: role.name.clone(),
        password: None,
        protected: false,
        authentication_method: if role.password.is_some() {
            "password"
        } else {
            "no_login"
        },
        created_at: role.created_at,
        updated_at: role.updated_at,
    }
}

/// A role with its password, as the calls show it that made the password.
pub(crate) fn role_with_password(branch_id: &str, shown: &Role) -> RoleView {
    RoleView {
        password: shown.password.as_ref().map(|password| password.reveal().to_owned()),
        ..role(branch_id, shown)
    }
}

/// A database.
#[derive(Debug, Serialize)]
pub(crate) struct DatabaseView {
    id: i64,
    branch_id: String,
    name: String,
    owner_name: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A database as it is.
pub(crate) fn database(branch_id: &str, database: &Database) -> DatabaseView {
    DatabaseView {
        id: database.id,
        branch_id: branch_id.to_owned(),
        name: database.name.clone(),
        owner_name: database.owner_name.clone(),
        created_at: database.created_at,
        updated_at: database.updated_at,
    }
}

#[derive(Debug, Serialize)]
struct ConnectionParameters {
    database: String,
    password: String,
    role: String,
    host: String,
    pooler_host: String,
}

/// How to connect.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionView {
    connection_uri: String,
    connection_parameters: ConnectionParameters,
}

/// How to connect to a compute. Nothing where the branch has several databases or roles, as at Neon.
pub(crate) fn connections(endpoint: Option<&Endpoint>, contents: &Contents) -> Option<Vec<ConnectionView>> {
    let endpoint = endpoint?;
    let ([role], [database]) = (contents.roles.as_slice(), contents.databases.as_slice()) else {
        return None;
    };
    let password = role.password.as_ref()?.reveal();
    let host = hosts::host(endpoint);
    Some(vec![ConnectionView {
        connection_uri: hosts::connection_uri(&role.name, password, &host, &database.name),
        connection_parameters: ConnectionParameters {
            database: database.name.clone(),
            password: password.to_owned(),
            role: role.name.clone(),
            host,
            pooler_host: hosts::pooler_host(endpoint),
        },
    }])
}

/// A snapshot.
#[derive(Debug, Serialize)]
pub(crate) struct SnapshotView {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lsn: Option<Lsn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    source_branch_id: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    manual: bool,
    full_size: u64,
    diff_size: u64,
    slug: String,
}

/// A snapshot as it is.
pub(crate) fn snapshot(snapshot: &Snapshot) -> SnapshotView {
    let size = snapshot.version.contents.logical_size();
    SnapshotView {
        id: snapshot.id.clone(),
        name: snapshot.name.clone(),
        lsn: snapshot.lsn,
        timestamp: snapshot.timestamp,
        source_branch_id: snapshot.source_branch_id.clone(),
        created_at: snapshot.created_at,
        expires_at: snapshot.expires_at,
        manual: snapshot.manual,
        full_size: size,
        diff_size: 0,
        slug: snapshot.slug.clone(),
    }
}
