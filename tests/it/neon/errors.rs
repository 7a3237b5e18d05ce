//! Errors stand alone: what happened, whether anything changed, what next.

use harness::assert_worded;
use neon_mcp::neon::{Changed, ErrorKind, Method};
use serde_json::json;

use super::{read, send};
use crate::support::fake_neon::{FakeNeon, Reply};

#[tokio::test]
async fn each_status_has_its_kind() {
    for (status, kind) in [
        (400, ErrorKind::Refused),
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Forbidden),
        (404, ErrorKind::NotFound),
        (406, ErrorKind::Refused),
        (409, ErrorKind::Conflict),
        (410, ErrorKind::NotFound),
        (412, ErrorKind::Refused),
        (418, ErrorKind::Refused),
        (422, ErrorKind::Refused),
        (500, ErrorKind::Upstream),
        (501, ErrorKind::Upstream),
        (599, ErrorKind::Upstream),
    ] {
        let upstream = FakeNeon::always(Reply::error(status, "A_CODE", "a message")).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.code(), Some("A_CODE"));
        assert_eq!(error.message(), Some("a message"));
        assert_eq!(error.changed(), Changed::No);
        let error = send(&upstream, Method::Post).await.unwrap_err();
        let expected = if status < 500 { Changed::No } else { Changed::Unknown };
        assert_eq!(error.changed(), expected, "{status}");
    }
}

#[tokio::test]
async fn an_error_is_a_few_plain_sentences() {
    let upstream = FakeNeon::start(vec![
        Reply::error(422, "BRANCHES_LIMIT_EXCEEDED", "branches limit exceeded").header("x-request-id", "theirs-1"),
    ])
    .await;
    let error = send(&upstream, Method::Post).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Neon answered 422: it was refused. Neon says: “branches limit exceeded” \
         (BRANCHES_LIMIT_EXCEEDED). Nothing was changed. Change the arguments as the message says; \
         repeating the same call won't help. (Request id: theirs-1)"
    );
}

#[tokio::test]
async fn what_stands_in_place_of_a_message_is_told() {
    let limits = json!({"limits": [
        {"name": "projects_count", "expected": "1", "actual": "2"},
        {"name": "subscription_type", "expected": "scale", "actual": "launch"},
    ]});
    let reasons = json!({"reasons": [{"code": "projects_count", "message": "there are too many projects"}]});
    let projects = json!({"projects": [{"id": "round-frog-53611540", "integration": "github"}]});
    for (body, message) in [
        (
            limits,
            "projects_count is 2, and must be 1; subscription_type is launch, and must be scale",
        ),
        (reasons, "there are too many projects"),
        (projects, "project round-frog-53611540 has the integration github"),
    ] {
        let upstream = FakeNeon::always(Reply::json(406, body)).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!(error.message(), Some(message));
    }
    // Of another form than the file says: nothing is made up, and nothing else is lost.
    for body in [
        json!({"limits": "none"}),
        json!({"reasons": []}),
        json!({"projects": 3, "code": ""}),
    ] {
        let upstream = FakeNeon::always(Reply::json(406, body)).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!((error.message(), error.kind()), (None, ErrorKind::Refused));
    }
}

#[tokio::test]
async fn neons_words_are_cleaned_and_capped() {
    let message = format!("a\u{202e}b\u{1b}[31m\u{200b}c\r\nd{}", "x".repeat(2_000));
    let upstream = FakeNeon::always(Reply::error(400, "", &message)).await;
    let error = read(&upstream).await.unwrap_err();
    let shown = error.message().unwrap();
    assert!(shown.starts_with("ab[31mc dx"), "{shown}");
    assert!(shown.ends_with('…'));
    assert_eq!(shown.chars().count(), 500);
    assert_eq!(error.code(), None);
}

#[tokio::test]
async fn a_body_that_is_no_error_object_is_not_dumped() {
    for body in ["<html>secret page</html>", "[]", "\"text\"", "null", ""] {
        let upstream = FakeNeon::always(Reply::raw(400, body)).await;
        let error = read(&upstream).await.unwrap_err();
        assert_eq!(error.message(), None, "{body}");
        assert!(!error.to_string().contains("secret page"));
    }
    let odd = json!({ "code": 7, "message": ["x"] });
    let upstream = FakeNeon::always(Reply::json(400, odd)).await;
    assert_eq!(read(&upstream).await.unwrap_err().message(), None);
}

#[tokio::test]
async fn a_huge_error_body_is_not_read_to_its_end() {
    let upstream = FakeNeon::always(Reply::raw(404, "x".repeat(2_000_000))).await;
    let error = read(&upstream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_feature_that_is_off_tells_its_reason() {
    let body = json!({ "message": "not here", "reason": "telemetry_not_enabled" });
    let upstream = FakeNeon::always(Reply::json(404, body)).await;
    let error = read(&upstream).await.unwrap_err();
    assert_eq!(error.code(), Some("telemetry_not_enabled"));
}

#[tokio::test]
async fn a_route_for_persons_tells_which_key_it_needs() {
    let message = "this endpoint is not available for organization API keys";
    let upstream = FakeNeon::always(Reply::error(404, "", message)).await;
    let error = read(&upstream).await.unwrap_err();
    assert_worded!("upstream", "route for persons", error.hint());
}

#[tokio::test]
async fn a_caller_can_give_a_better_hint() {
    let upstream = FakeNeon::always(Reply::status(404)).await;
    let error = read(&upstream).await.unwrap_err().with_hint("Call list_projects.");
    assert!(error.to_string().contains("Call list_projects."));
}
