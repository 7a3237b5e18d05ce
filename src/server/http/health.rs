//! Whether the server lives, whether it takes work, and whether what replicas share answers: for whoever watches over it, without a token.
//!
//! Readiness is of this process alone. Neon and the store are shared: when one of them is away, it is so for every replica, and a proxy
//! that took them all out would take reads, the approval page and errors that say what is wrong away, too.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::telemetry;

/// How long an answer counts.
const KEPT: Duration = Duration::from_secs(5);

/// How long the probes may take together.
const PATIENCE: Duration = Duration::from_secs(4);

/// How often what replicas share is asked for the metrics.
const WATCH: Duration = Duration::from_secs(15);

/// How long whoever finds a server that stops is told to wait, in seconds.
const RETRY_SECONDS: u64 = 5;

/// What `/readyz` is asked for in its query to say how what replicas share is.
const DETAILS: &str = "details";

/// Something that replicas share.
pub trait Probe: Send + Sync {
    /// What it is, for the log and the metrics.
    fn name(&self) -> &'static str;

    /// Whether it answers. It is asked at most every five seconds, and never twice at once.
    fn answers(&self) -> BoxFuture<'_, bool>;
}

/// What was found of each part that replicas share.
type Shared = Vec<(&'static str, bool)>;

/// Whether the server takes work, and what it shares with others.
pub(super) struct Health {
    probes: Vec<Arc<dyn Probe>>,
    stop: CancellationToken,
    last: Mutex<Option<(Instant, Shared)>>,
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

    fn is_ready(&self) -> bool {
        !self.stop.is_cancelled()
    }

    /// Whether each part that replicas share answers.
    async fn shared(&self) -> Shared {
        // Whoever comes meanwhile waits for this answer, and takes it.
        let mut last = self.last.lock().await;
        if let Some((at, shared)) = &*last
            && at.elapsed() < self.kept
        {
            return shared.clone();
        }
        let asked = self.probes.iter().map(async |probe| {
            let answers = tokio::time::timeout(self.patience, probe.answers()).await;
            (probe.name(), answers.unwrap_or(false))
        });
        let shared: Shared = futures::future::join_all(asked).await;
        for &(name, answers) in &shared {
            telemetry::shared(name, answers);
            let before = last
                .as_ref()
                .and_then(|(_, before)| before.iter().find(|(known, _)| *known == name));
            match (before, answers) {
                (None | Some((_, true)), false) => tracing::warn!(part = name, "it doesn't answer"),
                (Some((_, false)), true) => tracing::info!(part = name, "it answers again"),
                _ => {}
            }
        }
        *last = Some((Instant::now(), shared.clone()));
        shared
    }

    /// Asks what replicas share again and again, for the metrics, for as long as this is polled.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WATCH).await;
            self.shared().await;
        }
    }
}

/// `/healthz` and `/readyz`.
pub(super) fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(async || said(StatusCode::OK)))
        .route("/readyz", get(ready))
        .with_state(health)
}

async fn ready(State(health): State<Arc<Health>>, RawQuery(query): RawQuery) -> Response {
    let details = match query.as_deref() {
        Some(DETAILS) => Some(health.shared().await),
        _ => None,
    };
    let is_ready = health.is_ready();
    let status = match is_ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = match details {
        Some(shared) => {
            let mut all: Map<String, Value> = shared
                .into_iter()
                .map(|(name, up)| (name.to_owned(), up.into()))
                .collect();
            all.insert("ready".to_owned(), is_ready.into());
            (status, [(CACHE_CONTROL, "no-store")], Json(all)).into_response()
        }
        None => said(status),
    };
    if !is_ready {
        let later = http::HeaderValue::from(RETRY_SECONDS);
        response.headers_mut().insert(RETRY_AFTER, later);
    }
    response
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
        let all = futures::future::join_all((0..50).map(|_| health.shared())).await;
        assert!(all.into_iter().all(|shared| shared == [("counting", true)]));
        assert_eq!(probe.asked.load(Ordering::SeqCst), 1);
        probe.broken.store(true, Ordering::SeqCst);
        assert_eq!(health.shared().await, [("counting", true)], "its answer counts still");
        health.kept = Duration::ZERO;
        assert_eq!(health.shared().await, [("counting", false)]);
        assert_eq!(probe.asked.load(Ordering::SeqCst), 2);
        assert!(health.is_ready(), "what all replicas share takes none of them out");
        stop.cancel();
        assert!(!health.is_ready());
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
        assert_eq!(health.shared().await, [("stuck", false)]);
    }
}
