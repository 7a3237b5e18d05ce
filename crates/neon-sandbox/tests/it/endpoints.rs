//! Computes: one writer a branch, sizes, suspending and waking.

use serde_json::{Value, json};

use super::{Made, Rig, actions};

fn new(project: &Made, more: Value) -> Value {
    let mut endpoint = json!({ "branch_id": project.branch, "type": "read_only" });
    endpoint
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "endpoint": endpoint })
}

fn one(project: &Made, rest: &str) -> String {
    project.path(&format!("/endpoints/{}{rest}", project.endpoint))
}

async fn state(rig: &Rig, project: &Made) -> Value {
    rig.get(&one(project, "")).await.expect(200)["endpoint"]["current_state"].clone()
}

#[tokio::test]
async fn a_branch_has_one_writer() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let endpoints = project.path("/endpoints");
    rig.post(&endpoints, new(&project, json!({ "type": "read_write" })))
        .await
        .refused(422);
    let made = rig
        .post(&endpoints, new(&project, json!({ "name": "replica" })))
        .await
        .expect(201);
    assert_eq!(actions(&made), ["start_compute"]);
    assert_eq!(made["endpoint"]["name"], "replica");
    assert!(
        made["endpoint"]["host"]
            .as_str()
            .unwrap()
            .ends_with(".sandbox.localhost")
    );
    rig.settle().await;
    rig.post(&endpoints, new(&project, json!({ "branch_id": "br-none" })))
        .await
        .refused(404);
    rig.post(&endpoints, new(&project, json!({ "region_id": "aws-sa-east-1" })))
        .await
        .refused(422);
    rig.post(&endpoints, new(&project, json!({ "name": "x".repeat(65) })))
        .await
        .refused(400);
}

#[tokio::test]
async fn sizes_and_suspend_timeouts_have_rules() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = one(&project, "");
    let sizes = |min: f64, max: f64| json!({ "endpoint": { "autoscaling_limit_min_cu": min, "autoscaling_limit_max_cu": max } });
    rig.patch(&path, sizes(0.1, 1.0)).await.refused(400);
    rig.patch(&path, sizes(0.3, 1.0)).await.refused(400);
    rig.patch(&path, sizes(2.0, 1.0)).await.refused(400);
    rig.patch(&path, sizes(1.0, 10.0)).await.refused(422);
    rig.patch(&path, sizes(32.0, 32.0)).await.refused(422);
    let body = rig.patch(&path, sizes(1.0, 9.0)).await.expect(200);
    assert_eq!(actions(&body), ["apply_config"]);
    rig.settle().await;
    let timeout = |seconds: i64| json!({ "endpoint": { "suspend_timeout_seconds": seconds } });
    for wrong in [-2, 1, 59, 604_801] {
        rig.patch(&path, timeout(wrong)).await.refused(400);
    }
    let body = rig.patch(&path, timeout(-1)).await.expect(200);
    assert_eq!(body["endpoint"]["suspend_timeout_seconds"], -1);
}

#[tokio::test]
async fn an_update_that_changes_nothing_has_nothing_to_wait_for() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = rig
        .patch(&one(&project, ""), json!({ "endpoint": { "name": "main" } }))
        .await
        .expect(200);
    assert!(actions(&body).is_empty());
}

#[tokio::test]
async fn suspend_start_and_restart_pass_through_pending_states() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    assert_eq!(state(&rig, &project).await, "active");
    assert!(actions(&rig.post(&one(&project, "/start"), json!({})).await.expect(200)).is_empty());
    let body = rig.post(&one(&project, "/suspend"), json!({})).await.expect(200);
    assert_eq!(actions(&body), ["suspend_compute"]);
    assert_eq!(body["endpoint"]["pending_state"], "idle");
    let message = rig.post(&one(&project, "/suspend"), json!({})).await.refused(423);
    assert!(message.contains("transitive state"), "{message}");
    rig.settle().await;
    assert_eq!(state(&rig, &project).await, "idle");
    let body = rig.post(&one(&project, "/start"), json!({})).await.expect(200);
    assert_eq!(actions(&body), ["start_compute"]);
    rig.settle().await;
    assert_eq!(state(&rig, &project).await, "active");
    let body = rig.post(&one(&project, "/restart"), json!({})).await.expect(200);
    assert_eq!(actions(&body), ["suspend_compute", "start_compute"]);
    rig.settle().await;
    assert_eq!(state(&rig, &project).await, "active");
}

