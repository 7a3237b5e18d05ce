//! The sandbox's time: the machine's clock, which the admin route can move ahead.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A moment, in UTC, to the millisecond.
pub(crate) type Timestamp = DateTime<Utc>;

/// How far ahead the clock can be moved.
pub(crate) const FURTHEST: TimeDelta = TimeDelta::days(100 * 365);

/// The machine's clock and how far it was moved ahead.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Clock {
    #[serde(with = "millis")]
    ahead: TimeDelta,
    jumps: Vec<Jump>,
}

/// A time that was left out.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Jump {
    from: Timestamp,
    to: Timestamp,
}

impl Clock {
    /// The sandbox's present.
    pub(crate) fn now(&self) -> Timestamp {
        let now = Utc::now() + self.ahead;
        now.duration_trunc(TimeDelta::milliseconds(1)).unwrap_or(now)
    }

    /// Moves the present ahead, by 100 years in all at most; it never goes back.
    pub(crate) fn advance(&mut self, by: TimeDelta) {
        let from = self.now();
        let ahead = self.ahead + by.clamp(TimeDelta::zero(), FURTHEST);
        self.ahead = ahead.min(FURTHEST);
        let to = self.now();
        self.jumps.push(Jump { from, to });
    }

    /// What the machine's clock said, or will say, at a moment. A moment that was left out is the one before the jump.
    pub(crate) fn real(&self, moment: Timestamp) -> Timestamp {
        let left_out = self
            .jumps
            .iter()
            .filter(|jump| jump.from < moment)
            .fold(TimeDelta::zero(), |sum, jump| sum + (jump.to.min(moment) - jump.from));
        moment - left_out
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

/// Spans as whole milliseconds.
mod millis {
    use chrono::TimeDelta;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &TimeDelta, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(span.num_milliseconds())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeDelta, D::Error> {
        i64::deserialize(deserializer).map(|millis| TimeDelta::try_milliseconds(millis).unwrap_or(TimeDelta::MAX))
    }
}
