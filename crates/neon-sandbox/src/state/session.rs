//! When a compute worked.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A stretch in which a compute worked, at one size and for one branch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) branch_id: String,
    pub(crate) cu: f64,
    pub(crate) from: Timestamp,
    /// `None`: it still works.
    pub(crate) until: Option<Timestamp>,
}
