//! How many changes a minute the operator allows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The window.
const MINUTE: Duration = Duration::from_secs(60);

/// At most so many changes in any minute.
#[derive(Debug)]
pub(in crate::engine) struct RateCap {
    most: usize,
    /// When the changes of the last minute were made.
    made: Mutex<VecDeque<Instant>>,
}

impl RateCap {
    pub(in crate::engine) fn new(most: u32) -> Self {
        Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            made: Mutex::default(),
        }
    }

    /// Whether one more fits now.
    pub(in crate::engine) fn fits(&self) -> bool {
        self.look(Instant::now(), false)
    }

    /// Counts a change, if it fits.
    pub(in crate::engine) fn take(&self) -> bool {
        self.look(Instant::now(), true)
    }

    /// Whether no change of the last minute is counted.
    fn is_empty(&self, now: Instant) -> bool {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.back().is_none_or(|last| now.duration_since(*last) >= MINUTE)
    }

    fn look(&self, now: Instant, take: bool) -> bool {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        while made.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            made.pop_front();
        }
        let fits = made.len() < self.most;
        if fits && take {
            made.push_back(now);
        }
        fits
    }
}

/// For how many callers counts are kept before those that hold nothing are dropped.
const MAX_IDLE: usize = 1_000;

/// The counts of callers that have one of their own. A count is kept as long as it holds something: who is forgotten begins again.
#[derive(Debug, Default)]
pub(in crate::engine) struct RateCaps(Mutex<HashMap<String, Arc<RateCap>>>);

impl RateCaps {
    /// The count of that caller. Another number begins another count.
    pub(in crate::engine) fn of(&self, whose: &str, most: u32) -> Arc<RateCap> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(whose).filter(|known| known.most == most) {
            return known.clone();
        }
        if all.len() >= MAX_IDLE {
            all.retain(|_, known| Arc::strong_count(known) > 1 || !known.is_empty(Instant::now()));
        }
        let own = Arc::new(RateCap {
            most,
            made: Mutex::default(),
        });
        all.insert(whose.to_owned(), own.clone());
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_than_its_number() {
        let rate_cap = RateCap::new(2);
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(rate_cap.look(at(0), true) && rate_cap.look(at(30), true));
        assert!(!rate_cap.look(at(59), true), "a third in the minute");
        assert!(rate_cap.look(at(60), true), "the first is over a minute old");
        assert!(!rate_cap.look(at(89), true));
        assert!(!rate_cap.is_empty(at(119)) && rate_cap.is_empty(at(120)));
        assert!(rate_cap.look(at(90), false) && rate_cap.look(at(90), true) && !rate_cap.look(at(91), false));
    }

    #[test]
    fn count_of_a_caller_lasts_however_many_others_come() {
        let caps = RateCaps::default();
        assert!(caps.of("ann", 1).take());
        for other in 0..2 * MAX_IDLE {
            let _ = caps.of(&other.to_string(), 1);
        }
        assert!(!caps.of("ann", 1).take(), "it began again");
        assert!(caps.0.lock().unwrap().len() <= MAX_IDLE + 1);
    }
}
