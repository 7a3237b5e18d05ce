//! Answers one request: reads it, runs it in a session of its own, writes the response.

use axum::response::{IntoResponse as _, Response};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE},
};

use super::{
    ConnectionString, SqlError, Target, batch,
    request::{Options, Payload},
    session::Session,
};

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
