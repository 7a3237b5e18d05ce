//! Answers to requests that aren't served, as JSON-RPC errors: clients show their messages, and no other body.

use std::borrow::Cow;

use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use rmcp::ErrorData;
use rmcp::model::{ErrorCode, RequestId, ServerJsonRpcMessage};
use serde_json::json;

use crate::server::messages;

/// The code of errors that say to come again later: the first of those that JSON-RPC leaves to servers.
const LATER: ErrorCode = ErrorCode(-32_000);

/// The error of an answer that says to come again, and when.
fn later_error(seconds: u64, text: impl Into<Cow<'static, str>>) -> ErrorData {
    ErrorData::new(LATER, text, Some(json!({"retry_after_seconds": seconds})))
}

/// The body of such an answer.
pub(super) fn later_body(seconds: u64, id: Option<RequestId>, text: impl Into<Cow<'static, str>>) -> Vec<u8> {
    messages::written(&ServerJsonRpcMessage::error(later_error(seconds, text), id)).unwrap_or_default()
}

/// An answer that says to come again, and when.
pub(super) fn later(
    status: StatusCode,
    seconds: u64,
    id: Option<RequestId>,
    text: impl Into<Cow<'static, str>>,
) -> Response {
    let mut response = refused(status, id, later_error(seconds, text));
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

/// An answer with an error. The id is that of the request, as far as it is known.
pub(super) fn refused(status: StatusCode, id: Option<RequestId>, error: ErrorData) -> Response {
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    match messages::written(&ServerJsonRpcMessage::error(error, id)) {
        Ok(body) => (status, json, body).into_response(),
        Err(_) => status.into_response(),
    }
}
