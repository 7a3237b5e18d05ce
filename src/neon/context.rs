//! What a call brings along: its time, its cancellation, its place in the line.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::limits::FairQueue;

/// What a call brings along: until when it may take, how it is cancelled, and its caller's place in the line.
#[derive(Debug, Clone)]
pub struct Context {
    /// The end of all waiting, retries included.
    pub deadline: Instant,
    /// Cancels the call. A changing request that is already under way may still be carried out; the error says so.
    pub cancel: CancellationToken,
    /// The caller's place in the line for the rate limits: one per caller, not one per call.
    pub lane: FairQueue,
}

impl Context {
    /// A context for someone who waits `budget` from now (a year at most), can't cancel, and is alone.
    #[must_use]
    pub fn within(budget: Duration) -> Self {
        Self {
            deadline: Instant::now() + budget.min(Duration::from_secs(365 * 24 * 3_600)),
            cancel: CancellationToken::new(),
            lane: FairQueue::new(),
        }
    }

    /// The same context, ending at `deadline` if that is sooner.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self {
            deadline: self.deadline.min(deadline),
            ..self.clone()
        }
    }

    /// What is left of the time.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
