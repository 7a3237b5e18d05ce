//! Tool calls within bounds: how many run at once, in all and of one caller, and how many one caller makes in a minute.
//!
//! Nothing waits in line here: a call that is one too many is told when to come again.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::limits::HttpLimits;

/// How long a caller is told to wait whose calls, or everybody's, all run.
const RETRY: Duration = Duration::from_secs(1);

/// Of how many callers the pace is kept before those are forgotten that are idle.
const MAX_PACES: usize = 10_000;

/// The calls that run.
pub(super) struct Calls {
    most: usize,
    most_of_one: usize,
    now: Mutex<Now>,
    pace: DefaultKeyedRateLimiter<Arc<str>>,
    clock: DefaultClock,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Calls").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Now {
    all: usize,
    by_caller: HashMap<Arc<str>, usize>,
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
pub(super) struct Running {
    calls: Arc<Calls>,
    caller: Arc<str>,
}

impl Calls {
    pub(super) fn new(limits: &HttpLimits) -> Arc<Self> {
        let a_minute = NonZeroU32::new(limits.calls_per_minute).unwrap_or(NonZeroU32::MIN);
        Arc::new(Self {
            most: limits.calls,
            most_of_one: limits.calls_of_one,
            now: Mutex::default(),
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
        if let Err(until) = self.pace.check_key(caller) {
            let wait = until.wait_time_from(self.clock.now());
            return Err(OneTooMany::InAMinute { wait });
        }
        if self.pace.len() > MAX_PACES {
            self.pace.retain_recent();
        }
        Ok(running)
    }

    /// How many run now.
    pub(super) fn running(&self) -> usize {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    fn count(self: &Arc<Self>, caller: &Arc<str>) -> Result<Running, OneTooMany> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let of_caller = now.by_caller.get(caller).copied().unwrap_or_default();
        if of_caller >= self.most_of_one {
            return Err(OneTooMany::OfOne);
        }
        if now.all >= self.most {
            return Err(OneTooMany::OfAll);
        }
        now.all += 1;
        now.by_caller.insert(caller.clone(), of_caller + 1);
        Ok(Running {
            calls: self.clone(),
            caller: caller.clone(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut now = self.calls.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.all = now.all.saturating_sub(1);
        if let Some(of_caller) = now.by_caller.get_mut(&self.caller) {
            *of_caller = of_caller.saturating_sub(1);
            if *of_caller == 0 {
                now.by_caller.remove(&self.caller);
            }
        }
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
        assert!(calls.now.lock().unwrap().by_caller.is_empty());
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
