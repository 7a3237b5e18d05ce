//! What is known of tokens and keys about which somebody else is asked: the issuer, or Neon.
//!
//! Whoever reaches the port can show what nobody ever heard of, as often as they like, and each of those is a question to somebody else.
//! So strangers have a budget for each address and places of their own, and what counted before is asked about again in other places.
//! While it is, or has to wait for a place, the last yes goes on for a while.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::challenge::Denial;

/// How long an answer counts, a yes as a no.
pub(super) const COUNTS: Duration = Duration::from_secs(60);

/// How long the last yes goes on after that, while there is no place to ask again or another request asks.
const GRACE: Duration = Duration::from_secs(60);

/// How many noes are kept. Apart from the others: whoever tries things out drives nothing out that counts.
const MAX_REFUSED: usize = 10_000;

/// How many unknown tokens or keys of one address are asked about in a second, and at once.
const UNKNOWN_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const UNKNOWN_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);

/// How many addresses are counted before those are let go of that showed nothing unknown lately.
const MAX_COUNTED: usize = 10_000;

/// What is known, by the digests of what was shown.
pub(super) struct Asking<T> {
    good: Cache<String, (T, Instant)>,
    bad: Cache<String, (Denial, Instant)>,
    /// How long something is known that counted once.
    keeps: Duration,
    known: Semaphore,
    unknown: Semaphore,
    under_way: Mutex<HashSet<String>>,
    strangers: DefaultKeyedRateLimiter<IpAddr>,
}

/// How much is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How many that count are kept.
    pub(super) kept: usize,
    /// How long something is known that counted once.
    pub(super) keeps: Duration,
    /// How many are asked about at once that nobody knows, and as many of those that counted before.
    pub(super) places: usize,
}

/// What becomes of a request.
pub(super) enum Next<'a, T> {
    /// What was said not long ago.
    Said(Result<T, Denial>),
    /// It is asked about now, in this place. What is known of it, where it counted before.
    Asks(Place<'a>, Option<T>),
}

/// A place to ask in, and the question as one that is under way.
pub(super) struct Place<'a> {
    _permit: SemaphorePermit<'a>,
    under_way: Option<(&'a Mutex<HashSet<String>>, String)>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some((under_way, digest)) = &self.under_way {
            locked(under_way).remove(digest);
        }
    }
}

fn locked(set: &Mutex<HashSet<String>>) -> MutexGuard<'_, HashSet<String>> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Clone> Asking<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            good: Cache::new(bounds.kept),
            bad: Cache::new(MAX_REFUSED),
            keeps: bounds.keeps,
            known: Semaphore::new(bounds.places),
            unknown: Semaphore::new(bounds.places),
            under_way: Mutex::default(),
            strangers: RateLimiter::keyed(Quota::per_second(UNKNOWN_PER_SECOND).allow_burst(UNKNOWN_AT_ONCE)),
        }
    }

    /// Whether what was shown is asked about now. `stranger` is the address of whoever shows it, where nothing but that is known of them.
    pub(super) fn next(&self, digest: &str, stranger: Option<IpAddr>, now: Instant) -> Next<'_, T> {
        let age = |at: Instant| now.saturating_duration_since(at);
        if let Some((denial, _)) = self.bad.get(digest).filter(|(_, at)| age(*at) < COUNTS) {
            return Next::Said(Err(denial));
        }
        let Some((value, at)) = self.good.get(digest).filter(|(_, at)| age(*at) < self.keeps) else {
            return match self.first(stranger) {
                Ok(place) => Next::Asks(place, None),
                Err(denial) => Next::Said(Err(denial)),
            };
        };
        if age(at) < COUNTS {
            return Next::Said(Ok(value));
        }
        let goes_on = age(at) < COUNTS + GRACE;
        match self.again(digest, goes_on) {
            Some(place) => Next::Asks(place, Some(value)),
            None if goes_on => Next::Said(Ok(value)),
            None => Next::Said(Err(Denial::Away("Too much is being asked about at once: try again."))),
        }
    }

    /// A place for what is shown for the first time.
    fn first(&self, stranger: Option<IpAddr>) -> Result<Place<'_>, Denial> {
        let places = match stranger {
            Some(peer) => {
                self.count(peer)?;
                &self.unknown
            }
            None => &self.known,
        };
        let permit = places.try_acquire();
        let permit = permit
            .map_err(|_| Denial::Away("Too much that is unknown here is being asked about at once: try again."))?;
        Ok(Place {
            _permit: permit,
            under_way: None,
        })
    }

    /// A place for what counted before. Nothing where there is none, or, where nobody has to wait for it, another request asks already.
    fn again(&self, digest: &str, alone: bool) -> Option<Place<'_>> {
        let permit = self.known.try_acquire().ok()?;
        let is_first = locked(&self.under_way).insert(digest.to_owned());
        match is_first {
            true => Some(Place {
                _permit: permit,
                under_way: Some((&self.under_way, digest.to_owned())),
            }),
            false if alone => None,
            false => Some(Place {
                _permit: permit,
                under_way: None,
            }),
        }
    }

    /// Counts something unknown that an address shows.
    fn count(&self, peer: IpAddr) -> Result<(), Denial> {
        if self.strangers.len() > MAX_COUNTED {
            self.strangers.retain_recent();
        }
        self.strangers.check_key(&neighbourhood(peer)).map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            Denial::TooMany(wait.as_secs().saturating_add(1))
        })
    }

    /// Notes what was said.
    pub(super) fn learn(&self, digest: String, said: Result<T, Denial>, now: Instant) {
        match said {
            Ok(value) => {
                self.bad.remove(&digest);
                self.good.insert(digest, (value, now));
            }
            Err(denial) => {
                self.good.remove(&digest);
                self.bad.insert(digest, (denial, now));
            }
        }
    }

    /// Lets go of what is no longer known.
    pub(super) fn tidy(&self) {
        self.good.retain(|_, (_, at)| at.elapsed() < self.keeps);
        self.bad.retain(|_, (_, at)| at.elapsed() < COUNTS);
        self.strangers.retain_recent();
    }
}

