//! Whoever reaches the port and shows what nobody knows: they are bounded before anybody else is asked, and hold nobody up.

use std::sync::Arc;
use std::time::Instant;

use reqwest::StatusCode;
use serde_json::json;

use super::issuer::Issuer;
use super::oauth::ALL;
use super::{answered, gets_in, neon, serve, serve_as};
use crate::support::fake_neon::{FakeNeon, Reply};
use crate::support::http::{OverHttp, plain};
use crate::support::server::state_home;

/// How many requests one address makes at once.
const MANY: usize = 120;

/// How many of them are looked at, at most, where they took that long: 30 at once, and ten a second.
fn most(began: Instant) -> usize {
    30 + 10 * (began.elapsed().as_secs() as usize + 2)
}

/// The answers to as many requests with tokens that nobody knows, of whom a proxy says that it comes from that address.
async fn floods(server: &OverHttp, prefix: &str, address: &str) -> Vec<reqwest::Response> {
    let http = Arc::new(plain());
    let requests = (0..MANY).map(|number| {
        let request = http
            .post(&server.url)
            .bearer_auth(format!("{prefix}{address}-{number}").replace(':', "-"))
            .header("x-forwarded-for", address)
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
        tokio::spawn(request.send())
    });
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        answers.push(request.await.expect("ends").expect("an answer"));
    }
    answers
}

fn refused(answers: &[reqwest::Response]) -> usize {
    let too_many = answers
        .iter()
        .filter(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS);
    for answer in too_many.clone() {
        let wait: u64 = answer.headers()["retry-after"]
            .to_str()
            .expect("a text")
            .parse()
            .expect("a number");
        assert!((1..=2).contains(&wait), "{wait}");
    }
    too_many.count()
}

#[tokio::test]
async fn issuer_is_asked_about_few_unknown_tokens_of_one_address_and_known_ones_go_on() {
    let upstream = FakeNeon::route(neon).await;
    let issuer = Issuer::start().await;
    let state = state_home();
    let secret = state.join("secret");
    std::fs::write(&secret, "the-secret\n").expect("a secret");
    let origin = issuer.origin();
    let arguments = [
        &[
            "--auth",
            "oauth",
            "--oauth-issuer",
            &origin,
            "--oauth-introspection",
            "--oauth-client-id",
            "the-server",
        ],
        &["--oauth-client-secret-file", secret.to_str().expect("a path")][..],
    ];
    let mut server = serve(&upstream, &arguments.concat(), &state).await;
    let mut claims = issuer.claims(&server.url, ALL);
    claims["active"] = true.into();
    issuer.state().opaque.insert("good".to_owned(), claims);
    gets_in(&mut server, "good").await;
    let began = Instant::now();
    let answers = floods(&server, "stranger", "192.0.2.1").await;
    assert!(refused(&answers) + most(began) >= MANY, "{}", refused(&answers));
    let asked = issuer.asked("/introspect");
    assert!(asked <= 1 + most(began), "{asked}");
    // What is known, a yes as a no, costs nothing, and so goes on.
    gets_in(&mut server, "good").await;
}

#[tokio::test]
async fn address_behind_a_proxy_has_a_budget_of_its_own() {
    let upstream = FakeNeon::route(|request| match request.path().ends_with("/auth") {
        true => Reply::error(401, "", "this key does not count"),
        false => neon(request),
    })
    .await;
    // Clients see what it listens on: the proxy is this test.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let public = format!("http://{address}");
    let arguments = [
        "--auth",
        "neon-key",
        "--behind-proxy",
        "127.0.0.0/8",
        "--listen",
        &address,
        "--public-url",
        &public,
    ];
    let server = serve_as(&upstream, &arguments, &state_home(), "").await;
    let checks = || {
        let requests = upstream.requests();
        requests
            .iter()
            .filter(|request| request.path().ends_with("/auth"))
            .count()
    };
    for (number, address) in ["192.0.2.1", "192.0.2.2", "2001:db8::1"].iter().enumerate() {
        let before = checks();
        let began = Instant::now();
        let answers = floods(&server, "napi_", address).await;
        assert!(
            refused(&answers) + most(began) >= MANY,
            "{address}: {}",
            refused(&answers)
        );
        assert!(checks() > before, "{number}: {address} is asked about, too");
    }
    // A network of the sixth version is one, however many addresses it has.
    let began = Instant::now();
    let answers = floods(&server, "napi_", "2001:db8::2").await;
    assert!(refused(&answers) + most(began) >= MANY, "{}", refused(&answers));
    let (status, _) = answered(&server, "no-key-of-neons").await;
    assert_eq!(
        status,
        StatusCode::UNAUTHORIZED,
        "about what can be no key nobody is asked"
    );
}
