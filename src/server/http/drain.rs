//! An orderly end: not ready at once, no new work, and what runs is answered.
//!
//! The port stays open meanwhile: whoever asks for readiness is told that there is none, whoever has a call running can still answer
//! its question or approve it, and whoever comes with new work is told to go elsewhere, in place of finding nobody.

use std::sync::Arc;
use std::time::Duration;

use super::calls::Calls;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long a call that is cut has to say what it knows.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
    /// What is being answered.
    running: TaskTracker,
    /// Cancelled to have calls that run end with what they know.
    cut: CancellationToken,
    /// How long they have before.
    patience: Duration,
    /// The calls among what is being answered.
    calls: Arc<Calls>,
}

impl Drain {
    pub(super) fn new(
        stop: CancellationToken,
        running: TaskTracker,
        cut: CancellationToken,
        patience: Duration,
        calls: Arc<Calls>,
    ) -> Arc<Self> {
        Arc::new(Self {
            stop,
            running,
            cut,
            patience,
            calls,
        })
    }

    /// Takes on work, which the end waits for as long as what comes back is there. Nothing when the server stops.
    pub(super) fn begin(&self) -> Option<TaskTrackerToken> {
        // Counted first: the end either sees it, or is seen here.
        let token = self.running.token();
        (!self.stop.is_cancelled()).then_some(token)
    }

    /// Waits for the stop, and then for what runs: at most for the time that it has.
    pub(super) async fn over(&self) {
        self.stop.cancelled().await;
        tracing::info!(
            calls = self.calls.running(),
            "stopping: no new calls, running ones have {} s",
            self.patience.as_secs()
        );
        self.running.close();
        let had_work = !self.running.is_empty();
        if tokio::time::timeout(self.patience, self.running.wait()).await.is_err() {
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
