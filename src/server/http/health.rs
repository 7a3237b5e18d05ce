//! Whether the server lives, and whether it can be given work: for whoever watches over it. It tells no details, and wants no token.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long an answer counts.
const KEPT: Duration = Duration::from_secs(5);

/// How long the probes may take together.
const PATIENCE: Duration = Duration::from_secs(4);

/// Something that the server can't work without.
pub trait Probe: Send + Sync {
    /// What it is, for the log.
    fn name(&self) -> &'static str;

    /// Whether it answers. It is asked at most every five seconds, and never twice at once.
    fn answers(&self) -> BoxFuture<'_, bool>;
}

/// Whether the server can be given work.
pub(super) struct Health {
    probes: Vec<Arc<dyn Probe>>,
    stop: CancellationToken,
    last: Mutex<Option<(Instant, bool)>>,
    kept: Duration,
    patience: Duration,
}

impl Health {
    pub(super) fn new(probes: Vec<Arc<dyn Probe>>, stop: CancellationToken) -> Self {
        Self {
            probes,
            stop,
            last: Mutex::default(),
            kept: KEPT,
            patience: PATIENCE,
        }
    }

    async fn is_ready(&self) -> bool {
        if self.stop.is_cancelled() {
            return false;
        }
        // Whoever comes meanwhile waits for this answer, and takes it.
        let mut last = self.last.lock().await;
        if let Some((at, ready)) = *last
            && at.elapsed() < self.kept
        {
            return ready && !self.stop.is_cancelled();
        }
        let asked = tokio::time::timeout(self.patience, futures::future::join_all(self.probes.iter().map(asked)));
        let ready = asked
            .await
            .is_ok_and(|answers| answers.into_iter().all(|answers| answers));
        *last = Some((Instant::now(), ready));
        ready && !self.stop.is_cancelled()
    }
}

async fn asked(probe: &Arc<dyn Probe>) -> bool {
    let answers = probe.answers().await;
    if !answers {
        tracing::warn!(probe = probe.name(), "not ready: it doesn't answer");
    }
    answers
}

/// `/healthz` and `/readyz`.
pub(super) fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(async || said(StatusCode::OK)))
        .route("/readyz", get(ready))
        .with_state(health)
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    match health.is_ready().await {
        true => said(StatusCode::OK),
        false => {
            let mut response = said(StatusCode::SERVICE_UNAVAILABLE);
            let later = http::HeaderValue::from(KEPT.as_secs());
            response.headers_mut().insert(RETRY_AFTER, later);
            response
        }
    }
}

/// An answer without a word of why.
fn said(status: StatusCode) -> Response {
    let text = if status.is_success() { "ok\n" } else { "not ready\n" };
    (status, [(CACHE_CONTROL, "no-store")], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counting {
        asked: AtomicUsize,
        broken: AtomicBool,
    }

    impl Probe for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }

        fn answers(&self) -> BoxFuture<'_, bool> {
            Box::pin(async {
                self.asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                !self.broken.load(Ordering::SeqCst)
            })
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_are_one_probe_and_its_answer_counts_for_a_while() {
        let (probe, stop) = (Arc::new(Counting::default()), CancellationToken::new());
        let mut health = Health::new(vec![probe.clone()], stop.clone());
        let all = futures::future::join_all((0..50).map(|_| health.is_ready())).await;
        assert!(all.into_iter().all(|ready| ready));
        assert_eq!(probe.asked.load(Ordering::SeqCst), 1);
        probe.broken.store(true, Ordering::SeqCst);
        assert!(health.is_ready().await, "its answer counts still");
        health.kept = Duration::ZERO;
        assert!(!health.is_ready().await);
        assert_eq!(probe.asked.load(Ordering::SeqCst), 2);
        probe.broken.store(false, Ordering::SeqCst);
        assert!(health.is_ready().await);
        stop.cancel();
        assert!(!health.is_ready().await);
    }

    struct Stuck;

    impl Probe for Stuck {
        fn name(&self) -> &'static str {
            "stuck"
        }

        fn answers(&self) -> BoxFuture<'_, bool> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn what_never_answers_is_not_waited_for() {
        let mut health = Health::new(vec![Arc::new(Stuck)], CancellationToken::new());
        health.patience = Duration::from_millis(10);
        assert!(!health.is_ready().await);
    }
}
