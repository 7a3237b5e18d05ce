//! Waiting for operations: what ends the wait, and what is told apart.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use neon_mcp::neon::operations::wait;
use neon_mcp::neon::{Context, Ending, ErrorKind, OperationState, OperationStatus, Outcome, ProjectId};
use serde_json::{Value, json};

use super::{client, context, timed};
use crate::support::fake_neon::{FakeNeon, Reply};

const FIRST: &str = "a07f8772-1877-4da9-a939-3a3ae62d1d8d";
const SECOND: &str = "b07f8772-1877-4da9-a939-3a3ae62d1d8d";

fn operation(id: &str, status: &str) -> Value {
    json!({ "id": id, "action": "start_compute", "status": status })
}

fn reply(id: &str, status: &str) -> Reply {
    Reply::json(200, json!({ "operation": operation(id, status) }))
}

fn both() -> Vec<OperationState> {
    let answer = json!({ "operations": [operation(FIRST, "running"), operation(SECOND, "scheduling")] });
    OperationState::from_answer(&answer)
}

fn one() -> Vec<OperationState> {
    OperationState::from_answer(&json!({ "operations": [operation(FIRST, "running")] }))
}

async fn wait_for(
    upstream: &FakeNeon,
    operations: Vec<OperationState>,
    budget: Duration,
    context: &Context,
) -> Outcome {
    let project = ProjectId::parse("plain-sun-1").unwrap();
    wait(&client(upstream), context, &project, operations, budget, |_| {}).await
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn operations_are_waited_for_one_after_the_other() {
    let upstream = FakeNeon::start(vec![
        reply(FIRST, "running"),
        reply(FIRST, "finished"),
        reply(SECOND, "running"),
        reply(SECOND, "skipped"),
    ])
    .await;
    let seen = Mutex::new(Vec::new());
    let project = ProjectId::parse("plain-sun-1").unwrap();
    let outcome = wait(&client(&upstream), &context(), &project, both(), LONG, |states| {
        let states: Vec<_> = states.iter().map(|state| state.status.to_string()).collect();
        seen.lock().unwrap().push(states.join(" "));
    })
    .await;
    assert!(matches!(outcome.ending, Ending::Done), "{outcome:?}");
    assert_eq!(outcome.unfinished().count(), 0);
    assert_eq!(upstream.count(), 4);
    assert_eq!(
        upstream.requests()[0].path(),
        format!("/api/v2/projects/plain-sun-1/operations/{FIRST}")
    );
    assert_eq!(
        *seen.lock().unwrap(),
        ["finished scheduling", "finished running", "finished skipped"]
    );
}

#[tokio::test]
async fn nothing_to_wait_for_asks_nothing() {
    let upstream = FakeNeon::start(Vec::new()).await;
    for operations in [
        Vec::new(),
        OperationState::from_answer(&json!({ "operations": [operation(FIRST, "finished")] })),
    ] {
        let outcome = wait_for(&upstream, operations, LONG, &context()).await;
        assert!(matches!(outcome.ending, Ending::Done));
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn each_way_to_fail_ends_the_wait() {
    for status in ["failed", "error", "cancelled"] {
        let mut failed = operation(FIRST, status);
        failed["error"] = json!("no\u{202e} space\nleft");
        let upstream = FakeNeon::start(vec![Reply::json(200, json!({ "operation": failed }))]).await;
        let outcome = wait_for(&upstream, both(), LONG, &context()).await;
        assert!(matches!(outcome.ending, Ending::Failed), "{outcome:?}");
        let failed = outcome.failed().unwrap();
        assert_eq!(failed.status.as_str(), status);
        assert_eq!(failed.error.as_deref(), Some("no space left"));
        assert_eq!(outcome.unfinished().count(), 1);
        assert_eq!(upstream.count(), 1);
    }
}

#[tokio::test]
async fn cancelling_and_unknown_statuses_are_not_the_end() {
    let upstream = FakeNeon::start(vec![
        reply(FIRST, "cancelling"),
        reply(FIRST, "pondering"),
        reply(FIRST, "finished"),
    ])
    .await;
    let outcome = wait_for(&upstream, one(), LONG, &context()).await;
    assert!(matches!(outcome.ending, Ending::Done));
    assert_eq!(upstream.count(), 3);
    assert!(!OperationStatus::parse("pondering").is_final());
}

#[tokio::test]
async fn a_stuck_operation_ends_with_the_budget() {
    let upstream = FakeNeon::always(reply(FIRST, "running")).await;
    let budget = Duration::from_millis(300);
    let (outcome, took) = timed(wait_for(&upstream, both(), budget, &context())).await;
    assert!(matches!(outcome.ending, Ending::OutOfTime), "{outcome:?}");
    assert_eq!(outcome.unfinished().count(), 2);
    assert!(took >= budget && took < Duration::from_secs(5), "{took:?}");
    // 5, 10, then 20 ms at most: the polls grow apart.
    assert!(upstream.count() < 40, "{}", upstream.count());
}

#[tokio::test]
async fn a_hanging_look_ends_with_the_budget() {
    let upstream = FakeNeon::always(Reply::hang()).await;
    let budget = Duration::from_millis(200);
    let outcome = wait_for(&upstream, one(), budget, &context()).await;
    assert!(matches!(outcome.ending, Ending::OutOfTime), "{outcome:?}");
}

#[tokio::test]
async fn the_deadline_of_the_call_bounds_the_budget() {
    let upstream = FakeNeon::always(reply(FIRST, "running")).await;
    let short = Context::within(Duration::from_millis(150));
    let (outcome, took) = timed(wait_for(&upstream, one(), Duration::MAX, &short)).await;
    assert!(matches!(outcome.ending, Ending::OutOfTime));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn cancelling_ends_the_wait() {
    let upstream = FakeNeon::always(reply(FIRST, "running")).await;
    let context = context();
    let cancels = async {
        upstream.reached(1).await;
        context.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(wait_for(&upstream, one(), LONG, &context), cancels);
    assert!(matches!(outcome.ending, Ending::Cancelled), "{outcome:?}");
}

#[tokio::test]
async fn not_found_is_borne_with_at_first() {
    let looks = AtomicUsize::new(0);
    let upstream = FakeNeon::route(move |_| match looks.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Reply::error(404, "", "not found"),
        _ => reply(FIRST, "finished"),
    })
    .await;
    let outcome = wait_for(&upstream, one(), LONG, &context()).await;
    assert!(matches!(outcome.ending, Ending::Done), "{outcome:?}");
    assert_eq!(upstream.count(), 3);
}

#[tokio::test]
async fn not_found_for_long_ends_the_wait() {
    let upstream = FakeNeon::always(Reply::error(404, "", "not found")).await;
    let (outcome, took) = timed(wait_for(&upstream, one(), LONG, &context())).await;
    let Ending::Unseen(error) = outcome.ending else {
        panic!("{outcome:?}")
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn passing_faults_are_borne_with_and_lasting_ones_are_not() {
    let upstream = FakeNeon::start(vec![
        Reply::status(503),
        Reply::reset_after_reading(),
        reply(FIRST, "finished"),
    ])
    .await;
    let outcome = wait_for(&upstream, one(), LONG, &context()).await;
    assert!(matches!(outcome.ending, Ending::Done), "{outcome:?}");

    let upstream = FakeNeon::always(Reply::status(401)).await;
    let outcome = wait_for(&upstream, one(), LONG, &context()).await;
    let Ending::Unseen(error) = outcome.ending else {
        panic!("{outcome:?}")
    };
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn an_answer_about_something_else_is_not_believed() {
    for body in [
        json!({ "operation": operation(SECOND, "finished") }),
        json!({}),
        json!({ "operation": { "id": "../..", "status": "finished" } }),
    ] {
        let upstream = FakeNeon::always(Reply::json(200, body)).await;
        let outcome = wait_for(&upstream, one(), LONG, &context()).await;
        let Ending::Unseen(error) = outcome.ending else {
            panic!("{outcome:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert_eq!(upstream.count(), 1);
    }
}

#[test]
fn operations_are_found_in_answers() {
    assert_eq!(both().len(), 2);
    assert_eq!(
        OperationState::from_answer(&json!({ "operation": operation(FIRST, "running") })).len(),
        1
    );
    for empty in [
        json!({}),
        json!({ "operations": [] }),
        json!({ "operations": null }),
        json!({ "operations": [{ "id": "x" }] }),
        json!([]),
    ] {
        assert!(OperationState::from_answer(&empty).is_empty(), "{empty}");
    }
}
