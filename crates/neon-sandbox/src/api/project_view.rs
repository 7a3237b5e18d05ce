//! How projects look in answers: one way in lists, another alone.

use serde::Serialize;

use crate::{
    clock::Timestamp,
    hosts,
    state::keys::Caller,
    state::{
        account::Account,
        project::Project,
        settings::{DefaultEndpointSettings, ProjectSettings},
        usage_sum::{Span, Sums, month_around, whole},
    },
};

/// The bytes that a branch may hold: no limit that matters.
const BRANCH_SIZE_LIMIT: i64 = 16 * 1024 * 1024 * 1024 * 1024;

/// What both ways have.
#[derive(Debug, Serialize)]
struct Common {
    id: String,
    platform_id: String,
    region_id: String,
    name: String,
    provisioner: String,
    default_endpoint_settings: DefaultEndpointSettings,
    settings: ProjectSettings,
    pg_version: u32,
    proxy_host: &'static str,
    branch_logical_size_limit: i64,
    branch_logical_size_limit_bytes: i64,
    store_passwords: bool,
    cpu_used_sec: i64,
    creation_source: &'static str,
    history_retention_seconds: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    synthetic_storage_size: u64,
    owner_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    compute_last_active_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hipaa_enabled_at: Option<Timestamp>,
    org_id: String,
    effective_project_permission: &'static str,
}

/// A project in a list.
#[derive(Debug, Serialize)]
pub(crate) struct ListedProject {
    #[serde(flatten)]
    common: Common,
    active_time: i64,
    org_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recoverable_until: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Owner {
    email: String,
    name: String,
    branches_limit: usize,
    subscription_type: String,
}

/// A project alone.
#[derive(Debug, Serialize)]
pub(crate) struct ProjectView {
    #[serde(flatten)]
    common: Common,
    data_storage_bytes_hour: u64,
    data_transfer_bytes: i64,
    written_data_bytes: u64,
    compute_time_seconds: u64,
    active_time_seconds: u64,
    consumption_period_start: Timestamp,
    consumption_period_end: Timestamp,
    owner: Owner,
    #[serde(skip_serializing_if = "Option::is_none")]
    maintenance_scheduled_for: Option<Timestamp>,
}

fn common(project: &Project, account: &Account, caller: &Caller) -> Common {
    Common {
        id: project.id.clone(),
        platform_id: project.region_id.split('-').next().unwrap_or_default().to_owned(),
        region_id: project.region_id.clone(),
        name: project.name.clone(),
        provisioner: project.provisioner.clone(),
        default_endpoint_settings: project.default_endpoint_settings.clone(),
        settings: project.settings.clone(),
        pg_version: project.pg_version,
        proxy_host: hosts::DOMAIN,
        branch_logical_size_limit: BRANCH_SIZE_LIMIT / (1024 * 1024),
        branch_logical_size_limit_bytes: BRANCH_SIZE_LIMIT,
        store_passwords: project.store_passwords,
        cpu_used_sec: 0,
        creation_source: "console",
        history_retention_seconds: project.history_retention_seconds,
        created_at: project.created_at,
        updated_at: project.updated_at,
        synthetic_storage_size: project
            .live_branches()
            .filter(|branch| branch.is_root())
            .map(|branch| branch.contents().logical_size())
            .sum(),
        owner_id: project.org_id.clone(),
        compute_last_active_at: project.compute_last_active_at(),
        hipaa_enabled_at: project.hipaa_enabled_at,
        org_id: project.org_id.clone(),
        effective_project_permission: if caller.only_project().is_some() || !account.owns(&project.org_id) {
            "EDITOR"
        } else {
            "ADMIN"
        },
    }
}

/// A project as lists show it.
pub(crate) fn listed(project: &Project, account: &Account, caller: &Caller) -> ListedProject {
    ListedProject {
        common: common(project, account, caller),
        active_time: 0,
        org_name: account.organization_name(&project.org_id),
        deleted_at: project.deleted_at,
        recoverable_until: project.recoverable_until(),
    }
}

/// A project as it is shown alone.
pub(crate) fn alone(
    project: &Project,
    account: &Account,
    caller: &Caller,
    branches_limit: usize,
    now: Timestamp,
) -> ProjectView {
    let (start, end) = month_around(now);
    let sums = Sums::new(
        project,
        None,
        Span {
            from: start,
            until: end,
        },
        now,
    );
    ProjectView {
        common: common(project, account, caller),
        data_storage_bytes_hour: sums.stored_byte_hours(),
        data_transfer_bytes: 0,
        written_data_bytes: sums.written_bytes(),
        compute_time_seconds: whole(sums.compute_unit_seconds()),
        active_time_seconds: whole(sums.active_seconds()),
        consumption_period_start: start,
        consumption_period_end: end,
        maintenance_scheduled_for: project.maintenance_scheduled_for(now),
        owner: Owner {
            email: if account.owns(&project.org_id) {
                account.email.clone()
            } else {
                "stranger@elsewhere.example".to_owned()
            },
            name: account.organization_name(&project.org_id),
            branches_limit,
            subscription_type: account.subscription(),
        },
    }
}
