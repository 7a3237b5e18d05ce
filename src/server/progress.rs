//! Progress of a call, told to the client that asked to hear of it.

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;
use tokio::sync::mpsc;

use crate::engine::Progress;

/// How much a notification without a finished operation counts: the specification wants each to be greater than the last.
const STEP: f64 = 0.01;

/// Takes the engine's reports.
#[derive(Debug)]
pub(super) struct Reports(mpsc::UnboundedSender<(usize, usize, String)>);

impl Progress for Reports {
    fn report(&self, done: usize, total: usize, message: String) {
        // The receiver is gone when the call is over: nobody listens any more.
        let _ = self.0.send((done, total, message));
    }
}

/// A taker of reports, and the future that sends them on, in order, until the taker is dropped.
pub(super) fn channel(peer: Peer<RoleServer>, token: ProgressToken) -> (Reports, impl Future<Output = ()>) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(usize, usize, String)>();
    let forward = async move {
        let mut last = -STEP;
        while let Some((done, total, message)) = receiver.recv().await {
            #[allow(clippy::cast_precision_loss)]
            let (done, total) = (done as f64, total as f64);
            last = if done > last { done } else { last + STEP };
            let notification = ProgressNotificationParam::new(token.clone(), last)
                .with_total(total)
                .with_message(message);
            if peer.notify_progress(notification).await.is_err() {
                break;
            }
        }
    };
    (Reports(sender), forward)
}
