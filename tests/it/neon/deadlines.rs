//! Deadlines and cancellation: nothing outlasts them, and the error says how far the request had come.

use std::time::Duration;

use neon_mcp::neon::{Changed, Client, Context, ErrorKind, LimitSettings, Method, Rate, RateLimits};
use serde_json::json;

use super::{changing, client, config, context, get, timed};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::permit::permit;

/// Long enough for a busy machine to get a request to the upstream, short enough to wait for.
const SHORT: Duration = Duration::from_millis(1_500);

/// What "at once" may take on a busy machine; nothing here would end by itself before 20 s.
const AT_ONCE: Duration = Duration::from_secs(8);

/// Cancels when a request is with the upstream.
async fn cancel_in_flight(upstream: &FakeNeon, context: &Context) {
    upstream.reached(1).await;
    // What was answered has come back by then.
    tokio::time::sleep(Duration::from_millis(100)).await;
    context.cancel.cancel();
}

#[tokio::test]
async fn a_deadline_ends_a_hanging_read() {
    let upstream = FakeNeon::always(Reply::hang()).await;
    let short = Context::within(SHORT);
    let (error, took) = timed(client(&upstream).read(get(), &short)).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.changed(), Changed::No);
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_deadline_while_a_change_is_in_flight_leaves_it_unknown() {
    let upstream = FakeNeon::always(Reply::hang()).await;
    let short = Context::within(SHORT);
    let error = client(&upstream)
        .send(permit(changing(Method::Post)), &short)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(error.changed(), Changed::Unknown);
    assert!(error.hint().contains("GET /projects"), "{error}");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_deadline_after_neon_accepted_says_that_it_did() {
    let reply = Reply::json(201, json!({})).slow_body(Duration::from_secs(5));
    let upstream = FakeNeon::always(reply).await;
    let short = Context::within(SHORT);
    let error = client(&upstream)
        .send(permit(changing(Method::Post)), &short)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AnswerUnreadable);
    assert_eq!(error.changed(), Changed::Yes);
    assert_eq!(error.status(), Some(201));
}

#[tokio::test]
async fn a_deadline_that_has_passed_sends_nothing() {
    let upstream = FakeNeon::always(Reply::status(204)).await;
    let past = Context::within(Duration::ZERO);
    let error = client(&upstream)
        .send(permit(changing(Method::Delete)), &past)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.changed(), Changed::No);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_cancelled_context_sends_nothing() {
    let upstream = FakeNeon::always(Reply::status(204)).await;
    let context = context();
    context.cancel.cancel();
    let error = client(&upstream)
        .send(permit(changing(Method::Delete)), &context)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.changed(), Changed::No);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn cancelling_ends_a_read_at_once() {
    let upstream = FakeNeon::always(Reply::hang()).await;
    let context = context();
    let client = client(&upstream);
    let both = async { tokio::join!(client.read(get(), &context), cancel_in_flight(&upstream, &context)) };
    let ((error, ()), took) = timed(both).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.changed(), Changed::No);
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test]
async fn cancelling_a_change_in_flight_leaves_it_unknown() {
    let upstream = FakeNeon::always(Reply::hang()).await;
    let context = context();
    let client = client(&upstream);
    let (error, ()) = tokio::join!(
        client.send(permit(changing(Method::Delete)), &context),
        cancel_in_flight(&upstream, &context)
    );
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.changed(), Changed::Unknown);
    assert!(error.to_string().contains("unknown"), "{error}");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn cancelling_between_two_attempts_changed_nothing() {
    let upstream = FakeNeon::always(Reply::status(503).header("retry-after", "10")).await;
    let context = context();
    let client = client(&upstream);
    let both = async {
        tokio::join!(
            client.send(permit(changing(Method::Post)), &context),
            cancel_in_flight(&upstream, &context)
        )
    };
    let ((error, ()), took) = timed(both).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.changed(), Changed::No);
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn waiting_for_the_rate_limit_obeys_deadline_and_cancel() {
    let upstream = FakeNeon::always(Reply::status(204)).await;
    let mut config = config(&upstream.url());
    let one = Rate {
        burst: 1,
        per_second: 1,
    };
    config.limits = RateLimits::new(LimitSettings {
        credential: one,
        route: one,
    });
    let client = Client::new(config);
    client.read(get(), &context()).await.unwrap();

    let short = Context::within(Duration::from_millis(100));
    let error = client.send(permit(changing(Method::Post)), &short).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.changed(), Changed::No);

    let cancelled = context();
    let cancel = cancelled.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    });
    let error = client
        .send(permit(changing(Method::Post)), &cancelled)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.changed(), Changed::No);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_deadline_while_the_words_of_an_error_come_in_keeps_the_status() {
    let reply = Reply::error(422, "", "no").slow_body(Duration::from_secs(5));
    let upstream = FakeNeon::always(reply).await;
    let short = Context::within(SHORT);
    let error = client(&upstream)
        .send(permit(changing(Method::Post)), &short)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.status(), Some(422));
    assert_eq!(error.changed(), Changed::No);
}

#[tokio::test]
async fn a_deadline_during_a_retry_of_a_read_gives_the_last_real_status() {
    let upstream = FakeNeon::start(vec![Reply::status(503), Reply::hang()]).await;
    let short = Context::within(SHORT);
    let error = client(&upstream).read(get(), &short).await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!((error.attempts(), upstream.count()), (2, 2));
}

#[tokio::test]
async fn a_deadline_during_a_retry_of_a_change_leaves_it_unknown() {
    let upstream = FakeNeon::start(vec![Reply::status(503), Reply::hang()]).await;
    let short = Context::within(SHORT);
    let error = client(&upstream)
        .send(permit(changing(Method::Post)), &short)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(error.changed(), Changed::Unknown);
    assert_eq!((error.attempts(), upstream.count()), (2, 2));
}
