//! The path `/sql`: reads the body up to its limit, finds the compute, answers; and what browsers ask beforehand (CORS).

use std::{future::Future, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
    routing::any,
};
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_MAX_AGE, ALLOW,
    },
};
use http_body_util::BodyExt as _;

use super::{ConnectionString, MAX_BYTES, SqlError, Target, answer::answer};

/// How much of a body that is too large is still read, so that its sender comes to read why it was refused.
const DISCARDED: usize = 8 * MAX_BYTES;

/// What a browser is told before it sends a request.
const PREFLIGHT: [(HeaderName, &str); 5] = [
    (ALLOW, "OPTIONS, POST"),
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (ACCESS_CONTROL_ALLOW_METHODS, "OPTIONS, POST"),
    (
        ACCESS_CONTROL_ALLOW_HEADERS,
        "Authorization, Content-Type, Neon-Connection-String, Neon-Raw-Text-Output, Neon-Array-Mode, Neon-Pool-Opt-In, \
         Neon-Batch-Read-Only, Neon-Batch-Isolation-Level, Neon-Batch-Deferrable",
    ),
    (ACCESS_CONTROL_MAX_AGE, "86400"),
];

/// The route `/sql`. `find` says which compute a connection string means, or why there is none; it may start one.
pub(crate) fn routes<F, Found>(find: F) -> Router
where
    F: Fn(&ConnectionString) -> Found + Send + Sync + 'static,
    Found: Future<Output = Result<Target, SqlError>> + Send + 'static,
{
    let find = Arc::new(find);
    let serve = move |request: Request| {
        let find = Arc::clone(&find);
        async move {
            match *request.method() {
                Method::POST => post(&*find, request).await.unwrap_or_else(SqlError::into_response),
                Method::OPTIONS => preflight(),
                _ => (StatusCode::BAD_REQUEST, Json("query is not supported")).into_response(),
            }
        }
    };
    Router::new().route("/sql", any(serve))
}

async fn post<F, Found>(find: &F, request: Request) -> Result<Response, SqlError>
where
    F: Fn(&ConnectionString) -> Found,
    Found: Future<Output = Result<Target, SqlError>>,
{
    let (parts, body) = request.into_parts();
    let connection = ConnectionString::parse(&parts.headers)?;
    tracing::debug!(
        host = connection.host,
        port = connection.port,
        user = connection.user,
        database = connection.database,
        ignored = ?connection.options.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "SQL over HTTP",
    );
    let body = read(body).await?;
    let target = find(&connection).await?;
    Ok(answer(&target, &connection, &parts.headers, &body).await)
}

async fn read(mut body: Body) -> Result<Vec<u8>, SqlError> {
    let mut read = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| SqlError::bad_request(format!("could not read the HTTP request body: {error}")))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= MAX_BYTES {
            read.extend_from_slice(data);
        } else if length <= DISCARDED {
            read = Vec::new();
        } else {
            break;
        }
    }
    if length > MAX_BYTES {
        return Err(SqlError::request_too_large(MAX_BYTES));
    }
    Ok(read)
}

fn preflight() -> Response {
    let mut response = StatusCode::OK.into_response();
    for (name, value) in PREFLIGHT {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
