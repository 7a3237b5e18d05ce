//! How many changes a minute the operator allows.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::guard::{ApprovalFlow, StoreError};

/// The window.
const MINUTE: Duration = Duration::from_secs(60);

/// Whose changes are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Counted {
    /// Those of all callers.
    OfAll,
    /// Those of each caller, which has a policy of its own.
    OfEach,
}

/// At most so many changes in any minute.
#[derive(Debug)]
pub(in crate::engine) struct RateCap {
    most: u32,
    counted: Counted,
    /// When the changes of the last minute were made.
    made: Mutex<VecDeque<Instant>>,
}

impl RateCap {
    pub(in crate::engine) fn new(most: u32, counted: Counted) -> Self {
        Self {
            most,
            counted,
            made: Mutex::default(),
        }
    }

    /// Whether one more of this principal fits now, for all replicas where there are some. `count` counts it then.
    ///
    /// # Errors
    /// When the store that replicas share can't be used.
    pub(in crate::engine) fn fits(
        &self,
        shared: &ApprovalFlow,
        principal: &str,
        count: bool,
    ) -> Result<bool, StoreError> {
        let whose = match self.counted {
            Counted::OfAll => "all",
            Counted::OfEach => principal,
        };
        match shared.count_change(whose, self.most, count)? {
            Some(fits) => Ok(fits),
            None => Ok(self.look(Instant::now(), count)),
        }
    }

    fn look(&self, now: Instant, take: bool) -> bool {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        while made.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            made.pop_front();
        }
        let fits = made.len() < usize::try_from(self.most).unwrap_or(usize::MAX);
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
        let rate_cap = RateCap::new(2, Counted::OfAll);
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(rate_cap.look(at(0), true) && rate_cap.look(at(30), true));
        assert!(!rate_cap.look(at(59), true), "a third in the minute");
        assert!(rate_cap.look(at(60), true), "the first is over a minute old");
        assert!(!rate_cap.look(at(89), true));
        assert!(rate_cap.look(at(90), false) && rate_cap.look(at(90), true) && !rate_cap.look(at(91), false));
    }
}
