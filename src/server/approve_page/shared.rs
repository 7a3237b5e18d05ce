//! What all of the page shares.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::html;

use super::guesses::Guesses;
use super::sign_in::{Approvers, SignedIn, first_sign_in};
use super::view::told;
use crate::engine::Engine;
use crate::guard::ApprovalFlow;
use crate::server::http::admission::Admission;
use crate::server::http::place::Place;

/// What the page works on.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) admission: Arc<Admission>,
    pub(super) place: Arc<Place>,
    /// Who signs approvers in; without that, a secret is asked for.
    pub(super) approvers: Option<Approvers>,
    /// Wrong secrets, where one decides every call.
    pub(super) guesses: Guesses,
}

impl Shared {
    /// The engine of this moment.
    pub(super) fn engine(&self) -> Engine {
        self.admission.engine()
    }

    pub(super) fn approval_flow(&self) -> ApprovalFlow {
        self.engine().guards().approval_flow.clone()
    }

    /// Who signed in, where that is asked for. The error: nobody has.
    pub(super) fn signed_in(&self, headers: &HeaderMap, code: &str) -> Result<Option<SignedIn>, Box<Response>> {
        let Some(approvers) = &self.approvers else {
            return Ok(None);
        };
        match approvers.signed_in(&self.approval_flow(), headers) {
            Some(signed_in) => Ok(Some(signed_in)),
            None => Err(Box::new(first_sign_in(code))),
        }
    }
}

pub(super) fn unknown() -> Response {
    told(
        StatusCode::NOT_FOUND,
        "Nothing waits here",
        html! { p { "No call waits under this code: it has run out, was used, or never was." } },
    )
}

pub(super) fn broken(error: &str) -> Response {
    tracing::error!("the approval page: {error}");
    told(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Not decided",
        html! { p { "What waits can't be read or written, so nothing was decided. The server's log says why." } },
    )
}
