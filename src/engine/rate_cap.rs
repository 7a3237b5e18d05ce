//! How many changes a minute the operator allows.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
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
        assert!(rate_cap.look(at(90), false) && rate_cap.look(at(90), true) && !rate_cap.look(at(91), false));
    }
}
