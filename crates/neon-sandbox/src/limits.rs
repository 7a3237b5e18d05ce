//! Neon's rate limits: 700 requests a minute per key, 40 a second per key and route, and less where a route has its own.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

const PER_MINUTE: usize = 700;
const PER_SECOND_AND_ROUTE: usize = 40;
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// When each key was used, and on which route.
#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    by_key: HashMap<i64, VecDeque<Instant>>,
    by_route: HashMap<(i64, &'static str), VecDeque<Instant>>,
}

impl RateLimits {
    /// Counts a request.
    ///
    /// # Errors
    ///
    /// The seconds to wait, when a limit is used up. Such a request doesn't count.
    pub(crate) fn take(&mut self, key: i64, route: &'static str, now: Instant) -> Result<(), u64> {
        let by_key = self.by_key.entry(key).or_default();
        let by_route = self.by_route.entry((key, route)).or_default();
        let wait = wait(by_key, now, MINUTE, PER_MINUTE).max(wait(by_route, now, SECOND, per_second(route)));
        if !wait.is_zero() {
            return Err(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(60));
        }
        by_key.push_back(now);
        by_route.push_back(now);
        Ok(())
    }
}

/// How often a route can be called in a second.
fn per_second(route: &str) -> usize {
    match route {
        "createOrgApiKey" => 10,
        _ => PER_SECOND_AND_ROUTE,
    }
}

/// How long until the window has room again; zero when it has.
fn wait(used: &mut VecDeque<Instant>, now: Instant, window: Duration, most: usize) -> Duration {
    while used.front().is_some_and(|first| now.duration_since(*first) >= window) {
        used.pop_front();
    }
    if used.len() < most {
        return Duration::ZERO;
    }
    used.front()
        .map(|first| window.saturating_sub(now.duration_since(*first)))
        .unwrap_or_default()
        .max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_takes_40_a_second_and_a_key_700_a_minute() {
        let mut limits = RateLimits::default();
        let start = Instant::now();
        for _ in 0..40 {
            assert_eq!(limits.take(1, "a", start), Ok(()));
        }
        assert_eq!(limits.take(1, "a", start), Err(1));
        assert_eq!(limits.take(1, "b", start), Ok(()));
        assert_eq!(limits.take(2, "a", start), Ok(()));
        assert_eq!(limits.take(1, "a", start + SECOND), Ok(()));

        let mut limits = RateLimits::default();
        for count in 0..700 {
            let at = start + Duration::from_millis(30) * count;
            assert_eq!(limits.take(1, "a", at), Ok(()));
        }
        assert_eq!(limits.take(1, "b", start + Duration::from_secs(22)), Err(38));
        assert_eq!(limits.take(1, "b", start + MINUTE), Ok(()));
    }
}
