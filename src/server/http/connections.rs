//! Connections within bounds: how many, from whom, and how long one may take to say what it wants.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use http::StatusCode;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer;
use super::held::held;
use super::limits::HttpLimits;
use super::listen::{Listener, Stream};
use super::patient::Patient;
use super::peer::{Peer, neighbourhood};
use super::place::Place;
use super::taken::{Share, Taken, With};
use super::tls::Tls;
use crate::telemetry::{self, Metric};

/// How long to wait when the operating system has no connection to give (too many open files).
const BREATH: Duration = Duration::from_millis(500);

/// How long whoever gets no connection or no answer is told to wait, in seconds.
const RETRY_SECONDS: u64 = 5;

/// The largest head of a request, in bytes: 32 KiB. Tokens of issuers that name many groups have some 16; hyper would hold 400.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// A connection that a proxy in front made.
#[derive(Debug, Clone, Copy)]
struct Hop(IpAddr);

/// How many connections there are, by peer, and how many requests at once of peers behind a proxy.
#[derive(Debug)]
pub(super) struct Count {
    most: usize,
    most_of_one: usize,
    /// Without an address where the peer is a proxy, behind which many are.
    now: Arc<Taken<Option<IpAddr>>>,
}

impl Count {
    pub(super) fn new(limits: &HttpLimits) -> Arc<Self> {
        Arc::new(Self {
            most: limits.connections,
            most_of_one: limits.connections_of_one,
            now: Taken::nothing(),
        })
    }

    fn total(&self) -> u64 {
        self.now.all() as u64
    }

    /// Counts one more.
    ///
    /// # Errors
    /// The bound, where there are enough.
    fn one(&self, peer: Option<IpAddr>, is_connection: bool) -> Result<Counted, Over> {
        let amount = With {
            all: usize::from(is_connection),
            of_one: usize::from(peer.is_some()),
        };
        self.now.take_of(peer.map(neighbourhood), amount, |with| match () {
            () if with.of_one > self.most_of_one && is_connection => Err(Over::OfOne),
            () if with.of_one > self.most_of_one => Err(Over::RequestsOfOne),
            () if is_connection && with.all > self.most => Err(Over::All),
            () => Ok(()),
        })
    }
}

/// Something of a peer's that counts.
type Counted = Share<Option<IpAddr>>;

/// A bound that one more would be beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// Connections in all.
    All,
    /// Connections from one address.
    OfOne,
    /// Requests at once from one address behind a proxy.
    RequestsOfOne,
}

impl Over {
    /// What whoever is beyond it is told.
    fn text(self, count: &Count) -> String {
        let (what, most, flag) = match self {
            Self::All => ("connections are open", count.most, "--max-connections"),
            Self::OfOne => (
                "connections are open from your address",
                count.most_of_one,
                "--max-connections-per-address",
            ),
            Self::RequestsOfOne => (
                "requests run at once from your address",
                count.most_of_one,
                "--max-connections-per-address",
            ),
        };
        format!("{most} {what}, which is as many as this server takes ({flag}); nothing was done")
    }

    /// The whole answer to a connection that isn't served.
    fn answer(self, count: &Count) -> Vec<u8> {
        let body = answer::later_body(RETRY_SECONDS, None, self.text(count));
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: {RETRY_SECONDS}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len(),
        );
        [head.into_bytes(), body].concat()
    }
}

