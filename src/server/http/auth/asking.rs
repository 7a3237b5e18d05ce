//! What is known of tokens and keys about which somebody else is asked: the issuer, or Neon.
//!
//! Whoever reaches the port can show what nobody ever heard of, as often as they like, and each of those is a question to somebody else.
//! So strangers have a budget for each address and places of their own. Who is named by a proof, as by an issuer's signature, can have it
//! make as many as they like, too: those have a budget for each name, and places in which none takes more than a share. What counted before is asked about again in
//! places that neither takes, with the same share for each. While it is, or has to wait for a place, the last yes goes on for a while. Of one token or key there is one question at a time, and
//! whoever shows it meanwhile waits for that answer. That nobody could answer is kept, too, for some seconds.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::challenge::Denial;
use crate::server::http::peer::neighbourhood;

/// How long an answer counts, a yes as a no.
pub(super) const COUNTS: Duration = Duration::from_secs(60);

/// How long the last yes goes on after that, while there is no place to ask again or another request asks.
const GRACE: Duration = Duration::from_secs(60);

/// How long nobody asks again about what nobody could answer, unless whoever is asked says how long; and the most that they may say.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// How many noes are kept, and how many questions without an answer. Apart from the others: whoever tries things out drives nothing out that counts.
const MAX_REFUSED: usize = 10_000;

/// How many unknown tokens or keys of one address are asked about in a second, and at once.
const UNKNOWN_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const UNKNOWN_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);

/// How many that are new here of one who is named by a proof are asked about in a second, and at once: a client takes a new one every
/// few minutes.
const NEW_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);
const NEW_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);

/// How many addresses and names are counted before those are let go of that showed nothing unknown lately.
const MAX_COUNTED: usize = 10_000;

/// What is said to all that wait for an answer, when it is there.
type Answer<T> = watch::Receiver<Option<Result<T, Denial>>>;

/// The questions that are under way.
struct UnderWay<T> {
    answers: HashMap<String, Answer<T>>,
    /// How many of them are about whose.
    of_one: HashMap<String, usize>,
}

/// Who shows something.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shows<'a> {
    /// Someone of whom nothing but the address is known.
    Stranger(IpAddr),
    /// One whom a proof names.
    #[cfg_attr(not(feature = "http-server"), allow(dead_code))]
    Named(&'a str),
}

/// What counts.
pub(super) trait Counts: Clone {
    /// Whose it is, where one may have many.
    fn owner(&self) -> Option<&str>;
}

/// What is known, by the digests of what was shown.
pub(super) struct Asking<T> {
    good: Cache<String, (T, Instant)>,
    bad: Cache<String, (Denial, Instant)>,
    /// What nobody could answer, and until when that is so.
    unanswered: Cache<String, (Denial, Instant)>,
    /// How long something is known that counted once.
    keeps: Duration,
    known: Semaphore,
    new: Semaphore,
    unknown: Semaphore,
    /// How many questions at once are about what one has.
    of_one: usize,
    under_way: Mutex<UnderWay<T>>,
    strangers: DefaultKeyedRateLimiter<IpAddr>,
    named: DefaultKeyedRateLimiter<String>,
}

/// That there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unanswered {
    /// What is said to whoever asked.
    pub(super) denial: Denial,
    /// For how long it is said without asking again; nothing where nobody was asked.
    pub(super) pause: Option<Duration>,
}

impl Unanswered {
    /// That whoever was asked couldn't answer, and for how long they want not to be asked, where they say so.
    pub(super) fn asked(denial: Denial, retry_after: Option<Duration>) -> Self {
        let pause = retry_after.unwrap_or(PAUSE);
        Self {
            denial,
            // None at all would be a question for each request.
            pause: Some(pause.clamp(Duration::from_secs(1), MAX_PAUSE)),
        }
    }

    /// That there is nobody to ask.
    pub(super) fn not_asked(denial: Denial) -> Self {
        Self { denial, pause: None }
    }
}

/// How much is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How many that count are kept.
    pub(super) kept: usize,
    /// How long something is known that counted once.
    pub(super) keeps: Duration,
    /// How many are asked about at once that nobody knows, as many that are new of those whom a proof names, and as many that counted
    /// before.
    pub(super) places: usize,
    /// How many of the last two are of one.
    pub(super) of_one: usize,
}

