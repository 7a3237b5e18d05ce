//! Branches that expire.

use serde_json::{Value, json};

use super::{Rig, actions};

fn until(expires_at: impl Into<Value>) -> Value {
    json!({ "branch": { "expires_at": expires_at.into() } })
}

#[tokio::test]
async fn a_branch_deletes_itself_when_it_is_due() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = json!({
        "branch": { "name": "short", "expires_at": rig.time(3600).await },
        "endpoints": [{ "type": "read_write" }],
    });
    let branch = rig.branch_with(&project, body).await;
    let read = rig.get(&project.branch(&branch, "")).await.expect(200);
    let ttl = read["branch"]["ttl_interval_seconds"].as_i64().unwrap();
    assert!((3590..=3600).contains(&ttl), "{ttl}");
    rig.advance(3500).await;
    rig.get(&project.branch(&branch, "")).await.expect(200);
    rig.advance(100).await;
    rig.get(&project.branch(&branch, "")).await.refused(404);
    assert_eq!(
        rig.get(&project.path("/endpoints")).await.expect(200)["endpoints"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let listed = rig
        .get(&project.path("/branches?include_deleted=true&search=short"))
        .await
        .expect(200);
    assert_eq!(listed["branches"][0]["recovery"]["deletion_method"], "ttl");
    let operations = rig.get(&project.path("/operations?limit=1")).await.expect(200);
    assert_eq!(actions(&operations), ["delete_timeline"]);
}

#[tokio::test]
async fn an_expiry_lies_in_the_next_30_days_and_has_a_zone() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let branches = project.path("/branches");
    let too_far = rig.time(30 * 86_400 + 60).await;
    for wrong in [
        rig.time(-1).await,
        too_far,
        "2999-01-01T00:00:00".into(),
        "tomorrow".into(),
    ] {
        rig.post(&branches, until(wrong)).await.refused(400);
    }
    rig.post(&branches, until(rig.time(30 * 86_400 - 60).await))
        .await
        .expect(201);
}

#[tokio::test]
async fn protected_default_and_parent_branches_do_not_expire() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let soon = rig.time(3600).await;
    let both = json!({ "branch": { "protected": true, "expires_at": soon } });
    rig.post(&project.path("/branches"), both).await.refused(422);
    rig.patch(&project.main(""), until(soon.clone())).await.refused(422);
    let parent = rig.branch(&project, "parent").await;
    rig.branch_with(&project, json!({ "branch": { "parent_id": parent } }))
        .await;
    rig.patch(&project.branch(&parent, ""), until(soon.clone()))
        .await
        .refused(422);

    let expiring = rig.branch_with(&project, until(soon)).await;
    let path = project.branch(&expiring, "");
    rig.post(
        &project.path("/branches"),
        json!({ "branch": { "parent_id": expiring } }),
    )
    .await
    .refused(422);
    rig.patch(&path, json!({ "branch": { "protected": true } }))
        .await
        .refused(422);
    rig.post(&project.branch(&expiring, "/set_as_default"), json!({}))
        .await
        .refused(422);
}

#[tokio::test]
async fn null_clears_an_expiry_and_absence_keeps_it() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let branch = rig.branch_with(&project, until(rig.time(3600).await)).await;
    let path = project.branch(&branch, "");
    let kept = rig
        .patch(&path, json!({ "branch": { "name": "kept" } }))
        .await
        .expect(200);
    assert!(kept["branch"]["expires_at"].is_string());
    let cleared = rig.patch(&path, until(Value::Null)).await.expect(200);
    assert_eq!(cleared["branch"].get("expires_at"), None);
    assert_eq!(cleared["branch"].get("ttl_interval_seconds"), None);
}

#[tokio::test]
async fn an_update_takes_an_expiry_within_the_same_bounds() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let branch = rig.branch(&project, "dev").await;
    let path = project.branch(&branch, "");
    for wrong in [
        rig.time(-1).await,
        rig.time(30 * 86_400 + 60).await,
        "2999-01-01T00:00:00".into(),
    ] {
        rig.patch(&path, until(wrong)).await.refused(400);
    }
    rig.patch(&path, until(rig.time(60).await)).await.expect(200);
    rig.advance(60).await;
    rig.get(&path).await.refused(404);
}
