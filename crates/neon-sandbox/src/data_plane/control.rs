//! What the data plane asks of the control plane, and reports to it.

use std::sync::{Arc, atomic::AtomicI64};

use futures::future::BoxFuture;

use super::{DataPlaneError, Target};
use crate::state::{data::Lsn, pending::WorkResult};

/// The control plane, as the data plane below it knows it.
pub(crate) trait Control: Send + Sync {
    /// The compute that a port belongs to.
    fn compute_at(&self, port: u16) -> Option<String>;

    /// Sees to it that a compute runs, and that it knows it is used.
    fn wake<'a>(&'a self, compute: &'a str) -> BoxFuture<'a, Result<Target, DataPlaneError>>;

    /// When a compute's clients last sent something: milliseconds of the machine's clock.
    fn activity(&self, compute: &str) -> Arc<AtomicI64>;

    /// A compute's server doesn't answer: it is to be looked at again.
    fn lost(&self, compute: &str);

    /// Waits until the state is written as it is now.
    fn saved(&self) -> BoxFuture<'_, ()>;

    /// The data plane has tried to reach a goal.
    fn work_done(&self, project_id: &str, goal: u64, result: &WorkResult);

    /// The data plane has looked how far logs have come.
    fn positions(&self, project_id: &str, reached: Vec<(String, Lsn)>);
}
