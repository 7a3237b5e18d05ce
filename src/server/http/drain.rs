//! An orderly end: not ready at once, no new work, and what runs is answered.
//!
//! Behind a proxy, no connections are taken any more: who finds none has sent nothing, so the proxy gives its request to another server,
//! whatever it asks for. What was sent already it must not send again: it may have run. So what comes on a connection that is open is
//! still taken for a moment, each answer closes its connection, and connections that are idle then are closed.
//!
//! Without one the port stays open meanwhile: whoever asks for readiness is told that there is none, whoever has a call running can still
//! answer its question or approve it, and whoever comes with new work is told to come again, in place of finding nobody.

use std::sync::Arc;
use std::time::Duration;

use super::calls::Calls;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long a call that is cut has to say what it knows.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long what comes on a connection that is open is still taken: a proxy may send on one until it sees it close.
const LINGER: Duration = Duration::from_millis(250);

/// How long those who would come again are still answered when nothing runs any more, and answers that are ready have to be written.
const FLUSH: Duration = Duration::from_millis(250);

/// The same where something ran until the end: its client may come once more, to look by the lists whether the answer is right, over a
/// connection that it has to make first.
const FLUSH_AFTER_WORK: Duration = Duration::from_secs(1);

/// The end of a server.
#[derive(Debug)]
pub(super) struct Drain {
    /// Cancelled when the server is to stop.
    stop: CancellationToken,
    /// Cancelled when no new work is taken any more, a moment later.
    closed: CancellationToken,
    /// What is being answered.
    running: TaskTracker,
    /// Cancelled to have calls that run end with what they know.
    cut: CancellationToken,
    /// How long they have before.
    patience: Duration,
    /// How long new work is still taken.
    linger: Duration,
    /// The calls among what is being answered.
    calls: Arc<Calls>,
}

impl Drain {
    pub(super) fn new(
        stop: CancellationToken,
        running: TaskTracker,
        cut: CancellationToken,
        patience: Duration,
        (calls, is_behind_proxy): (Arc<Calls>, bool),
    ) -> Arc<Self> {
        let linger = if is_behind_proxy { LINGER } else { Duration::ZERO };
        Arc::new(Self {
            stop,
            closed: CancellationToken::new(),
            running,
            cut,
            patience,
            linger: linger.min(patience),
            calls,
        })
    }

    /// Cancelled when no new work is taken any more.
    pub(super) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Takes on work, which the end waits for as long as what comes back is there. Nothing when no more is taken.
    pub(super) fn begin(&self) -> Option<TaskTrackerToken> {
        // Counted first: the end either sees it, or is seen here.
        let token = self.running.token();
        let is_over = self.closed.is_cancelled() || (self.linger.is_zero() && self.stop.is_cancelled());
        (!is_over).then_some(token)
    }

    /// Waits for the stop, and then for what runs: at most for the time that it has.
    pub(super) async fn over(&self) {
        self.stop.cancelled().await;
        tracing::info!(
            calls = self.calls.running(),
            "stopping: no new calls, running ones have {} s",
            self.patience.as_secs()
        );
        let until = Instant::now() + self.patience;
        tokio::time::sleep(self.linger).await;
        self.closed.cancel();
        self.running.close();
        let had_work = !self.running.is_empty();
        if tokio::time::timeout_at(until, self.running.wait()).await.is_err() {
            tracing::warn!("calls that still run are cancelled: {}", self.calls.running());
            self.cut.cancel();
            let _ = tokio::time::timeout(LAST_WORDS, self.running.wait()).await;
        }
        tokio::time::sleep(if had_work { FLUSH_AFTER_WORK } else { FLUSH }).await;
    }

    /// How long connections have to be closed by both sides.
    pub(super) async fn farewell() {
        tokio::time::sleep(FLUSH * 4).await;
    }
}

/// Has clients open no more requests on their connections, once the server stops.
pub(super) async fn closing(State(drain): State<Arc<Drain>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if drain.stop.is_cancelled() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
