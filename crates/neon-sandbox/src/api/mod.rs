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
mod project_view;
mod projects;
mod regions;
mod roles;
mod schema;
mod sharing;
mod snapshot_restore;
mod snapshots;
mod spending;
pub(super) mod transfers;
mod triggers;
mod views;
mod vpc;

use http::Method;

use super::call::Handler;

/// One operation of the Neon API.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Neon's operationId.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// Below `/api/v2`.
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
}

impl Route {
    fn get(operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self::new(Method::GET, operation, path, handler)
    }

    fn post(operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self::new(Method::POST, operation, path, handler)
    }

    fn patch(operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self::new(Method::PATCH, operation, path, handler)
    }

    fn put(operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self::new(Method::PUT, operation, path, handler)
    }

    fn delete(operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self::new(Method::DELETE, operation, path, handler)
    }

    fn new(method: Method, operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self {
            operation,
            method,
            path,
            handler,
        }
    }
}

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
