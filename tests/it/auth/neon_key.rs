//! Callers that bring a Neon API key of their own.

use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use serde_json::json;

use super::{PROJECT, answered, begin, challenge, gets_in, neon, serve_as};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::http::plain;
use crate::support::server::{Era, TestClient, call, state_home};

const ADA: &str = "napi_canary_key_of_ada_0123456789";
const BOB: &str = "napi_canary_key_of_bob_0123456789";
const LOGIN: &str = "napi_canary_that_is_a_login_12345";

/// A Neon that takes these keys alone, and can be away.
async fn start(is_away: Arc<Mutex<bool>>) -> FakeNeon {
    FakeNeon::route(move |request| {
        if *is_away.lock().expect("a lock") {
            return Reply::status(503);
        }
        let key = request
            .header("authorization")
            .unwrap_or_default()
            .trim_start_matches("Bearer ");
        match key {
            ADA | BOB => neon(request),
            LOGIN if request.path().ends_with("/auth") => Reply::json(200, json!({"auth_method": "oauth"})),
            _ => Reply::error(401, "", "this key does not count"),
        }
    })
    .await
}

fn checks(upstream: &FakeNeon) -> usize {
    let requests = upstream.requests();
    requests
        .iter()
        .filter(|request| request.path().ends_with("/auth"))
        .count()
}

#[tokio::test]
async fn calls_are_made_with_the_callers_own_key_which_is_checked_once() {
    let upstream = start(Arc::default()).await;
    let state = state_home();
    let mut server = serve_as(&upstream, &["--auth", "neon-key"], &state, "").await;
    for key in [ADA, BOB] {
        let before = upstream.count();
        gets_in(&mut server, key).await;
        for request in &upstream.requests()[before..] {
            assert_eq!(request.header("authorization"), Some(format!("Bearer {key}").as_str()));
        }
    }
    assert_eq!(checks(&upstream), 2);
    let none = challenge(&begin(&server, &[]).await);
    assert_eq!(none, (StatusCode::UNAUTHORIZED, "Bearer".to_owned()));
    let invalid = |why: &str| {
        let asks = format!("Bearer error=\"invalid_token\", error_description=\"{why}\"");
        (StatusCode::UNAUTHORIZED, asks)
    };
    let wrong = "napi_canary_wrong_key_0123456789";
    for _ in 0..3 {
        assert_eq!(answered(&server, wrong).await, invalid("Neon does not take this key"));
    }
    assert_eq!(checks(&upstream), 3, "a no is kept, too");
    // A login of Neon's was made for another audience: it isn't passed on.
    assert_eq!(answered(&server, LOGIN).await, invalid("Neon does not take this key"));
    let before = upstream.count();
    assert_eq!(
        answered(&server, "eyJhbGciOi.J9.x").await,
        invalid("this is no Neon API key")
    );
    assert_eq!(upstream.count(), before);
    let query = plain().post(format!("{}?api_key={ADA}", server.url));
    assert_eq!(query.send().await.expect("an answer").status(), StatusCode::BAD_REQUEST);
    // Nothing that is kept or told has a key, or says which caller is which to whoever reads it.
    server.token = Some(ADA.to_owned());
    let client = server.client(TestClient::alone(), Era::Modern).await;
    call(&client, "create_branch", json!({"project_id": PROJECT, "name": "b"})).await;
    drop(client);
    let log = std::fs::read_to_string(state.join("neon-mcp/audit.jsonl")).expect("a log");
    assert!(log.contains("neon-key ") && !log.contains("canary"), "{log}");
    let said = super::ended(server).await;
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn sessions_of_a_key_are_no_other_keys() {
    let upstream = start(Arc::default()).await;
    let server = serve_as(&upstream, &["--auth", "neon-key"], &state_home(), "").await;
    let answer = begin(&server, &[&format!("Bearer {ADA}")]).await;
    let session = answer.headers()["mcp-session-id"].to_str().expect("a text").to_owned();
    for (key, status) in [(BOB, StatusCode::NOT_FOUND), (ADA, StatusCode::OK)] {
        let asked = plain()
            .post(&server.url)
            .header("authorization", format!("Bearer {key}"));
        let asked = asked.header("accept", "application/json, text/event-stream");
        let asked = asked
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-11-25");
        let answer = asked
            .json(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}))
            .send()
            .await;
        assert_eq!(answer.expect("an answer").status(), status);
    }
}

#[tokio::test]
async fn neon_that_is_away_refuses_no_key() {
    let is_away = Arc::new(Mutex::new(true));
    let upstream = start(is_away.clone()).await;
    let mut server = serve_as(&upstream, &["--auth", "neon-key"], &state_home(), "").await;
    let mut asked = 0;
    for number in 0..5 {
        let (status, asks) = answered(&server, ADA).await;
        assert_eq!((status, asks.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
        if number == 0 {
            asked = checks(&upstream);
        }
    }
    assert_eq!(checks(&upstream), asked, "it has some seconds before it is asked again");
    *is_away.lock().expect("a lock") = false;
    harness::wait::until_async("the end of the pause", async || {
        answered(&server, ADA).await.0 == StatusCode::OK
    })
    .await;
    gets_in(&mut server, ADA).await;
}
