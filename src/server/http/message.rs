//! The message of a request: read whole within bounds, checked, and answered as one of its caller's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use rmcp::ErrorData;
use rmcp::model::{ErrorCode, RequestId, ServerJsonRpcMessage};

use super::MAX_BODY_BYTES;
use super::admission::Admission;
use super::auth::{Denial, Door, Grant};
use super::connections::Peer;
use super::sessions::{self, Lack, Owner};
use crate::neon::text::one_line;
use crate::server::messages::{self, Checked, Refused};

/// How long a client is told to wait that gets no session, in seconds.
const RETRY_SECONDS: &str = "10";

/// What reading a request needs.
#[derive(Clone)]
pub(super) struct Reading {
    /// How long its body may take.
    pub(super) patience: Duration,
    pub(super) admission: Arc<Admission>,
    pub(super) door: Arc<Door>,
}

/// What a request of ours may not have beside its body: other servers take settings there, this one from its operator alone.
const SETTINGS_ARE_THE_OPERATORS: &str = "this server takes no settings from requests: whoever starts it gives them \
    (--read-only, --toolsets, --project-id, ...)";

/// Reads the whole request before it is answered, within bounds of size and time, and answers it as one of its peer's.
pub(super) async fn whole(
    State(Reading {
        patience,
        admission,
        door,
    }): State<Reading>,
    Extension(Peer(peer)): Extension<Peer>,
    Extension(grant): Extension<Arc<Grant>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(setting) = setting(&request) {
        let text = format!("{setting} isn't understood: {SETTINGS_ARE_THE_OPERATORS}");
        return refused(StatusCode::BAD_REQUEST, None, ErrorData::invalid_request(text, None));
    }
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(patience, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if is_too_large(&error) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        // The client broke off, or its framing is broken.
        Ok(Err(_)) => return StatusCode::BAD_REQUEST.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let is_json = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = is_json.is_some_and(|kind| {
        let essence = kind.split_once(';').map_or(kind, |(essence, _)| essence);
        essence.trim().eq_ignore_ascii_case("application/json")
    });
    let body = if head.method == Method::POST && is_json && head.uri.path().starts_with("/mcp") {
        match message(&body) {
            Ok(changed) => changed.unwrap_or(body),
            Err(response) => return *response,
        }
    } else {
        body
    };
    let admitted = admission.admit(&grant);
    if head.method == Method::POST
        && let Some(call) = admission.called(&body)
    {
        // Of what the operator leaves this caller, the engine says what is missing: another token wouldn't help.
        if !grant.issued.lacks(call.needed()).is_empty() {
            admission.note_missing_scope(&call, &admitted);
            return door.answer(Denial::Scopes(call.needed()));
        }
        if let Err(seconds) = grant.count() {
            return too_many(seconds);
        }
    }
    let is_end = head.method == Method::DELETE;
    let mut head = head;
    // What is sent on may have another length.
    head.headers.remove(CONTENT_LENGTH);
    let mut request = Request::from_parts(head, Body::from(body));
    request.extensions_mut().insert(admitted);
    let (response, lack) = sessions::counted(owner(&grant, peer), next.run(request)).await;
    match lack {
        Some(Lack::Full) => {
            let later = [(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS))];
            let text = "Every session that this server may have is in use.\n";
            (StatusCode::SERVICE_UNAVAILABLE, later, text).into_response()
        }
        Some(Lack::Unknown) if is_end => StatusCode::NOT_FOUND.into_response(),
        // rmcp answers the end of a session with 202, but it is gone by then, and the official Python SDK warns its user about
        // every session whose end isn't answered with 200 or 204.
        _ if is_end && response.status() == StatusCode::ACCEPTED => StatusCode::NO_CONTENT.into_response(),
        _ if response.status().is_client_error() => with_id(response).await,
        _ => response,
    }
}

/// The answer to a call of a caller that made as many in this minute as it may.
fn too_many(seconds: u64) -> Response {
    let later = [(RETRY_AFTER, HeaderValue::from(seconds))];
    let text = "This caller made as many calls in this minute as it may. Nothing was sent.\n";
    (StatusCode::TOO_MANY_REQUESTS, later, text).into_response()
}

/// Whose sessions are counted together: a caller's that is told from others, else those of an address.
fn owner(grant: &Grant, peer: IpAddr) -> Owner {
    Owner {
        principal: grant.principal.id().into(),
        share: match grant.is_told_apart() {
            true => grant.principal.id().into(),
            false => peer.to_string().into(),
        },
    }
}

/// The same answer, with the id `null` where it is a JSON-RPC error without one (as [`messages::written`]).
async fn with_id(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "application/json") {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_BODY_BYTES).await else {
        return head.status.into_response();
    };
    let written = serde_json::from_slice(&bytes).and_then(|message| messages::written(&message));
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(written.map_or(bytes, Bytes::from)))
}

/// A setting that a request tries to make, as people copy it from the addresses of other servers.
fn setting(request: &Request) -> Option<String> {
    if !request.uri().path().starts_with("/mcp") {
        return None;
    }
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        let name = query.split(['&', '=']).next().unwrap_or_default();
        return Some(format!("the query parameter `{}`", one_line(name, 60)));
    }
    let is_setting = |name: &&http::HeaderName| name.as_str().starts_with("x-neon-") || name.as_str() == "x-read-only";
    let name = request.headers().keys().find(is_setting)?;
    Some(format!("the header `{}`", one_line(name.as_str(), 60)))
}

/// What is to be sent on in the place of a body, if anything is, or the answer to one that isn't a message.
fn message(body: &[u8]) -> Result<Option<Bytes>, Box<Response>> {
    let no = |status, id, error| Err(Box::new(refused(status, id, error)));
    let checked = match messages::read(body) {
        Ok(checked) => checked,
        Err(error) => {
            let text = format!("the message is no JSON that can be read: {error}");
            return no(StatusCode::BAD_REQUEST, None, ErrorData::parse_error(text, None));
        }
    };
    match checked {
        Checked::Fine => Ok(None),
        Checked::Changed(message) => Ok(Some(message.to_string().into())),
        Checked::Refused(Refused { id, error }) => {
            // Parameters that don't fit are answered as what is found out later is.
            let status = if error.code == ErrorCode::INVALID_PARAMS {
                StatusCode::OK
            } else {
                StatusCode::BAD_REQUEST
            };
            no(status, id, error)
        }
        Checked::Dropped => {
            let error = ErrorData::invalid_request("a notification or an answer that can't be understood", None);
            no(StatusCode::BAD_REQUEST, None, error)
        }
    }
}

fn refused(status: StatusCode, id: Option<RequestId>, error: ErrorData) -> Response {
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    match messages::written(&ServerJsonRpcMessage::error(error, id)) {
        Ok(body) => (status, json, body).into_response(),
        Err(_) => status.into_response(),
    }
}

/// Whether a body was larger than is read.
fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
