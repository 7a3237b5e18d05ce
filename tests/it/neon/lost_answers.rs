//! A change whose answer was lost is never sent again, and the error says what is known.

use harness::assert_worded;
use std::time::Duration;

use neon_mcp::neon::{Changed, Client, Error, ErrorKind, Method};
use serde_json::json;

use super::{CHANGING, KEY, changing, client, config, context, read, send};
use crate::support::fake_neon::{FakeNeon, Reply, nobody};
use crate::support::permit::permit;

/// What every error of a change that may have happened must do.
fn assert_tells_what_to_read(error: &Error) {
    let text = error.to_string();
    assert!(error.hint().contains("GET /projects"), "{text}");
    assert!(!text.contains(KEY), "{text}");
}

#[tokio::test]
async fn resets_leave_the_outcome_unknown() {
    for method in CHANGING {
        for reset in [Reply::reset_before_reading(), Reply::reset_after_reading()] {
            let upstream = FakeNeon::start(vec![reset, Reply::status(204)]).await;
            let error = send(&upstream, method).await.unwrap_err();
            assert_eq!(upstream.count(), 1, "{method}");
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{method}");
            assert_eq!(error.changed(), Changed::Unknown);
            assert_eq!(error.status(), None);
            assert_eq!(error.attempts(), 1);
            assert!(error.request_id().is_some());
            assert_tells_what_to_read(&error);
        }
    }
}

#[tokio::test]
async fn a_reset_on_a_kept_connection_leaves_the_outcome_unknown() {
    for reset in [Reply::reset_before_reading(), Reply::reset_after_reading()] {
        let upstream = FakeNeon::start(vec![Reply::json(200, json!({})), reset, Reply::status(204)]).await;
        let client = client(&upstream);
        client.read(super::get(), &context()).await.unwrap();
        let error = client
            .send(permit(changing(Method::Post)), &context())
            .await
            .unwrap_err();
        assert_eq!(error.changed(), Changed::Unknown);
        assert_eq!(upstream.count(), 2);
    }
}

#[tokio::test]
async fn gateway_errors_leave_the_outcome_unknown() {
    for method in CHANGING {
        for status in [502, 504] {
            let upstream = FakeNeon::start(vec![Reply::status(status); 3]).await;
            let error = send(&upstream, method).await.unwrap_err();
            assert_eq!(upstream.count(), 1, "{method} {status}");
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
            assert_eq!(error.changed(), Changed::Unknown);
            assert_eq!(error.status(), Some(status));
            assert_tells_what_to_read(&error);
        }
    }
}

#[tokio::test]
async fn an_internal_error_leaves_the_outcome_unknown() {
    let upstream = FakeNeon::start(vec![Reply::error(500, "", "internal")]).await;
    let error = send(&upstream, Method::Post).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert_eq!(error.changed(), Changed::Unknown);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_hanging_answer_leaves_the_outcome_unknown() {
    let upstream = FakeNeon::start(vec![Reply::hang(), Reply::status(204)]).await;
    let mut config = config(&upstream.url());
    config.request_timeout = Duration::from_millis(500);
    let error = Client::new(config)
        .send(permit(changing(Method::Delete)), &context())
        .await
        .unwrap_err();
    assert_eq!(error.changed(), Changed::Unknown);
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_connection_that_was_never_made_changed_nothing() {
    let (_held, url) = nobody();
    let error = Client::new(config(&url))
        .send(permit(changing(Method::Post)), &context())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(error.changed(), Changed::No);
    assert_eq!(error.attempts(), 1);
    let said = error.to_string().replace(&url, "[url]");
    assert_worded!("upstream", "connection that was never made", said);
}

#[tokio::test]
async fn an_accepted_change_with_an_unreadable_answer_says_so() {
    let replies = [
        Reply::cut(201, "{\"project\":", 100),
        Reply::raw(201, "<html>"),
        Reply::raw(201, "{\"project\":"),
        Reply::json(201, json!({ "project": {} })).slow_body(Duration::from_secs(5)),
    ];
    for reply in replies {
        for method in CHANGING {
            let upstream = FakeNeon::start(vec![reply.clone(), Reply::status(204)]).await;
            let mut config = config(&upstream.url());
            config.request_timeout = Duration::from_millis(500);
            let error = Client::new(config)
                .send(permit(changing(method)), &context())
                .await
                .unwrap_err();
            assert_eq!(upstream.count(), 1, "{reply:?}");
            assert_eq!(error.kind(), ErrorKind::AnswerUnreadable, "{reply:?}");
            assert_eq!(error.changed(), Changed::Yes, "{reply:?}");
            assert_eq!(error.status(), Some(201));
            assert!(error.to_string().contains("Neon accepted"), "{error}");
            assert_tells_what_to_read(&error);
        }
    }
}

#[tokio::test]
async fn a_lost_answer_after_a_retry_is_unknown_too() {
    let upstream = FakeNeon::start(vec![
        Reply::status(503),
        Reply::reset_after_reading(),
        Reply::status(204),
    ])
    .await;
    let error = send(&upstream, Method::Patch).await.unwrap_err();
    assert_eq!(error.changed(), Changed::Unknown);
    assert_eq!(error.attempts(), 2);
    assert_eq!(upstream.count(), 2);
}

#[tokio::test]
async fn a_refusal_with_a_cut_body_keeps_its_status() {
    let upstream = FakeNeon::start(vec![Reply::cut(422, "{\"message\":\"no", 50)]).await;
    let error = send(&upstream, Method::Post).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.changed(), Changed::No);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_read_that_is_no_json_is_malformed_and_not_repeated() {
    for body in ["<html>", "{\"a\":", "{} {}"] {
        let upstream = FakeNeon::start(vec![Reply::raw(200, body); 2]).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert_eq!(error.changed(), Changed::No);
        assert_eq!(upstream.count(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let large = Reply::json(200, json!({ "projects": ["x".repeat(2_000)] }));
    let upstream = FakeNeon::start(vec![large.clone(), large]).await;
    let mut config = config(&upstream.url());
    config.max_response_bytes = 1_000;
    let client = Client::new(config);
    let error = client.read(super::get(), &context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.changed(), Changed::No);
    let error = client
        .send(permit(changing(Method::Post)), &context())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.changed(), Changed::Yes);
    assert_eq!(upstream.count(), 2);
}
