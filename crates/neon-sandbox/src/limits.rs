//! Neon's rate limits: 700 requests a minute per account, 40 a second per account and route, and less where a route has its own.
//!
//! An account is the user, whatever personal key is used, or an organization, whatever key of its own is used.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

const PER_MINUTE: usize = 700;
const PER_SECOND_AND_ROUTE: usize = 40;

/// Requests a minute that the routes of the consumption history have together.
const CONSUMPTION_PER_MINUTE: usize = 30;
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// When each account made a request, and on which route.
#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    by_account: HashMap<String, VecDeque<Instant>>,
    by_route: HashMap<(String, &'static str), VecDeque<Instant>>,
    consumption: HashMap<String, VecDeque<Instant>>,
}

impl RateLimits {
    /// Counts a request.
    ///
    /// # Errors
    ///
    /// The seconds to wait, when a limit is used up. Such a request doesn't count.
    pub(crate) fn take(&mut self, account: &str, route: &'static str, now: Instant) -> Result<(), u64> {
        let all = self.by_account.entry(account.to_owned()).or_default();
        let of_route = self.by_route.entry((account.to_owned(), route)).or_default();
        let mut longest = wait(all, now, MINUTE, PER_MINUTE).max(wait(of_route, now, SECOND, per_second(route)));
        let consumption = route
            .starts_with("getConsumptionHistory")
            .then(|| self.consumption.entry(account.to_owned()).or_default());
        let mut counted = vec![all, of_route];
        if let Some(consumption) = consumption {
            longest = longest.max(wait(consumption, now, MINUTE, CONSUMPTION_PER_MINUTE));
            counted.push(consumption);
        }
        if !longest.is_zero() {
            return Err(u64::try_from(longest.as_millis().div_ceil(1000)).unwrap_or(60));
        }
        counted.into_iter().for_each(|times| times.push_back(now));
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
    fn a_route_takes_40_a_second_and_an_account_700_a_minute() {
        let mut limits = RateLimits::default();
        let start = Instant::now();
        for _ in 0..40 {
            assert_eq!(limits.take("one", "a", start), Ok(()));
        }
        assert_eq!(limits.take("one", "a", start), Err(1));
        assert_eq!(limits.take("one", "b", start), Ok(()));
        assert_eq!(limits.take("two", "a", start), Ok(()));
        assert_eq!(limits.take("one", "a", start + SECOND), Ok(()));

        let mut limits = RateLimits::default();
        for count in 0..700 {
            let at = start + Duration::from_millis(30) * count;
            assert_eq!(limits.take("one", "a", at), Ok(()));
        }
        assert_eq!(limits.take("one", "b", start + Duration::from_secs(22)), Err(38));
        assert_eq!(limits.take("one", "b", start + MINUTE), Ok(()));
    }

    #[test]
    fn consumption_routes_share_30_requests_a_minute() {
        let mut limits = RateLimits::default();
        let start = Instant::now();
        let routes = ["getConsumptionHistoryPerProjectV2", "getConsumptionHistoryPerBranchV2"];
        for route in routes.iter().cycle().take(30) {
            assert_eq!(limits.take("one", route, start), Ok(()));
        }
        assert_eq!(limits.take("one", "getConsumptionHistoryPerProject", start), Err(60));
        assert_eq!(limits.take("two", "getConsumptionHistoryPerProject", start), Ok(()));
        assert_eq!(limits.take("one", "listProjects", start), Ok(()));
        assert_eq!(limits.take("one", routes[0], start + MINUTE), Ok(()));
    }
}
