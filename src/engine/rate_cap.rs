//! How many changes a minute the operator allows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::guard::{ApprovalFlow, StoreError};

/// The window.
const MINUTE: Duration = Duration::from_secs(60);

/// Of whom a cap counts the changes that counts those of all callers.
const ALL: &str = "all";

/// The changes of the last minute: when they were made.
#[derive(Debug, Default)]
struct Changes(Mutex<VecDeque<Instant>>);

impl Changes {
    /// Whether no change of the last minute is counted.
    fn is_empty(&self, now: Instant) -> bool {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.back().is_none_or(|last| now.duration_since(*last) >= MINUTE)
    }

    fn look(&self, most: u32, now: Instant, take: bool) -> bool {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while made.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            made.pop_front();
        }
        let fits = made.len() < usize::try_from(most).unwrap_or(usize::MAX);
        if fits && take {
            made.push_back(now);
        }
        fits
    }
}

/// At most so many changes in any minute, of all callers or of one.
#[derive(Debug, Clone)]
pub(in crate::engine) struct RateCap {
    whose: String,
    most: u32,
    made: Arc<Changes>,
}

impl RateCap {
    /// Whether one more fits now, for all replicas where there are some. `count` counts it then.
    fn fits(&self, shared: &ApprovalFlow, count: bool) -> Result<bool, StoreError> {
        match shared.count_change(&self.whose, self.most, count)? {
            Some(fits) => Ok(fits),
            None => Ok(self.made.look(self.most, Instant::now(), count)),
        }
    }
}

/// Whether one more change fits under each of the caps. `count` counts it then: one that doesn't fit under all counts for none, but
/// for one that another overtakes at this moment.
///
/// # Errors
/// When the store that replicas share can't be used.
pub(in crate::engine) fn fit(caps: &[RateCap], shared: &ApprovalFlow, count: bool) -> Result<bool, StoreError> {
    let all = |count: bool| {
        for cap in caps {
            if !cap.fits(shared, count)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    // One that is alone looks and counts at once.
    if count && caps.len() > 1 && !all(false)? {
        return Ok(false);
    }
    all(count)
}

/// For how many callers changes are kept before those that made none are dropped.
const MAX_IDLE: usize = 1_000;

/// The changes by whom they are counted of. They are kept as long as they count: whoever is forgotten begins again.
#[derive(Debug, Default)]
pub(in crate::engine) struct RateCaps(Mutex<HashMap<String, Arc<Changes>>>);

impl RateCaps {
    /// The cap of that caller. Another number goes on with the same count.
    pub(in crate::engine) fn of(&self, whose: &str, most: u32) -> RateCap {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_IDLE && !all.contains_key(whose) {
            all.retain(|_, known| Arc::strong_count(known) > 1 || !known.is_empty(Instant::now()));
        }
        RateCap {
            whose: whose.to_owned(),
            most,
            made: all.entry(whose.to_owned()).or_default().clone(),
        }
    }

    /// The cap of all callers together, where there is one.
    pub(in crate::engine) fn of_all(&self, most: Option<u32>) -> Vec<RateCap> {
        most.into_iter().map(|most| self.of(ALL, most)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{ApprovalRules, Policy, Sealer};

    fn flow() -> ApprovalFlow {
        let rules: ApprovalRules = Policy::default().approval().clone();
        ApprovalFlow::new(Sealer::random(), rules, None)
    }

    #[test]
    fn no_minute_has_more_than_its_number() {
        let made = Changes::default();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(made.look(2, at(0), true) && made.look(2, at(30), true));
        assert!(!made.look(2, at(59), true), "a third in the minute");
        assert!(made.look(2, at(60), true), "the first is over a minute old");
        assert!(!made.look(2, at(89), true));
        assert!(!made.is_empty(at(119)) && made.is_empty(at(120)));
        assert!(made.look(2, at(90), false) && made.look(2, at(90), true) && !made.look(2, at(91), false));
    }

    #[test]
    fn count_of_a_caller_lasts_however_many_others_come() {
        let (caps, flow) = (RateCaps::default(), flow());
        assert!(fit(&[caps.of("ann", 1)], &flow, true).unwrap());
        for other in 0..2 * MAX_IDLE {
            let _ = caps.of(&other.to_string(), 1);
        }
        assert!(!fit(&[caps.of("ann", 1)], &flow, true).unwrap(), "it began again");
        assert!(caps.0.lock().unwrap().len() <= MAX_IDLE + 1);
    }

    #[test]
    fn another_number_goes_on_with_the_same_count() {
        let (caps, flow) = (RateCaps::default(), flow());
        assert!(fit(&caps.of_all(Some(2)), &flow, true).unwrap());
        assert!(!fit(&caps.of_all(Some(1)), &flow, true).unwrap(), "it began again");
        assert!(fit(&caps.of_all(Some(3)), &flow, true).unwrap());
        assert!(fit(&caps.of_all(None), &flow, true).unwrap());
    }

    #[test]
    fn change_that_one_cap_holds_back_counts_for_none() {
        let (caps, flow) = (RateCaps::default(), flow());
        let of = |who: &str| [caps.of_all(Some(3)), vec![caps.of(who, 1)]].concat();
        assert!(fit(&of("ann"), &flow, true).unwrap());
        for _ in 0..5 {
            assert!(!fit(&of("ann"), &flow, true).unwrap());
        }
        assert!(fit(&of("bob"), &flow, true).unwrap() && fit(&of("eve"), &flow, true).unwrap());
        assert!(!fit(&of("dan"), &flow, true).unwrap(), "all together made three");
    }
}
