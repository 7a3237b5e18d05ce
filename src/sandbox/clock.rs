//! The sandbox's time: the machine's clock, which the admin route can move ahead.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// A moment, in UTC, to the millisecond.
pub(crate) type Moment = DateTime<Utc>;

/// How far ahead the clock can be moved.
const FURTHEST: TimeDelta = TimeDelta::days(100 * 365);

/// The machine's clock and how far it was moved ahead.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    ahead: TimeDelta,
}

impl Clock {
    /// The sandbox's present.
    pub(crate) fn now(&self) -> Moment {
        let now = Utc::now() + self.ahead;
        now.duration_trunc(TimeDelta::milliseconds(1)).unwrap_or(now)
    }

    /// Moves the present ahead, by 100 years in all at most; it never goes back.
    pub(crate) fn advance(&mut self, by: TimeDelta) {
        let ahead = self.ahead + by.clamp(TimeDelta::zero(), FURTHEST);
        self.ahead = ahead.min(FURTHEST);
    }
}

/// A span that `std` measured, as `chrono` counts it.
pub(crate) fn delta(span: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX)
}

/// A span in seconds; the longest one when the number is out of range.
pub(crate) fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX)
}
