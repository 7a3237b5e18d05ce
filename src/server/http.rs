//! Serving many clients over streamable HTTP, on loopback.
//!
//! ```no_run
//! use neon_mcp::engine::Engine;
//! use neon_mcp::server::NeonServer;
//! use neon_mcp::server::http::{HttpError, HttpServer};
//! use tokio_util::sync::CancellationToken;
//!
//! /// Serves all clients that have the token, until it is told to stop.
//! async fn serve(engine: Engine, stop: CancellationToken) -> Result<(), HttpError> {
//!     let http = HttpServer::bind(([127, 0, 0, 1], 0).into()).await?;
//!     http.serve(NeonServer::new(engine), stop).await
//! }
//! ```

mod auth;
mod connections;
pub(super) mod from_here;
mod limits;
mod sessions;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use rmcp::ErrorData;
use rmcp::model::{ErrorCode, RequestId, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::connections::Peer;
pub use self::limits::HttpLimits;
use self::sessions::{BoundedSessions, Lack};
use super::approve_page;
use super::handler::NeonServer;
use super::messages::{self, Checked, Refused};
use crate::neon::text::one_line;

pub use auth::{BearerToken, InvalidToken, MIN_TOKEN_CHARS, TokenFile};

/// The largest request that is read, in bytes: 1 MiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How long running calls have to end after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a call that is cut has to say what it knows.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long an answer that is ready has to be written.
const FLUSH: Duration = Duration::from_millis(250);

/// How long a client is told to wait that gets no session, in seconds.
const RETRY_SECONDS: &str = "10";

/// Why serving couldn't begin, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another address than loopback would let anyone on the network use the operator's key.
    #[error(
        "{0} is not a loopback address: what is said here isn't encrypted, so this server listens on 127.0.0.1 or ::1 only, e.g. --listen 127.0.0.1:7373"
    )]
    NotLoopback(IpAddr),
    /// The operating system said no.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Accepting connections failed.
    #[error("serving failed: {0}")]
    Serve(#[from] std::io::Error),
}

/// A server that listens.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    limits: HttpLimits,
    token: Option<BearerToken>,
}

impl HttpServer {
    /// Listens on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address isn't loopback, or is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        if !address.ip().is_loopback() {
            return Err(HttpError::NotLoopback(address.ip()));
        }
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| HttpError::Listen { address, source })?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            limits: HttpLimits::default(),
            token: None,
        })
    }

    /// The same server with other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: HttpLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same server for clients that show this token, and for no others. Without one, it serves whoever reaches the port.
    #[must_use]
    pub fn with_token(mut self, token: BearerToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that clients take.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    /// The server's origin, in which clients and browsers reach it.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until `stop` is cancelled; then accepts no more, lets running calls end for ten seconds, and cancels the rest.
    ///
    /// The approval page is served beside it, where the policy takes approvals from there: it has a secret of its own, and so wants no
    /// token. Everything else wants the token, where there is one (401 without it).
    ///
    /// Requests with a `Host` other than loopback are refused (403), as are those with an `Origin` that isn't this server's own,
    /// since only a browser sends one; bodies over [`MAX_BODY_BYTES`] are refused (413), and those that come too slowly (408). When
    /// every session is in use, another is refused (503, with `Retry-After`).
    ///
    /// # Errors
    /// When accepting connections fails.
    pub async fn serve(self, server: NeonServer, stop: CancellationToken) -> Result<(), HttpError> {
        let Self {
            listener,
            address,
            limits,
            token,
        } = self;
        let server = match &token {
            Some(token) => server.behind(&token.digest()),
            None => server,
        };
        // rmcp's own token ends sessions at once: it comes after the drain.
        let end = CancellationToken::new();
        let running = server.running().clone();
        let server_cut = server.cut().clone();
        let origins = from_here::origins(address.port());
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(true)
            .with_json_response(true)
            .with_max_request_body_bytes(MAX_BODY_BYTES)
            .with_allowed_hosts(["localhost", "127.0.0.1", "::1", "[::1]"])
            .enforce_origin_validation()
            .with_allowed_origins(origins.clone())
            .with_cancellation_token(end.clone());
        let approval_flow = &server.engine().guards().approval_flow;
        let page = approval_flow.serves_page().then(|| server.engine().clone());
        let service = StreamableHttpService::new(
            move || Ok(server.for_another_client()),
            BoundedSessions::new(limits.sessions, limits.sessions_of_one, limits.session_idle),
            config,
        );
        let mut router = Router::new()
            .route_service("/mcp", service.clone())
            .route_service("/mcp/", service)
            .fallback(async || StatusCode::NOT_FOUND)
            .layer(from_fn_with_state(limits.body, whole));
        // Who shows no token gets nothing else done.
        if let Some(token) = &token {
            router = router.layer(from_fn_with_state(auth::Gate::new(token), auth::checked));
        }
        // The outermost: a page from elsewhere learns nothing at all, not even whether a token is wanted.
        router = router.layer(from_fn_with_state(Arc::from(origins.clone()), from_here::checked));
        if let Some(engine) = page {
            router = router.merge(approve_page::router(engine, origins));
        }
        let draining = {
            let (stop, end, running) = (stop.clone(), end.clone(), running.clone());
            let cut = server_cut;
            async move {
                stop.cancelled().await;
                tracing::info!("stopping: no new connections, running calls have {} s", DRAIN.as_secs());
                // Streams that only listen never end by themselves: they end when no call runs any more.
                running.close();
                if tokio::time::timeout(DRAIN, running.wait()).await.is_err() {
                    cut.cancel();
                    let _ = tokio::time::timeout(LAST_WORDS, running.wait()).await;
                }
                tokio::time::sleep(FLUSH).await;
                end.cancel();
            }
        };
        let draining = tokio::spawn(draining);
        tokio::select! {
            () = connections::serve(listener, router, &limits, stop) => {}
            () = async {
                end.cancelled().await;
                tokio::time::sleep(FLUSH * 4).await;
            } => tracing::debug!("connections that were still open were dropped"),
        }
        draining.abort();
        end.cancel();
        tracing::info!("stopped");
        Ok(())
    }
}

