//! What is sent again, and how often.

use harness::{assert_worded, wording::without_numbers};
use std::time::{Duration, SystemTime};

use neon_mcp::neon::{Changed, Client, Context, ErrorKind, RetryPolicy};
use serde_json::json;

use super::{CHANGING, client, config, context, get, read, send, timed};
use crate::support::fake_neon::{FakeNeon, Reply, nobody};

fn ok() -> Reply {
    Reply::json(200, json!({ "projects": [] }))
}

#[tokio::test]
async fn a_read_is_repeated_after_each_passing_fault() {
    let faults = [
        Reply::status(423),
        Reply::status(429),
        Reply::status(502),
        Reply::status(503),
        Reply::status(504),
        Reply::reset_before_reading(),
        Reply::reset_after_reading(),
        Reply::cut(200, "{\"projects\":[", 10),
    ];
    for fault in faults {
        let upstream = FakeNeon::start(vec![fault.clone(), ok()]).await;
        let answer = read(&upstream).await.unwrap();
        assert_eq!((answer.status, answer.attempts), (200, 2), "{fault:?}");
        assert_eq!(upstream.count(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_read_is_sent_four_times_in_all() {
    for (fault, kind, status) in [
        (Reply::status(423), ErrorKind::Locked, Some(423)),
        (Reply::status(429), ErrorKind::RateLimited, Some(429)),
        (Reply::status(502), ErrorKind::Unavailable, Some(502)),
        (Reply::status(503), ErrorKind::Unavailable, Some(503)),
        (Reply::status(504), ErrorKind::Unavailable, Some(504)),
        (Reply::reset_before_reading(), ErrorKind::Network, None),
        (Reply::reset_after_reading(), ErrorKind::Network, None),
        (Reply::cut(200, "{", 10), ErrorKind::Network, Some(200)),
    ] {
        let upstream = FakeNeon::start(vec![fault.clone(); 6]).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!(upstream.count(), 4, "{fault:?}");
        assert_eq!(error.attempts(), 4, "{fault:?}");
        assert_eq!(error.kind(), kind, "{fault:?}");
        assert_eq!(error.status(), status, "{fault:?}");
        assert_eq!(error.changed(), Changed::No, "{fault:?}");
    }
}

#[tokio::test]
async fn a_read_is_not_repeated_after_a_lasting_refusal() {
    for status in [400, 401, 403, 404, 406, 409, 410, 412, 422, 500, 501, 505] {
        let upstream = FakeNeon::start(vec![Reply::status(status), ok()]).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!(upstream.count(), 1, "{status}");
        assert_eq!(error.status(), Some(status));
    }
}

#[tokio::test]
async fn a_change_is_repeated_only_when_neon_says_that_it_did_nothing() {
    for method in CHANGING {
        for status in [423, 429, 503] {
            let upstream = FakeNeon::start(vec![Reply::status(status), ok()]).await;
            let answer = send(&upstream, method).await.unwrap();
            assert_eq!(answer.attempts, 2, "{method} {status}");
            assert_eq!(upstream.count(), 2, "{method} {status}");

            let upstream = FakeNeon::start(vec![Reply::status(status); 6]).await;
            let error = send(&upstream, method).await.unwrap_err();
            assert_eq!(upstream.count(), 4, "{method} {status}");
            assert_eq!(error.status(), Some(status));
            assert_eq!(error.changed(), Changed::No, "{method} {status}");
        }
    }
}

#[tokio::test]
async fn a_repeated_change_carries_the_same_body_and_a_new_request_id() {
    let upstream = FakeNeon::start(vec![Reply::status(423), Reply::status(503), ok()]).await;
    send(&upstream, CHANGING[0]).await.unwrap();
    let requests = upstream.requests();
    let ids: std::collections::HashSet<_> = requests
        .iter()
        .map(|request| request.header("x-request-id").unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 3);
    for request in &requests {
        assert_eq!(request.json(), json!({ "project": { "name": "x" } }));
        uuid::Uuid::try_parse(request.header("x-request-id").unwrap()).unwrap();
    }
}

#[tokio::test]
async fn retry_after_in_seconds_is_waited_for_in_full() {
    for status in [423, 429, 503] {
        let upstream = FakeNeon::start(vec![Reply::status(status).header("retry-after", "1"), ok()]).await;
        let (answer, took) = timed(read(&upstream)).await;
        assert_eq!(answer.unwrap().attempts, 2);
        assert!(took >= Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test]
async fn retry_after_as_a_date_is_waited_for_in_full() {
    let until = SystemTime::now() + Duration::from_millis(2_500);
    let reply = Reply::status(429).header("retry-after", &httpdate::fmt_http_date(until));
    let upstream = FakeNeon::start(vec![reply, ok()]).await;
    let answer = read(&upstream).await.unwrap();
    // A date has whole seconds: the wait ends at the second that it names.
    let named = until.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert!(now >= Duration::from_secs(named), "{now:?} {named}");
    assert_eq!(answer.attempts, 2);
}

#[tokio::test]
async fn a_date_is_measured_from_the_date_of_the_answer() {
    // Both clocks an hour behind ours: still one second.
    let theirs = SystemTime::now() - Duration::from_secs(3_600);
    let reply = Reply::status(503)
        .header("date", &httpdate::fmt_http_date(theirs))
        .header("retry-after", &httpdate::fmt_http_date(theirs + Duration::from_secs(1)));
    let upstream = FakeNeon::start(vec![reply, ok()]).await;
    let (answer, took) = timed(read(&upstream)).await;
    assert_eq!(answer.unwrap().attempts, 2);
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn retry_after_above_ten_seconds_is_reported_at_once() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(120));
    for (header, least) in [("11", 11), ("3600", 3_600), (date.as_str(), 100)] {
        let upstream = FakeNeon::start(vec![Reply::status(429).header("retry-after", header), ok()]).await;
        let (error, took) = timed(read(&upstream)).await;
        let error = error.unwrap_err();
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert_eq!(upstream.count(), 1);
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.status(), Some(429));
        assert!(error.retry_after().unwrap() >= Duration::from_secs(least));
        let shown = error.retry_after().unwrap().as_secs();
        assert!(shown >= least, "{error}");
        assert_worded!("upstream", "rate limit", without_numbers(&error.to_string().into()));
    }
}

#[tokio::test]
async fn retry_after_beyond_the_deadline_is_reported_at_once() {
    let upstream = FakeNeon::start(vec![Reply::status(423).header("retry-after", "9"), ok()]).await;
    let short = Context::within(Duration::from_secs(8));
    let (error, took) = timed(client(&upstream).read(get(), &short)).await;
    let error = error.unwrap_err();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(upstream.count(), 1);
    assert_eq!(error.status(), Some(423));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
}

#[tokio::test]
async fn a_backoff_beyond_the_deadline_gives_the_real_status() {
    let upstream = FakeNeon::always(Reply::status(503)).await;
    let mut config = config(&upstream.url());
    config.retry = RetryPolicy {
        attempts: 50,
        first: Duration::from_millis(300),
        cap: Duration::from_millis(300),
    };
    let short = Context::within(Duration::from_millis(1_500));
    let (error, took) = timed(Client::new(config).read(get(), &short)).await;
    assert_eq!(error.unwrap_err().status(), Some(503));
    assert!(took <= Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn malformed_retry_after_is_passed_over() {
    for header in ["soon", "-1", "", "1.5"] {
        let upstream = FakeNeon::start(vec![Reply::status(503).header("retry-after", header), ok()]).await;
        assert_eq!(read(&upstream).await.unwrap().attempts, 2, "{header:?}");
    }
}

#[tokio::test]
async fn a_read_survives_refused_connections() {
    let (_held, url) = nobody();
    let error = Client::new(config(&url)).read(get(), &context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(error.attempts(), 4);
}

#[tokio::test]
async fn an_attempt_that_is_too_slow_is_repeated_for_a_read() {
    let slow_body = ok().slow_body(Duration::from_secs(5));
    for slow in [Reply::hang(), slow_body] {
        let upstream = FakeNeon::start(vec![slow, ok()]).await;
        let mut config = config(&upstream.url());
        config.request_timeout = Duration::from_millis(500);
        let answer = Client::new(config).read(get(), &context()).await.unwrap();
        assert_eq!(answer.attempts, 2);
        assert_eq!(upstream.count(), 2);
    }
}
