//! Operations over time, and the lock that they hold.

use std::time::{Duration, Instant};

use neon_sandbox::SandboxOptions;
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

#[tokio::test]
async fn every_change_that_starts_work_waits_while_the_project_is_locked() {
    use reqwest::Method;
    let rig = Rig::with(SandboxOptions {
        operation_time: Duration::from_secs(600),
        ..options()
    })
    .await;
    let made = rig.post("/projects", json!({ "project": {} })).await.expect(201);
    let project = format!("/projects/{}", made["project"]["id"].as_str().unwrap());
    let branch_id = made["branch"]["id"].as_str().unwrap();
    let branch = format!("/branches/{branch_id}");
    let endpoint = format!("/endpoints/{}", made["endpoints"][0]["id"].as_str().unwrap());
    let changes = [
        (Method::PATCH, String::new(), json!({ "project": { "name": "x" } })),
        (Method::DELETE, String::new(), json!({})),
        (Method::POST, "/branches".into(), json!({})),
        (Method::PATCH, branch.clone(), json!({ "branch": { "name": "x" } })),
        (Method::DELETE, branch.clone(), json!({})),
        (Method::POST, format!("{branch}/set_as_default"), json!({})),
        (
            Method::POST,
            format!("{branch}/restore"),
            json!({ "source_branch_id": branch_id }),
        ),
        (Method::POST, format!("{branch}/snapshot"), json!({})),
        (
            Method::POST,
            format!("{branch}/databases"),
            json!({ "database": { "name": "app", "owner_name": "neondb_owner" } }),
        ),
        (
            Method::PATCH,
            format!("{branch}/databases/neondb"),
            json!({ "database": { "name": "app" } }),
        ),
        (Method::DELETE, format!("{branch}/databases/neondb"), json!({})),
        (
            Method::POST,
            format!("{branch}/roles"),
            json!({ "role": { "name": "app" } }),
        ),
        (Method::DELETE, format!("{branch}/roles/neondb_owner"), json!({})),
        (
            Method::POST,
            format!("{branch}/roles/neondb_owner/reset_password"),
            json!({}),
        ),
        (
            Method::POST,
            "/endpoints".into(),
            json!({ "endpoint": { "branch_id": branch_id, "type": "read_only" } }),
        ),
        (Method::PATCH, endpoint.clone(), json!({ "endpoint": { "name": "x" } })),
        (Method::DELETE, endpoint.clone(), json!({})),
        (Method::POST, format!("{endpoint}/start"), json!({})),
        (Method::POST, format!("{endpoint}/suspend"), json!({})),
        (Method::POST, format!("{endpoint}/restart"), json!({})),
    ];
    for (method, rest, body) in changes {
        let path = format!("{project}{rest}");
        let answer = rig.call(method.clone(), &path, Some(body)).await;
        assert_eq!(answer.status, 423, "{method} {path}: {}", answer.body);
    }
    let read = rig.get(&project).await.expect(200);
    assert_eq!(read["project"]["name"], made["project"]["name"]);
    rig.advance(3600).await;
    rig.patch(&project, json!({ "project": { "name": "x" } }))
        .await
        .expect(200);
}
