//! Access tokens of an OAuth issuer: the matrix of what is wrong with them, each with its status and challenge.

use reqwest::StatusCode;
use ring::hmac;
use serde_json::{Value, json};

use super::issuer::{Issuer, Signs, encoded, signed};
use super::{answered, begin, challenge, gets_in, neon, serve};
use crate::support::fake_neon::FakeNeon;
use crate::support::http::{OverHttp, plain};
use crate::support::server::{Era, TestClient, state_home};

pub const ALL: &str = "neon:read neon:write neon:access neon:destructive";

/// A server that takes the tokens of a new issuer.
pub async fn start(more: &[&str]) -> (FakeNeon, Issuer, OverHttp) {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let origin = issuer.origin();
    let arguments = [&["--auth", "oauth", "--oauth-issuer", &origin], more].concat();
    let server = serve(&upstream, &arguments, &state_home()).await;
    (upstream, issuer, server)
}

/// The challenge to a token that doesn't count.
fn invalid(server: &OverHttp, why: &str) -> (StatusCode, String) {
    let asks = format!(
        "Bearer error=\"invalid_token\", error_description=\"{why}\", {}, scope=\"{ALL}\"",
        metadata(server)
    );
    (StatusCode::UNAUTHORIZED, asks)
}

pub fn metadata(server: &OverHttp) -> String {
    format!(
        "resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"",
        server.origin()
    )
}

fn malformed(server: &OverHttp, why: &str) -> (StatusCode, String) {
    let asks = format!(
        "Bearer error=\"invalid_request\", error_description=\"{why}\", {}",
        metadata(server)
    );
    (StatusCode::BAD_REQUEST, asks)
}

