//! Snapshots: making, restoring, finalizing, and schedules.

use serde_json::{Value, json};

use super::{Made, Rig, each};

async fn snapshot(rig: &Rig, project: &Made, query: &str) -> String {
    let made = rig
        .post(&project.main(&format!("/snapshot{query}")), json!({}))
        .await
        .expect(200);
    rig.settle().await;
    made["snapshot"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_snapshot_takes_its_parameters_from_the_query_or_the_body() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = project.main("/snapshot");
    let made = rig
        .post(&format!("{path}?name=query&slug=by-query"), json!({}))
        .await
        .expect(200);
    assert!(made["snapshot"]["id"].as_str().unwrap().starts_with("snap-sandbox-"));
    assert_eq!(made["snapshot"]["name"], "query");
    assert_eq!(made["snapshot"]["slug"], "by-query");
    assert_eq!(made["snapshot"]["expires_at"], Value::Null);
    rig.settle().await;
    let made = rig
        .post(&path, json!({ "name": "body", "expires_at": rig.time(60).await }))
        .await
        .expect(200);
    assert_eq!(made["snapshot"]["name"], "body");
    rig.settle().await;
    let listed = rig.get(&project.path("/snapshots")).await.expect(200);
    assert_eq!(each(&listed["snapshots"], "name"), ["query", "body"]);
    rig.advance(60).await;
    let listed = rig.get(&project.path("/snapshots")).await.expect(200);
    assert_eq!(
        each(&listed["snapshots"], "name"),
        ["query"],
        "an expired snapshot is gone"
    );
}

#[tokio::test]
async fn snapshots_have_rules() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = project.main("/snapshot");
    let child = rig.branch(&project, "child").await;
    rig.post(&project.branch(&child, "/snapshot"), json!({}))
        .await
        .refused(422);
    rig.post(&format!("{path}?slug=Wrong"), json!({})).await.refused(400);
    snapshot(&rig, &project, "?slug=taken").await;
    rig.post(&format!("{path}?slug=taken"), json!({})).await.refused(409);
    let now = rig.time(0).await;
    rig.post(&format!("{path}?timestamp={now}&lsn=0/1"), json!({}))
        .await
        .refused(400);
    let future = rig.time(60).await;
    rig.post(&format!("{path}?timestamp={future}"), json!({}))
        .await
        .refused(422);
    rig.post(&format!("{path}?expires_at={now}"), json!({}))
        .await
        .refused(400);
    let none = project.path("/snapshots/snap-none");
    rig.patch(&none, json!({ "snapshot": { "name": "x" } }))
        .await
        .refused(404);
    rig.post(&format!("{none}/restore"), json!({})).await.refused(404);
    rig.delete(&none).await.refused(404);
}

#[tokio::test]
async fn a_snapshot_is_renamed_kept_and_deleted_for_good() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let id = snapshot(&rig, &project, "?name=first").await;
    let path = project.path(&format!("/snapshots/{id}"));
    let soon = rig.time(60).await;
    let body = rig
        .patch(&path, json!({ "snapshot": { "expires_at": soon } }))
        .await
        .expect(200);
    assert_eq!(body["snapshot"]["name"], "first");
    assert!(body["snapshot"]["expires_at"].is_string());
    let body = rig
        .patch(&path, json!({ "snapshot": { "name": "kept", "expires_at": null } }))
        .await
        .expect(200);
    assert_eq!(body["snapshot"]["expires_at"], Value::Null);
    rig.delete(&path).await.expect(202);
    rig.settle().await;
    rig.delete(&path).await.refused(404);
}

#[tokio::test]
async fn a_restore_makes_a_root_branch_and_finalizing_lets_it_take_the_place() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.set_schema(&project, &project.branch, "-- kept\n").await;
    rig.patch(&project.main(""), json!({ "branch": { "protected": true } }))
        .await
        .expect(200);
    let id = snapshot(&rig, &project, "").await;
    rig.set_schema(&project, &project.branch, "-- lost\n").await;
    let child = rig.branch(&project, "child").await;

    let body = rig
        .post(
            &project.path(&format!("/snapshots/{id}/restore")),
            json!({ "name": "try" }),
        )
        .await
        .expect(200);
    let restored = body["branch"]["id"].as_str().unwrap().to_owned();
    assert_eq!(body["branch"]["name"], "try");
    assert_eq!(body["branch"].get("parent_id"), None);
    assert_eq!(body["branch"]["restored_from"], id.as_str());
    assert_eq!(body["endpoints"], json!([]));
    rig.settle().await;
    assert_eq!(rig.schema(&project, &restored).await, "-- kept\n");

    rig.post(&project.branch(&restored, "/finalize_restore"), json!({}))
        .await
        .expect(200);
    rig.settle().await;
    let new = rig.get(&project.branch(&restored, "")).await.expect(200);
    assert_eq!(new["branch"]["name"], "main");
    assert_eq!(new["branch"]["default"], true);
    assert_eq!(new["branch"]["protected"], true);
    let old = rig.get(&project.main("")).await.expect(200);
    assert_eq!(old["branch"]["name"], "main (old)");
    assert_eq!(old["branch"]["default"], false);
    assert_eq!(old["branch"]["protected"], false);
    let endpoint = rig
        .get(&project.path(&format!("/endpoints/{}", project.endpoint)))
        .await
        .expect(200);
    assert_eq!(
        endpoint["endpoint"]["branch_id"],
        restored.as_str(),
        "the compute and its host move"
    );
    rig.post(&project.branch(&restored, "/finalize_restore"), json!({}))
        .await
        .refused(422);

    rig.delete(&project.main("")).await.refused(422);
    rig.delete(&project.branch(&child, "")).await.expect(200);
    rig.settle().await;
    rig.delete(&project.main("")).await.expect(200);
}

