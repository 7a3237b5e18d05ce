//! What can go wrong at Neon, seen by an agent: what is said, and how many requests were sent.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PROJECT, error};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::server;

const READ: &str = "describe_project";
const WRITE: &str = "create_branch";

/// Calls a tool on a script of replies: the value, whether it is an error, and how many requests came.
async fn run(tool: &str, script: Vec<Reply>, more: &[&str]) -> (Value, bool, usize) {
    let upstream = FakeNeon::start(script).await;
    let server = server::start(more, &upstream.url()).await;
    let (value, is_error) = server.call(tool, json!({"project_id": PROJECT})).await;
    assert!(!is_error || value.to_string().len() <= 2_000, "{value}");
    (value, is_error, upstream.count())
}

fn project() -> Reply {
    Reply::json(200, json!({"project": {"id": PROJECT, "name": "shop"}}))
}

fn branch() -> Reply {
    Reply::json(201, json!({"branch": {"id": "br-a", "name": "dev"}, "operations": []}))
}

#[tokio::test]
async fn what_passes_is_waited_out() {
    for status in [423, 429, 503] {
        let (value, is_error, count) = run(WRITE, vec![Reply::error(status, "", "busy"), branch()], &[]).await;
        assert!(!is_error && count == 2, "{status}: {value}");
    }
    for status in [423, 429, 502, 503, 504] {
        let (value, is_error, count) = run(READ, vec![Reply::error(status, "", "busy"), project()], &[]).await;
        assert!(!is_error && count == 2, "{status}: {value}");
    }
}

#[tokio::test]
async fn retry_after_is_waited_for_and_a_long_one_is_told() {
    let started = Instant::now();
    let busy = Reply::error(429, "", "slow down").header("retry-after", "1");
    let (value, is_error, count) = run(WRITE, vec![busy, branch()], &[]).await;
    assert!(!is_error && count == 2, "{value}");
    assert!(started.elapsed() >= Duration::from_secs(1));
    let busy = Reply::error(429, "", "slow down").header("retry-after", "60");
    let (value, is_error, count) = run(WRITE, vec![busy, branch()], &[]).await;
    assert!(is_error && count == 1, "{value}");
    assert_eq!(error(&value)["kind"], "rate_limited");
    assert_eq!(error(&value)["status"], 429);
    assert_eq!(error(&value)["changed"], "no");
    let seconds = error(&value)["retry_after_seconds"].as_f64().expect("seconds");
    assert!((59.0..=60.0).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_lost_answer_to_a_change_is_not_sent_again_and_names_the_read_that_tells() {
    for (reply, name) in [
        (Reply::reset_before_reading(), "reset before reading"),
        (Reply::reset_after_reading(), "reset after reading"),
        (Reply::error(502, "", "bad gateway"), "502"),
        (Reply::error(504, "", "timed out"), "504"),
    ] {
        let (value, is_error, count) = run(WRITE, vec![reply, branch()], &[]).await;
        assert!(is_error, "{name}: {value}");
        assert!(count <= 1, "{name}: {count} requests");
        assert_eq!(error(&value)["kind"], "outcome_unknown", "{name}: {value}");
        assert_eq!(error(&value)["changed"], "unknown", "{name}: {value}");
        assert!(
            error(&value)["next"].as_str().expect("next").contains("list_branches"),
            "{name}: {value}"
        );
        assert!(error(&value)["request_id"].is_string(), "{name}: {value}");
    }
    let (value, is_error, count) = run(READ, vec![Reply::reset_after_reading(), project()], &[]).await;
    assert!(!is_error && count == 2, "a read is: {value}");
}

#[tokio::test]
async fn a_cut_or_malformed_answer_to_a_change_says_that_neon_took_it() {
    for reply in [
        Reply::cut(201, "{\"branch\":", 50),
        Reply::raw(201, "{\"branch\": oops"),
    ] {
        let (value, is_error, count) = run(WRITE, vec![reply, branch()], &[]).await;
        assert!(is_error && count == 1, "{value}");
        assert_eq!(error(&value)["changed"], "yes", "{value}");
        assert!(
            error(&value)["next"].as_str().expect("next").contains("list_branches"),
            "{value}"
        );
    }
}

#[tokio::test]
async fn a_slow_body_is_waited_for_within_the_calls_deadline() {
    let slow = project().slow_body(Duration::from_millis(400));
    let (value, is_error, count) = run(READ, vec![slow], &[]).await;
    assert!(!is_error && count == 1, "{value}");
    let started = Instant::now();
    let slow = branch().slow_body(Duration::from_secs(20));
    let (value, is_error, count) = run(WRITE, vec![slow], &["--call-timeout-seconds", "1"]).await;
    assert!(is_error && count == 1, "{value}");
    assert!(started.elapsed() < Duration::from_secs(8));
    assert_ne!(error(&value)["changed"], "no", "{value}");
}

#[tokio::test]
async fn a_redirect_to_another_host_is_refused_and_the_key_stays() {
    let other = FakeNeon::always(project()).await;
    let (value, is_error, count) = run(READ, vec![Reply::redirect(302, &format!("{}/x", other.origin()))], &[]).await;
    assert!(is_error && count == 1, "{value}");
    assert_eq!(error(&value)["kind"], "redirect_refused");
    assert_eq!(other.count(), 0, "another origin was asked");
}

fn working(status: &str, failed: Option<&str>) -> Value {
    json!({"id": "11111111-1111-4111-8111-111111111111", "action": "start_compute", "status": status, "error": failed})
}

#[tokio::test]
async fn a_failed_operation_is_an_error_with_neons_words() {
    let started = Reply::json(
        201,
        json!({"branch": {"id": "br-a"}, "operations": [working("running", None)]}),
    );
    let failed = Reply::json(200, json!({"operation": working("failed", Some("no capacity"))}));
    let (value, is_error, count) = run(WRITE, vec![started, failed], &[]).await;
    assert!(is_error && count == 2, "{value}");
    assert_eq!(value["operations"][0]["status"], "failed");
    assert!(value["notes"].to_string().contains("no capacity"), "{value}");
    assert_eq!(
        value["result"]["branch"]["id"], "br-a",
        "what was made is told all the same"
    );
}

#[tokio::test]
async fn an_operation_that_never_ends_is_no_failure_and_its_id_is_told() {
    let upstream = FakeNeon::route(|request| match request.method.as_str() {
        "POST" => Reply::json(
            201,
            json!({"branch": {"id": "br-a"}, "operations": [working("running", None)]}),
        ),
        _ => Reply::json(200, json!({"operation": working("running", None)})),
    })
    .await;
    let server = server::start(&["--wait-timeout-seconds", "1"], &upstream.url()).await;
    let started = Instant::now();
    let (value, is_error) = server.call(WRITE, json!({"project_id": PROJECT})).await;
    assert!(!is_error, "{value}");
    assert!(started.elapsed() < Duration::from_secs(6));
    assert_eq!(value["operations"][0]["id"], "11111111-1111-4111-8111-111111111111");
    assert!(value["notes"].to_string().contains("goes on"), "{value}");
    let before = upstream.count();
    let (value, is_error) = server.call(WRITE, json!({"project_id": PROJECT, "wait": false})).await;
    assert!(
        !is_error && upstream.count() == before + 1,
        "wait: false looks at nothing: {value}"
    );
}