/// Claims with some in the place of others; null takes one away.
fn but(claims: &Value, others: Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in others.as_object().expect("an object") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[tokio::test]
async fn token_of_the_issuer_for_this_server_lets_in_in_both_eras() {
    let (upstream, issuer, mut server) = start(&[]).await;
    let claims = issuer.claims(&server.url.clone(), ALL);
    gets_in(&mut server, &issuer.token(&claims)).await;
    let list = but(&claims, json!({"aud": ["https://other.example", server.url]}));
    gets_in(&mut server, &issuer.token(&list)).await;
    // Neon is called with the operator's key: no token is passed on.
    for request in upstream.requests() {
        assert_eq!(
            request.header("authorization"),
            Some(format!("Bearer {}", crate::support::server::KEY).as_str())
        );
    }
    assert_eq!(issuer.asked("/keys"), 1, "the keys are kept");
}

#[tokio::test]
async fn what_is_shown_in_no_right_way_is_told_so() {
    let (_upstream, issuer, server) = start(&[]).await;
    let token = issuer.token(&issuer.claims(&server.url, ALL));
    let right = format!("Bearer {token}");
    let none = (
        StatusCode::UNAUTHORIZED,
        format!("Bearer {}, scope=\"{ALL}\"", metadata(&server)),
    );
    for shown in [vec![], vec![""], vec!["Basic YTpi"], vec![token.as_str()]] {
        assert_eq!(challenge(&begin(&server, &shown).await), none, "{shown:?}");
    }
    for (shown, why) in [
        (vec!["Bearer"], "what follows Bearer is no token"),
        (vec!["Bearer a b"], "what follows Bearer is no token"),
        (vec!["Bearer \"a\""], "what follows Bearer is no token"),
        (vec![&*right, &right], "there is more than one Authorization header"),
        (
            vec!["Basic YTpi", &right],
            "there is more than one Authorization header",
        ),
    ] {
        assert_eq!(
            challenge(&begin(&server, &shown).await),
            malformed(&server, why),
            "{shown:?}"
        );
    }
    let why = "a token belongs into the Authorization header alone, never into the address";
    let asked = plain().post(format!("{}?access_token={token}", server.url));
    let answer = asked.header("authorization", &right).send().await.expect("an answer");
    assert_eq!(challenge(&answer), malformed(&server, why));
    assert_eq!(begin(&server, &[&right]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn token_that_does_not_count_is_told_why_and_never_repeated() {
    let (upstream, issuer, server) = start(&[]).await;
    let key = issuer.key("k1");
    let claims = issuer.claims(&server.url, ALL);
    let now = chrono::Utc::now().timestamp();
    let head = json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"});
    let with = |others: Value| signed(&key, &head, &but(&claims, others));
    let headed = |others: Value| signed(&key, &but(&head, others), &claims);
    let unsigned = |head: Value| format!("{}.{}.", encoded(head.to_string()), encoded(claims.to_string()));
    // The public key is known to everybody: as the key of an HMAC it proves nothing.
    let forged = {
        let head = json!({"alg": "HS256", "kid": "k1", "typ": "at+jwt"});
        let message = format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.public()), message.as_bytes());
        format!("{message}.{}", encoded(tag.as_ref()))
    };
    let good = issuer.token(&claims);
    let changed = {
        let (message, signature) = good.rsplit_once('.').expect("parts");
        let (head, _) = message.split_once('.').expect("parts");
        let others = but(&claims, json!({"sub": "eve"}));
        format!("{head}.{}.{signature}", encoded(others.to_string()))
    };
    let other_algorithm = signed(&key, &json!({"alg": "RS256", "kid": "k1"}), &claims);
    let cases = [
        ("abc".to_owned(), "the token is no JWT"),
        ("a.b.c".to_owned(), "the token is no JWT"),
        (format!("{good}.x.y"), "the token is no JWT"),
        (
            unsigned(json!({"alg": "none"})),
            "the token is signed in a way that is not taken",
        ),
        (
            unsigned(json!({"alg": "None", "kid": "k1"})),
            "the token is signed in a way that is not taken",
        ),
        (forged, "the token is signed in a way that is not taken"),
        (other_algorithm, "the token is signed in a way that its key is not for"),
        (changed, "the signature of the token is wrong"),
        (
            signed(&Signs::p256(), &head, &claims),
            "the signature of the token is wrong",
        ),
        (
            with(json!({"iss": "https://evil.example"})),
            "the token is of another issuer",
        ),
        (
            with(json!({"iss": format!("{}/", issuer.origin())})),
            "the token is of another issuer",
        ),
        (
            with(json!({"iss": [issuer.origin()]})),
            "the token is of another issuer",
        ),
        (with(json!({"iss": null})), "the token is of another issuer"),
        (
            with(json!({"aud": "https://other.example/mcp"})),
            "the token is for another audience",
        ),
        (
            with(json!({"aud": [server.origin()]})),
            "the token is for another audience",
        ),
        (with(json!({"aud": null})), "the token is for another audience"),
        (with(json!({"exp": now - 40})), "the token expired"),
        (with(json!({"exp": null})), "the token has no end (exp)"),
        (with(json!({"exp": "tomorrow"})), "the token has no end (exp)"),
        (with(json!({"nbf": now + 60})), "the token is not valid yet"),
        (with(json!({"sub": null})), "the token has no subject that can be used"),
        (with(json!({"sub": ""})), "the token has no subject that can be used"),
        (headed(json!({"typ": "id+jwt"})), "the token is no access token"),
        (headed(json!({"typ": "logout+jwt"})), "the token is no access token"),
        (
            headed(json!({"crit": ["b64"], "b64": false})),
            "the token wants what is not understood (crit)",
        ),
        (
            signed(
                &key,
                &json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt", "crit": null}),
                &claims,
            ),
            "the token wants what is not understood (crit)",
        ),
    ];
    for (token, why) in cases {
        let answer = begin(&server, &[&format!("Bearer {token}")]).await;
        assert_eq!(challenge(&answer), invalid(&server, why), "{token}");
        let text = answer.text().await.expect("a text");
        assert!(text.contains(why) && !text.contains(&token), "{text}");
    }
    // Clocks may be apart by 30 seconds, and the type may be left out or be the general one.
    for token in [
        with(json!({"exp": now - 20})),
        with(json!({"nbf": now + 20})),
        headed(json!({"typ": "JWT"})),
        headed(json!({"typ": "application/at+jwt"})),
        headed(json!({"typ": null})),
        headed(json!({"kid": null})),
    ] {
        assert_eq!(answered(&server, &token).await.0, StatusCode::OK, "{token}");
    }
    assert_eq!(upstream.count(), 0);
    assert_eq!(issuer.asked("/keys"), 1);
}

#[tokio::test]
async fn tokens_of_every_algorithm_that_is_taken_let_in() {
    let (_upstream, issuer, server) = start(&[]).await;
    let keys = [("rsa", Signs::rsa()), ("p384", Signs::p384()), ("ed", Signs::ed25519())];
    for (id, key) in keys {
        issuer.state().keys.insert(id.to_owned(), key.into());
    }
    let claims = issuer.claims(&server.url, ALL);
    for (id, algorithm) in [
        ("k1", "ES256"),
        ("rsa", "RS256"),
        ("rsa", "PS256"),
        ("p384", "ES384"),
        ("ed", "EdDSA"),
    ] {
        let key = issuer.key(id);
        let token = signed(&key, &json!({"alg": algorithm, "kid": id}), &claims);
        assert_eq!(answered(&server, &token).await.0, StatusCode::OK, "{algorithm}");
    }
    // A signature of one way isn't one of another with the same key.
    let key = issuer.key("rsa");
    let token = signed(&key, &json!({"alg": "RS256", "kid": "rsa"}), &claims);
    let (message, signature) = token.rsplit_once('.').expect("parts");
    let (_, rest) = message.split_once('.').expect("parts");
    let token = format!(
        "{}.{rest}.{signature}",
        encoded(json!({"alg": "PS256", "kid": "rsa"}).to_string())
    );
    assert_eq!(
        answered(&server, &token).await,
        invalid(&server, "the signature of the token is wrong")
    );
}

#[tokio::test]
async fn unknown_key_is_asked_for_once_a_minute_and_a_rotated_one_is_found_so() {
    let (_upstream, issuer, server) = start(&[]).await;
    let claims = issuer.claims(&server.url, ALL);
    assert_eq!(answered(&server, &issuer.token(&claims)).await.0, StatusCode::OK);
    assert_eq!(issuer.asked("/keys"), 1);
    // The issuer signs with another key from now on.
    let old = issuer.token(&claims);
    issuer.state().keys.clear();
    issuer.state().keys.insert("k2".to_owned(), Signs::ed25519().into());
    let new = issuer.key("k2");
    let token = signed(&new, &json!({"alg": "EdDSA", "kid": "k2"}), &claims);
    assert_eq!(answered(&server, &token).await.0, StatusCode::OK);
    assert_eq!(issuer.asked("/keys"), 2);
    let why = "the token is signed with a key that its issuer does not name";
    assert_eq!(
        answered(&server, &old).await,
        invalid(&server, why),
        "the old key is gone"
    );
    // Whoever makes names of keys up makes the server ask no more than that.
    let requests = (0..20).map(|number| {
        let token = signed(
            &new,
            &json!({"alg": "EdDSA", "kid": format!("made-up-{number}")}),
            &claims,
        );
        let server = &server;
        async move { answered(server, &token).await }
    });
    for answer in futures::future::join_all(requests).await {
        assert_eq!(answer, invalid(&server, why));
    }
    assert_eq!(issuer.asked("/keys"), 2);
    assert_eq!(answered(&server, &token).await.0, StatusCode::OK);
}

#[tokio::test]
async fn keys_that_are_there_go_on_while_the_issuer_is_away() {
    let (_upstream, issuer, mut server) = start(&[]).await;
    let claims = issuer.claims(&server.url, ALL);
    let token = issuer.token(&claims);
    let unknown = signed(&Signs::ed25519(), &json!({"alg": "EdDSA", "kid": "k2"}), &claims);
    issuer.state().is_away = true;
    // Without any key nothing can be told of a token: that isn't its owner's fault.
    let answer = begin(&server, &[&format!("Bearer {token}")]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "5");
    assert!(answer.headers().get("www-authenticate").is_none());
    issuer.state().is_away = false;
    harness::wait::until_async("the answer", async || {
        answered(&server, &token).await.0 == StatusCode::OK
    })
    .await;
    issuer.state().is_away = true;
    gets_in(&mut server, &token).await;
    assert_eq!(answered(&server, &unknown).await.0, StatusCode::SERVICE_UNAVAILABLE);
    gets_in(&mut server, &token).await;
}

#[tokio::test]
async fn issuer_that_names_another_or_sends_elsewhere_is_not_believed() {
    let (_upstream, issuer, server) = start(&[]).await;
    let token = issuer.token(&issuer.claims(&server.url, ALL));
    issuer.state().issuer = Some("https://evil.example".to_owned());
    assert_eq!(answered(&server, &token).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(issuer.asked("/keys"), 0);

    let (_upstream, issuer, server) = start(&[]).await;
    let elsewhere = Issuer::start().await;
    issuer.state().redirects = Some(format!("{}/keys", elsewhere.origin()));
    let token = issuer.token(&issuer.claims(&server.url, ALL));
    assert_eq!(answered(&server, &token).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(elsewhere.http.count(), 0);

    let (_upstream, issuer, mut server) = start(&[]).await;
    issuer.state().is_openid_alone = true;
    let token = issuer.token(&issuer.claims(&server.url, ALL));
    gets_in(&mut server, &token).await;
}

#[tokio::test]
async fn wrong_name_of_the_issuer_is_told_at_the_start_and_nobody_is_to_try_again() {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let origin = format!("{}/", issuer.origin());
    let server = serve(
        &upstream,
        &["--auth", "oauth", "--oauth-issuer", &origin],
        &state_home(),
    )
    .await;
    let asked = "/.well-known/oauth-authorization-server";
    harness::wait::until_async("the question", async || issuer.asked(asked) > 0).await;
    let token = issuer.token(&issuer.claims(&server.url, ALL));
    let answer = begin(&server, &[&format!("Bearer {token}")]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().get("retry-after").is_none());
    let text = answer.text().await.expect("a text");
    assert!(text.contains("trying again changes nothing"), "{text}");
    let said = super::ended(server).await;
    let line = said.lines().find(|line| line.contains("ERROR")).expect("an error");
    let names = [issuer.origin(), origin].map(|name| format!("{name:?}"));
    assert!(names.iter().all(|name| line.contains(name)), "{line}");
    // One that is away comes back.
    let issuer = Issuer::start().await;
    issuer.state().is_away = true;
    let origin = issuer.origin();
    let server = serve(
        &upstream,
        &["--auth", "oauth", "--oauth-issuer", &origin],
        &state_home(),
    )
    .await;
    harness::wait::until_async("the question", async || issuer.asked(asked) > 0).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let said = super::ended(server).await;
    assert!(
        said.lines().any(|line| line.contains("WARN") && line.contains(&origin)),
        "{said}"
    );
    assert!(!said.contains("ERROR"), "{said}");
}

#[tokio::test]
async fn metadata_of_the_resource_are_served_to_whoever_asks() {
    let (_upstream, issuer, server) = start(&["--read-only"]).await;
    for path in ["", "/mcp"] {
        let url = format!("{}/.well-known/oauth-protected-resource{path}", server.origin());
        let asked = plain().get(&url).header("origin", "https://client.example");
        let answer = asked.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let told: Value = answer.json().await.expect("JSON");
        assert_eq!(
            told,
            json!({
                "resource": server.url, "authorization_servers": [issuer.origin()], "scopes_supported": ["neon:read"],
                "bearer_methods_supported": ["header"], "resource_name": "Neon (serverless Postgres)",
            })
        );
        let preflight = plain()
            .request(reqwest::Method::OPTIONS, &url)
            .send()
            .await
            .expect("an answer");
        assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    }
    // A server that only reads asks for no more.
    let (_, asks) = challenge(&begin(&server, &[]).await);
    assert!(asks.ends_with("scope=\"neon:read\""), "{asks}");
    let other = plain().get(format!("{}/.well-known/other", server.origin()));
    assert_eq!(
        other.send().await.expect("an answer").status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn audience_and_public_address_are_the_operators() {
    // What the server says then is what clients see: a free port is found here.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let here = free.local_addr().expect("an address").to_string();
    drop(free);
    let public = ["--listen", &here, "--public-url", "https://mcp.example.com/"];
    let (_upstream, issuer, mut server) = start(&public).await;
    assert_eq!(server.url, "https://mcp.example.com/mcp");
    server.url = format!("http://{here}/mcp");
    let token = issuer.token(&issuer.claims("https://mcp.example.com/mcp", ALL));
    assert_eq!(answered(&server, &token).await.0, StatusCode::OK);
    let token = issuer.token(&issuer.claims(&server.url, ALL));
    let (status, asks) = answered(&server, &token).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(
        asks.contains("resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""),
        "{asks}"
    );
    let (_upstream, issuer, server) = start(&["--oauth-audience", "neon"]).await;
    let token = issuer.token(&issuer.claims("neon", ALL));
    assert_eq!(answered(&server, &token).await.0, StatusCode::OK);
}

#[tokio::test]
async fn session_of_another_principal_is_unknown() {
    let (_upstream, issuer, server) = start(&[]).await;
    let claims = issuer.claims(&server.url, ALL);
    let (ada, bob) = (
        issuer.token(&claims),
        issuer.token(&but(&claims, json!({"sub": "bob"}))),
    );
    let answer = begin(&server, &[&format!("Bearer {ada}")]).await;
    let session = answer.headers()["mcp-session-id"].to_str().expect("a text").to_owned();
    let with = async |token: &str, session: &str| {
        let asked = plain()
            .post(&server.url)
            .header("authorization", format!("Bearer {token}"));
        let asked = asked.header("accept", "application/json, text/event-stream");
        let asked = asked
            .header("mcp-session-id", session)
            .header("mcp-protocol-version", "2025-11-25");
        let body = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
        asked.json(&body).send().await.expect("an answer")
    };
    let (stranger, none) = (with(&bob, &session).await, with(&bob, "no-session").await);
    assert_eq!(
        (stranger.status(), none.status()),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
    );
    assert_eq!(
        stranger.text().await.expect("a text"),
        none.text().await.expect("a text")
    );
    assert_eq!(with(&ada, &session).await.status(), StatusCode::OK);
    // Another token of the same subject is the same caller.
    let again = issuer.token(&but(&claims, json!({"jti": "another", "scope": "neon:read"})));
    assert_eq!(with(&again, &session).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn token_shows_in_no_log_whatever_is_logged() {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let origin = issuer.origin();
    let state = state_home();
    let arguments = [
        "http",
        "--listen",
        "127.0.0.1:0",
        "--auth",
        "oauth",
        "--oauth-issuer",
        &origin,
    ];
    let mut command = crate::support::server::program(&arguments, &upstream.url(), crate::support::server::KEY);
    command.env("NEON_MCP_LOG", "trace");
    let mut server = OverHttp::start(command, &state).await;
    let token = issuer.token(&issuer.claims(&server.url, ALL));
    let wrong = issuer.token(&issuer.claims("https://canary-audience.example", ALL));
    answered(&server, &wrong).await;
    let _ = plain()
        .post(format!("{}?access_token={token}", server.url))
        .send()
        .await;
    server.token = Some(token.clone());
    let client = server.client(TestClient::alone(), Era::Legacy).await;
    drop(client);
    let said = super::ended(server).await;
    let signature = |token: &str| token.rsplit('.').next().expect("a part").to_owned();
    for secret in [&token, &wrong, &signature(&token), &signature(&wrong)] {
        assert!(!said.contains(secret.as_str()), "a token is in the log");
    }
}