#[tokio::test]
async fn a_restore_can_finalize_at_once_and_blocks_resets_for_a_day() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let id = snapshot(&rig, &project, "").await;
    let path = project.path(&format!("/snapshots/{id}/restore"));
    let body = rig.post(&path, json!({ "finalize_restore": true })).await.expect(200);
    assert_eq!(body["branch"]["name"], "main");
    assert_ne!(body["branch"]["id"], project.branch.as_str());
    assert_eq!(body["endpoints"][0]["id"], project.endpoint.as_str());
    rig.settle().await;
    let parent = body["branch"]["id"].as_str().unwrap();
    let child = rig.branch(&project, "child").await;
    let reset = json!({ "source_branch_id": parent });
    rig.post(&project.branch(&child, "/restore"), reset.clone())
        .await
        .refused(422);
    rig.advance(86_400).await;
    rig.post(&project.branch(&child, "/restore"), reset).await.expect(200);
}

#[tokio::test]
async fn a_restore_whose_source_branch_is_gone_needs_a_target() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let root = rig
        .branch_with(&project, json!({ "branch": { "init_source": "schema-only" } }))
        .await;
    let made = rig
        .post(&project.branch(&root, "/snapshot"), json!({}))
        .await
        .expect(200);
    rig.settle().await;
    rig.delete(&project.branch(&root, "")).await.expect(200);
    rig.settle().await;
    let path = project.path(&format!(
        "/snapshots/{}/restore",
        made["snapshot"]["id"].as_str().unwrap()
    ));
    rig.post(&path, json!({})).await.refused(422);
    rig.post(&path, json!({ "target_branch_id": "br-none" }))
        .await
        .refused(404);
    let body = rig
        .post(&path, json!({ "target_branch_id": project.branch }))
        .await
        .expect(200);
    assert_eq!(body["branch"]["restored_as"], project.branch.as_str());
}

#[tokio::test]
async fn schedules_are_kept_within_their_values() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = project.main("/backup_schedule");
    assert_eq!(rig.get(&path).await.expect(200), json!({ "schedule": [] }));
    let one = |entry: Value| json!({ "schedule": [entry] });
    rig.put(&path, one(json!({ "frequency": "weekly", "day": 1, "hour": 3 })))
        .await
        .expect(200);
    let body = rig.get(&path).await.expect(200);
    assert_eq!(body["schedule"][0]["frequency"], "weekly");
    assert_eq!(body["schedule"][0]["retention_seconds"], 3_024_000);
    for wrong in [
        json!({ "frequency": "hourly" }),
        json!({ "frequency": "daily", "hour": 24 }),
        json!({ "frequency": "monthly", "day": 32 }),
        json!({ "frequency": "daily", "retention_seconds": 3599 }),
        json!({ "frequency": "daily", "retention_seconds": 3_024_001 }),
    ] {
        rig.put(&path, one(wrong)).await.refused(400);
    }
    let child = rig.branch(&project, "child").await;
    rig.put(
        &project.branch(&child, "/backup_schedule"),
        one(json!({ "frequency": "daily" })),
    )
    .await
    .refused(422);
    rig.put(&path, json!({ "schedule": [] })).await.expect(200);
    assert_eq!(rig.get(&path).await.expect(200)["schedule"], json!([]));
}

