//! Whether it lives, and whether it is ready.

use super::{serve, signal};
use crate::mcp::neon;
use crate::support::fake_neon::{FakeNeon, Gate, Recorded, nobody};
use crate::support::http::{OverHttp, plain};
use crate::support::server::{KEY, program, state_home};

#[tokio::test]
async fn health_is_told_to_whoever_asks_and_nothing_else_is() {
    let upstream = FakeNeon::route(neon).await;
    let command = program(&["http", "--listen", "127.0.0.1:0"], &upstream.url(), KEY);
    let server = OverHttp::start(command, &state_home()).await;
    for path in ["/healthz", "/readyz"] {
        // As who watches asks: by the address, without a token.
        let url = format!("{}{path}", server.origin());
        let answer = plain()
            .get(&url)
            .header("host", "10.1.2.3:80")
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.text().await.expect("text"), "ok\n");
        let head = plain().head(&url).send().await.expect("an answer");
        assert_eq!(
            (head.status().as_u16(), head.headers()["content-length"].as_bytes()),
            (200, &b"3"[..]),
            "{path}"
        );
        assert_eq!(plain().post(&url).send().await.expect("an answer").status(), 405);
    }
    // Two that asked within five seconds were one question.
    assert_eq!(upstream.count(), 1);
    // Nothing else is open without the token.
    assert_eq!(
        plain().get(server.origin()).send().await.expect("an answer").status(),
        401
    );
}

#[tokio::test]
async fn server_is_not_ready_when_neon_does_not_answer_and_lives_nevertheless() {
    let (_socket, url) = nobody();
    let command = program(&["http", "--listen", "127.0.0.1:0", "--no-auth"], &url, KEY);
    let server = OverHttp::start(command, &state_home()).await;
    let ready = plain()
        .get(format!("{}/readyz", server.origin()))
        .send()
        .await
        .expect("an answer");
    assert_eq!(ready.status(), 503);
    assert!(ready.headers().contains_key("retry-after"));
    assert_eq!(ready.text().await.expect("text"), "not ready\n");
    let lives = plain()
        .get(format!("{}/healthz", server.origin()))
        .send()
        .await
        .expect("an answer");
    assert_eq!(lives.status(), 200);
}

#[tokio::test]
async fn server_that_stops_is_not_ready_at_once() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let upstream = FakeNeon::route(move |request: &Recorded| match request.path().ends_with("/auth") {
        true => neon(request),
        false => neon(request).behind(&shut),
    })
    .await;
    let server = serve(&upstream, &[]).await;
    let ready = format!("{}/readyz", server.origin());
    assert_eq!(plain().get(&ready).send().await.expect("an answer").status(), 200);
    let url = server.url.clone();
    let call = tokio::spawn(async move { super::look(&plain(), &url).send().await });
    upstream.reached(2).await;
    signal(&server.child, "-TERM").await;
    let stops = async || {
        let answer = plain().get(&ready).send().await.expect("an answer");
        answer.status() == 503 && answer.headers()["connection"] == "close"
    };
    harness::wait::until_async("the stop", stops).await;
    gate.open();
    assert_eq!(call.await.expect("ends").expect("an answer").status(), 200);
}