#[tokio::test]
async fn a_compute_without_work_scales_to_zero() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.advance(290).await;
    assert_eq!(state(&rig, &project).await, "active");
    rig.advance(20).await;
    assert_eq!(state(&rig, &project).await, "idle");
    let operations = rig.get(&project.path("/operations?limit=1")).await.expect(200);
    assert_eq!(actions(&operations), ["suspend_compute"]);

    rig.post(&one(&project, "/start"), json!({})).await.expect(200);
    rig.settle().await;
    let never = json!({ "endpoint": { "suspend_timeout_seconds": -1 } });
    rig.patch(&one(&project, ""), never).await.expect(200);
    rig.advance(86_400).await;
    assert_eq!(state(&rig, &project).await, "active");
}

#[tokio::test]
async fn changing_an_idle_compute_suspends_it_again() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.post(&one(&project, "/suspend"), json!({})).await.expect(200);
    rig.settle().await;
    let body = rig
        .patch(
            &one(&project, ""),
            json!({ "endpoint": { "autoscaling_limit_max_cu": 4 } }),
        )
        .await
        .expect(200);
    assert_eq!(actions(&body), ["apply_config", "suspend_compute"]);
    rig.settle().await;
    assert_eq!(state(&rig, &project).await, "idle");
}

#[tokio::test]
async fn a_disabled_compute_does_not_start() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.patch(&one(&project, ""), json!({ "endpoint": { "disabled": true } }))
        .await
        .expect(200);
    rig.settle().await;
    assert_eq!(state(&rig, &project).await, "idle");
    rig.post(&one(&project, "/start"), json!({})).await.refused(422);
    rig.post(&one(&project, "/restart"), json!({})).await.refused(422);
}

#[tokio::test]
async fn a_deleted_compute_is_gone_and_a_protected_branch_keeps_its_own() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.patch(&project.main(""), json!({ "branch": { "protected": true } }))
        .await
        .expect(200);
    rig.delete(&one(&project, "")).await.refused(422);
    rig.patch(&project.main(""), json!({ "branch": { "protected": false } }))
        .await
        .expect(200);
    let body = rig.delete(&one(&project, "")).await.expect(200);
    assert_eq!(actions(&body), ["suspend_compute"]);
    assert_eq!(rig.delete(&one(&project, "")).await.status, 204);
    rig.get(&one(&project, "")).await.refused(404);
    rig.settle().await;
    rig.post(
        &project.path("/endpoints"),
        new(&project, json!({ "type": "read_write" })),
    )
    .await
    .expect(201);
}

#[tokio::test]
async fn a_writer_moves_only_to_a_branch_without_one() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = json!({ "branch": { "name": "dev" }, "endpoints": [{ "type": "read_write" }] });
    let dev = rig.branch_with(&project, body).await;
    let bare = rig.branch(&project, "bare").await;
    let to = |branch: &str| json!({ "endpoint": { "branch_id": branch } });
    rig.patch(&one(&project, ""), to(&dev)).await.refused(422);
    rig.patch(&one(&project, ""), to("br-none")).await.refused(404);
    let moved = rig.patch(&one(&project, ""), to(&bare)).await.expect(200);
    assert_eq!(moved["endpoint"]["branch_id"], bare.as_str());
}

#[tokio::test]
async fn a_compute_that_does_not_exist_is_404_and_deletes_as_204() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let none = project.path("/endpoints/ep-none");
    rig.get(&none).await.refused(404);
    rig.patch(&none, json!({ "endpoint": { "name": "x" } }))
        .await
        .refused(404);
    for action in ["start", "suspend", "restart"] {
        rig.post(&format!("{none}/{action}"), json!({})).await.refused(404);
    }
    assert_eq!(rig.delete(&none).await.status, 204);
}