/// What becomes of a request.
enum Next<'a, T> {
    /// What was said not long ago.
    Said(Result<T, Denial>),
    /// It is asked about now, in this place. What is known of it, where it counted before.
    Asks(Place<'a, T>, Option<T>),
    /// Another request asks about the same.
    Waits(Answer<T>),
}

/// A place to ask in, and the question as one that is under way.
struct Place<'a, T> {
    _permit: SemaphorePermit<'a>,
    under_way: &'a Mutex<UnderWay<T>>,
    digest: String,
    owner: Option<String>,
    tells: watch::Sender<Option<Result<T, Denial>>>,
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        let mut under_way = locked(self.under_way);
        under_way.answers.remove(&self.digest);
        let Some(owner) = &self.owner else { return };
        if let Some(many) = under_way.of_one.get_mut(owner) {
            *many = many.saturating_sub(1);
            if *many == 0 {
                under_way.of_one.remove(owner);
            }
        }
    }
}

fn locked<T>(under_way: &Mutex<UnderWay<T>>) -> MutexGuard<'_, UnderWay<T>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Counts> Asking<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            good: Cache::new(bounds.kept),
            bad: Cache::new(MAX_REFUSED),
            unanswered: Cache::new(MAX_REFUSED),
            keeps: bounds.keeps,
            known: Semaphore::new(bounds.places),
            new: Semaphore::new(bounds.places),
            unknown: Semaphore::new(bounds.places),
            of_one: bounds.of_one,
            under_way: Mutex::new(UnderWay {
                answers: HashMap::new(),
                of_one: HashMap::new(),
            }),
            strangers: RateLimiter::keyed(Quota::per_second(UNKNOWN_PER_SECOND).allow_burst(UNKNOWN_AT_ONCE)),
            named: RateLimiter::keyed(Quota::per_second(NEW_PER_SECOND).allow_burst(NEW_AT_ONCE)),
        }
    }

    /// What is said of what was shown, which is asked about where that isn't known. The question is given what counted before.
    ///
    /// # Errors
    /// The answer to a request with what doesn't count, or of which nobody can tell.
    pub(super) async fn answer<F>(
        &self,
        digest: &str,
        shows: Shows<'_>,
        question: impl FnOnce(Option<T>) -> F,
    ) -> Result<T, Denial>
    where
        F: Future<Output = Result<Result<T, Denial>, Unanswered>>,
    {
        loop {
            match self.next(digest, shows, Instant::now()) {
                Next::Said(said) => return said,
                Next::Waits(mut answer) => {
                    let told = answer.wait_for(Option::is_some).await;
                    if let Some(said) = told.ok().and_then(|said| said.clone()) {
                        return said;
                    }
                    // Whoever asked broke off: this one asks, unless another is faster.
                }
                Next::Asks(place, known) => {
                    let said = question(known).await;
                    return self.learn(&place, said, Instant::now());
                }
            }
        }
    }

    /// What becomes of a request now.
    fn next(&self, digest: &str, shows: Shows<'_>, now: Instant) -> Next<'_, T> {
        if let Some(said) = self.said(digest, now) {
            return Next::Said(said);
        }
        let mut under_way = locked(&self.under_way);
        // Whoever asked until now has noted the answer by now.
        if let Some(said) = self.said(digest, now) {
            return Next::Said(said);
        }
        let age = |at: Instant| now.saturating_duration_since(at);
        let known = self.good.get(digest).filter(|(_, at)| age(*at) < self.keeps);
        let goes_on = known.as_ref().filter(|(_, at)| age(*at) < COUNTS + GRACE);
        let goes_on = goes_on.map(|(value, _)| value.clone());
        if let Some(answer) = under_way.answers.get(digest) {
            return match goes_on {
                Some(value) => Next::Said(Ok(value)),
                None => Next::Waits(answer.clone()),
            };
        }
        let owner = match (&known, shows) {
            (_, Shows::Named(name)) => Some(name),
            (Some((value, _)), _) => value.owner(),
            (None, Shows::Stranger(_)) => None,
        };
        let owner = owner.map(str::to_owned);
        let of_one = owner.as_ref().and_then(|owner| under_way.of_one.get(owner));
        let permit = match &known {
            _ if of_one.is_some_and(|many| *many >= self.of_one) => Err(Denial::TooMany(1)),
            None => self.first(shows),
            Some(_) => self
                .known
                .try_acquire()
                .map_err(|_| Denial::Away("Too much is being asked about at once: try again.")),
        };
        match (permit, goes_on) {
            (Ok(permit), _) => {
                let (tells, answer) = watch::channel(None);
                under_way.answers.insert(digest.to_owned(), answer);
                if let Some(owner) = &owner {
                    *under_way.of_one.entry(owner.clone()).or_default() += 1;
                }
                let place = Place {
                    _permit: permit,
                    under_way: &self.under_way,
                    digest: digest.to_owned(),
                    owner,
                    tells,
                };
                Next::Asks(place, known.map(|(value, _)| value))
            }
            (Err(_), Some(value)) => Next::Said(Ok(value)),
            (Err(denial), None) => Next::Said(Err(denial)),
        }
    }

    /// What was said not long ago, or that nobody could say it.
    fn said(&self, digest: &str, now: Instant) -> Option<Result<T, Denial>> {
        let counts = |at: &Instant| now.saturating_duration_since(*at) < COUNTS;
        if let Some((denial, _)) = self.bad.get(digest).filter(|(_, at)| counts(at)) {
            return Some(Err(denial));
        }
        if let Some((value, _)) = self.good.get(digest).filter(|(_, at)| counts(at)) {
            return Some(Ok(value));
        }
        let unanswered = self.unanswered.get(digest).filter(|(_, until)| now < *until);
        unanswered.map(|(denial, _)| Err(denial))
    }

    /// A place for what is shown for the first time.
    fn first(&self, shows: Shows<'_>) -> Result<SemaphorePermit<'_>, Denial> {
        let places = match shows {
            Shows::Stranger(peer) => {
                count(&self.strangers, &neighbourhood(peer))?;
                &self.unknown
            }
            Shows::Named(name) => {
                count(&self.named, &name.to_owned())?;
                &self.new
            }
        };
        places
            .try_acquire()
            .map_err(|_| Denial::Away("Too much that is unknown here is being asked about at once: try again."))
    }

    /// Notes what was said, and tells it to all that wait.
    fn learn(
        &self,
        place: &Place<'_, T>,
        said: Result<Result<T, Denial>, Unanswered>,
        now: Instant,
    ) -> Result<T, Denial> {
        let digest = place.digest.clone();
        let told = match said {
            Ok(Ok(value)) => {
                self.bad.remove(&digest);
                self.good.insert(digest, (value.clone(), now));
                Ok(value)
            }
            Ok(Err(denial)) => {
                self.good.remove(&digest);
                self.bad.insert(digest, (denial, now));
                Err(denial)
            }
            Err(Unanswered { denial, pause }) => {
                if let Some(until) = pause.and_then(|pause| now.checked_add(pause)) {
                    self.unanswered.insert(digest, (denial, until));
                }
                Err(denial)
            }
        };
        place.tells.send_replace(Some(told.clone()));
        told
    }

    /// Lets go of what is no longer known.
    pub(super) fn tidy(&self) {
        self.good.retain(|_, (_, at)| at.elapsed() < self.keeps);
        self.bad.retain(|_, (_, at)| at.elapsed() < COUNTS);
        let now = Instant::now();
        self.unanswered.retain(|_, (_, until)| now < *until);
        self.strangers.retain_recent();
        self.named.retain_recent();
    }
}

/// Counts something unknown that one shows.
fn count<K: Hash + Eq + Clone>(counted: &DefaultKeyedRateLimiter<K>, one: &K) -> Result<(), Denial> {
    if counted.len() > MAX_COUNTED {
        counted.retain_recent();
    }
    counted.check_key(one).map_err(|early| {
        let wait = early.wait_time_from(DefaultClock::default().now());
        Denial::TooMany(wait.as_secs().saturating_add(1))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const NO: Denial = Denial::Invalid("no");

    fn asking(places: usize) -> Asking<u8> {
        Asking::new(Bounds {
            kept: 100,
            keeps: Duration::from_secs(3_600),
            places,
            of_one: 2,
        })
    }

    /// Whose they are is their tens.
    impl Counts for u8 {
        fn owner(&self) -> Option<&str> {
            match self / 10 {
                1 => Some("ann"),
                2 => Some("bob"),
                _ => None,
            }
        }
    }

    fn peer(last: u8) -> Shows<'static> {
        Shows::Stranger([192, 0, 2, last].into())
    }

    /// One who shows nothing else.
    const JOE: Shows<'static> = Shows::Named("joe");

    fn said(next: &Next<'_, u8>) -> Option<Result<u8, Denial>> {
        match next {
            Next::Said(said) => Some(*said),
            Next::Asks(..) | Next::Waits(_) => None,
        }
    }

    fn asks(next: &Next<'_, u8>) -> bool {
        matches!(next, Next::Asks(..))
    }

    /// Has it asked about, and this be the answer.
    fn told(asking: &Asking<u8>, digest: &str, said: Result<Result<u8, Denial>, Unanswered>, at: Instant) {
        match asking.next(digest, JOE, at) {
            Next::Asks(place, _) => drop(asking.learn(&place, said, at)),
            _ => panic!("{digest} isn't asked about"),
        }
    }

    #[test]
    fn what_counted_before_is_asked_about_in_places_that_no_stranger_takes() {
        let asking = asking(2);
        let begin = Instant::now();
        told(&asking, "good", Ok(Ok(7)), begin);
        let places: Vec<Next<'_, u8>> = (0..2).map(|n| asking.next(&format!("s{n}"), peer(n), begin)).collect();
        assert!(places.iter().all(asks));
        let full = said(&asking.next("s9", peer(9), begin));
        assert!(matches!(full, Some(Err(Denial::Away(_)))), "{full:?}");
        for seconds in [61, 130, 3_000] {
            let later = begin + Duration::from_secs(seconds);
            let next = asking.next("good", peer(1), later);
            assert!(matches!(next, Next::Asks(_, Some(7))), "after {seconds} s");
        }
        // As is what comes with a proof, at its first time.
        assert!(asks(&asking.next("proved", JOE, begin)));
    }

    #[test]
    fn last_yes_goes_on_while_another_request_asks_or_no_place_is_left_and_no_longer() {
        let asking = asking(1);
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        told(&asking, "a", Ok(Ok(1)), begin);
        told(&asking, "b", Ok(Ok(2)), begin);
        assert_eq!(said(&asking.next("a", peer(1), at(59))), Some(Ok(1)));
        let place = asking.next("a", peer(1), at(60));
        assert!(asks(&place));
        assert_eq!(said(&asking.next("a", peer(1), at(61))), Some(Ok(1)), "under way");
        assert!(matches!(asking.next("a", peer(1), at(121)), Next::Waits(_)));
        assert_eq!(said(&asking.next("b", peer(1), at(119))), Some(Ok(2)), "no place");
        assert!(matches!(
            said(&asking.next("b", peer(1), at(120))),
            Some(Err(Denial::Away(_)))
        ));
        drop(place);
        // What broke off is asked about by the next.
        told(&asking, "a", Ok(Err(NO)), at(62));
        assert_eq!(said(&asking.next("a", peer(1), at(63))), Some(Err(NO)));
        // A no is no yes of old, once it is over.
        let next = asking.next("a", peer(1), at(123));
        assert!(matches!(next, Next::Asks(_, None)));
    }

    #[test]
    fn address_that_shows_much_that_is_unknown_is_told_to_wait_and_no_other_is() {
        let asking = asking(1_000);
        let now = Instant::now();
        let taken = |peer: Shows<'_>| {
            let asked = |n: &u32| asks(&asking.next(&format!("{n}"), peer, now));
            (0..200).filter(asked).count()
        };
        let first = taken(peer(1));
        assert!((30..60).contains(&first), "{first}");
        let refused = said(&asking.next("x", peer(1), now));
        assert!(matches!(refused, Some(Err(Denial::TooMany(1..=2)))), "{refused:?}");
        assert!(taken(peer(2)) >= 30);
        told(&asking, "good", Ok(Ok(7)), now);
        assert_eq!(said(&asking.next("good", peer(1), now)), Some(Ok(7)));
    }

    #[test]
    fn one_who_shows_much_that_is_new_takes_a_share_of_the_places_and_no_place_of_what_counted_before() {
        let asking = asking(4);
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for value in [10, 11, 12, 13, 20] {
            told(&asking, &value.to_string(), Ok(Ok(value)), begin);
        }
        let shows = |name, digest: &str, seconds| asking.next(digest, Shows::Named(name), at(seconds));
        let too_many = |next: &Next<'_, u8>| matches!(said(next), Some(Err(Denial::TooMany(_))));
        let places = ["n1", "n2"].map(|digest| shows("ann", digest, 0));
        assert!(places.iter().all(asks));
        assert!(too_many(&shows("ann", "n3", 0)));
        let others = ["n4", "n5"].map(|digest| shows("bob", digest, 0));
        assert!(others.iter().all(asks));
        // All places for what is new are taken, and none of what counted before, of which one has a share, too.
        assert!(matches!(said(&shows("joe", "n6", 0)), Some(Err(Denial::Away(_)))));
        assert!(too_many(&shows("ann", "11", 130)), "with what is new of hers");
        drop((places, others));
        let places = ["10", "11"].map(|digest| asking.next(digest, peer(1), at(130)));
        assert!(places.iter().all(asks));
        assert!(too_many(&asking.next("12", peer(1), at(130))));
        assert!(asks(&asking.next("20", peer(1), at(130))));
        drop(places);
        assert!(asks(&asking.next("12", peer(1), at(130))));
    }

    #[test]
    fn one_who_shows_new_ones_again_and_again_is_told_to_wait_and_no_other_is() {
        let asking = asking(9);
        let now = Instant::now();
        let taken = |name: &'static str| {
            let asked = |n: &u32| asks(&asking.next(&format!("{name} {n}"), Shows::Named(name), now));
            (0..100).filter(asked).count()
        };
        let first = taken("ann");
        assert!((20..40).contains(&first), "{first}");
        assert!(taken("bob") >= 20);
    }

    #[test]
    fn what_nobody_could_answer_is_asked_about_again_after_a_pause_and_no_sooner() {
        let away = Denial::Away("away");
        let asking = asking(9);
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (digest, wants, millis) in [
            ("none", None, 5_000),
            ("at once", seconds(0), 1_000),
            ("soon", seconds(2), 2_000),
            ("late", seconds(30), 30_000),
            ("much later", seconds(86_400), 60_000),
        ] {
            told(&asking, digest, Err(Unanswered::asked(away, wants)), begin);
            let next = asking.next(digest, JOE, at(millis - 1));
            assert_eq!(said(&next), Some(Err(away)), "{digest}");
            assert!(asks(&asking.next(digest, JOE, at(millis))), "{digest}");
        }
        // Where nobody was asked, nobody is spared; and a yes of old doesn't go on.
        told(&asking, "nobody", Err(Unanswered::not_asked(away)), begin);
        assert!(asks(&asking.next("nobody", JOE, begin)));
        told(&asking, "good", Ok(Ok(7)), begin);
        told(&asking, "good", Err(Unanswered::asked(away, None)), at(61_000));
        assert_eq!(said(&asking.next("good", JOE, at(62_000))), Some(Err(away)));
        told(&asking, "good", Ok(Ok(8)), at(66_000));
        assert_eq!(said(&asking.next("good", JOE, at(66_001))), Some(Ok(8)));
    }

    #[tokio::test]
    async fn one_token_that_is_shown_often_at_once_is_one_question_in_one_place() {
        let asking = asking(1);
        let asked = AtomicUsize::new(0);
        let (answers, answered) = tokio::sync::watch::channel(());
        let shows = async |digest: &str| {
            let question = |_| async {
                asked.fetch_add(1, Ordering::Relaxed);
                let _ = answered.clone().changed().await;
                Ok(Ok(7))
            };
            asking.answer(digest, JOE, question).await
        };
        let all = futures::future::join_all((0..40).map(|_| shows("new")));
        // Another token has no place meanwhile, and is told so.
        let (all, other, ()) = tokio::join!(all, shows("other"), async { answers.send_replace(()) });
        assert!(all.iter().all(|said| *said == Ok(7)), "{all:?}");
        assert!(matches!(other, Err(Denial::Away(_))), "{other:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // What broke off is asked by one of those that waited.
        let broken = asking.next("again", JOE, Instant::now());
        let waiting = futures::future::join_all((0..9).map(|_| shows("again")));
        let (waited, ()) = tokio::join!(waiting, async {
            drop(broken);
            tokio::task::yield_now().await;
            answers.send_replace(());
        });
        assert!(waited.iter().all(|said| *said == Ok(7)), "{waited:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