/// Whose budget an address shares: of the sixth version, whoever has one has a network of them.
pub(in crate::server) fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: Denial = Denial::Invalid("no");

    fn asking(places: usize) -> Asking<u8> {
        Asking::new(Bounds {
            kept: 100,
            keeps: Duration::from_secs(3_600),
            places,
        })
    }

    fn peer(last: u8) -> Option<IpAddr> {
        Some([192, 0, 2, last].into())
    }

    fn said(next: &Next<'_, u8>) -> Option<Result<u8, Denial>> {
        match next {
            Next::Said(said) => Some(*said),
            Next::Asks(..) => None,
        }
    }

    #[test]
    fn what_counted_before_is_asked_about_in_places_that_no_stranger_takes() {
        let asking = asking(2);
        let begin = Instant::now();
        asking.learn("good".to_owned(), Ok(7), begin);
        let places: Vec<Next<'_, u8>> = (0..2).map(|n| asking.next(&format!("s{n}"), peer(n), begin)).collect();
        assert!(places.iter().all(|next| said(next).is_none()));
        let full = said(&asking.next("s9", peer(9), begin));
        assert!(matches!(full, Some(Err(Denial::Away(_)))), "{full:?}");
        for seconds in [61, 130, 3_000] {
            let later = begin + Duration::from_secs(seconds);
            let next = asking.next("good", peer(1), later);
            assert!(matches!(next, Next::Asks(_, Some(7))), "after {seconds} s");
        }
        // As is what comes with a proof, at its first time.
        assert!(said(&asking.next("proved", None, begin)).is_none());
    }

    #[test]
    fn last_yes_goes_on_while_another_request_asks_or_no_place_is_left_and_no_longer() {
        let asking = asking(1);
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        asking.learn("a".to_owned(), Ok(1), begin);
        asking.learn("b".to_owned(), Ok(2), begin);
        assert_eq!(said(&asking.next("a", peer(1), at(59))), Some(Ok(1)));
        let asks = asking.next("a", peer(1), at(60));
        assert!(said(&asks).is_none());
        assert_eq!(said(&asking.next("a", peer(1), at(61))), Some(Ok(1)), "under way");
        assert_eq!(said(&asking.next("b", peer(1), at(119))), Some(Ok(2)), "no place");
        assert!(matches!(
            said(&asking.next("b", peer(1), at(120))),
            Some(Err(Denial::Away(_)))
        ));
        drop(asks);
        // What broke off is asked about by the next.
        assert!(said(&asking.next("a", peer(1), at(62))).is_none());
        asking.learn("a".to_owned(), Err(NO), at(62));
        assert_eq!(said(&asking.next("a", peer(1), at(63))), Some(Err(NO)));
        // A no is no yes of old, once it is over.
        let next = asking.next("a", peer(1), at(123));
        assert!(matches!(next, Next::Asks(_, None)));
    }

    #[test]
    fn address_that_shows_much_that_is_unknown_is_told_to_wait_and_no_other_is() {
        let asking = asking(1_000);
        let now = Instant::now();
        let taken = |peer| {
            (0..200)
                .filter(|n| said(&asking.next(&format!("{n}"), peer, now)).is_none())
                .count()
        };
        let first = taken(peer(1));
        assert!((30..60).contains(&first), "{first}");
        let refused = said(&asking.next("x", peer(1), now));
        assert!(matches!(refused, Some(Err(Denial::TooMany(1..=2)))), "{refused:?}");
        assert!(taken(peer(2)) >= 30);
        asking.learn("good".to_owned(), Ok(7), now);
        assert_eq!(said(&asking.next("good", peer(1), now)), Some(Ok(7)));
    }

    #[test]
    fn addresses_of_one_network_of_the_sixth_version_share_a_budget() {
        let near = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(near("2001:db8:1:2:3::1"), near("2001:db8:1:2:ffff::9"));
        assert_ne!(near("2001:db8:1:2::1"), near("2001:db8:1:3::1"));
        assert_eq!(near("::ffff:192.0.2.7"), near("192.0.2.7"));
        assert_ne!(near("192.0.2.7"), near("192.0.2.8"));
    }
}
