//! Snapshot schedules.

use serde::{Deserialize, Serialize};

/// The longest and the default time that a scheduled snapshot is kept: 35 days.
pub(crate) const MAX_RETENTION_SECONDS: i64 = 3_024_000;

/// How often a scheduled snapshot is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Frequency {
    Daily,
    Weekly,
    Monthly,
}

/// One line of a schedule, in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScheduleEntry {
    pub(crate) frequency: Frequency,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hour: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) day: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) month: Option<u32>,
    #[serde(default = "max_retention")]
    pub(crate) retention_seconds: i64,
}

fn max_retention() -> i64 {
    MAX_RETENTION_SECONDS
}

/// A branch's schedule; empty is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) schedule: Vec<ScheduleEntry>,
}
