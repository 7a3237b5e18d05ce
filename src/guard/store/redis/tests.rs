//! What a Redis store does when it comes back, and against who reads and writes it.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::RedisStore;
use super::server::TestRedis;
use crate::guard::store::{Redemption, StoreError};
use crate::guard::{ApprovalFlow, ApprovalRules, Approvals, NotPrepared, Sealer};
use crate::neon::{LimitSettings, Rate, SharedBudget as _, SharedTurn};

const SETTLES: Duration = Duration::from_millis(1_500);

fn prefix() -> String {
    crate::guard::session::random_id()
}

/// Waits until the store answers again.
fn awaited<T>(what: impl Fn() -> Result<T, StoreError>) -> T {
    let until = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        match what() {
            Ok(value) => return value,
            Err(error) => assert!(std::time::Instant::now() < until, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn flow(store: &RedisStore, key: u8) -> ApprovalFlow {
    ApprovalFlow::new(
        Sealer::shared(&[key; 32]).unwrap(),
        ApprovalRules::default(),
        Some(Approvals::in_redis(store.clone(), None)),
    )
}

#[test]
fn nonce_is_redeemed_by_one_of_many_replicas() {
    let Some(redis) = TestRedis::start() else { return };
    let prefix = prefix();
    let replicas = [1, 2, 3].map(|_| redis.replica(&prefix, 7, SETTLES));
    let until = Utc::now() + TimeDelta::minutes(5);
    let mark = replicas[0].redeemed().mark().unwrap();
    for round in 0..20 {
        let nonce = format!("nonce{round}");
        let firsts = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..12)
                .map(|number| {
                    let (replica, nonce, mark) = (&replicas[number % 3], &nonce, &mark);
                    scope.spawn(move || replica.redeemed().redeem(nonce, mark, until).unwrap())
                })
                .collect();
            let all: Vec<_> = tries.into_iter().map(|one| one.join().unwrap()).collect();
            all.into_iter().filter(|one| *one == Redemption::First).count()
        });
        assert_eq!(firsts, 1);
    }
    let other = replicas[1].redeemed().redeem("another", "1-other", until).unwrap();
    assert_eq!(other, Redemption::OtherMark);
}

#[test]
fn store_that_comes_back_empty_has_another_mark_and_one_with_its_data_the_same() {
    let Some(mut redis) = TestRedis::start() else { return };
    let (one, other) = {
        let prefix = prefix();
        (redis.replica(&prefix, 7, SETTLES), redis.replica(&prefix, 7, SETTLES))
    };
    let until = Utc::now() + TimeDelta::minutes(5);
    let mark = one.redeemed().mark().unwrap();
    assert_eq!(one.redeemed().redeem("used", &mark, until).unwrap(), Redemption::First);
    if !redis.kill() {
        return;
    }
    assert!(matches!(one.redeemed().mark(), Err(StoreError::Away { .. })));
    assert!(matches!(
        other.redeemed().redeem("new", &mark, until),
        Err(StoreError::Away { .. })
    ));
    assert!(!one.is_available());
    redis.revive(false);
    assert_eq!(awaited(|| other.redeemed().mark()), mark);
    // Nothing is used up before the replicas had time to say what they know.
    let at_once = other.redeemed().redeem("new", &mark, until);
    assert!(matches!(at_once, Err(StoreError::Settling { .. })), "{at_once:?}");
    assert_eq!(
        awaited(|| other.redeemed().redeem("used", &mark, until)),
        Redemption::Before
    );
    assert_eq!(
        awaited(|| other.redeemed().redeem("new", &mark, until)),
        Redemption::First
    );
    assert!(one.is_available());

    redis.kill();
    redis.revive(true);
    assert_ne!(awaited(|| other.redeemed().mark()), mark);
    for replica in [&one, &other] {
        let old = awaited(|| replica.redeemed().redeem("third", &mark, until));
        assert_eq!(old, Redemption::OtherMark);
    }
}

