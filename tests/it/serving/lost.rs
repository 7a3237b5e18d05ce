//! SQL whose answer doesn't come: told as what it is, and counted as one call.

use std::time::Duration;

use serde_json::{Value, json};

use super::{PROJECT, post, serve, signal};
use crate::mcp::neon;
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::http::{OverHttp, plain};

const BRANCH: &str = "br-quiet-sun-a1b2c3d4";

/// A Neon whose SQL endpoint does that.
async fn upstream(sql: impl Fn() -> Reply + Send + Sync + 'static) -> FakeNeon {
    FakeNeon::route(move |request: &Recorded| {
        if request.path() == "/sql" {
            return sql();
        }
        if request.path().ends_with("/connection_uri") {
            return Reply::json(200, json!({"uri": "postgresql://r:password@host/db"}));
        }
        neon(request)
    })
    .await
}

async fn run_sql(url: &str, sql: &str) -> Value {
    let arguments = json!({
        "project_id": PROJECT, "branch_id": BRANCH, "sql": sql, "database_name": "db", "role_name": "r",
    });
    let params = json!({"name": "run_sql", "arguments": arguments});
    let answer = post(&plain(), url, "tools/call", params)
        .send()
        .await
        .expect("an answer");
    let body: Value = answer.json().await.expect("a whole answer");
    assert_eq!(body["result"]["isError"], true, "{body}");
    body["result"]["structuredContent"]["error"].clone()
}

/// The log lines of a server, to its end.
async fn ended(mut server: OverHttp) -> String {
    let said = tokio::time::timeout(Duration::from_secs(30), super::said(&mut server)).await;
    said.expect("in time")
}

#[tokio::test]
async fn statement_that_the_end_cuts_off_was_cancelled_and_is_counted_once() {
    let upstream = upstream(Reply::hang).await;
    let server = serve(&upstream, &["--toolsets", "sql", "--drain-seconds", "1"]).await;
    let url = server.url.clone();
    let running = tokio::spawn(async move { run_sql(&url, "SELECT pg_sleep(60)").await });
    let asked = || upstream.requests().iter().any(|request| request.path() == "/sql");
    harness::wait::until("SQL", asked).await;
    signal(&server.child, "-TERM").await;
    let error = running.await.expect("ends");
    assert_eq!(error["kind"], "cancelled", "{error}");
    let said = ended(server).await;
    let counted = said.lines().find(|line| line.contains("cancelled: ")).expect("a line");
    assert!(counted.ends_with(": 1"), "{counted}");
}

/// The library of the protocol has an error line for each: a caller could fill the log with them, and wake whom errors wake.
#[tokio::test]
async fn caller_that_hangs_up_is_no_error_of_the_server() {
    let upstream = upstream(Reply::hang).await;
    let server = serve(&upstream, &["--toolsets", "sql", "--drain-seconds", "1"]).await;
    for number in 1..=3 {
        let url = server.url.clone();
        let running = tokio::spawn(async move { run_sql(&url, "SELECT pg_sleep(60)").await });
        let asked = || {
            upstream
                .requests()
                .iter()
                .filter(|request| request.path() == "/sql")
                .count()
        };
        harness::wait::until("SQL", || asked() == number).await;
        running.abort();
    }
    // What was cancelled is told at the end, when there is nothing to wait for.
    signal(&server.child, "-TERM").await;
    let said = ended(server).await;
    assert!(!said.contains("ERROR"), "{said}");
}

#[tokio::test]
async fn answer_that_is_lost_is_no_refusal_of_postgres() {
    let upstream = upstream(Reply::reset_after_reading).await;
    let server = serve(&upstream, &["--toolsets", "sql"]).await;
    for (sql, changed, kind) in [
        ("SELECT 1", "no", "network"),
        ("DO $$ BEGIN PERFORM 1; END $$", "unknown", "outcome_unknown"),
    ] {
        let error = run_sql(&server.url, sql).await;
        assert_eq!(
            (&error["changed"], &error["kind"]),
            (&json!(changed), &json!(kind)),
            "{sql}: {error}"
        );
        assert!(error.get("sqlstate").is_none(), "{error}");
    }
}
