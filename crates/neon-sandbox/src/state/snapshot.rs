//! Snapshots: a root branch's contents, kept.

use serde::{Deserialize, Serialize};

use super::data::{Lineage, Lsn, Version};
use crate::clock::Timestamp;

/// A root branch's contents, kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) source_branch_id: String,
    /// What was asked for, if not the head.
    pub(crate) lsn: Option<Lsn>,
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    /// Whether it was asked for, and not made by a schedule.
    pub(crate) manual: bool,
    pub(crate) version: Version,
    /// Its data.
    pub(crate) lineage: Lineage,
}
