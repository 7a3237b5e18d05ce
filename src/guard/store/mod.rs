//! What replicas of a server share of approvals, redeemed approvals and prepared work, behind one trait: Redis for replicas anywhere, a
//! directory for processes of one machine, memory for one process. What a record means, whom it belongs to and whether it is genuine is
//! decided elsewhere.

mod address;
mod contract;
mod directory;
mod error;
mod memory;
mod nonce;
mod observed;
#[cfg(feature = "http-server")]
mod redis;

pub use address::{InvalidStore, RedisAddress, StoreAddress};
pub(super) use contract::{Caps, Full, Put, Record, Redeemed, Redemption, StateStore, Taken};
pub(super) use directory::DirectoryStore;
pub use error::StoreError;
pub(super) use memory::MemoryStore;
pub(super) use nonce::{Nonce, Nonces};
pub(super) use observed::Observed;
#[cfg(all(test, feature = "http-server"))]
pub(super) use redis::server as redis_server;
#[cfg(feature = "http-server")]
pub use redis::{RedisOptions, RedisStore};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use chrono::{DateTime, TimeDelta, Utc};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Note {
        owner: String,
        group: String,
        asks: String,
        since: DateTime<Utc>,
        ends_at: DateTime<Utc>,
        count: u32,
    }

    impl Record for Note {
        fn is_id(id: &str) -> bool {
            !id.is_empty()
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        }

        fn ends_at(&self) -> DateTime<Utc> {
            self.ends_at
        }

        fn owner(&self) -> &str {
            &self.owner
        }

        fn group(&self) -> &str {
            &self.group
        }

        fn since(&self) -> DateTime<Utc> {
            self.since
        }

        fn same(&self) -> Option<String> {
            Some(self.asks.clone())
        }
    }

    const CAPS: Caps = Caps {
        all: 4,
        group: 3,
        owner: 2,
        oldest_gives_way: true,
    };

    fn note(owner: &str, group: &str, asks: &str) -> Note {
        let now = Utc::now();
        Note {
            owner: owner.to_owned(),
            group: group.to_owned(),
            asks: asks.to_owned(),
            // Stores keep milliseconds, in which several are put down.
            since: now + TimeDelta::milliseconds(asks.parse().unwrap_or_default()),
            ends_at: now + TimeDelta::hours(1),
            count: 0,
        }
    }

    /// What runs as long as the stores of a test.
    #[cfg(feature = "http-server")]
    type Server = Option<super::redis::server::TestRedis>;
    #[cfg(not(feature = "http-server"))]
    type Server = ();

    /// One of each kind that remembers what was taken, Redis among them where this machine has one.
    fn stores(place: &Path) -> (Vec<Box<dyn StateStore<Note>>>, Server) {
        let stores: Vec<Box<dyn StateStore<Note>>> = vec![
            Box::new(DirectoryStore::new(place.join("notes"), 4_096, true)),
            Box::new(MemoryStore::default()),
        ];
        #[cfg(feature = "http-server")]
        return with_redis(stores);
        #[cfg(not(feature = "http-server"))]
        (stores, ())
    }

    #[cfg(feature = "http-server")]
    fn with_redis(mut stores: Vec<Box<dyn StateStore<Note>>>) -> (Vec<Box<dyn StateStore<Note>>>, Server) {
        let redis = super::redis::server::TestRedis::start();
        if let Some(redis) = &redis {
            let prefix = crate::guard::session::random_id();
            let store = redis.replica(&prefix, 7, std::time::Duration::from_secs(1));
            stores.push(Box::new(store.records("notes", 4_096, true)));
        }
        (stores, redis)
    }

    fn put(store: &dyn StateStore<Note>, id: &str, note: Note) -> Put<Note> {
        store.put(id, note, &CAPS, Utc::now()).unwrap()
    }

    #[test]
    fn record_is_put_under_a_free_id_alone_and_once_for_what_it_asks() {
        let place = tempfile::tempdir().unwrap();
        let (stores, _server) = stores(place.path());
        for store in stores {
            assert!(matches!(put(&*store, "a", note("me", "us", "1")), Put::Stored));
            assert!(matches!(put(&*store, "a", note("me", "us", "2")), Put::IdTaken));
            assert!(matches!(put(&*store, "b", note("you", "us", "1")), Put::Known(known) if known.owner == "me"));
            assert!(matches!(store.take("a", &|_| true).unwrap(), Taken::Now(_)));
            assert!(
                matches!(put(&*store, "a", note("me", "us", "2")), Put::IdTaken),
                "it was taken"
            );
        }
    }

    #[test]
    fn record_is_taken_by_one_of_many_and_given_back() {
        let place = tempfile::tempdir().unwrap();
        let (stores, _server) = stores(place.path());
        for store in stores {
            put(&*store, "a", note("me", "us", "1"));
            assert!(matches!(store.take("a", &|_| false).unwrap(), Taken::Nothing));
            for _ in 0..2 {
                let took = std::thread::scope(|scope| {
                    let takers: Vec<_> = (0..16)
                        .map(|_| scope.spawn(|| store.take("a", &|_| true).unwrap()))
                        .collect();
                    let all: Vec<_> = takers.into_iter().map(|taker| taker.join().unwrap()).collect();
                    assert!(all.iter().all(|taken| matches!(taken, Taken::Now(_) | Taken::Before)));
                    all.iter().filter(|taken| matches!(taken, Taken::Now(_))).count()
                });
                assert_eq!(took, 1);
                assert!(store.list().unwrap().is_empty() && store.get("a").unwrap().unwrap().1);
                store.give_back("a").unwrap();
                assert!(!store.get("a").unwrap().unwrap().1);
            }
            assert!(matches!(store.take("b", &|_| true).unwrap(), Taken::Nothing));
        }
        // Where taking removes it, it is gone.
        let store: DirectoryStore<Note> = DirectoryStore::new(place.path().join("others"), 4_096, false);
        put(&store, "a", note("me", "us", "1"));
        assert!(matches!(store.take("a", &|_| true).unwrap(), Taken::Now(_)));
        assert!(store.get("a").unwrap().is_none());
        assert!(matches!(store.take("a", &|_| true).unwrap(), Taken::Nothing));
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let place = tempfile::tempdir().unwrap();
        let (stores, _server) = stores(place.path());
        for store in stores {
            put(&*store, "a", note("me", "us", "1"));
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let count = &mut |note: &mut Note| {
                            note.count += 1;
                            true
                        };
                        store.change("a", count).unwrap();
                    });
                }
            });
            let leave = &mut |note: &mut Note| {
                note.count += 1;
                false
            };
            store.change("a", leave).unwrap();
            assert_eq!(store.get("a").unwrap().unwrap().0.count, 8);
        }
    }

    #[test]
    fn owner_gives_way_to_itself_and_bounds_hold_for_group_and_all() {
        let place = tempfile::tempdir().unwrap();
        let (stores, _server) = stores(place.path());
        for store in stores {
            let asked = || {
                store
                    .list()
                    .unwrap()
                    .into_iter()
                    .map(|(_, note)| note.asks)
                    .collect::<BTreeSet<_>>()
            };
            put(&*store, "a", note("me", "us", "1"));
            put(&*store, "b", note("me", "us", "2"));
            assert_eq!(store.room(("me", ""), &CAPS, Utc::now()).unwrap(), Some(Full::Owner));
            assert!(matches!(put(&*store, "c", note("me", "us", "3")), Put::Stored));
            assert_eq!(asked(), ["2", "3"].map(str::to_owned).into());
            put(&*store, "d", note("you", "us", "4"));
            assert!(matches!(
                put(&*store, "e", note("they", "us", "5")),
                Put::Full(Full::Group)
            ));
            assert!(matches!(put(&*store, "f", note("they", "them", "6")), Put::Stored));
            // Of all that may wait, whoever has most makes room, and only for one that has fewer.
            assert!(matches!(put(&*store, "g", note("others", "them", "7")), Put::Stored));
            assert_eq!(asked(), ["3", "4", "6", "7"].map(str::to_owned).into());
            assert!(matches!(
                put(&*store, "h", note("more", "them", "8")),
                Put::Full(Full::All)
            ));
            assert!(matches!(put(&*store, "h", note("new", "", "8")), Put::Stored));
            assert_eq!(asked(), ["4", "6", "7", "8"].map(str::to_owned).into());
            assert_eq!(store.room(("others", ""), &CAPS, Utc::now()).unwrap(), None);
            assert_eq!(store.room(("new", ""), &CAPS, Utc::now()).unwrap(), Some(Full::All));
            assert!(matches!(put(&*store, "i", note("newer", "", "9")), Put::Stored));
            assert_eq!(asked(), ["4", "7", "8", "9"].map(str::to_owned).into());
            assert!(matches!(put(&*store, "j", note("new", "", "10")), Put::Stored));
            assert_eq!(asked(), ["4", "7", "9", "10"].map(str::to_owned).into());
            assert_eq!(store.room(("new", ""), &CAPS, Utc::now()).unwrap(), Some(Full::All));
            assert_eq!(store.room(("newest", ""), &CAPS, Utc::now()).unwrap(), Some(Full::All));
            // An hour later all of it is over.
            let later = Utc::now() + TimeDelta::hours(2);
            assert_eq!(store.room(("new", ""), &CAPS, later).unwrap(), None);
            assert!(store.list().unwrap().is_empty());
        }
    }

    #[test]
    fn directory_is_swept_of_drafts_and_of_nothing_that_is_called_otherwise() {
        let place = tempfile::tempdir().unwrap();
        let store: DirectoryStore<Note> = DirectoryStore::new(place.path().to_owned(), 4_096, true);
        let there = |name: &str| place.path().join(name).exists();
        for name in ["a.x1.new", "A.x1.new", "a.txt", "young.json"] {
            fs::write(place.path().join(name), "").unwrap();
        }
        put(&store, "b", note("me", "us", "1"));
        assert!(!there("a.x1.new"));
        assert!(there("A.x1.new") && there("a.txt") && there("young.json") && there("b.json"));
        assert_eq!(store.list().unwrap().len(), 1);
    }

    #[test]
    fn record_that_could_not_be_read_again_is_not_written() {
        let place = tempfile::tempdir().unwrap();
        let store: DirectoryStore<Note> = DirectoryStore::new(place.path().to_owned(), 4_096, true);
        let large = note("me", "us", &"x".repeat(5_000));
        assert!(store.put("a", large, &CAPS, Utc::now()).is_err());
        assert!(store.list().unwrap().is_empty());
        assert!(matches!(put(&store, "../a", note("me", "us", "1")), Put::IdTaken));
        assert!(store.get("../a").unwrap().is_none());
    }
}
