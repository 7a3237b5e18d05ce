//! The message of a request: read whole within bounds, checked, and answered as one of its caller's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use rmcp::ErrorData;
use rmcp::model::{ErrorCode, RequestId};

use super::admission::{Admission, NotAdmitted};
use super::answer::{later, refused};
use super::auth::{Denial, Door, Grant};
use super::bodies::{Bodies, Unread};
use super::calls::{Calls, OneTooMany};
use super::drain::Drain;
use super::held::held;
use super::narrowing::{Asked, NotOffered};
use super::peer::{Peer, neighbourhood};
use super::sessions::{self, Lack, Owner};
use super::taken::{Share, Taken};
use super::tool_list;
use crate::guard::Scopes;
use crate::json::Made;
use crate::server::messages::{self, Checked, Refused};
use crate::server::offer::Admitted;

/// How long a client is told to wait that gets no session, in seconds.
const SESSION_RETRY: u64 = 10;

/// How long a client is told to wait whose request there is no room for, in seconds.
const BODY_RETRY: u64 = 1;

/// How long a client is told to wait before it asks another server than one that stops, in seconds.
const STOP_RETRY: u64 = 5;

/// The largest error of rmcp's that is read, in bytes.
const MAX_ERROR_BYTES: usize = 1024 * 1024;

/// What a client is told whose session isn't there, whosever it is or was.
const NO_SESSION: &str = "there is no such session, or no longer: one ends when it is unused for long, when it makes room for another, \
    and with the server. Send `initialize` without a session id to begin another";

/// The header that names a session.
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// How many values a message has at most: each takes some hundred bytes when it is read, however few it has in the text.
const MAX_VALUES: usize = 10_000;

/// How much may be made of a message beside its text, in bytes: 4 MiB, half of what one caller may hold ([`Bodies`]).
const MAX_MADE: usize = 4 * 1024 * 1024;

/// How often what is made of a message is there while its call runs: as the protocol's library reads it, as arguments, as what the
/// workflow takes, as parameters, and as the request to Neon.
const COPIES: usize = 5;

/// What reading a request needs.
#[derive(Clone)]
pub(super) struct Reading {
    /// The largest body, in bytes.
    pub(super) body_bytes: usize,
    pub(super) bodies: Arc<Bodies>,
    /// How long a body may take.
    pub(super) patience: Duration,
    pub(super) admission: Arc<Admission>,
    pub(super) door: Arc<Door>,
    pub(super) calls: Arc<Calls>,
    pub(super) drain: Arc<Drain>,
    /// The ids of requests that aren't answered yet, by their session.
    pub(super) ids: Arc<Taken<SessionRequest>>,
}

/// Who makes a request, the session as it names it, and its id there: whoever names another's session takes no id of that.
pub(super) type SessionRequest = (Arc<str>, HeaderValue, RequestId);

