//! Serving many clients over streamable HTTP, on loopback.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use http::{Method, StatusCode};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::approve_page;
use super::handler::NeonServer;

/// The largest request that is read, in bytes: 1 MiB.
pub const MOST_BODY_BYTES: usize = 1024 * 1024;

/// How long running calls have to end after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long an answer that is ready has to be written.
const FLUSH: Duration = Duration::from_millis(250);

/// Why serving couldn't begin, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another address than loopback would let anyone on the network use the operator's key.
    #[error(
        "{0} is not a loopback address: this server has no way yet to tell who calls, so it listens on 127.0.0.1 or ::1 only"
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
        Ok(Self { listener, address })
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
    /// The approval page is served beside it, where the policy takes a yes from there.
    ///
    /// Requests with a `Host` other than loopback are refused (403), as are those with an `Origin` that isn't this server's own,
    /// since only a browser sends one; bodies over [`MOST_BODY_BYTES`] are refused (413).
    ///
    /// # Errors
    /// When accepting connections fails.
    pub async fn serve(self, server: NeonServer, stop: CancellationToken) -> Result<(), HttpError> {
        let Self { listener, address } = self;
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
            Arc::new(LocalSessionManager::default()),
            config,
        );
        let mut router = Router::new().nest_service("/mcp", service).layer(from_fn(ended));
        if let Some(engine) = page {
            router = router.merge(approve_page::router(engine, origins.into()));
        }
        // Without this each event took 40 ms: the kernel held it back for an acknowledgement.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let drained = {
            let (stop, end, running) = (stop.clone(), end.clone(), running.clone());
            async move {
                stop.cancelled().await;
                tracing::info!("stopping: no new connections, running calls have {} s", DRAIN.as_secs());
                // Streams that only listen never end by themselves: they end when no call runs any more.
                tokio::spawn(async move {
                    running.close();
                    let _ = tokio::time::timeout(DRAIN, running.wait()).await;
                    tokio::time::sleep(FLUSH).await;
                    end.cancel();
                });
            }
        };
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(drained)
            .into_future();
        tokio::select! {
            served = serving => served?,
            () = async {
                end.cancelled().await;
                tokio::time::sleep(FLUSH * 4).await;
            } => tracing::debug!("connections that were still open were dropped"),
        }
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
