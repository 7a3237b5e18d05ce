//! The Neon API that the sandbox serves: one file per area, each with its routes and their handlers.

mod advisors;
mod api_keys;
mod branch_create;
mod branch_restore;
mod branches;
mod compute_size;
mod databases;
mod endpoints;
mod identity;
mod invitations;
mod jwks;
mod names;
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
mod transfers;
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
        regions::routes(),
        identity::routes(),
        organizations::routes(),
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
