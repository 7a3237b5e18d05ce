//! Links to objects: uploads and downloads by whoever holds one, without a key.

use std::sync::Arc;

use axum::{
    Router,
    body::to_bytes,
    extract::{Path, Request, State as Shares},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};

use super::{answer, api::objects, error::ApiError, ids, request::MAX_BODY, shared::Shared, state::services::Link};

/// The routes, to be nested under `/storage`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/{token}", get(download).put(upload))
        .with_state(shared)
}

fn refuse(error: &ApiError) -> Response {
    answer::refuse(error, &ids::request_id())
}

/// The link of that token, for that use.
fn link(shared: &Shared, token: &str, uploads: bool) -> Result<Link, ApiError> {
    let mut state = shared.state();
    state.settle();
    state
        .links
        .get(token)
        .filter(|link| link.uploads == uploads)
        .cloned()
        .ok_or_else(|| ApiError::forbidden("the link is not valid for this, or has expired"))
}

async fn download(Shares(shared): Shares<Arc<Shared>>, Path(token): Path<String>) -> Response {
    let object = link(&shared, &token, false).and_then(|link| {
        let state = shared.state();
        objects::find(&state, &link).cloned()
    });
    match object {
        Ok(object) => ([(CONTENT_TYPE, object.content_type)], object.content.0).into_response(),
        Err(error) => refuse(&error),
    }
}

async fn upload(
    Shares(shared): Shares<Arc<Shared>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let link = match link(&shared, &token, true) {
        Ok(link) => link,
        Err(error) => return refuse(&error),
    };
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if link.content_type.as_deref().is_some_and(|wanted| given != Some(wanted)) {
        return refuse(&ApiError::forbidden("the link was made for another Content-Type"));
    }
    let Ok(body) = to_bytes(request.into_body(), MAX_BODY).await else {
        return refuse(&ApiError::too_large());
    };
    let content_type = given.unwrap_or("application/octet-stream").to_owned();
    let stored = objects::store(&mut shared.state(), &link, body, content_type);
    match stored {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => refuse(&error),
    }
}
