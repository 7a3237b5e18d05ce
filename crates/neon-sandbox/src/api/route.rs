//! One operation of the Neon API: where it is served, and by what.

use http::Method;

use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::State,
};

/// Answers a call from the state, or changes the state.
pub(crate) type Handler = fn(&Call, &mut State) -> Result<Reply, ApiError>;

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
    pub(super) fn get(operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self::new(Method::GET, operation, path, handler)
    }

    pub(super) fn post(operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self::new(Method::POST, operation, path, handler)
    }

    pub(super) fn patch(operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self::new(Method::PATCH, operation, path, handler)
    }

    pub(super) fn put(operation: &'static str, path: &'static str, handler: Handler) -> Self {
        Self::new(Method::PUT, operation, path, handler)
    }

    pub(super) fn delete(operation: &'static str, path: &'static str, handler: Handler) -> Self {
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
