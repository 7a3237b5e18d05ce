//! Connections within bounds: how many, from whom, and how long one may take to say what it wants.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::limits::HttpLimits;
use crate::telemetry::{self, Metric};

/// How long to wait when the operating system has no connection to give (too many open files).
const BREATH: Duration = Duration::from_millis(500);

/// What a connection gets that is one too many.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// From where a request comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// How many connections there are, by peer.
#[derive(Debug, Default)]
struct Count(Mutex<HashMap<IpAddr, usize>>);

/// A connection that counts.
struct Counted {
    count: Arc<Count>,
    peer: IpAddr,
}

impl Count {
    fn total(&self) -> u64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|of_peer| *of_peer as u64).sum()
    }

    /// Counts one more; nothing where there are enough.
    fn one(self: &Arc<Self>, peer: IpAddr, limits: &HttpLimits) -> Option<Counted> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = all.get(&peer).copied().unwrap_or_default();
        let total: usize = all.values().sum();
        if of_peer >= limits.connections_of_one || total >= limits.connections {
            return None;
        }
        all.insert(peer, of_peer + 1);
        Some(Counted {
            count: self.clone(),
            peer,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.count.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_peer) = all.get_mut(&self.peer) {
            *of_peer = of_peer.saturating_sub(1);
            if *of_peer == 0 {
                all.remove(&self.peer);
            }
        }
    }
}

/// Accepts connections until `stop` is cancelled, and then waits for those that are open.
///
/// Whoever doesn't send the whole head of a request in time is cut off, whether nothing was sent yet or the last answer was long
/// ago. HTTP/1.1 alone is spoken: one connection runs one request at a time, so the bound on connections bounds those too.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: &HttpLimits, stop: CancellationToken) {
    let count = Arc::new(Count::default());
    let open = Arc::downgrade(&count);
    telemetry::watch(Metric::Connections, move || {
        open.upgrade().map_or(0, |count| count.total())
    });
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) if is_of_one(&error) => continue,
            Err(error) => {
                tracing::warn!("no connection can be accepted: {error}");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Some(counted) = count.one(peer, limits) else {
            tracing::debug!(%peer, "too many connections");
            let _ = stream.try_write(TOO_MANY);
            continue;
        };
        // Without this each event took 40 ms: the kernel held it back for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let router = router.clone().layer(Extension(Peer(peer)));
        let (head, stop) = (limits.head, stop.clone());
        open.spawn(async move {
            let _counted = counted;
            connection(stream, router, head, stop).await;
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// Whether an error is of one connection that went away before it was accepted.
fn is_of_one(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    )
}

async fn connection(stream: TcpStream, router: Router, head: Duration, stop: CancellationToken) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!("a connection ended: {error}");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
