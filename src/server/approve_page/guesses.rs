//! Wrong secrets on a page with the operator's own secret: one secret decides every call there, so tries are counted over all calls, and
//! each that is wrong makes the next one wait for longer.
//!
//! Whoever decides from a network where nobody guesses never waits: no number of others that guess keeps approvers out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::http::{neighbourhood, network};

/// After how many wrong secrets of one address its next one waits, and after how many in all that of anybody does in whose network
/// somebody gave a wrong one.
const FREE_OF_ONE: u32 = 5;
const FREE_OF_ALL: u32 = 25;

/// The longest that the next one waits, of one address and of anybody, in seconds.
const MAX_PAUSE_OF_ONE: u64 = 600;
const MAX_PAUSE_OF_ALL: u64 = 60;

/// How long after the last wrong one all of them are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3_600);

/// How many addresses, and networks, are told apart: beyond that all are taken for such where somebody guesses.
const MAX_ADDRESSES: usize = 10_000;

/// The wrong secrets of this process.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    of: HashMap<IpAddr, Tries>,
    of_network: HashMap<IpAddr, Tries>,
    all: Tries,
}

/// A try that counts as wrong until it is taken back.
#[derive(Debug)]
#[must_use]
pub(super) struct Try {
    peer: IpAddr,
    at: Instant,
    /// What was counted last before it: of its address, its network and all.
    before: [Option<Instant>; 3],
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

    /// Takes one back that was counted at `at`, as if it had never been.
    fn take_back(&mut self, at: Instant, before: Option<Instant>) {
        self.wrong = self.wrong.saturating_sub(1);
        if self.last == Some(at) {
            self.last = before;
        }
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
    pub(super) fn begin(&self, peer: IpAddr, now: Instant) -> Result<Try, u64> {
        let (peer, network) = (neighbourhood(peer), network(peer));
        let mut counts = self.counts();
        let counts = &mut *counts;
        for known in [&mut counts.of, &mut counts.of_network] {
            if known.len() >= MAX_ADDRESSES {
                known.retain(|_, tries| !tries.is_over(now));
            }
        }
        let is_full =
            |known: &HashMap<IpAddr, Tries>, key: IpAddr| known.len() >= MAX_ADDRESSES && !known.contains_key(&key);
        let of_one = counts.of.get(&peer).copied().unwrap_or_default();
        let of_network = counts.of_network.get(&network).copied().unwrap_or_default();
        let nobody_guesses =
            (of_network.wrong == 0 || of_network.is_over(now)) && !is_full(&counts.of_network, network);
        let of_all = match nobody_guesses {
            true => None,
            false => counts.all.waits((FREE_OF_ALL, MAX_PAUSE_OF_ALL), now),
        };
        if let Some(seconds) = of_one.waits((FREE_OF_ONE, MAX_PAUSE_OF_ONE), now).max(of_all) {
            return Err(seconds);
        }
        let before = [of_one.last, of_network.last, counts.all.last];
        counts.all.count(now);
        for (known, key) in [(&mut counts.of, peer), (&mut counts.of_network, network)] {
            if !is_full(known, key) {
                known.entry(key).or_default().count(now);
            }
        }
        Ok(Try { peer, at: now, before })
    }

    /// Takes a try back that was right, or was none.
    pub(super) fn take_back(&self, taken: &Try) {
        let Try {
            peer,
            at,
            before: [of_one, of_network, of_all],
        } = *taken;
        let mut counts = self.counts();
        counts.all.take_back(at, of_all);
        if let Some(tries) = counts.of.get_mut(&peer) {
            tries.take_back(at, of_one);
        }
        if let Some(tries) = counts.of_network.get_mut(&network(peer)) {
            tries.take_back(at, of_network);
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

    fn begins(guesses: &Guesses, peer: IpAddr, now: Instant) -> Result<(), u64> {
        guesses.begin(peer, now).map(|_| ())
    }

    #[test]
    fn each_wrong_secret_makes_the_next_of_its_address_wait_for_longer() {
        let guesses = Guesses::default();
        let mut now = Instant::now();
        for _ in 0..5 {
            assert_eq!(begins(&guesses, peer(1), now), Ok(()));
        }
        for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            assert_eq!(begins(&guesses, peer(1), now), Err(pause));
            now += Duration::from_secs(pause);
            assert_eq!(begins(&guesses, peer(1), now), Ok(()));
        }
        assert_eq!(begins(&guesses, peer(2), now), Ok(()), "nobody guesses from there");
        assert_eq!(begins(&guesses, peer(1), now + FORGOTTEN), Ok(()));
        assert_eq!(guesses.counted(peer(1)), (1, 1), "all before are forgotten");
    }

    #[test]
    fn many_addresses_of_a_network_that_guess_wait_for_each_other() {
        let guesses = Guesses::default();
        let now = Instant::now();
        let looked_at = (0..200).filter(|last| begins(&guesses, peer(*last), now).is_ok());
        assert_eq!(looked_at.count(), 25);
        assert_eq!(begins(&guesses, peer(201), now), Err(1));
        assert_eq!(begins(&guesses, peer(201), now + Duration::from_secs(1)), Ok(()));
        // Many networks that guess wait for each other from their second try on, and keep nobody else out.
        for network in 0..200 {
            let from = [198, 51, network, 1].into();
            assert_eq!(begins(&guesses, from, now), Ok(()));
            assert!(begins(&guesses, from, now).is_err());
        }
        assert_eq!(begins(&guesses, [203, 0, 113, 1].into(), now), Ok(()));
    }

    #[test]
    fn what_is_no_try_leaves_nobody_waiting() {
        let guesses = Guesses::default();
        let now = Instant::now();
        (0..25).for_each(|last| begins(&guesses, peer(last), now).unwrap());
        // From the same network: it waits, and what is no try doesn't have it wait anew.
        let at = |seconds| now + Duration::from_secs(seconds);
        for seconds in 1..20 {
            let looked_at = guesses.begin(peer(100), at(seconds)).unwrap();
            guesses.take_back(&looked_at);
        }
        assert_eq!(begins(&guesses, peer(101), at(19)), Ok(()));
    }

    #[test]
    fn right_secrets_count_nothing() {
        let guesses = Guesses::default();
        let now = Instant::now();
        for _ in 0..100 {
            let right = guesses.begin(peer(1), now).unwrap();
            guesses.take_back(&right);
        }
        assert_eq!(guesses.counted(peer(1)), (0, 0));
    }
}
