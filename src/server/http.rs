//! Serving many clients over streamable HTTP, on loopback.

mod auth;
mod connections;
mod sessions;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::connections::Peer;
use self::sessions::BoundedSessions;
use super::approve_page;
use super::handler::NeonServer;

pub use auth::{BearerToken, InvalidToken, MIN_TOKEN_CHARS, TokenFile};

/// The largest request that is read, in bytes: 1 MiB.
pub const MOST_BODY_BYTES: usize = 1024 * 1024;

/// How long running calls have to end after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long an answer that is ready has to be written.
const FLUSH: Duration = Duration::from_millis(250);

/// How long a client is told to wait that gets no session, in seconds.
const RETRY_SECONDS: &str = "10";

/// Bounds on what clients may hold of the server, each of which costs it memory.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Sessions in all. Default 1,000: some 90 MB.
    pub sessions: usize,
    /// Sessions that were opened from one address. Default 1,000: on loopback, all come from one as a rule.
    pub sessions_of_one: usize,
    /// How long a session lasts that has no open stream and gets no request. Default 15 minutes.
    pub session_idle: Duration,
    /// Connections in all. Default 1,500.
    pub connections: usize,
    /// Connections from one address. Default 1,200.
    pub connections_of_one: usize,
    /// How long a connection has for the head of a request, counted from its start or from the last answer. Default 30 seconds.
    pub head: Duration,
    /// How long a request has for its body after that. Default 30 seconds.
    pub body: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            sessions: 1_000,
            sessions_of_one: 1_000,
            session_idle: Duration::from_secs(15 * 60),
            connections: 1_500,
            connections_of_one: 1_200,
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
        }
    }
}

/// Why serving couldn't begin, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another address than loopback would let anyone on the network use the operator's key.
    #[error(
        "{0} is not a loopback address: what is said here isn't encrypted, so this server listens on 127.0.0.1 or ::1 only"
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
    /// The approval page is served beside it, where the policy takes a yes from there: it has a secret of its own, and so wants no
    /// token. Everything else wants the token, where there is one (401 without it).
    ///
    /// Requests with a `Host` other than loopback are refused (403), as are those with an `Origin` that isn't this server's own,
    /// since only a browser sends one; bodies over [`MOST_BODY_BYTES`] are refused (413), and those that come too slowly (408). When
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
        let port = address.port();
        let origins = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}"));
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(true)
            .with_json_response(true)
            .with_max_request_body_bytes(MOST_BODY_BYTES)
            .with_allowed_hosts(["localhost", "127.0.0.1", "::1", "[::1]"])
            .enforce_origin_validation()
            .with_allowed_origins(origins.clone())
            .with_cancellation_token(end.clone());
        let confirmations = &server.engine().guards().confirmations;
        let page = confirmations.serves_page().then(|| server.engine().clone());
        let service = StreamableHttpService::new(
            move || Ok(server.for_another_client()),
            BoundedSessions::new(limits.sessions, limits.sessions_of_one, limits.session_idle),
            config,
        );
        let mut router = Router::new()
            .nest_service("/mcp", service)
            .fallback(async || StatusCode::NOT_FOUND)
            .layer(from_fn(ended))
            .layer(from_fn_with_state(limits.body, whole));
        // The outermost: who shows no token gets nothing else done.
        if let Some(token) = &token {
            router = router.layer(from_fn_with_state(auth::Gate::new(token), auth::checked));
        }
        if let Some(engine) = page {
            router = router.merge(approve_page::router(engine, origins.into()));
        }
        let draining = {
            let (stop, end, running) = (stop.clone(), end.clone(), running.clone());
            async move {
                stop.cancelled().await;
                tracing::info!("stopping: no new connections, running calls have {} s", DRAIN.as_secs());
                // Streams that only listen never end by themselves: they end when no call runs any more.
                running.close();
                let _ = tokio::time::timeout(DRAIN, running.wait()).await;
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

/// Answers the end of a session with 204. rmcp answers 202, but the session is gone by then, and the official Python SDK
/// warns its user about every session whose end isn't answered with 200 or 204.
async fn ended(request: Request, next: Next) -> Response {
    let is_end = request.method() == Method::DELETE;
    let response = next.run(request).await;
    if is_end && response.status() == StatusCode::ACCEPTED {
        return StatusCode::NO_CONTENT.into_response();
    }
    response
}

/// Reads the whole request before it is answered, within bounds of size and time, and answers it as one of its peer's.
async fn whole(
    State(patience): State<Duration>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(patience, to_bytes(body, MOST_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let request = Request::from_parts(head, Body::from(body));
    let (response, full) = sessions::counted(peer, next.run(request)).await;
    if !full {
        return response;
    }
    let later = [(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS))];
    let text = "Every session that this server may have is in use.\n";
    (StatusCode::SERVICE_UNAVAILABLE, later, text).into_response()
}