/// What a request of ours may not have beside its body: other servers take settings there, this one from its operator alone.
const SETTINGS_ARE_THE_OPERATORS: &str = "this server takes no settings from requests: whoever starts it gives them \
    (--read-only, --toolsets, --project-id, ...)";

/// Reads the whole request before it is answered, within bounds of size and time, and answers it as one of its peer's.
async fn whole(
    State(patience): State<Duration>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(setting) = setting(&request) {
        let text = format!("{setting} isn't understood: {SETTINGS_ARE_THE_OPERATORS}");
        return refused(StatusCode::BAD_REQUEST, None, ErrorData::invalid_request(text, None));
    }
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(patience, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if is_too_large(&error) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        // The client broke off, or its framing is broken.
        Ok(Err(_)) => return StatusCode::BAD_REQUEST.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let is_json = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = is_json.is_some_and(|kind| {
        let essence = kind.split_once(';').map_or(kind, |(essence, _)| essence);
        essence.trim().eq_ignore_ascii_case("application/json")
    });
    let body = if head.method == Method::POST && is_json && head.uri.path().starts_with("/mcp") {
        match message(&body) {
            Ok(changed) => changed.unwrap_or(body),
            Err(response) => return *response,
        }
    } else {
        body
    };
    let is_end = head.method == Method::DELETE;
    let mut head = head;
    // What is sent on may have another length.
    head.headers.remove(CONTENT_LENGTH);
    let request = Request::from_parts(head, Body::from(body));
    let (response, lack) = sessions::counted(peer, next.run(request)).await;
    match lack {
        Some(Lack::Full) => {
            let later = [(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS))];
            let text = "Every session that this server may have is in use.\n";
            (StatusCode::SERVICE_UNAVAILABLE, later, text).into_response()
        }
        Some(Lack::Unknown) if is_end => StatusCode::NOT_FOUND.into_response(),
        // rmcp answers the end of a session with 202, but it is gone by then, and the official Python SDK warns its user about
        // every session whose end isn't answered with 200 or 204.
        _ if is_end && response.status() == StatusCode::ACCEPTED => StatusCode::NO_CONTENT.into_response(),
        _ if response.status().is_client_error() => with_id(response).await,
        _ => response,
    }
}

/// The same answer, with the id `null` where it is a JSON-RPC error without one (as [`messages::written`]).
async fn with_id(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "application/json") {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_BODY_BYTES).await else {
        return head.status.into_response();
    };
    let written = serde_json::from_slice(&bytes).and_then(|message| messages::written(&message));
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(written.map_or(bytes, Bytes::from)))
}

/// A setting that a request tries to make, as people copy it from the addresses of other servers.
fn setting(request: &Request) -> Option<String> {
    if !request.uri().path().starts_with("/mcp") {
        return None;
    }
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        let name = query.split(['&', '=']).next().unwrap_or_default();
        return Some(format!("the query parameter `{}`", one_line(name, 60)));
    }
    let is_setting = |name: &&http::HeaderName| name.as_str().starts_with("x-neon-") || name.as_str() == "x-read-only";
    let name = request.headers().keys().find(is_setting)?;
    Some(format!("the header `{}`", one_line(name.as_str(), 60)))
}

/// What is to be sent on in the place of a body, if anything is, or the answer to one that isn't a message.
fn message(body: &[u8]) -> Result<Option<Bytes>, Box<Response>> {
    let no = |status, id, error| Err(Box::new(refused(status, id, error)));
    let checked = match messages::read(body) {
        Ok(checked) => checked,
        Err(error) => {
            let text = format!("the message is no JSON that can be read: {error}");
            return no(StatusCode::BAD_REQUEST, None, ErrorData::parse_error(text, None));
        }
    };
    match checked {
        Checked::Fine => Ok(None),
        Checked::Changed(message) => Ok(Some(message.to_string().into())),
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

fn refused(status: StatusCode, id: Option<RequestId>, error: ErrorData) -> Response {
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    match messages::written(&ServerJsonRpcMessage::error(error, id)) {
        Ok(body) => (status, json, body).into_response(),
        Err(_) => status.into_response(),
    }
}

/// Whether a body was larger than is read.
fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