#[test]
fn store_that_comes_back_with_less_than_it_had_has_another_mark() {
    let Some(redis) = TestRedis::start() else { return };
    let prefix = prefix();
    let (saw, fresh) = (redis.replica(&prefix, 7, SETTLES), redis.replica(&prefix, 7, SETTLES));
    let until = Utc::now() + TimeDelta::minutes(5);
    let mark = saw.redeemed().mark().unwrap();
    // Somebody puts an older state in the place of the present one: the use is forgotten, and so is its count.
    let start = format!("{{{prefix}}}:start");
    assert_eq!(saw.redeemed().redeem("used", &mark, until).unwrap(), Redemption::First);
    let sealer = Sealer::shared(&[7; 32]).unwrap();
    let used = format!("{{{prefix}}}:{mark}:used:{}", sealer.digest("store used", &["used"]));
    redis.command(&["DEL", &used]);
    redis.command(&["HSET", &start, "count", "0"]);
    let now = saw.redeemed().mark().unwrap();
    assert_ne!(now, mark);
    assert_eq!(
        fresh.redeemed().redeem("used", &mark, until).unwrap(),
        Redemption::OtherMark
    );
    // An even older mark doesn't come back either.
    redis.command(&["HSET", &start, "mark", &mark, "count", "9"]);
    assert_ne!(saw.redeemed().mark().unwrap(), mark);
}

#[test]
fn who_takes_a_used_approval_out_of_the_store_gains_nothing_where_it_was_used() {
    let Some(redis) = TestRedis::start() else { return };
    let prefix = prefix();
    let store = redis.replica(&prefix, 7, SETTLES);
    let redeemed = store.redeemed();
    let until = Utc::now() + TimeDelta::minutes(5);
    let mark = redeemed.mark().unwrap();
    assert_eq!(redeemed.redeem("used", &mark, until).unwrap(), Redemption::First);
    let sealer = Sealer::shared(&[7; 32]).unwrap();
    let used = format!("{{{prefix}}}:{mark}:used:{}", sealer.digest("store used", &["used"]));
    redis.command(&["DEL", &used]);
    assert_eq!(redeemed.redeem("used", &mark, until).unwrap(), Redemption::Before);
}

/// The library keeps the answer to the setting up of a connection, whatever comes later.
#[test]
fn store_that_refused_a_connection_is_connected_to_again() {
    let Some(redis) = TestRedis::start() else { return };
    let name = format!("user{}", prefix());
    let allow = || redis.command(&["ACL", "SETUSER", &name, "on", ">word", "~*", "&*", "+@all"]);
    allow();
    let store = redis.replica_as(&format!("{name}:word"), &prefix(), 7, SETTLES);
    awaited(|| store.redeemed().mark());
    redis.command(&["ACL", "DELUSER", &name]);
    let until = std::time::Instant::now() + Duration::from_secs(20);
    // It was told that it isn't known, and not only that its connection ended.
    while !matches!(store.redeemed().mark(), Err(StoreError::Refused { .. })) {
        assert!(std::time::Instant::now() < until, "{:?}", store.redeemed().mark());
        std::thread::sleep(Duration::from_millis(20));
    }
    allow();
    awaited(|| store.redeemed().mark());
    redis.command(&["ACL", "DELUSER", &name]);
}

