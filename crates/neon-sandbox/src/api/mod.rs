//! The Neon API that the sandbox serves: one file per area, each with its routes and their handlers.

mod advisors;
mod anonymization;
mod api_keys;
mod auth;
mod auth_providers;
mod auth_settings;
mod auth_users;
mod branch_create;
mod branch_restore;
mod branch_rules;
mod branches;
mod buckets;
mod compute_size;
mod consumption;
mod consumption_query;
mod credentials;
mod custom_domains;
mod data_api;
mod databases;
mod endpoints;
mod functions;
mod identity;
mod invitations;
mod jwks;
mod logs;
mod logs_query;
mod names;
pub(crate) mod objects;
mod operations;
mod organizations;
mod point;
mod project_create;
mod project_members;
mod project_rules;
mod project_view;
mod projects;
mod provisioner;
mod regions;
mod roles;
mod route;
mod schema;
mod sharing;
mod snapshot_restore;
mod snapshots;
mod spending;
pub(super) mod transfers;
mod triggers;
mod views;
mod vpc;

pub(crate) use route::Route;

/// All routes. A new area adds its own here.
pub(crate) fn routes() -> Vec<Route> {
    [
        projects::routes(),
        branches::routes(),
        branch_restore::routes(),
        schema::routes(),
        endpoints::routes(),
        databases::routes(),
        roles::routes(),
        operations::routes(),
        snapshots::routes(),
        snapshot_restore::routes(),
        buckets::routes(),
        objects::routes(),
        functions::routes(),
        triggers::routes(),
        logs::routes(),
        custom_domains::routes(),
        regions::routes(),
        identity::routes(),
        organizations::routes(),
        auth::routes(),
        auth_users::routes(),
        auth_settings::routes(),
        auth_providers::routes(),
        data_api::routes(),
        anonymization::routes(),
        consumption::routes(),
        credentials::routes(),
        invitations::routes(),
        api_keys::routes(),
        spending::routes(),
        sharing::routes(),
        project_members::routes(),
        transfers::routes(),
        jwks::routes(),
        vpc::routes(),
        advisors::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
