//! The rate limits hold in any window, and callers take turns.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use neon_mcp::neon::{Client, FairQueue, LimitSettings, Rate, RateLimits};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{config, context, get};
use crate::support::fake_neon::{FakeNeon, Reply};

/// The most events in any window of `length`, ends included.
fn most_in_any(times: &[Instant], length: Duration) -> usize {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted
        .iter()
        .enumerate()
        .map(|(index, start)| {
            sorted[index..]
                .iter()
                .take_while(|time| time.duration_since(*start) <= length)
                .count()
        })
        .max()
        .unwrap_or(0)
}

/// Sends `count` requests over `routes` routes and `lanes` lanes; returns when each was let through.
async fn passes(limits: &RateLimits, count: usize, routes: usize, lanes: usize) -> Vec<Instant> {
    let routes: Vec<Arc<str>> = (0..routes).map(|number| Arc::from(format!("/route{number}"))).collect();
    let lanes: Vec<FairQueue> = (0..lanes).map(|_| FairQueue::new()).collect();
    let mut waiting = JoinSet::new();
    for number in 0..count {
        let limits = limits.clone();
        let route = Arc::clone(&routes[number % routes.len()]);
        let lane = lanes[number % lanes.len()].clone();
        waiting.spawn(async move {
            limits.wait(&route, &lane).await.expect("no one shares it");
            Instant::now()
        });
    }
    waiting.join_all().await
}

/// A limiter of burst `b` and rate `r` lets `b + r·t` through in a window of `t` (the tests below watch it do so): these are
/// the numbers for Neon's limits, and what they leave for delays on the way.
#[test]
fn the_defaults_keep_neons_limits_in_any_window() {
    let LimitSettings { credential, route } = LimitSettings::default();
    assert!(credential.burst + 60 * credential.per_second <= 700 - 10);
    assert!(route.burst + route.per_second <= 40 - 5);
}

#[tokio::test]
async fn the_credentials_limit_holds_over_all_routes() {
    let times = passes(&RateLimits::default(), 115, 50, 7).await;
    for seconds in [1, 2] {
        let most = most_in_any(&times, Duration::from_secs(seconds));
        let allowed = 90 + 10 * usize::try_from(seconds).unwrap();
        // One more for a clock that is read after the fact.
        assert!(most <= allowed + 1, "{most} in {seconds} s");
    }
    assert!(times.iter().max().unwrap().duration_since(times[0]) >= Duration::from_secs(2));
}

#[tokio::test]
async fn no_second_has_more_than_40_requests_on_a_route() {
    let settings = LimitSettings {
        credential: Rate {
            burst: 10_000,
            per_second: 10_000,
        },
        ..LimitSettings::default()
    };
    let times = passes(&RateLimits::new(settings), 80, 1, 5).await;
    let most = most_in_any(&times, Duration::from_secs(1));
    assert!(most <= 40, "{most}");
    assert!(most >= 30, "the budget is there to be used: {most}");
}

