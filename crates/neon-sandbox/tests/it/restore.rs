//! Restoring a branch from its past and from another branch.

use harness::assert_worded;
use serde_json::{Value, json};

use super::{Rig, actions};

#[tokio::test]
async fn a_reset_takes_the_parents_contents_and_keeps_the_id_and_the_host() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = json!({
        "branch": { "name": "dev", "expires_at": rig.time(3600).await },
        "endpoints": [{ "type": "read_write" }],
    });
    let dev = rig.branch_with(&project, body).await;
    rig.set_schema(&project, &project.branch, "-- parent\n").await;
    rig.set_schema(&project, &dev, "-- child\n").await;
    let before = rig.get(&project.branch(&dev, "/endpoints")).await.expect(200);
    rig.advance(100).await;
    let path = project.branch(&dev, "/restore");
    let body = rig
        .post(&path, json!({ "source_branch_id": project.branch }))
        .await
        .expect(200);
    assert_eq!(body["branch"]["id"], dev.as_str());
    assert!(body["branch"]["last_reset_at"].is_string());
    assert_eq!(actions(&body), ["create_branch", "suspend_compute", "start_compute"]);
    rig.settle().await;
    assert_eq!(rig.schema(&project, &dev).await, "-- parent\n");
    let after = rig.get(&project.branch(&dev, "/endpoints")).await.expect(200);
    assert_eq!(after["endpoints"][0]["host"], before["endpoints"][0]["host"]);
    assert_eq!(after["endpoints"][0]["current_state"], "active");
    let expires = body["branch"]["expires_at"].as_str().unwrap();
    assert!(*expires > *rig.time(3500).await, "a reset starts the TTL again");
}

#[tokio::test]
async fn a_restore_from_the_own_past_needs_a_place_and_a_name_for_the_present() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.set_schema(&project, &project.branch, "-- one\n").await;
    let then = rig.time(0).await;
    rig.advance(5).await;
    rig.set_schema(&project, &project.branch, "-- two\n").await;
    let child = rig.branch(&project, "child").await;
    let path = project.main("/restore");
    let own = json!({ "source_branch_id": project.branch });
    let with = |more: Value| {
        let mut body = own.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    rig.post(&path, own.clone()).await.refused(400);
    rig.post(&path, with(json!({ "source_timestamp": then })))
        .await
        .refused(400);
    let named = json!({ "source_timestamp": then, "preserve_under_name": "child" });
    rig.post(&path, with(named)).await.refused(409);
    let both = json!({ "source_timestamp": then, "source_lsn": "0/1", "preserve_under_name": "x" });
    rig.post(&path, with(both)).await.refused(400);
    let named = json!({ "source_timestamp": then, "preserve_under_name": "before" });
    let body = rig.post(&path, with(named)).await.expect(200);
    assert_eq!(body["branch"]["id"], project.branch.as_str());
    rig.settle().await;
    assert_eq!(rig.schema(&project, &project.branch).await, "-- one\n");

    let listed = rig.get(&project.path("/branches?search=before")).await.expect(200);
    let backup = listed["branches"][0]["id"].as_str().unwrap();
    assert_eq!(rig.schema(&project, backup).await, "-- two\n");
    let moved = rig.get(&project.branch(&child, "")).await.expect(200);
    assert_eq!(moved["branch"]["parent_id"], backup, "children move to the backup");
}

#[tokio::test]
async fn a_branch_with_children_needs_a_name_for_the_present() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let parent = rig.branch(&project, "parent").await;
    rig.branch_with(&project, json!({ "branch": { "parent_id": parent } }))
        .await;
    let body = json!({ "source_branch_id": project.branch });
    let message = rig.post(&project.branch(&parent, "/restore"), body).await.refused(422);
    assert!(message.contains("preserve_under_name"), "{message}");
    let own = json!({
        "source_branch_id": parent,
        "source_timestamp": rig.time(-1).await,
        "preserve_under_name": "x",
    });
    rig.post(&project.branch(&parent, "/restore"), own).await.refused(422);
}

