//! What every route takes of a request: its id, and how large its body may be.

use http::HeaderMap;

use super::ids;

/// The header that names a request.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The largest body that is read.
pub(crate) const MAX_BODY: usize = 40 * 1024 * 1024;

/// The id that the client gave the request, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
        .map_or_else(ids::request_id, str::to_owned)
}