/// Reads the whole request before it is answered, within bounds of size and time, and answers it as one of its peer's.
pub(super) async fn whole(
    State(reading): State<Arc<Reading>>,
    Extension(Peer(peer)): Extension<Peer>,
    grant: Option<Extension<Arc<Grant>>>,
    request: Request,
    next: Next,
) -> Response {
    // Only the approval page is asked for without one, and here it isn't served.
    let Some(Extension(grant)) = grant else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Other paths are nobody's, whatever is asked for there.
    let narrowing = match request.uri().path() {
        "/mcp" | "/mcp/" => Asked::read(request.uri(), request.headers()),
        _ => Ok(Asked::default()),
    };
    let narrowing = match narrowing {
        Ok(narrowing) => narrowing,
        Err(error) => return not_offered(&error, None),
    };
    let (mut head, body) = request.into_parts();
    let owner = owner(&grant, peer);
    let read = tokio::time::timeout(reading.patience, reading.bodies.read(&owner.share, body));
    // The room is held for what is made of it, too, until that is answered.
    let (body, mut room) = match read.await {
        Ok(Ok(read)) => read,
        Ok(Err(Unread::TooLarge)) => return too_large(reading.body_bytes),
        Ok(Err(Unread::NoRoom)) => return no_room(),
        // The client broke off, or its framing is broken.
        Ok(Err(Unread::Broken)) => return StatusCode::BAD_REQUEST.into_response(),
        Err(_) => return too_slow(reading.patience),
    };
    let is_json = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = is_json.is_some_and(|kind| {
        let essence = kind.split_once(';').map_or(kind, |(essence, _)| essence);
        essence.trim().eq_ignore_ascii_case("application/json")
    });
    let (body, asked) = if head.method == Method::POST && is_json && head.uri.path().starts_with("/mcp") {
        let made = match made_of(&body) {
            Ok(made) => made,
            Err(response) => return *response,
        };
        if room.grow(made).is_err() {
            return no_room();
        }
        match message(&body) {
            Ok((changed, asked)) => (changed.unwrap_or(body), asked),
            Err(response) => return *response,
        }
    } else {
        (body, None)
    };
    // What wants an answer is waited for when the server stops. An answer to a question of ours, and a cancellation, belong to what
    // runs already.
    let working = match &asked {
        None => None,
        Some(asked) => match reading.drain.begin() {
            Some(working) => Some(working),
            // Whoever was just given a result looks by these whether it is right, and would take a refusal for the call's.
            None if asked.only_reads() => None,
            None => return stopping(asked),
        },
    };
    // Of two with one id, the protocol has one answer, and the other would wait for ever (JSON-RPC 2.0, section 4).
    let id = match in_use(&reading.ids, &owner, &head.headers, asked.as_ref()) {
        Ok(id) => id,
        Err(response) => return *response,
    };
    // What isn't offered is made for nobody who may not even read.
    if !narrowing.is_nothing()
        && let Err(denial) = grant.may_read()
    {
        return reading.door.answer(denial, id_of(&asked));
    }
    let admitted = match admit(&reading, &grant, &owner, &narrowing).await {
        Ok(admitted) => admitted,
        Err(NotAdmitted::NotOffered(error)) => return not_offered(&error, id_of(&asked)),
        Err(NotAdmitted::TooMany(seconds)) => return too_many(seconds, id_of(&asked)),
        Err(NotAdmitted::Broken) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    // Who may approve what may depend on the caller's groups, too, by the rules that hold now.
    if let Some(why) = grant.groups_untold
        && !admitted.offer.engine().guards().approval_flow.named_groups().is_empty()
    {
        return reading.door.answer(Denial::NotAllowed(why), id_of(&asked));
    }
    // Every tool reads: whoever may not is told so, and given no list without tools, which clients keep. Of a call it is told what that needs.
    if !matches!(asked, None | Some(messages::Request::Call(_)))
        && let Err(denial) = grant.may_read()
    {
        return reading.door.answer(denial, id_of(&asked));
    }
    if let Some(messages::Request::Call(id)) = &asked {
        // Counted before anything is looked at: whoever may call nothing may not do that as often as they like, either.
        if let Err(seconds) = grant.count() {
            return too_many(seconds, Some(id.clone()));
        }
        let running = match reading.calls.begin(&owner.share) {
            Ok(running) => running,
            Err(over) => return one_too_many(over, id),
        };
        // Of what the operator or the request leaves out, the engine says what is missing: another token wouldn't help. A token with every
        // scope lacks none, whatever is called.
        if grant.issued != Scopes::ALL
            && let Some(call) = reading.admission.called(&body, &admitted, &narrowing)
            && !grant.issued.lacks(call.needed()).is_empty()
        {
            reading.admission.note_missing_scope(&call, &admitted);
            let (needed, held) = (call.needed(), grant.issued);
            return reading.door.answer(Denial::Scopes { needed, held }, Some(id.clone()));
        }
        // It is dropped with the request, which the call holds to its end.
        head.extensions.insert(Arc::new(running));
    }
    // In a session, the call outlives the answer's stream and even the connection: it holds the room itself.
    let room = Arc::new(room);
    head.extensions.insert(room.clone());
    let is_end = head.method == Method::DELETE;
    // What is sent on may have another length.
    head.headers.remove(CONTENT_LENGTH);
    let list = match &asked {
        Some(messages::Request::ToolList(_)) => tool_list::later(&mut head, &admitted),
        _ => None,
    };
    head.extensions.insert(admitted);
    let request = Request::from_parts(head, Body::from(body));
    let (response, lack) = sessions::counted(owner, next.run(request)).await;
    let response = match lack {
        Some(Lack::Full) => {
            let text = "every session that this server may have is in use; nothing was done";
            later(StatusCode::SERVICE_UNAVAILABLE, SESSION_RETRY, id_of(&asked), text)
        }
        Some(Lack::Unknown)
            if is_end
                || matches!(
                    response.status(),
                    StatusCode::NOT_FOUND | StatusCode::INTERNAL_SERVER_ERROR
                ) =>
        {
            let error = ErrorData::invalid_request(NO_SESSION, None);
            refused(StatusCode::NOT_FOUND, id_of(&asked), error)
        }
        // rmcp answers the end of a session with 202, but it is gone by then, and the official Python SDK warns its user about
        // every session whose end isn't answered with 200 or 204.
        _ if is_end && response.status() == StatusCode::ACCEPTED => StatusCode::NO_CONTENT.into_response(),
        _ if response.status().is_client_error() => with_id(response).await,
        _ => match list {
            Some(list) => list.put_into(response).await,
            None => response,
        },
    };
    held(response, (working, id, room))
}

/// What a caller is served whose request asks for this. To make it takes long, so it is made beside what answers others, and counts as a
/// call does.
async fn admit(
    reading: &Arc<Reading>,
    grant: &Arc<Grant>,
    owner: &Owner,
    narrowing: &Asked,
) -> Result<Admitted, NotAdmitted> {
    let paced = {
        let (reading, grant, share) = (reading.clone(), grant.clone(), owner.share.clone());
        move || {
            grant.count()?;
            reading.calls.paced(&share).map_err(OneTooMany::retry_seconds)
        }
    };
    if narrowing.is_nothing() {
        return reading.admission.admit(grant, &owner.principal, narrowing, &paced);
    }
    let (reading, grant, principal, narrowing) = (
        reading.clone(),
        grant.clone(),
        owner.principal.clone(),
        narrowing.clone(),
    );
    let made = move || reading.admission.admit(&grant, &principal, &narrowing, &paced);
    tokio::task::spawn_blocking(made)
        .await
        .unwrap_or(Err(NotAdmitted::Broken))
}

/// Takes the id of a request that a session gets, for as long as it isn't answered.
fn in_use(
    ids: &Arc<Taken<SessionRequest>>,
    owner: &Owner,
    headers: &HeaderMap,
    asked: Option<&messages::Request>,
) -> Result<Option<Share<SessionRequest>>, Box<Response>> {
    let (Some(session), Some(asked)) = (headers.get(SESSION), asked) else {
        return Ok(None);
    };
    let taken = ids.take(
        (owner.principal.clone(), session.clone(), asked.id().clone()),
        1,
        |with| (with.of_one == 1).then_some(()).ok_or(()),
    );
    taken.map(Some).map_err(|()| {
        let text = "a request of this session with the same id isn't answered yet: give each request an id of its own; nothing was done";
        let error = ErrorData::invalid_request(text, None);
        Box::new(refused(StatusCode::BAD_REQUEST, Some(asked.id().clone()), error))
    })
}

fn id_of(asked: &Option<messages::Request>) -> Option<RequestId> {
    asked.as_ref().map(|asked| asked.id().clone())
}

/// The answer to a request that asks for what isn't understood, or isn't offered.
fn not_offered(error: &NotOffered, id: Option<RequestId>) -> Response {
    let error = ErrorData::invalid_request(error.to_string(), None);
    refused(StatusCode::BAD_REQUEST, id, error)
}

/// The answer to new work when the server stops.
fn stopping(asked: &messages::Request) -> Response {
    let text = match asked {
        messages::Request::Call(_) => "this server is stopping and takes no new work: this call was not begun",
        _ => "this server is stopping and takes no new work: this request was not begun",
    };
    later(
        StatusCode::SERVICE_UNAVAILABLE,
        STOP_RETRY,
        Some(asked.id().clone()),
        text,
    )
}

/// The answer to a call that is one too many.
fn one_too_many(over: OneTooMany, id: &RequestId) -> Response {
    let status = match over.is_callers() {
        true => StatusCode::TOO_MANY_REQUESTS,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    later(status, over.retry_seconds(), Some(id.clone()), over.text())
}

/// The answer to a request that is larger than is read: what it asks for isn't known.
fn too_large(most: usize) -> Response {
    let text = format!(
        "the request is larger than the {most} bytes that this server reads of one (--max-body-bytes); nothing was done"
    );
    refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        None,
        ErrorData::invalid_request(text, None),
    )
}

/// The answer to a request whose body took too long.
fn too_slow(patience: Duration) -> Response {
    let text = format!(
        "the body of the request didn't come whole within {} seconds (--body-timeout-seconds); nothing was done",
        patience.as_secs_f64()
    );
    refused(
        StatusCode::REQUEST_TIMEOUT,
        None,
        ErrorData::invalid_request(text, None),
    )
}

/// The answer to a call of a caller that made as many in this minute as its own setup lets it.
fn too_many(seconds: u64, id: Option<RequestId>) -> Response {
    let text = "this caller made as many calls in this minute as it may; nothing was done";
    later(StatusCode::TOO_MANY_REQUESTS, seconds, id, text)
}

/// Whose sessions are counted together: a caller's that is told from others, else those of an address.
fn owner(grant: &Grant, peer: IpAddr) -> Owner {
    let principal: Arc<str> = grant.principal.id().into();
    Owner {
        share: match grant.is_told_apart() {
            true => principal.clone(),
            false => neighbourhood(peer).to_string().into(),
        },
        principal,
    }
}

/// The same answer, with the id `null` where it is a JSON-RPC error without one (as [`messages::written`]).
async fn with_id(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "application/json") {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_ERROR_BYTES).await else {
        return head.status.into_response();
    };
    let written = serde_json::from_slice(&bytes).and_then(|message| messages::written(&message));
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(written.map_or(bytes, Bytes::from)))
}

