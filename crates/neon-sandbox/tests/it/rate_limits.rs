//! 429 past the limits.

use neon_sandbox::SandboxOptions;

use super::{Rig, options};

#[tokio::test]
async fn forty_requests_a_second_and_route_then_429_with_retry_after() {
    let rig = Rig::with(SandboxOptions {
        rate_limits: true,
        ..options()
    })
    .await;
    let requests = (0..60).map(|_| rig.get("/regions"));
    let answers = futures::future::join_all(requests).await;
    let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty(), "no request was refused");
    assert!(refused.iter().all(|answer| answer.headers["retry-after"] == "1"));
    rig.get("/users/me").await.expect(200);
}

#[tokio::test]
async fn the_limits_can_be_off() {
    let rig = Rig::start().await;
    for answer in futures::future::join_all((0..60).map(|_| rig.get("/regions"))).await {
        answer.expect(200);
    }
}