/// Finds who is behind a proxy, and counts the requests that one address has at once: its connections are the proxy's.
pub(super) async fn behind_proxies(
    State((count, place)): State<(Arc<Count>, Arc<Place>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(Hop(hop)) = request.extensions().get::<Hop>().copied() else {
        return next.run(request).await;
    };
    let peer = place.hops().client(hop, request.headers());
    let counted = match count.one(Some(peer), false) {
        Ok(counted) => counted,
        Err(over) => {
            tracing::debug!(%peer, "too many requests at once");
            return answer::later(StatusCode::SERVICE_UNAVAILABLE, RETRY_SECONDS, None, over.text(&count));
        }
    };
    request.extensions_mut().insert(Peer(peer));
    held(next.run(request).await, counted)
}

/// The answer to whoever comes past the proxy at which TLS ends.
pub(super) async fn beside_the_proxy() -> Response {
    let text = "This server speaks no TLS itself: it is reached through the proxy in front of it, by its public address. Requests from \
                elsewhere than --behind-proxy names are refused, so that no token crosses the network in clear text.\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

/// What connections need.
pub(super) struct Serving {
    pub(super) router: Router,
    pub(super) count: Arc<Count>,
    pub(super) place: Arc<Place>,
    /// How long the head of a request may take, and a handshake.
    pub(super) head: Duration,
    /// How long a client may not read its answer.
    pub(super) unread: Duration,
    pub(super) tls: Option<Arc<Tls>>,
    /// What is served to who comes beside the proxy at which TLS ends: over the network in clear text.
    pub(super) beside: Option<Router>,
    /// Cancelled when no more connections are taken.
    pub(super) stop: CancellationToken,
    /// Cancelled when connections of proxies end with the answer that they wait for: they have others to go to.
    pub(super) hops_end: CancellationToken,
    /// Cancelled when all connections that are open do.
    pub(super) end: CancellationToken,
}

/// Accepts connections until the server stops, and then waits for the end, and for those that are open.
///
/// Whoever doesn't send the whole head of a request in time is cut off, whether nothing was sent yet or the last answer was long
/// ago. HTTP/1.1 alone is spoken: one connection runs one request at a time, so the bound on connections bounds those too.
pub(super) async fn serve(listener: Listener, serving: Serving) {
    let open = Arc::downgrade(&serving.count);
    telemetry::watch(Metric::Connections, move || {
        open.upgrade().map_or(0, |count| count.total())
    });
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = serving.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => serving.take(stream, peer, &open),
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                tracing::warn!("no connection can be accepted: {error}");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    for (stream, peer) in listener.rest() {
        serving.take(stream, peer, &open);
    }
    // What runs may have no connection: a call of a session whose client went away.
    serving.end.cancelled().await;
    open.close();
    open.wait().await;
}

impl Serving {
    /// Serves a connection that was accepted, if there is room for it.
    fn take(&self, stream: Stream, peer: IpAddr, open: &TaskTracker) {
        let hops = self.place.hops();
        // Who can open the socket is whom the operator put there: the proxy, where there is one.
        let is_hop = hops.holds(peer) || (stream.is_by_socket() && !hops.is_empty());
        let counted = match self.count.one((!is_hop).then_some(peer), true) {
            Ok(counted) => counted,
            Err(over) => {
                tracing::debug!(%peer, "too many connections");
                if self.tls.is_none() {
                    stream.try_write(&over.answer(&self.count));
                }
                return;
            }
        };
        let router = match &self.beside {
            Some(beside) if !is_hop && !peer.is_loopback() => beside.clone(),
            _ => self.router.clone(),
        };
        let (router, end) = match is_hop {
            true => (router.layer(Extension(Hop(peer))), self.hops_end.clone()),
            false => (router.layer(Extension(Peer(peer))), self.end.clone()),
        };
        let (head, unread, tls) = (self.head, self.unread, self.tls.clone());
        open.spawn(async move {
            let _counted = counted;
            match stream {
                Stream::Tcp(stream) => encrypted(Patient::new(stream, unread), tls, router, head, end).await,
                #[cfg(unix)]
                Stream::Unix(stream) => encrypted(Patient::new(stream, unread), tls, router, head, end).await,
            }
        });
    }
}

/// Whether an error is of one connection that went away before it was accepted.
fn is_of_one(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    )
}

/// Serves a connection, after the handshake where TLS is spoken.
async fn encrypted<S>(stream: S, tls: Option<Arc<Tls>>, router: Router, head: Duration, end: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(tls) = tls else {
        return connection(stream, router, head, end).await;
    };
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(head, tls.accept(stream)) => shaken,
        () = end.cancelled() => return,
    };
    match shaken {
        Ok(Ok(stream)) => connection(stream, router, head, end).await,
        Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn connection<S>(stream: S, router: Router, head: Duration, end: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(MAX_HEAD_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let mut ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!("a connection ended: {error}");
                }
                return;
            }
            () = end.cancelled(), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
