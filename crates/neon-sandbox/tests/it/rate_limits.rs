//! 429 past the limits.

use neon_sandbox::SandboxOptions;
use serde_json::json;

use super::{Rig, consumption::span, options};

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
async fn keys_of_one_account_share_its_limits() {
    let mut rig = Rig::with(SandboxOptions {
        rate_limits: true,
        ..options()
    })
    .await;
    let new = json!({ "key_name": "second" });
    let second = rig.post("/api_keys", new.clone()).await.expect(200);
    let listed = rig.get("/users/me/organizations").await.expect(200);
    let org = listed["organizations"][0]["id"].as_str().unwrap();
    let other = rig
        .post(&format!("/organizations/{org}/api_keys"), new)
        .await
        .expect(200);
    let answers = futures::future::join_all((0..60).map(|_| rig.get("/regions"))).await;
    assert!(answers.iter().any(|answer| answer.status == 429));
    rig.key = second["key"].as_str().unwrap().to_owned();
    rig.get("/regions").await.refused(429);
    rig.key = other["key"].as_str().unwrap().to_owned();
    rig.get("/regions").await.expect(200);
}

#[tokio::test]
async fn consumption_is_asked_thirty_times_a_minute() {
    let rig = Rig::with(SandboxOptions {
        rate_limits: true,
        ..options()
    })
    .await;
    let listed = rig.get("/users/me/organizations").await.expect(200);
    let org = listed["organizations"][0]["id"].as_str().unwrap();
    let query = span(&rig, 86_400, "hourly").await;
    let path = format!("/consumption_history/v2/projects?{query}&org_id={org}&metrics=compute_unit_seconds");
    for _ in 0..30 {
        rig.get(&path).await.expect(200);
    }
    let refused = rig.get(&path).await;
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((2..=60).contains(&wait), "{wait}");
    refused.refused(429);
    rig.get(&path.replace("/projects?", "/branches?")).await.refused(429);
    rig.get("/regions").await.expect(200);
}

#[tokio::test]
async fn the_limits_can_be_off() {
    let rig = Rig::start().await;
    for answer in futures::future::join_all((0..60).map(|_| rig.get("/regions"))).await {
        answer.expect(200);
    }
}
