//! What this server says of itself as a protected resource (RFC 9728).

use axum::Router;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::get;
use serde_json::{Value, json};

use crate::guard::Scopes;

/// Where the metadata are; the path of the resource is appended, too (section 3.1).
const PATH: &str = "/.well-known/oauth-protected-resource";

/// The path of the resource.
const RESOURCE: &str = "/mcp";

/// The metadata of this server.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    public: String,
    issuer: String,
    scopes: Scopes,
}

impl Resource {
    pub(super) fn new(public: &str, issuer: &str, scopes: Scopes) -> Self {
        Self {
            public: public.trim_end_matches('/').to_owned(),
            issuer: issuer.to_owned(),
            scopes,
        }
    }

    /// What clients call it by.
    pub(super) fn identifier(&self) -> String {
        format!("{}{RESOURCE}", self.public)
    }

    /// Where its metadata are, for clients.
    pub(super) fn metadata_url(&self) -> String {
        format!("{}{PATH}{RESOURCE}", self.public)
    }

    fn metadata(&self) -> Value {
        json!({
            "resource": self.identifier(),
            "authorization_servers": [self.issuer],
            "scopes_supported": self.scopes.names().collect::<Vec<_>>(),
            "bearer_methods_supported": ["header"],
            "resource_name": "Neon (serverless Postgres)",
        })
    }

    /// Serves the metadata to whoever asks: they are no secret, and pages of clients read them from elsewhere.
    pub(super) fn router(&self) -> Router {
        let metadata = self.metadata();
        let answer = move || {
            let body = axum::Json(metadata.clone());
            async move { (public(), body).into_response() }
        };
        let asked = async || (StatusCode::NO_CONTENT, public());
        Router::new()
            .route(PATH, get(answer.clone()).options(asked))
            .route(&format!("{PATH}{RESOURCE}"), get(answer).options(asked))
    }
}

fn public() -> [(HeaderName, HeaderValue); 4] {
    [
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, OPTIONS")),
        (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*")),
        (CACHE_CONTROL, HeaderValue::from_static("max-age=300")),
    ]
}
