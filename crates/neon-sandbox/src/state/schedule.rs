//! Snapshot schedules.

use chrono::{Datelike, Days, NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

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

impl Frequency {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }
}

impl ScheduleEntry {
    /// Whether a snapshot falls on this day. Weekdays count from Monday; a month without the day takes its last one.
    fn falls_on(&self, date: NaiveDate) -> bool {
        let day = self.day.unwrap_or(1);
        match self.frequency {
            Frequency::Daily => true,
            Frequency::Weekly => date.weekday().number_from_monday() == day,
            Frequency::Monthly => {
                let is_last = date.succ_opt().is_none_or(|next| next.month() != date.month());
                date.day() == day || (is_last && date.day() < day)
            }
        }
    }

    /// The moments at which a snapshot is due, after one moment and until another.
    pub(super) fn due(&self, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let hour = self.hour.unwrap_or(0);
        let oldest_kept = until - TimeDelta::seconds(MAX_RETENTION_SECONDS) - TimeDelta::days(1);
        let mut date = after.max(oldest_kept).date_naive();
        let mut due = Vec::new();
        while date <= until.date_naive() {
            if let Some(at) = date.and_hms_opt(hour, 0, 0).map(|at| at.and_utc())
                && self.falls_on(date)
                && after < at
                && at <= until
            {
                due.push(at);
            }
            let Some(next) = date.checked_add_days(Days::new(1)) else {
                break;
            };
            date = next;
        }
        due
    }
}
