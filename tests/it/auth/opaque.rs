//! Access tokens that are no JWT: the issuer is asked about them.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::issuer::Issuer;
use super::oauth::{ALL, metadata};
use super::{answered, gets_in, neon, serve};
use crate::support::fake_neon::{FakeNeon, Gate};
use crate::support::http::OverHttp;
use crate::support::server::state_home;

async fn start() -> (FakeNeon, Issuer, OverHttp) {
    start_with(&[]).await
}

async fn start_with(more: &[&str]) -> (FakeNeon, Issuer, OverHttp) {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let origin = issuer.origin();
    let state = state_home();
    let secret = state.join("secret");
    std::fs::write(&secret, "the-secret\n").expect("a secret");
    let secret = secret.to_str().expect("a path");
    let arguments = [
        "--auth",
        "oauth",
        "--oauth-issuer",
        &origin,
        "--oauth-introspection",
        "--oauth-client-id",
        "the-server",
        "--oauth-client-secret-file",
        secret,
    ];
    let arguments = [&arguments, more].concat();
    let server = serve(&upstream, &arguments, &state).await;
    (upstream, issuer, server)
}

fn invalid(server: &OverHttp, why: &str) -> (StatusCode, String) {
    let asks = format!(
        "Bearer error=\"invalid_token\", error_description=\"{why}\", {}, scope=\"{ALL}\"",
        metadata(server)
    );
    (StatusCode::UNAUTHORIZED, asks)
}

