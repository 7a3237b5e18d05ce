//! Tool calls within bounds: how many run at once, in all and of one caller, and how many one caller makes in a minute.
//!
//! Nothing waits in line here: a call that is one too many is told when to come again.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::limits::HttpLimits;
use super::taken::{Share, Taken};

/// How long a caller is told to wait whose calls, or everybody's, all run.
const RETRY: Duration = Duration::from_secs(1);

/// Of how many callers the pace is kept before those are forgotten that are idle.
const MAX_PACES: usize = 10_000;

/// The calls that run.
pub(super) struct Calls {
    most: usize,
    most_of_one: usize,
    now: Arc<Taken<Arc<str>>>,
    pace: DefaultKeyedRateLimiter<Arc<str>>,
    clock: DefaultClock,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// Why a call doesn't begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OneTooMany {
    /// As many as may run at once do, of all callers.
    OfAll,
    /// As many of this caller's do.
    OfOne,
    /// The caller has made as many in this minute as it may.
    InAMinute {
        /// When the next may begin.
        wait: Duration,
    },
}

impl OneTooMany {
    /// Whether it is the caller's own doing.
    pub(super) fn is_callers(self) -> bool {
        self != Self::OfAll
    }

    /// When to come again, in whole seconds, at least one.
    pub(super) fn retry_seconds(self) -> u64 {
        let wait = match self {
            Self::OfAll | Self::OfOne => RETRY,
            Self::InAMinute { wait } => wait,
        };
        wait.as_secs_f64().ceil().max(1.0) as u64
    }

    /// What the caller is told.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::OfAll => "as many tool calls run as this server takes at once; nothing was done",
            Self::OfOne => {
                "as many of your tool calls run as this server takes of one caller at once; nothing was done"
            }
            Self::InAMinute { .. } => {
                "you have made as many tool calls as this server takes of one caller in a minute; nothing was done"
            }
        }
    }
}

/// A call that counts as long as this is there.
#[derive(Debug)]
pub(super) struct Running(#[expect(dead_code, reason = "it counts until it is dropped")] Share<Arc<str>>);

impl Calls {
    pub(super) fn new(limits: &HttpLimits) -> Arc<Self> {
        let a_minute = NonZeroU32::new(limits.calls_per_minute).unwrap_or(NonZeroU32::MIN);
        Arc::new(Self {
            most: limits.calls,
            most_of_one: limits.calls_of_one,
            now: Taken::nothing(),
            pace: RateLimiter::keyed(Quota::per_minute(a_minute)),
            clock: DefaultClock::default(),
        })
    }

    /// Lets a caller's call begin.
    ///
    /// # Errors
    /// When it is one too many.
    pub(super) fn begin(self: &Arc<Self>, caller: &Arc<str>) -> Result<Running, OneTooMany> {
        let running = self.count(caller)?;
        // What doesn't run for another reason isn't counted here.
        self.paced(caller)?;
        Ok(running)
    }

    /// Counts something that takes as long as a call.
    ///
    /// # Errors
    /// When the caller has made as many in this minute as it may.
    pub(super) fn paced(&self, caller: &Arc<str>) -> Result<(), OneTooMany> {
        if let Err(until) = self.pace.check_key(caller) {
            let wait = until.wait_time_from(self.clock.now());
            return Err(OneTooMany::InAMinute { wait });
        }
        if self.pace.len() > MAX_PACES {
            self.pace.retain_recent();
        }
        Ok(())
    }

    /// How many run now.
    pub(super) fn running(&self) -> usize {
        self.now.all()
    }

    fn count(&self, caller: &Arc<str>) -> Result<Running, OneTooMany> {
        let share = self.now.take(caller.clone(), 1, |with| match () {
            () if with.of_one > self.most_of_one => Err(OneTooMany::OfOne),
            () if with.all > self.most => Err(OneTooMany::OfAll),
            () => Ok(()),
        });
        share.map(Running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(calls: usize, of_one: usize, a_minute: u32) -> Arc<Calls> {
        Calls::new(&HttpLimits {
            calls,
            calls_of_one: of_one,
            calls_per_minute: a_minute,
            ..HttpLimits::default()
        })
    }

    #[test]
    fn callers_have_their_share_each_and_all_together_theirs() {
        let calls = calls(3, 2, 1_000);
        let (ann, ben): (Arc<str>, Arc<str>) = ("ann".into(), "ben".into());
        let first = calls.begin(&ann).unwrap();
        let _second = calls.begin(&ann).unwrap();
        assert_eq!(calls.begin(&ann).unwrap_err(), OneTooMany::OfOne);
        let _third = calls.begin(&ben).unwrap();
        assert_eq!(calls.begin(&ben).unwrap_err(), OneTooMany::OfAll);
        drop(first);
        let fourth = calls.begin(&ben).unwrap();
        drop((fourth, _second, _third));
        assert!(calls.now.is_nothing());
    }

    #[test]
    fn calls_of_one_minute_are_counted_by_caller() {
        let calls = calls(100, 100, 2);
        let (ann, ben): (Arc<str>, Arc<str>) = ("ann".into(), "ben".into());
        assert!(calls.begin(&ann).is_ok() && calls.begin(&ann).is_ok() && calls.begin(&ben).is_ok());
        let over = calls.begin(&ann).unwrap_err();
        assert!(
            over.is_callers() && (1..=30).contains(&over.retry_seconds()),
            "{over:?}"
        );
        assert!(calls.begin(&ben).is_ok());
    }
}