#[tokio::test]
async fn a_pause_saves_up_no_more_than_the_burst() {
    let limits = RateLimits::default();
    let mut times = passes(&limits, 10, 1, 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    times.extend(passes(&limits, 50, 1, 1).await);
    assert!(most_in_any(&times, Duration::from_secs(1)) <= 40);
}

#[tokio::test]
async fn a_full_route_holds_up_no_other() {
    let limits = RateLimits::default();
    let busy = tokio::spawn({
        let limits = limits.clone();
        async move { passes(&limits, 60, 1, 3).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let started = Instant::now();
    limits
        .wait(&Arc::from("/free"), &FairQueue::new())
        .await
        .expect("no one shares it");
    assert!(started.elapsed() < Duration::from_millis(200));
    busy.await.unwrap();
}

#[tokio::test]
async fn a_busy_caller_starves_no_other() {
    let limits = RateLimits::new(LimitSettings {
        credential: Rate {
            burst: 1,
            per_second: 50,
        },
        ..LimitSettings::default()
    });
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = JoinSet::new();
    let mut spawn = |who: &'static str, lane: &FairQueue| {
        let (limits, lane, order) = (limits.clone(), lane.clone(), Arc::clone(&order));
        waiting.spawn(async move {
            limits
                .wait(&Arc::from("/shared"), &lane)
                .await
                .expect("no one shares it");
            order.lock().unwrap().push(who);
        });
    };
    let (busy, calm) = (FairQueue::new(), FairQueue::new());
    for _ in 0..40 {
        spawn("busy", &busy);
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    spawn("calm", &calm);
    spawn("calm", &calm);
    waiting.join_all().await;
    let order = order.lock().unwrap();
    let last_calm = order.iter().rposition(|who| *who == "calm").unwrap();
    // One passed before the calm caller came, one was at the head of the line; from then on they take turns.
    assert!(last_calm <= 5, "{last_calm}");
}

#[tokio::test]
async fn within_a_lane_the_order_is_kept() {
    let limits = RateLimits::default();
    let lane = FairQueue::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = JoinSet::new();
    for number in 0..30 {
        let (limits, lane, order) = (limits.clone(), lane.clone(), Arc::clone(&order));
        waiting.spawn(async move {
            limits
                .wait(&Arc::from("/shared"), &lane)
                .await
                .expect("no one shares it");
            order.lock().unwrap().push(number);
        });
        tokio::task::yield_now().await;
    }
    waiting.join_all().await;
    assert!(order.lock().unwrap().is_sorted());
}

#[tokio::test]
async fn a_waiter_that_gives_up_leaves_the_line() {
    let limits = RateLimits::new(LimitSettings {
        credential: Rate {
            burst: 1,
            per_second: 1,
        },
        ..LimitSettings::default()
    });
    let (route, lane) = (Arc::from("/shared"), FairQueue::new());
    limits.wait(&route, &lane).await.expect("no one shares it");
    for _ in 0..20 {
        let given_up = tokio::time::timeout(Duration::from_millis(1), limits.wait(&route, &lane)).await;
        assert!(given_up.is_err());
    }
    let started = Instant::now();
    limits.wait(&route, &lane).await.expect("no one shares it");
    assert!(started.elapsed() <= Duration::from_millis(1_100));
}

#[tokio::test]
async fn every_attempt_counts() {
    let upstream = FakeNeon::start(vec![
        Reply::status(503),
        Reply::redirect(302, "/api/v2/there"),
        Reply::status(204),
    ])
    .await;
    let mut config = config(&upstream.url());
    config.limits = RateLimits::new(LimitSettings {
        route: Rate {
            burst: 1,
            per_second: 4,
        },
        ..LimitSettings::default()
    });
    Client::new(config).read(get(), &context()).await.unwrap();
    let requests = upstream.requests();
    for pair in requests.windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at);
        assert!(gap >= Duration::from_millis(200), "{gap:?}");
    }
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn on_the_wire_no_second_has_more_than_40_requests() {
    let upstream = FakeNeon::always(Reply::status(204)).await;
    let client = Client::new(config(&upstream.url()));
    let mut calls = JoinSet::new();
    for _ in 0..70 {
        let client = client.clone();
        calls.spawn(async move { client.read(get(), &context()).await.unwrap() });
    }
    calls.join_all().await;
    let times: Vec<Instant> = upstream
        .requests()
        .iter()
        .map(|request| Instant::from_std(request.at))
        .collect();
    assert_eq!(times.len(), 70);
    let most = most_in_any(&times, Duration::from_secs(1));
    assert!(most <= 40, "{most}");
}

#[tokio::test]
async fn clones_share_a_budget() {
    let limits = RateLimits::default();
    let other = limits.clone();
    let (one, other) = tokio::join!(passes(&limits, 35, 1, 2), passes(&other, 35, 1, 2));
    let times = [one, other].concat();
    assert!(most_in_any(&times, Duration::from_secs(1)) <= 40);
}
