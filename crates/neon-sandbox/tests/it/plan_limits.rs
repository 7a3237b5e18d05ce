//! What a plan allows, with Neon's codes.

use neon_sandbox::{Limits, SandboxOptions};
use serde_json::json;

use super::{Answer, Rig, options};

async fn rig(limits: Limits) -> Rig {
    Rig::with(SandboxOptions { limits, ..options() }).await
}

#[track_caller]
fn limited(answer: Answer, code: &str) {
    assert_eq!(answer.expect(422)["code"], code);
}

#[tokio::test]
async fn projects_branches_and_roots_have_limits() {
    let rig = rig(Limits {
        projects: 1,
        branches: 3,
        root_branches: 2,
        ..Limits::launch()
    })
    .await;
    let project = rig.project().await;
    limited(
        rig.post("/projects", json!({ "project": {} })).await,
        "PROJECTS_LIMIT_EXCEEDED",
    );
    let root = json!({ "branch": { "init_source": "schema-only" } });
    rig.branch_with(&project, root.clone()).await;
    limited(
        rig.post(&project.path("/branches"), root).await,
        "ROOT_BRANCHES_LIMIT_EXCEEDED",
    );
    rig.branch(&project, "child").await;
    limited(
        rig.post(&project.path("/branches"), json!({})).await,
        "BRANCHES_LIMIT_EXCEEDED",
    );
}

#[tokio::test]
async fn roles_databases_and_protection_have_limits() {
    let rig = rig(Limits {
        roles: 1,
        databases: 1,
        protected_branches: 1,
        ..Limits::launch()
    })
    .await;
    let project = rig.project().await;
    let role = json!({ "role": { "name": "app" } });
    limited(rig.post(&project.main("/roles"), role).await, "ROLES_LIMIT_EXCEEDED");
    let database = json!({ "database": { "name": "app", "owner_name": "neondb_owner" } });
    limited(
        rig.post(&project.main("/databases"), database).await,
        "DATABASES_LIMIT_EXCEEDED",
    );
    let child = rig.branch(&project, "child").await;
    let protect = json!({ "branch": { "protected": true } });
    rig.patch(&project.main(""), protect.clone()).await.expect(200);
    limited(
        rig.patch(&project.branch(&child, ""), protect).await,
        "BRANCHES_PROTECTED_LIMIT_EXCEEDED",
    );
}

#[tokio::test]
async fn the_free_plan_is_small() {
    let rig = rig(Limits::free()).await;
    let project = rig.project().await;
    let read = rig.get(&project.path("")).await.expect(200);
    assert_eq!(read["project"]["history_retention_seconds"], 21_600);
    rig.patch(
        &project.path(""),
        json!({ "project": { "history_retention_seconds": 86_400 } }),
    )
    .await
    .refused(422);
    rig.patch(&project.main(""), json!({ "branch": { "protected": true } }))
        .await
        .refused(422);
    let endpoint = project.path(&format!("/endpoints/{}", project.endpoint));
    rig.patch(&endpoint, json!({ "endpoint": { "autoscaling_limit_max_cu": 4 } }))
        .await
        .refused(422);
    rig.patch(&endpoint, json!({ "endpoint": { "suspend_timeout_seconds": 600 } }))
        .await
        .refused(412);
    rig.post(&project.main("/snapshot"), json!({})).await.expect(200);
    rig.settle().await;
    rig.post(&project.main("/snapshot"), json!({})).await.refused(422);
    let schedule = json!({ "schedule": [{ "frequency": "daily" }] });
    rig.put(&project.main("/backup_schedule"), schedule).await.refused(422);
    let replica = json!({ "endpoint": { "branch_id": project.branch, "type": "read_only" } });
    for _ in 0..3 {
        rig.post(&project.path("/endpoints"), replica.clone()).await.expect(201);
        rig.settle().await;
    }
    limited(
        rig.post(&project.path("/endpoints"), replica).await,
        "ENDPOINTS_LIMIT_EXCEEDED",
    );
}

#[tokio::test]
async fn computes_that_come_back_with_their_branch_count() {
    let rig = rig(Limits {
        read_replicas: 1,
        ..Limits::launch()
    })
    .await;
    let project = rig.project().await;
    let replica = |branch: &str| json!({ "endpoint": { "branch_id": branch, "type": "read_only" } });
    let dev = rig.branch(&project, "dev").await;
    rig.post(&project.path("/endpoints"), replica(&dev)).await.expect(201);
    rig.settle().await;
    rig.delete(&project.branch(&dev, "")).await.expect(200);
    rig.settle().await;
    let made = rig
        .post(&project.path("/endpoints"), replica(&project.branch))
        .await
        .expect(201);
    rig.settle().await;
    let recover = project.branch(&dev, "/recover");
    limited(rig.post(&recover, json!({})).await, "ENDPOINTS_LIMIT_EXCEEDED");
    let other = project.path(&format!("/endpoints/{}", made["endpoint"]["id"].as_str().unwrap()));
    rig.delete(&other).await.expect(200);
    rig.settle().await;
    rig.post(&recover, json!({})).await.expect(200);
}

#[tokio::test]
async fn the_scale_plan_is_large() {
    let rig = rig(Limits::scale()).await;
    let project = rig.project().await;
    let endpoint = project.path(&format!("/endpoints/{}", project.endpoint));
    let fixed = |cu: u32| json!({ "endpoint": { "autoscaling_limit_min_cu": cu, "autoscaling_limit_max_cu": cu } });
    rig.patch(&endpoint, fixed(56)).await.expect(200);
    rig.settle().await;
    rig.patch(&endpoint, fixed(57)).await.refused(422);
    let wide = json!({ "endpoint": { "autoscaling_limit_min_cu": 12, "autoscaling_limit_max_cu": 17 } });
    rig.patch(&endpoint, wide).await.refused(422);
    rig.patch(
        &project.path(""),
        json!({ "project": { "history_retention_seconds": 2_592_000 } }),
    )
    .await
    .expect(200);
}
