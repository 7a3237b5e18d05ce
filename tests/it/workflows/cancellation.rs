//! SQL that takes too long: a client that goes away, and a time that runs out.

use std::time::{Duration, Instant};

use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest};
use rmcp::service::PeerRequestOptions;
use serde_json::json;

use super::{rows, shop, sql};

#[tokio::test]
async fn a_cancelled_call_ends_at_once_and_so_does_its_statement() {
    let story = shop().await;
    let server = story
        .server_at(&["--toolsets", "all"], &story.sandbox().api_url())
        .await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'pg_sleep\\(6[01]' AND state = 'active' AND pid <> pg_backend_pid()";
    for statement in ["SELECT pg_sleep(60)", "DO $$ BEGIN PERFORM pg_sleep(61); END $$"] {
        let arguments = json!({"project_id": "shop", "branch_id": "main", "sql": statement, "timeout_seconds": 100});
        let request =
            CallToolRequestParams::new("run_sql").with_arguments(arguments.as_object().cloned().expect("an object"));
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(request));
        let handle = server
            .client
            .send_cancellable_request(request, PeerRequestOptions::no_options())
            .await
            .expect("sent");
        let began = Instant::now();
        while rows(&sql(&story, "main", running).await) != [json!(["1"])] {
            assert!(began.elapsed() < Duration::from_secs(20), "{statement} doesn't run");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        handle.cancel(Some("enough".into())).await.expect("cancelled");
        let cancelled = Instant::now();
        while rows(&sql(&story, "main", running).await) != [json!(["0"])] {
            assert!(cancelled.elapsed() < Duration::from_secs(5), "{statement} runs on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // The server still serves.
    let (_, is_error) = server.call("list_projects", json!({})).await;
    assert!(!is_error);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_with_words_that_help() {
    let story = shop().await;
    for statement in ["SELECT pg_sleep(5)", "DO $$ BEGIN PERFORM pg_sleep(5); END $$"] {
        let began = Instant::now();
        let call = json!({"branch_id": "main", "sql": statement, "timeout_seconds": 1});
        let error = story.shop_fails("run_sql", call).await;
        assert!(began.elapsed() < Duration::from_secs(4), "{error}");
        assert_eq!(
            (&error["kind"], &error["sqlstate"]),
            (&json!("sql_failed"), &json!("57014")),
            "{error}"
        );
        assert_eq!(error["changed"], "no");
        let next = error["next"].as_str().expect("words");
        assert!(next.contains("timeout_seconds") && next.contains("120"), "{next}");
    }
    let call = json!({"branch_id": "main", "sql": "SELECT pg_sleep(5)", "timeout_seconds": 1});
    let error = story.shop_fails("prepare_database_migration", call).await;
    assert_eq!(error["kind"], "trial_failed", "{error}");
    assert!(
        error["next"].as_str().expect("words").contains("timeout_seconds"),
        "{error}"
    );
    assert_eq!(story.branches().await, ["main"]);
}
