//! What a request holds until its answer is over.

use axum::body::Body;
use axum::response::Response;
use futures::StreamExt as _;
use http::header::CONTENT_TYPE;

/// Whether an answer is a stream of events, which comes in pieces.
pub(super) fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The same answer, which holds on to something until its last piece is sent. An answer that is whole already lets go of it at once.
pub(super) fn held<T: Send + 'static>(response: Response, kept: T) -> Response {
    if !is_stream(&response) {
        return response;
    }
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |piece| {
            let _ = &kept;
            piece
        }))
    })
}
