//! What is known of the key, once it was read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::error::Failure;
use crate::neon::OrganizationId;

/// How long a list of organizations is good: a person may be added to one while a server runs.
const GOOD: Duration = Duration::from_secs(600);

/// The organizations of a server's key, read when they are first needed.
#[derive(Debug, Default)]
pub(in crate::engine) struct Organizations(tokio::sync::Mutex<Option<(Instant, Arc<[Organization]>)>>);

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Organization {
    pub(in crate::engine) id: OrganizationId,
    pub(in crate::engine) name: String,
}

impl Organizations {
    /// Those that are known, else what `read` gives. Of several calls at the same time one reads.
    pub(in crate::engine) async fn known_or(
        &self,
        read: impl Future<Output = Result<Arc<[Organization]>, Failure>>,
    ) -> Result<Arc<[Organization]>, Failure> {
        let mut known = self.0.lock().await;
        if let Some((at, list)) = &*known
            && at.elapsed() < GOOD
        {
            return Ok(list.clone());
        }
        let list = read.await?;
        *known = Some((Instant::now(), list.clone()));
        Ok(list)
    }

    /// Forgets what was read: the next call that needs it asks again.
    pub(in crate::engine) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}