#[tokio::test]
async fn opaque_token_lets_in_where_the_issuer_says_yes_and_it_is_asked_once() {
    let (_upstream, issuer, mut server) = start().await;
    let mut claims = issuer.claims(&server.url, ALL);
    claims["active"] = true.into();
    issuer.state().opaque.insert("opaque-1".to_owned(), claims);
    gets_in(&mut server, "opaque-1").await;
    assert_eq!(issuer.asked("/introspect"), 1);
    // What the issuer said counts for a minute, and no longer than that: it may be away meanwhile.
    issuer.state().is_away = true;
    gets_in(&mut server, "opaque-1").await;
    assert_eq!(answered(&server, "opaque-2").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn jwt_counts_as_long_as_its_issuer_says_so() {
    let (_upstream, issuer, mut server) = start().await;
    let good = issuer.token(&issuer.claims(&server.url, ALL));
    // What the issuer says of a JWT beside that it counts isn't looked for: it is in the JWT.
    issuer.state().opaque.insert(good.clone(), json!({"active": true}));
    gets_in(&mut server, &good).await;
    assert_eq!(issuer.asked("/introspect"), 1, "it counts for a minute");
    let mut claims = issuer.claims(&server.url, ALL);
    claims["sub"] = "eve".into();
    let revoked = issuer.token(&claims);
    let why = "the token does not count at its issuer";
    for _ in 0..3 {
        assert_eq!(answered(&server, &revoked).await, invalid(&server, why));
    }
    assert_eq!(issuer.asked("/introspect"), 2);
    // Nobody asks about what the issuer didn't sign.
    claims["exp"] = 1.into();
    assert_eq!(
        answered(&server, &issuer.token(&claims)).await,
        invalid(&server, "the token expired")
    );
    assert_eq!(issuer.asked("/introspect"), 2);
    issuer.state().is_away = true;
    gets_in(&mut server, &good).await;
    claims["exp"] = (chrono::Utc::now().timestamp() + 60).into();
    let (status, _) = answered(&server, &issuer.token(&claims)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn jwt_is_not_asked_about_where_the_operator_leaves_that_out() {
    let (_upstream, issuer, mut server) = start_with(&["--oauth-introspect-jwts=false"]).await;
    let token = issuer.token(&issuer.claims(&server.url, ALL));
    gets_in(&mut server, &token).await;
    assert_eq!(issuer.asked("/introspect"), 0);
}

#[tokio::test]
async fn opaque_token_that_does_not_count_is_refused_and_asked_about_once() {
    let (upstream, issuer, server) = start().await;
    let claims = |others: Value| {
        let mut claims = issuer.claims(&server.url, ALL);
        claims["active"] = true.into();
        claims
            .as_object_mut()
            .expect("an object")
            .extend(others.as_object().expect("an object").clone());
        claims
    };
    let now = chrono::Utc::now().timestamp();
    let cases = [
        (
            "inactive",
            claims(json!({"active": false})),
            "the token does not count at its issuer",
        ),
        (
            "text",
            claims(json!({"active": "true"})),
            "the token does not count at its issuer",
        ),
        (
            "issuer",
            claims(json!({"iss": "https://evil.example"})),
            "the token is of another issuer",
        ),
        (
            "audience",
            claims(json!({"aud": "https://other.example"})),
            "the token is for another audience",
        ),
        (
            "none",
            claims(json!({"aud": null})),
            "the token is for another audience",
        ),
        ("expired", claims(json!({"exp": now - 40})), "the token expired"),
        ("early", claims(json!({"nbf": now + 60})), "the token is not valid yet"),
        (
            "nobody",
            claims(json!({"sub": null})),
            "the token has no subject that can be used",
        ),
    ];
    for (token, said, why) in &cases {
        issuer.state().opaque.insert((*token).to_owned(), said.clone());
        for _ in 0..3 {
            assert_eq!(answered(&server, token).await, invalid(&server, why), "{token}");
        }
    }
    assert_eq!(
        answered(&server, "never-heard-of").await,
        invalid(&server, "the token does not count at its issuer")
    );
    assert_eq!(issuer.asked("/introspect"), cases.len() + 1);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn issuer_that_cannot_answer_is_asked_again_after_a_pause_that_it_may_name() {
    let (_upstream, issuer, server) = start().await;
    let token = |subject: &str| {
        let mut claims = issuer.claims(&server.url, ALL);
        claims["sub"] = subject.into();
        let token = issuer.token(&claims);
        issuer.state().opaque.insert(token.clone(), json!({"active": true}));
        token
    };
    let jwt = token("ada");
    for (status, later) in [(429, "2"), (503, "2")] {
        let jwt = token(&format!("bob of {status}"));
        issuer.state().refuses = Some((status, later));
        let before = issuer.asked("/introspect");
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(1) {
            assert_eq!(answered(&server, &jwt).await.0, StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(issuer.asked("/introspect"), before + 1, "{status}");
        // Of another token nobody knows what it would say.
        answered(&server, &token(&format!("joe of {status}"))).await;
        assert_eq!(issuer.asked("/introspect"), before + 2, "{status}");
        issuer.state().refuses = None;
        harness::wait::until_async("the end of the pause", async || {
            answered(&server, &jwt).await.0 == StatusCode::OK
        })
        .await;
        assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(issuer.asked("/introspect"), before + 3, "{status}");
    }
    // Where it says nothing, and of tokens that are no JWT, it has some seconds.
    issuer.state().refuses = Some((500, ""));
    for token in [jwt.as_str(), "opaque"] {
        let before = issuer.asked("/introspect");
        for _ in 0..5 {
            assert_eq!(answered(&server, token).await.0, StatusCode::SERVICE_UNAVAILABLE);
        }
        assert_eq!(issuer.asked("/introspect"), before + 1, "{token}");
    }
}

#[tokio::test]
async fn token_that_is_shown_often_at_once_is_one_question_and_all_get_its_answer() {
    let (_upstream, issuer, server) = start().await;
    let gate = Gate::shut();
    issuer.state().gate = Some(gate.clone());
    let jwt = issuer.token(&issuer.claims(&server.url, ALL));
    issuer.state().opaque.insert(jwt.clone(), json!({"active": true}));
    let shown = futures::future::join_all((0..40).map(|_| answered(&server, &jwt)));
    let (shown, ()) = tokio::join!(shown, async {
        harness::wait::until("the question", || issuer.asked("/introspect") > 0).await;
        // Another token finds a place beside it.
        let mut claims = issuer.claims(&server.url, ALL);
        claims["sub"] = "bob".into();
        let other = issuer.token(&claims);
        let (other, ()) = tokio::join!(answered(&server, &other), async {
            harness::wait::until("the other question", || issuer.asked("/introspect") > 1).await;
            gate.open();
        });
        assert_eq!(other.0, StatusCode::UNAUTHORIZED);
    });
    let statuses: Vec<StatusCode> = shown.into_iter().map(|(status, _)| status).collect();
    assert!(statuses.iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
    assert_eq!(issuer.asked("/introspect"), 2);
}