#[tokio::test]
async fn a_schedule_makes_snapshots_that_expire() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.set_schema(&project, &project.branch, "-- daily\n").await;
    let entry = json!({ "frequency": "daily", "hour": 3, "retention_seconds": 4 * 86_400 });
    rig.put(&project.main("/backup_schedule"), json!({ "schedule": [entry] }))
        .await
        .expect(200);
    for _ in 0..3 {
        rig.advance(86_400).await;
    }
    let listed = rig.get(&project.path("/snapshots")).await.expect(200);
    let made = listed["snapshots"].as_array().unwrap();
    assert_eq!(made.len(), 3);
    for snapshot in made {
        assert_eq!(snapshot["manual"], false);
        assert!(
            snapshot["created_at"].as_str().unwrap().contains("T03:00:00"),
            "{snapshot}"
        );
    }
    rig.advance(30 * 86_400).await;
    let listed = rig.get(&project.path("/snapshots")).await.expect(200);
    let kept = listed["snapshots"].as_array().unwrap();
    assert_eq!(kept.len(), 4, "what is older than its retention is gone");
    let restore = project.path(&format!("/snapshots/{}/restore", kept[0]["id"].as_str().unwrap()));
    let body = rig.post(&restore, json!({})).await.expect(200);
    rig.settle().await;
    assert_eq!(
        rig.schema(&project, body["branch"]["id"].as_str().unwrap()).await,
        "-- daily\n"
    );
}

#[tokio::test]
async fn a_snapshot_whose_operation_fails_is_not_kept() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.arm(json!({ "path": "*/snapshot", "kind": { "type": "failed_operation" } }))
        .await;
    rig.post(&project.main("/snapshot"), json!({})).await.expect(200);
    rig.settle().await;
    assert_eq!(
        rig.get(&project.path("/snapshots")).await.expect(200)["snapshots"],
        json!([])
    );
}

async fn restore(rig: &Rig, project: &Made, snapshot: &str, body: Value) -> String {
    let path = project.path(&format!("/snapshots/{snapshot}/restore"));
    let made = rig.post(&path, body).await.expect(200);
    rig.settle().await;
    made["branch"]["id"].as_str().unwrap().to_owned()
}

async fn finalize(rig: &Rig, project: &Made, branch: &str, body: Value) {
    rig.post(&project.branch(branch, "/finalize_restore"), body)
        .await
        .expect(200);
    rig.settle().await;
}

#[tokio::test]
async fn the_name_of_the_old_branch_is_numbered_or_chosen() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let id = snapshot(&rig, &project, "").await;
    let mut replaced = project.branch.clone();
    for (body, old_name) in [
        (json!({}), "main (old)"),
        (json!({}), "main (old 2)"),
        (json!({ "name": "before" }), "before"),
    ] {
        let target = json!({ "target_branch_id": replaced });
        let restored = restore(&rig, &project, &id, target).await;
        finalize(&rig, &project, &restored, body).await;
        let old = rig.get(&project.branch(&replaced, "")).await.expect(200);
        assert_eq!(old["branch"]["name"], old_name);
        let new = rig.get(&project.branch(&restored, "")).await.expect(200);
        assert_eq!(new["branch"]["name"], "main");
        replaced = restored;
    }
}

#[tokio::test]
async fn finalizing_a_restore_that_became_the_default_leaves_it_the_default() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let id = snapshot(&rig, &project, "").await;
    let restored = restore(&rig, &project, &id, json!({ "name": "try" })).await;
    rig.post(&project.branch(&restored, "/set_as_default"), json!({}))
        .await
        .expect(200);
    rig.patch(
        &project.branch(&restored, ""),
        json!({ "branch": { "protected": true } }),
    )
    .await
    .expect(200);
    finalize(&rig, &project, &restored, json!({})).await;
    let read = rig.get(&project.branch(&restored, "")).await.expect(200);
    assert_eq!(read["branch"]["default"], true);
    assert_eq!(read["branch"]["protected"], true);
    assert_eq!(rig.get(&project.main("")).await.expect(200)["branch"]["default"], false);
}

#[tokio::test]
async fn finalizing_a_restore_that_has_children_takes_over_no_expiry() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let id = snapshot(&rig, &project, "").await;
    let expires = rig.time(3600).await;
    let target = rig
        .branch_with(&project, json!({ "branch": { "name": "dev", "expires_at": expires } }))
        .await;
    let body = json!({ "name": "try", "target_branch_id": target });
    let restored = restore(&rig, &project, &id, body).await;
    let child = rig
        .branch_with(&project, json!({ "branch": { "parent_id": restored } }))
        .await;
    finalize(&rig, &project, &restored, json!({})).await;
    rig.advance(7200).await;
    let read = rig.get(&project.branch(&restored, "")).await.expect(200);
    assert_eq!(read["branch"]["name"], "dev");
    assert_eq!(read["branch"].get("expires_at"), None);
    rig.get(&project.branch(&child, "")).await.expect(200);
}
