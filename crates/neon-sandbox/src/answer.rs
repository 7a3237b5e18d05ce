//! From a handler's result to the bytes of an answer, whole or damaged by a fault.

use std::{io, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::stream;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};

use super::{
    call::Reply,
    error::{ApiError, ErrorBody},
};

/// Pieces that a slow body is sent in.
const PIECES: usize = 8;

/// How long a cut body stays open after its half, so that the half reaches the client.
const BEFORE_CUT: Duration = Duration::from_millis(30);

/// The media type of nearly every answer.
const JSON: &str = "application/json; charset=utf-8";

/// What a fault does to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Nothing of it is sent.
    Lost,
    /// The body is sent in pieces over this time.
    Slow(Duration),
    /// Half of the body is sent.
    Cut,
    /// The body ends in the middle of the JSON.
    Malformed,
}

/// An error answer.
pub(crate) fn refuse(error: &ApiError, request_id: &str) -> Response {
    let body = error_body(error, request_id);
    let mut response = json(error.status, Body::from(body));
    if let Some(value) = &error.retry_after
        && let Ok(value) = HeaderValue::from_str(value)
    {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

/// A redirect.
pub(crate) fn redirect(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

/// The answer to a handler's result; `None` when nothing of it is to be sent.
pub(crate) fn write(result: Result<Reply, ApiError>, request_id: &str, damage: Option<Damage>) -> Option<Response> {
    let (status, body) = match &result {
        Ok(reply) => {
            let json = reply.body.as_ref().map(|body| Bytes::from(body.to_string()));
            (reply.status, json.or_else(|| reply.bytes.clone()))
        }
        Err(error) => (error.status, Some(error_body(error, request_id))),
    };
    let media_type = match &result {
        Ok(Reply { bytes: Some(_), .. }) => "application/octet-stream",
        _ => JSON,
    };
    let Some(damage) = damage else {
        return Some(match (result, body) {
            (Err(error), _) => refuse(&error, request_id),
            (Ok(_), Some(body)) => typed(status, Body::from(body), media_type),
            (Ok(_), None) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status;
                response
            }
        });
    };
    let body = body.unwrap_or_default();
    match damage {
        Damage::Lost => None,
        Damage::Slow(time) => Some(promised(status, body.len(), slow(body, time), media_type)),
        Damage::Cut => Some(promised(status, body.len(), cut(body), media_type)),
        Damage::Malformed => {
            let half = body.slice(..body.len() / 2);
            let half = if half.is_empty() {
                Bytes::from_static(b"{")
            } else {
                half
            };
            let status = if status == StatusCode::NO_CONTENT {
                StatusCode::OK
            } else {
                status
            };
            Some(json(status, Body::from(half)))
        }
    }
}

fn error_body(error: &ApiError, request_id: &str) -> Bytes {
    if let Some(body) = &error.body {
        return serde_json::to_vec(body).unwrap_or_default().into();
    }
    serde_json::to_vec(&ErrorBody {
        request_id,
        code: &error.code,
        message: &error.message,
    })
    .unwrap_or_default()
    .into()
}

fn json(status: StatusCode, body: Body) -> Response {
    typed(status, body, JSON)
}

fn typed(status: StatusCode, body: Body, media_type: &'static str) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let value = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

/// An answer whose length is promised before the body is there.
fn promised(status: StatusCode, length: usize, body: Body, media_type: &'static str) -> Response {
    let mut response = typed(status, body, media_type);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// The body in pieces, with a pause before each.
fn slow(body: Bytes, time: Duration) -> Body {
    let size = body.len().div_ceil(PIECES).max(1);
    let pause = time / u32::try_from(PIECES).unwrap_or(1);
    Body::from_stream(stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(size.min(rest.len()));
        Some((Ok::<_, io::Error>(piece), rest))
    }))
}

/// Half of the body, then an error, upon which the connection closes.
fn cut(body: Bytes) -> Body {
    let half = body.slice(..body.len() / 2);
    Body::from_stream(stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
            _ => {
                tokio::time::sleep(BEFORE_CUT).await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
            }
        }
    }))
}