#[tokio::test]
async fn the_backup_of_a_root_that_was_restored_from_another_branch_stays() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let dev = rig.branch(&project, "dev").await;
    rig.set_schema(&project, &dev, "-- dev\n").await;
    let body = json!({ "source_branch_id": dev, "preserve_under_name": "backup" });
    let body = rig.post(&project.main("/restore"), body).await.expect(200);
    assert_eq!(body["branch"]["restored_from"], dev.as_str());
    rig.settle().await;
    assert_eq!(rig.schema(&project, &project.branch).await, "-- dev\n");
    let listed = rig.get(&project.path("/branches?search=backup")).await.expect(200);
    let backup = &listed["branches"][0];
    assert_eq!(backup["restricted_actions"][0]["name"], "delete");
    rig.delete(&project.branch(&dev, "")).await.expect(200);
    rig.settle().await;
    rig.delete(&project.branch(backup["id"].as_str().unwrap(), ""))
        .await
        .refused(422);
}

#[tokio::test]
async fn a_protected_branch_is_not_reset() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let dev = rig.branch(&project, "dev").await;
    rig.patch(&project.branch(&dev, ""), json!({ "branch": { "protected": true } }))
        .await
        .expect(200);
    let body = json!({ "source_branch_id": project.branch });
    rig.post(&project.branch(&dev, "/restore"), body).await.refused(422);
}

#[tokio::test]
async fn without_history_there_is_no_way_back() {
    let rig = Rig::start().await;
    let project = rig.project_with(json!({ "history_retention_seconds": 0 })).await;
    let body = json!({
        "source_branch_id": project.branch,
        "source_timestamp": rig.time(-1).await,
        "preserve_under_name": "x",
    });
    rig.post(&project.main("/restore"), body).await.refused(422);
    let made = rig.post(&project.path("/branches"), json!({})).await.expect(201);
    rig.settle().await;
    // Not even to a position that the branch still holds.
    let body = json!({
        "source_branch_id": project.branch,
        "source_lsn": made["branch"]["parent_lsn"],
        "preserve_under_name": "x",
    });
    let message = rig.post(&project.main("/restore"), body).await.refused(422);
    assert_worded!("refusals", "restore without a history", message);
    let past = json!({ "branch": { "parent_lsn": made["branch"]["parent_lsn"] } });
    rig.post(&project.path("/branches"), past).await.refused(422);
    let path = project.main(&format!(
        "/snapshot?lsn={}",
        made["branch"]["parent_lsn"].as_str().unwrap()
    ));
    rig.post(&path, json!({})).await.refused(422);
}

#[tokio::test]
async fn an_empty_name_for_the_present_stands_for_none() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let dev = rig.branch(&project, "dev").await;
    let body = json!({ "source_branch_id": project.branch, "preserve_under_name": "" });
    rig.post(&project.branch(&dev, "/restore"), body).await.expect(200);
    rig.settle().await;
    assert_eq!(rig.get(&project.path("/branches/count")).await.expect(200)["count"], 2);
    let own = json!({
        "source_branch_id": project.branch,
        "source_timestamp": rig.time(-1).await,
        "preserve_under_name": "",
    });
    let message = rig.post(&project.main("/restore"), own).await.refused(400);
    assert!(message.contains("needs preserve_under_name"), "{message}");
}

#[tokio::test]
async fn a_branch_that_is_being_restored_says_so() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let dev = rig.branch(&project, "dev").await;
    let body = json!({ "source_branch_id": project.branch });
    let answer = rig.post(&project.branch(&dev, "/restore"), body).await.expect(200);
    assert_eq!(answer["branch"]["current_state"], "resetting");
    assert_eq!(answer["branch"]["pending_state"], "ready");
    rig.settle().await;
    let read = rig.get(&project.branch(&dev, "")).await.expect(200);
    assert_eq!(read["branch"]["current_state"], "ready");
}

#[tokio::test]
async fn a_restore_whose_operation_fails_leaves_the_branch_as_it_was() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let dev = rig.branch(&project, "dev").await;
    rig.set_schema(&project, &dev, "-- mine\n").await;
    rig.arm(json!({ "path": "*/restore", "kind": { "type": "failed_operation" } }))
        .await;
    let body = json!({ "source_branch_id": project.branch, "preserve_under_name": "backup" });
    rig.post(&project.branch(&dev, "/restore"), body).await.expect(200);
    rig.settle().await;
    assert_eq!(rig.schema(&project, &dev).await, "-- mine\n");
    let read = rig.get(&project.branch(&dev, "")).await.expect(200);
    assert_eq!(read["branch"]["current_state"], "ready");
    assert_eq!(rig.get(&project.path("/branches/count")).await.expect(200)["count"], 2);
}
