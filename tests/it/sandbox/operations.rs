//! Operations over time, and the lock that they hold.

use std::time::{Duration, Instant};

use neon_mcp::sandbox::SandboxOptions;
use serde_json::json;

use super::{Rig, actions, each, options};

#[tokio::test]
async fn operations_run_one_after_the_other_and_take_the_states_along() {
    let rig = Rig::with(SandboxOptions {
        operation_time: Duration::from_secs(10),
        ..options()
    })
    .await;
    let made = rig.post("/projects", json!({ "project": {} })).await.expect(201);
    assert_eq!(actions(&made), ["create_timeline", "start_compute"]);
    assert_eq!(each(&made["operations"], "status"), ["running", "scheduling"]);
    assert_eq!(made["branch"]["current_state"], "init");
    assert_eq!(made["branch"]["pending_state"], "ready");
    assert_eq!(made["endpoints"][0]["current_state"], "init");
    assert_eq!(made["endpoints"][0]["pending_state"], "active");
    let id = made["project"]["id"].as_str().unwrap();
    let branch = format!("/projects/{id}/branches/{}", made["branch"]["id"].as_str().unwrap());
    let endpoint = format!(
        "/projects/{id}/endpoints/{}",
        made["endpoints"][0]["id"].as_str().unwrap()
    );
    let status = async |index: usize| {
        let operation = made["operations"][index]["id"].as_str().unwrap();
        let body = rig
            .get(&format!("/projects/{id}/operations/{operation}"))
            .await
            .expect(200);
        body["operation"]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (status(0).await, status(1).await),
        ("running".into(), "scheduling".into())
    );
    rig.advance(11).await;
    assert_eq!(
        (status(0).await, status(1).await),
        ("finished".into(), "scheduling".into())
    );
    assert_eq!(rig.get(&branch).await.expect(200)["branch"]["current_state"], "ready");
    rig.advance(10).await;
    assert_eq!(status(1).await, "running");
    assert_eq!(
        rig.get(&endpoint).await.expect(200)["endpoint"]["current_state"],
        "init"
    );
    rig.advance(10).await;
    assert_eq!(status(1).await, "finished");
    let body = rig.get(&endpoint).await.expect(200);
    assert_eq!(body["endpoint"]["current_state"], "active");
    assert_eq!(body["endpoint"].get("pending_state"), None);
}

#[tokio::test]
async fn a_project_with_running_operations_is_locked() {
    let rig = Rig::start().await;
    let made = rig.post("/projects", json!({ "project": {} })).await.expect(201);
    let branches = format!("/projects/{}/branches", made["project"]["id"].as_str().unwrap());
    let message = rig.post(&branches, json!({})).await.refused(423);
    assert_eq!(
        message,
        "project already has running conflicting operations, scheduling of new ones is prohibited"
    );
    rig.get(&branches).await.expect(200);
    let until = Instant::now() + Duration::from_secs(3);
    while rig.post(&branches, json!({})).await.status == 423 {
        assert!(Instant::now() < until, "the lock is never released");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn operations_are_read_newest_first_and_by_id() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.branch(&project, "dev").await;
    let list = rig.get(&project.path("/operations")).await.expect(200);
    assert_eq!(actions(&list), ["create_branch", "start_compute", "create_timeline"]);
    assert!(
        list["operations"]
            .as_array()
            .unwrap()
            .iter()
            .all(|operation| operation["status"] == "finished")
    );
    rig.get(&project.path("/operations/nothing")).await.refused(400);
    rig.get(&project.path("/operations/00000000-0000-4000-8000-000000000000"))
        .await
        .refused(404);
}
