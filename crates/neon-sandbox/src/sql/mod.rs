//! SQL over HTTP, the protocol of Neon's proxy: one POST runs one statement, or several in one transaction.
//!
//! A request passes the files in this order:
//!
//! ```text
//! routes      the path `/sql`, CORS, the size of the body
//! connection  the header Neon-Connection-String: who connects to what
//! request     the other headers and the JSON body
//! session     a connection to Postgres: startup, authentication, cancellation
//! batch       one statement, or a transaction of them
//! statement   Parse, Describe, Bind, Execute, Sync
//! response    fields, rows and command as JSON; `value` and `types` turn Postgres' text into JSON values
//! ```
//!
//! Beside them: `wire` (messages on the socket), `error` (refusals in the proxy's shape).
//! There is no pool: every request has a session of its own, so that no setting of one reaches another.

mod batch;
mod connection;
mod error;
mod request;
mod response;
mod routes;
mod session;
mod statement;
mod types;
mod value;
mod wire;

use std::path::PathBuf;

use axum::response::{IntoResponse as _, Response};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE},
};

pub(crate) use connection::ConnectionString;
pub(crate) use error::SqlError;
pub(crate) use routes::routes;

use request::{Options, Payload};
use session::Session;

/// The largest request, and the largest response, in bytes.
///
/// Both are what the open-source proxy has by default (its options `sql-over-http-max-request-size-bytes` and
/// `sql-over-http-max-response-size-bytes`). Neon's documentation speaks of 64 MB for the service.
pub(crate) const MAX_BYTES: usize = 10 * 1024 * 1024;

/// Where a compute's Postgres listens.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its unix socket, the file itself (`…/.s.PGSQL.5432`).
    pub(crate) socket: PathBuf,
}

/// Answers one request whose body is `body`.
///
/// When the future is dropped, Postgres is asked to cancel the statement that runs.
pub(crate) async fn answer(
    target: &Target,
    connection: &ConnectionString,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let mut response = match run(target, connection, headers, body).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

async fn run(
    target: &Target,
    connection: &ConnectionString,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, SqlError> {
    let options = Options::read(headers)?;
    let payload = Payload::read(body)?;
    let mut session = Session::open(target, connection).await?;
    let (echo, json) = match payload {
        Payload::Single(query) => (Vec::new(), batch::single(&mut session, &query, &options).await?),
        Payload::Batch { queries } => (
            options.echo(),
            batch::transaction(&mut session, &queries, &options).await?,
        ),
    };
    session.close().await;
    let mut response = ([(CONTENT_TYPE, "application/json")], json).into_response();
    for (name, value) in echo {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Ok(response)
}