/// What is to be sent on in the place of a body, if anything is, and what it asks for; or the answer to one that isn't a message.
fn message(body: &[u8]) -> Result<(Option<Bytes>, Option<messages::Request>), Box<Response>> {
    let no = |status, id, error| Err(Box::new(refused(status, id, error)));
    let (checked, asked) = match messages::read_request(body) {
        Ok(read) => read,
        Err(error) => {
            let text = format!("the message is no JSON that can be read: {error}");
            return no(StatusCode::BAD_REQUEST, None, ErrorData::parse_error(text, None));
        }
    };
    match checked {
        Checked::Fine => Ok((None, asked)),
        Checked::Changed(message) => Ok((Some(message.to_string().into()), asked)),
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

/// How much is made of a message at most, in bytes beside its text.
///
/// # Errors
/// The answer to a message of which more would be made than is read.
fn made_of(body: &[u8]) -> Result<usize, Box<Response>> {
    let made = Made::of(body);
    let bytes = made.bytes.saturating_mul(COPIES);
    if made.values <= MAX_VALUES && bytes <= MAX_MADE {
        return Ok(bytes);
    }
    let most = MAX_MADE / (Made::OBJECT * COPIES);
    let text = format!(
        "the message has more than {MAX_VALUES} values, or {most} objects, those in texts that hold JSON among them: send fewer at once"
    );
    Err(Box::new(refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        None,
        ErrorData::invalid_request(text, None),
    )))
}

/// The answer to a request that there is no room for now.
fn no_room() -> Response {
    let text = "as much is being sent to this server as it holds at once, of you or of all; nothing was done";
    later(StatusCode::SERVICE_UNAVAILABLE, BODY_RETRY, None, text)
}
