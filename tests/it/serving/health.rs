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
    // Whether this process takes work, Neon isn't asked.
    assert_eq!(upstream.count(), 0);
    // Nothing else is open without the token.
    assert_eq!(
        plain().get(server.origin()).send().await.expect("an answer").status(),
        401
    );
}

#[tokio::test]
async fn server_takes_work_when_neon_and_the_store_do_not_answer_and_tells_that_to_whoever_asks() {
    let (_socket, url) = nobody();
    let command = program(&["http", "--listen", "127.0.0.1:0", "--no-auth"], &url, KEY);
    let server = OverHttp::start(command, &state_home()).await;
    let approvals = server.state.join("neon-mcp/approvals");
    let _ = std::fs::remove_dir_all(&approvals);
    std::fs::create_dir_all(approvals.parent().expect("a folder")).expect("a folder");
    std::fs::write(&approvals, "no directory").expect("written");
    for path in ["/readyz", "/healthz"] {
        let url = format!("{}{path}", server.origin());
        assert_eq!(
            plain().get(url).send().await.expect("an answer").status(),
            200,
            "{path}"
        );
    }
    let details = format!("{}/readyz?details", server.origin());
    let answer = plain().get(details).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let told: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!(told, serde_json::json!({"ready": true, "neon": false, "store": false}));
}

#[tokio::test]
async fn server_that_stops_is_not_ready_at_once() {
    let gate = Gate::shut();
    let shut = gate.clone();
    let upstream = FakeNeon::route(move |request: &Recorded| neon(request).behind(&shut)).await;
    let server = serve(&upstream, &[]).await;
    let ready = format!("{}/readyz", server.origin());
    assert_eq!(plain().get(&ready).send().await.expect("an answer").status(), 200);
    let url = server.url.clone();
    let call = tokio::spawn(async move { super::look(&plain(), &url).send().await });
    upstream.reached(1).await;
    signal(&server.child, "-TERM").await;
    let stops = async || {
        let answer = plain().get(&ready).send().await.expect("an answer");
        answer.status() == 503 && answer.headers()["connection"] == "close"
    };
    harness::wait::until_async("the stop", stops).await;
    gate.open();
    assert_eq!(call.await.expect("ends").expect("an answer").status(), 200);
}
