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

mod admission;
mod auth;
mod connections;
pub(super) mod from_here;
mod limits;
mod message;
mod narrowing;
mod sessions;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::StatusCode;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::admission::Admission;
use self::auth::Auth;
pub use self::limits::HttpLimits;
use self::sessions::BoundedSessions;
use super::approve_page;
use super::handler::NeonServer;
use crate::guard::{Identity, Principal};
use crate::sign_in::WebSignIn;

pub use auth::{BearerToken, InvalidToken, MIN_TOKEN_CHARS, TokenFile};

/// The largest request that is read, in bytes: 1 MiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How long running calls have to end after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a call that is cut has to say what it knows.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long an answer that is ready has to be written.
const FLUSH: Duration = Duration::from_millis(250);

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
    approvers: Option<WebSignIn>,
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
            approvers: None,
        })
    }

    /// The same server with an approval page where approvers sign in, in place of one that asks for a secret.
    #[must_use]
    pub fn with_approvers(mut self, sign_in: Option<WebSignIn>) -> Self {
        self.approvers = sign_in;
        self
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
            approvers,
        } = self;
        let server = server.to(Principal::new(Identity::Http(None)));
        let auth = match &token {
            Some(token) => Auth::Token(auth::Gate::new(token)),
            None => Auth::Nobody,
        };
        let reading = message::Reading {
            patience: limits.body,
            admission: Arc::new(Admission::new(&server)),
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
            .layer(from_fn_with_state(reading, message::whole))
            // Who isn't known gets nothing else done.
            .layer(from_fn_with_state(Arc::new(auth), auth::checked));
        // The outermost: a page from elsewhere learns nothing at all, not even whether a token is wanted.
        router = router.layer(from_fn_with_state(Arc::from(origins.clone()), from_here::checked));
        if let Some(engine) = page {
            router = router.merge(approve_page::router(engine, origins, approvers));
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