#[test]
fn prepared_work_is_completed_at_another_replica_and_not_after_the_store_lost_it() {
    let Some(redis) = TestRedis::start() else { return };
    let prefix = prefix();
    let (one, other) = (redis.replica(&prefix, 7, SETTLES), redis.replica(&prefix, 7, SETTLES));
    let (here, there) = (flow(&one, 7), flow(&other, 7));
    let now = Utc::now();
    let until = now + TimeDelta::hours(1);
    let content = json!({"statements": ["DROP TABLE canary_table"], "tool": "t"});
    let handle = here.prepare("canary_caller", content.clone(), until, now).unwrap();
    assert_eq!(there.prepared("canary_caller", &handle, now).unwrap(), content);
    // What somebody else writes beside it is nothing, and hinders nothing.
    let mark = one.redeemed().mark().unwrap();
    for wrong in [
        "",
        "no entry",
        "[]",
        "{}",
        r#"{"ends":"x"}"#,
        r#"{"ends":9e15,"since":1}"#,
    ] {
        redis.command(&["HSET", &format!("{{{prefix}}}:{mark}:prepared:index"), "zzz", wrong]);
        let handle = here.prepare("canary_caller", content.clone(), until, now).unwrap();
        assert_eq!(
            there.prepared("canary_caller", &handle, now).unwrap(),
            content,
            "{wrong}"
        );
    }
    assert_eq!(there.prepared("you", &handle, now), Err(NotPrepared::Unknown));
    assert_eq!(
        flow(&other, 8).prepared("canary_caller", &handle, now),
        Err(NotPrepared::Unknown)
    );
    let dump = redis.dump();
    assert!(dump.contains(&prefix) && !dump.contains("canary"), "{dump}");
    assert!(!dump.contains(handle.split('.').next().unwrap()), "{dump}");
    assert_eq!(there.take_prepared("canary_caller", &handle, now), Ok(()));
    assert_eq!(
        here.take_prepared("canary_caller", &handle, now),
        Err(NotPrepared::Used)
    );
    let second = here.prepare("canary_caller", content, until, now).unwrap();
    redis.command(&["FLUSHDB"]);
    assert_eq!(
        there.take_prepared("canary_caller", &second, now),
        Err(NotPrepared::Unknown)
    );
}

#[test]
fn replicas_share_one_budget_of_requests_and_of_changes() {
    let Some(redis) = TestRedis::start() else { return };
    let prefix = prefix();
    let (one, other) = (redis.replica(&prefix, 7, SETTLES), redis.replica(&prefix, 7, SETTLES));
    for whose in ["canary_all", "canary_one"] {
        assert!(one.count_change(whose, 2, true).unwrap());
        assert!(other.count_change(whose, 2, false).unwrap());
        assert!(other.count_change(whose, 2, true).unwrap());
        assert!(!one.count_change(whose, 2, false).unwrap() && !one.count_change(whose, 2, true).unwrap());
    }
    let rate = |burst| Rate { burst, per_second: 1 };
    let settings = LimitSettings {
        credential: rate(5),
        route: rate(3),
    };
    let budgets = [&one, &other]
        .map(|store| super::budget::Requests::new(store.connection.clone(), "account".to_owned(), settings));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for number in 0..3 {
            assert_eq!(budgets[number % 2].take("/a").await, SharedTurn::Now);
        }
        assert!(matches!(budgets[0].take("/a").await, SharedTurn::In(time) if time > Duration::ZERO && time <= Duration::from_secs(1)));
        assert_eq!(budgets[0].take("/b").await, SharedTurn::Now);
        assert_eq!(budgets[1].take("/b").await, SharedTurn::Now);
        // The route has one left, the account has none.
        assert!(matches!(budgets[1].take("/b").await, SharedTurn::In(_)));
        assert!(matches!(budgets[1].take("/c").await, SharedTurn::In(_)));
    });
    assert!(!redis.dump().contains("canary"));
}

#[test]
fn budget_that_cannot_be_asked_lets_nothing_but_the_own_one_count() {
    let Some(mut redis) = TestRedis::start() else { return };
    let store = redis.replica(&prefix(), 7, SETTLES);
    store.count_change("all", 9, true).unwrap();
    if !redis.kill() {
        return;
    }
    assert!(matches!(
        store.count_change("all", 9, true),
        Err(StoreError::Away { .. })
    ));
    let limits = store.rate_limits(LimitSettings::default(), "account");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let waited = runtime.block_on(limits.wait(&"/a".into(), &crate::neon::FairQueue::new()));
    let away = waited.unwrap_err();
    assert!(away.0.contains("redis://127.0.0.1"), "{away:?}");
    assert!(
        !away.to_string().contains("redis"),
        "agents are told no address: {away}"
    );
}
