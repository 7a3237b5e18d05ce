//! What replicas share, and how it is asked.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::admission::Admission;
use super::health::Probe;

/// How long Neon has to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is asked beside what every server shares.
#[derive(Default)]
pub(super) struct Probes(pub(super) Vec<Arc<dyn Probe>>);

impl std::fmt::Debug for Probes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.iter().map(|probe| probe.name());
        formatter.debug_list().entries(names).finish()
    }
}

impl Probes {
    /// All of them, with Neon and the store.
    pub(super) fn of(self, admission: &Arc<Admission>) -> Vec<Arc<dyn Probe>> {
        let mut all: Vec<Arc<dyn Probe>> = vec![
            Arc::new(Upstream(admission.clone())),
            Arc::new(Store(admission.clone())),
        ];
        all.extend(self.0);
        all
    }
}

/// Neon, or what stands in its place.
struct Upstream(Arc<Admission>);

impl Probe for Upstream {
    fn name(&self) -> &'static str {
        "neon"
    }

    fn answers(&self) -> BoxFuture<'_, bool> {
        let engine = self.0.engine();
        async move { engine.is_answered(PATIENCE).await }.boxed()
    }
}

/// Where approvals are kept.
struct Store(Arc<Admission>);

impl Probe for Store {
    fn name(&self) -> &'static str {
        "store"
    }

    fn answers(&self) -> BoxFuture<'_, bool> {
        let flow = self.0.engine().guards().approval_flow.clone();
        let read = move || {
            flow.approvals()
                .is_none_or(|approvals| approvals.list(Utc::now()).is_ok())
        };
        // Files are read.
        async move { tokio::task::spawn_blocking(read).await.unwrap_or(false) }.boxed()
    }
}
