//! Wrong secrets on a page with the operator's own secret: one secret decides every call there, so tries are counted over all calls, and
//! each that is wrong makes the next one wait for longer.
//!
//! Whoever decides from an address where nobody guesses waits only when many guess at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::http::neighbourhood;

/// After how many wrong secrets of one address its next one waits, and after how many in all anybody's does.
const FREE_OF_ONE: u32 = 5;
const FREE_OF_ALL: u32 = 25;

/// The longest that the next one waits, of one address and of anybody, in seconds.
const MAX_PAUSE_OF_ONE: u64 = 600;
const MAX_PAUSE_OF_ALL: u64 = 60;

/// How long after the last wrong one all of them are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3_600);

/// How many addresses are told apart.
const MAX_ADDRESSES: usize = 10_000;

/// The wrong secrets of this process.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    of: HashMap<IpAddr, Tries>,
    all: Tries,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tries {
    wrong: u32,
    last: Option<Instant>,
}

impl Tries {
    fn is_over(&self, now: Instant) -> bool {
        self.last
            .is_none_or(|last| now.saturating_duration_since(last) >= FORGOTTEN)
    }

    /// How many seconds the next one waits, where it does.
    fn waits(&self, (free, most): (u32, u64), now: Instant) -> Option<u64> {
        let beyond = self.wrong.checked_sub(free)?;
        let pause = 2_u64.checked_pow(beyond).map_or(most, |pause| pause.min(most));
        let since = now.saturating_duration_since(self.last?);
        let left = Duration::from_secs(pause).checked_sub(since)?;
        (!left.is_zero()).then(|| left.as_secs() + u64::from(left.subsec_nanos() > 0))
    }

    fn count(&mut self, now: Instant) {
        if self.is_over(now) {
            *self = Self::default();
        }
        self.wrong = self.wrong.saturating_add(1);
        self.last = Some(now);
    }

    fn take_back(&mut self) {
        self.wrong = self.wrong.saturating_sub(1);
    }
}

impl Guesses {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a try, which is wrong until it turns out otherwise: of many at once, none is looked at beyond those that may be.
    ///
    /// # Errors
    /// In how many seconds that address may try again.
    pub(super) fn begin(&self, peer: IpAddr, now: Instant) -> Result<(), u64> {
        let peer = neighbourhood(peer);
        let mut counts = self.counts();
        if counts.of.len() >= MAX_ADDRESSES {
            counts.of.retain(|_, tries| !tries.is_over(now));
        }
        let of_one = counts.of.get(&peer).copied().unwrap_or_default();
        let waits = of_one
            .waits((FREE_OF_ONE, MAX_PAUSE_OF_ONE), now)
            .max(counts.all.waits((FREE_OF_ALL, MAX_PAUSE_OF_ALL), now));
        if let Some(seconds) = waits {
            return Err(seconds);
        }
        counts.all.count(now);
        if counts.of.len() < MAX_ADDRESSES || counts.of.contains_key(&peer) {
            counts.of.entry(peer).or_default().count(now);
        }
        Ok(())
    }

    /// Takes a try back that was right, or was none.
    pub(super) fn take_back(&self, peer: IpAddr) {
        let mut counts = self.counts();
        counts.all.take_back();
        if let Some(tries) = counts.of.get_mut(&neighbourhood(peer)) {
            tries.take_back();
        }
    }

    /// How many wrong ones came from an address, and in all.
    pub(super) fn counted(&self, peer: IpAddr) -> (u32, u32) {
        let counts = self.counts();
        let of_one = counts.of.get(&neighbourhood(peer));
        (of_one.map_or(0, |tries| tries.wrong), counts.all.wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn each_wrong_secret_makes_the_next_of_its_address_wait_for_longer() {
        let guesses = Guesses::default();
        let mut now = Instant::now();
        for _ in 0..5 {
            assert_eq!(guesses.begin(peer(1), now), Ok(()));
        }
        for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            assert_eq!(guesses.begin(peer(1), now), Err(pause));
            now += Duration::from_secs(pause);
            assert_eq!(guesses.begin(peer(1), now), Ok(()));
        }
        assert_eq!(guesses.begin(peer(2), now), Ok(()), "nobody guesses from there");
        assert_eq!(guesses.begin(peer(1), now + FORGOTTEN), Ok(()));
        assert_eq!(guesses.counted(peer(1)), (1, 1), "all before are forgotten");
    }

    #[test]
    fn many_addresses_that_guess_wait_for_each_other() {
        let guesses = Guesses::default();
        let now = Instant::now();
        let looked_at = (0..200).filter(|last| guesses.begin(peer(*last), now).is_ok());
        assert_eq!(looked_at.count(), 25);
        assert_eq!(guesses.begin(peer(201), now), Err(1));
        assert_eq!(guesses.begin(peer(201), now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn right_secrets_count_nothing() {
        let guesses = Guesses::default();
        let now = Instant::now();
        for _ in 0..100 {
            assert_eq!(guesses.begin(peer(1), now), Ok(()));
            guesses.take_back(peer(1));
        }
        assert_eq!(guesses.counted(peer(1)), (0, 0));
    }
}
