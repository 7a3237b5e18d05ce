//! `/metrics` for Prometheus, on a listener of its own: whoever scrapes needs no token, and clients don't reach it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::listen::BindError;
use super::taken::Taken;
use crate::telemetry;

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Connections in all, and from one address: a few scrapers, and probes. One more is closed at once, so that nobody waits for another.
const MAX_CONNECTIONS: usize = 256;
const MAX_OF_ONE: usize = 16;

/// How long a scraper has for the head of its request.
const HEAD: Duration = Duration::from_secs(3);

/// How long a connection lasts: a scraper that keeps one open makes another then.
const MAX_TIME: Duration = Duration::from_secs(600);

/// How long to wait when the operating system has no connection to give.
const BREATH: Duration = Duration::from_millis(500);

/// A listener for those who scrape the metrics.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl MetricsServer {
    /// Listens there; port 0 takes a free one. The metrics name no caller, but anyone who reaches the address reads them.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let listen = |source| BindError::Address { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        Ok(Self {
            address: listener.local_addr().map_err(listen)?,
            listener,
        })
    }

    /// Where the metrics are.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// Serves for as long as it is polled, a few connections of each address at once.
    pub async fn serve(self) {
        let connections = Taken::nothing();
        let router = router(self.address);
        let mut open = JoinSet::new();
        loop {
            let Ok((stream, peer)) = self.listener.accept().await else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            while open.try_join_next().is_some() {}
            let place = connections.take(peer.ip(), 1, |with| {
                let is_room = with.all <= MAX_CONNECTIONS && with.of_one <= MAX_OF_ONE;
                is_room.then_some(()).ok_or(())
            });
            let Ok(place) = place else { continue };
            let service = TowerToHyperService::new(router.clone());
            open.spawn(async move {
                let _place = place;
                let mut builder = Builder::new(TokioExecutor::new()).http1_only();
                builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                // Whoever reads too slowly gives its place back, too.
                let _ = tokio::time::timeout(MAX_TIME, connection).await;
            });
        }
    }
}

fn router(address: SocketAddr) -> Router {
    let metrics = async || match telemetry::exposition() {
        Some(text) => Ok(([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")], text)),
        None => Err(StatusCode::SERVICE_UNAVAILABLE),
    };
    let router = Router::new()
        .route("/metrics", get(metrics))
        // Whether this process lives, whatever its clients do: their connections have bounds of their own.
        .route("/healthz", get(async || "ok\n"))
        .fallback(async || StatusCode::NOT_FOUND);
    if !address.ip().is_loopback() {
        return router;
    }
    // No page in a browser of this machine reads it, under whatever name it comes here.
    router.layer(from_fn(async |request: Request, next: Next| {
        match is_from_here(request.headers()) {
            true => next.run(request).await,
            false => StatusCode::FORBIDDEN.into_response(),
        }
    }))
}

/// Whether a request names this machine, and comes from no page.
fn is_from_here(headers: &HeaderMap) -> bool {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let is_local = |host: Authority| ["localhost", "127.0.0.1", "[::1]"].contains(&host.host());
    host.is_some_and(is_local) && !headers.contains_key(ORIGIN)
}
