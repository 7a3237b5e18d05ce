//! Whether a request comes to this server by a name of its own: not from a page elsewhere that a browser here has open.
//!
//! A browser says from where a page comes (`Origin`), and under which name it reached this server (`Host`); a page elsewhere can
//! choose neither, but it can have its own name lead here (DNS rebinding). Both are looked at before anything else of a request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::place::Place;

/// What is said to a request from elsewhere.
const NOT_FROM_HERE: &str = "Forbidden: this server answers only to its own names, and only its own pages. Its operator sets them with --public-url.\n";

/// Lets only requests in that come by a name of the server's, and from no page or one of its own: the others are refused (403)
/// whatever they ask for. Nothing of the body is read before.
pub(super) async fn checked(State(place): State<Arc<Place>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if place.is_own_host(headers, request.uri()) && place.is_own_origin(headers) {
        return next.run(request).await;
    }
    tracing::warn!("a request from elsewhere is refused: its Host or Origin isn't this server's own");
    (StatusCode::FORBIDDEN, NOT_FROM_HERE).into_response()
}
