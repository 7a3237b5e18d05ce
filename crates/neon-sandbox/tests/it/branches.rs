//! Branches: making, changing, deleting, recovering, the default.

use serde_json::json;

use super::{Rig, actions, each};

#[tokio::test]
async fn a_branch_without_body_comes_off_the_default_and_has_no_compute() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let made = rig
        .call(reqwest::Method::POST, &project.path("/branches"), None)
        .await
        .expect(201);
    assert_eq!(made["branch"]["parent_id"], project.branch.as_str());
    assert_eq!(made["branch"]["name"], made["branch"]["id"]);
    assert_eq!(made["branch"]["current_state"], "init");
    assert_eq!(made["endpoints"], json!([]));
    assert_eq!(actions(&made), ["create_branch"]);
    assert_eq!(made.get("connection_uris"), None);
    assert_eq!(made["roles"][0]["name"], "neondb_owner");
    assert_eq!(made["databases"][0]["name"], "neondb");
}

#[tokio::test]
async fn a_branch_with_a_compute_says_how_to_connect_unless_it_is_ambiguous() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = |name: &str| json!({ "branch": { "name": name }, "endpoints": [{ "type": "read_write" }] });
    let made = rig.post(&project.path("/branches"), body("a")).await.expect(201);
    assert_eq!(actions(&made), ["create_branch", "start_compute"]);
    let uri = made["connection_uris"][0]["connection_uri"].as_str().unwrap();
    assert!(uri.contains(made["endpoints"][0]["host"].as_str().unwrap()), "{uri}");
    rig.settle().await;
    rig.post(&project.main("/roles"), json!({ "role": { "name": "second" } }))
        .await
        .expect(201);
    rig.settle().await;
    let made = rig.post(&project.path("/branches"), body("b")).await.expect(201);
    assert_eq!(made.get("connection_uris"), None);
    rig.settle().await;
    let two = json!({ "endpoints": [{ "type": "read_write" }, { "type": "read_write" }] });
    rig.post(&project.path("/branches"), two).await.refused(422);
}

#[tokio::test]
async fn branch_names_are_unique_and_have_a_length() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let named = |name: &str| json!({ "branch": { "name": name } });
    rig.post(&project.path("/branches"), named("main")).await.refused(409);
    rig.post(&project.path("/branches"), named("")).await.refused(400);
    rig.post(&project.path("/branches"), named(&"x".repeat(257)))
        .await
        .refused(400);
    let child = rig.branch(&project, "dev").await;
    rig.patch(&project.branch(&child, ""), named("main")).await.refused(409);
    rig.patch(&project.branch(&child, ""), named("dev")).await.expect(200);
    let renamed = rig.patch(&project.branch(&child, ""), named("qa")).await.expect(200);
    assert_eq!(renamed["branch"]["name"], "qa");
}

#[tokio::test]
async fn a_branch_that_does_not_exist_is_404() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let missing = project.branch("br-sandbox-none-00000000", "");
    rig.get(&missing).await.refused(404);
    rig.patch(&missing, json!({ "branch": { "name": "x" } }))
        .await
        .refused(404);
    let body = json!({ "branch": { "parent_id": "br-sandbox-none-00000000" } });
    rig.post(&project.path("/branches"), body).await.refused(404);
    rig.get("/projects/sandbox-none-00000000/branches").await.refused(404);
}

#[tokio::test]
async fn a_parent_that_is_not_ready_refuses() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.arm(json!({ "method": "POST", "path": "*/branches", "kind": { "type": "failed_operation" } }))
        .await;
    let broken = rig.branch(&project, "broken").await;
    let body = json!({ "branch": { "parent_id": broken } });
    assert_eq!(
        rig.post(&project.path("/branches"), body).await.refused(422),
        "branch not ready yet"
    );
}

#[tokio::test]
async fn default_protected_and_parent_branches_do_not_delete() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let child = rig.branch(&project, "child").await;
    let grandchild = rig
        .branch_with(&project, json!({ "branch": { "parent_id": child } }))
        .await;
    assert!(rig.delete(&project.main("")).await.refused(422).contains("default"));
    assert!(
        rig.delete(&project.branch(&child, ""))
            .await
            .refused(422)
            .contains("came off")
    );
    rig.patch(
        &project.branch(&grandchild, ""),
        json!({ "branch": { "protected": true } }),
    )
    .await
    .expect(200);
    assert!(
        rig.delete(&project.branch(&grandchild, ""))
            .await
            .refused(422)
            .contains("protected")
    );
    rig.patch(
        &project.branch(&grandchild, ""),
        json!({ "branch": { "protected": false } }),
    )
    .await
    .expect(200);
    rig.delete(&project.branch(&grandchild, "")).await.expect(200);
    rig.settle().await;
    rig.delete(&project.branch(&child, "")).await.expect(200);
}

#[tokio::test]
async fn a_deleted_branch_is_gone_and_can_be_recovered_idle_and_without_ttl() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = json!({
        "branch": { "name": "dev", "expires_at": rig.time(86_400).await },
        "endpoints": [{ "type": "read_write" }],
    });
    let dev = rig.branch_with(&project, body).await;
    let path = project.branch(&dev, "");
    let deleted = rig.delete(&path).await.expect(200);
    assert_eq!(actions(&deleted), ["suspend_compute", "delete_timeline"]);
    assert_eq!(rig.delete(&path).await.status, 204);
    rig.settle().await;
    rig.get(&path).await.refused(404);
    assert_eq!(
        rig.get(&project.path("/endpoints")).await.expect(200)["endpoints"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let listed = rig
        .get(&project.path("/branches?include_deleted=true&sort_by=name&sort_order=asc"))
        .await
        .expect(200);
    assert_eq!(each(&listed["branches"], "name"), ["dev", "main"]);
    assert_eq!(listed["branches"][0]["recovery"]["deletion_method"], "user");

    let recovered = rig.post(&project.branch(&dev, "/recover"), json!({})).await.expect(200);
    assert_eq!(recovered["endpoints"][0]["current_state"], "idle");
    assert_eq!(recovered["branch"].get("expires_at"), None);
    rig.post(&project.branch(&dev, "/recover"), json!({}))
        .await
        .refused(422);

    rig.delete(&path).await.expect(200);
    rig.advance(7 * 86_400 + 5).await;
    rig.post(&project.branch(&dev, "/recover"), json!({}))
        .await
        .refused(404);
}

#[tokio::test]
async fn a_hard_delete_is_final_and_a_taken_name_blocks_recovery() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let hard = rig.branch(&project, "hard").await;
    rig.delete(&project.branch(&hard, "?hard_delete=true"))
        .await
        .expect(200);
    rig.settle().await;
    rig.post(&project.branch(&hard, "/recover"), json!({}))
        .await
        .refused(404);
    let soft = rig.branch(&project, "soft").await;
    rig.delete(&project.branch(&soft, "")).await.expect(200);
    rig.settle().await;
    rig.branch(&project, "soft").await;
    rig.post(&project.branch(&soft, "/recover"), json!({}))
        .await
        .refused(409);
}

#[tokio::test]
async fn the_default_moves() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let dev = rig.branch(&project, "dev").await;
    let body = rig
        .post(&project.branch(&dev, "/set_as_default"), json!({}))
        .await
        .expect(200);
    assert_eq!(body["branch"]["default"], true);
    assert_eq!(rig.get(&project.main("")).await.expect(200)["branch"]["default"], false);
    rig.delete(&project.branch(&dev, "")).await.refused(422);
}

#[tokio::test]
async fn schema_only_branches_are_roots() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.set_schema(&project, &project.branch, "CREATE TABLE t ();\n").await;
    let body = json!({ "branch": { "init_source": "schema-only" } });
    let made = rig.post(&project.path("/branches"), body).await.expect(201);
    assert_eq!(made["branch"].get("parent_id"), None);
    assert_eq!(made["branch"]["init_source"], "schema-only");
    rig.settle().await;
    let branch = made["branch"]["id"].as_str().unwrap();
    assert_eq!(rig.schema(&project, branch).await, "CREATE TABLE t ();\n");
    let unknown = json!({ "branch": { "init_source": "moonlight" } });
    rig.post(&project.path("/branches"), unknown).await.refused(400);
}

#[tokio::test]
async fn a_branch_can_come_off_the_parents_past() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.set_schema(&project, &project.branch, "-- one\n").await;
    let then = rig.time(0).await;
    rig.advance(10).await;
    rig.set_schema(&project, &project.branch, "-- two\n").await;
    let past = rig
        .branch_with(&project, json!({ "branch": { "parent_timestamp": then } }))
        .await;
    assert_eq!(rig.schema(&project, &past).await, "-- one\n");
    let read = rig.get(&project.branch(&past, "")).await.expect(200);
    let lsn = read["branch"]["parent_lsn"].as_str().unwrap();
    let same = rig
        .branch_with(&project, json!({ "branch": { "parent_lsn": lsn } }))
        .await;
    assert_eq!(rig.schema(&project, &same).await, "-- one\n");

    let branches = project.path("/branches");
    let both = json!({ "branch": { "parent_timestamp": then, "parent_lsn": lsn } });
    rig.post(&branches, both).await.refused(400);
    rig.post(&branches, json!({ "branch": { "parent_lsn": "zero" } }))
        .await
        .refused(400);
    rig.post(&branches, json!({ "branch": { "parent_lsn": "FF/0" } }))
        .await
        .refused(422);
    let future = rig.time(60).await;
    rig.post(&branches, json!({ "branch": { "parent_timestamp": future } }))
        .await
        .refused(422);
    let ancient = rig.time(-2 * 86_400).await;
    rig.post(&branches, json!({ "branch": { "parent_timestamp": ancient } }))
        .await
        .refused(422);
}

#[tokio::test]
async fn annotations_are_kept_and_bounded() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = json!({ "branch": { "name": "pr-1" }, "annotation_value": { "pr": "1" } });
    let branch = rig.branch_with(&project, body).await;
    let read = rig.get(&project.branch(&branch, "")).await.expect(200);
    assert_eq!(read["annotation"]["value"]["pr"], "1");
    let listed = rig.get(&project.path("/branches")).await.expect(200);
    assert_eq!(listed["annotations"][&branch]["value"]["pr"], "1");
    let many: serde_json::Map<_, _> = (0..51).map(|number| (number.to_string(), json!("x"))).collect();
    rig.post(&project.path("/branches"), json!({ "annotation_value": many }))
        .await
        .refused(400);
}

#[tokio::test]
async fn children_of_a_protected_branch_get_new_passwords() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let reveal = async |branch: &str| {
        let path = project.branch(branch, "/roles/neondb_owner/reveal_password");
        rig.get(&path).await.expect(200)["password"].clone()
    };
    let plain = rig.branch(&project, "plain").await;
    assert_eq!(reveal(&plain).await, reveal(&project.branch).await);
    rig.patch(&project.main(""), json!({ "branch": { "protected": true } }))
        .await
        .expect(200);
    let guarded = rig.branch(&project, "guarded").await;
    assert_ne!(reveal(&guarded).await, reveal(&project.branch).await);
}

#[tokio::test]
async fn an_archived_branch_comes_back_when_its_compute_starts() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let archived = rig
        .branch_with(&project, json!({ "branch": { "archived": true } }))
        .await;
    let state = async || {
        let read = rig.get(&project.branch(&archived, "")).await.expect(200);
        read["branch"]["current_state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state().await, "archived");
    let endpoint = json!({ "endpoint": { "branch_id": archived, "type": "read_write" } });
    rig.post(&project.path("/endpoints"), endpoint).await.expect(201);
    assert_eq!(state().await, "ready");
    let both = json!({ "branch": { "archived": true }, "endpoints": [{ "type": "read_write" }] });
    rig.settle().await;
    rig.post(&project.path("/branches"), both).await.refused(422);
}

#[tokio::test]
async fn a_branch_is_not_recovered_without_its_parent() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let parent = rig.branch(&project, "parent").await;
    let child = rig
        .branch_with(&project, json!({ "branch": { "parent_id": parent } }))
        .await;
    for branch in [&child, &parent] {
        rig.delete(&project.branch(branch, "")).await.expect(200);
        rig.settle().await;
    }
    rig.post(&project.branch(&child, "/recover"), json!({}))
        .await
        .refused(422);
    rig.post(&project.branch(&parent, "/recover"), json!({}))
        .await
        .expect(200);
    rig.post(&project.branch(&child, "/recover"), json!({}))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_branch_is_not_recovered_below_a_parent_that_expires() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let parent = rig.branch(&project, "parent").await;
    let child = rig
        .branch_with(&project, json!({ "branch": { "parent_id": parent } }))
        .await;
    rig.delete(&project.branch(&child, "")).await.expect(200);
    rig.settle().await;
    let expires = json!({ "branch": { "expires_at": rig.time(3600).await } });
    rig.patch(&project.branch(&parent, ""), expires).await.expect(200);
    rig.post(&project.branch(&child, "/recover"), json!({}))
        .await
        .refused(422);
    rig.patch(
        &project.branch(&parent, ""),
        json!({ "branch": { "expires_at": null } }),
    )
    .await
    .expect(200);
    rig.post(&project.branch(&child, "/recover"), json!({}))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_protected_branch_is_not_made_in_the_archive() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = json!({ "branch": { "protected": true, "archived": true } });
    let message = rig.post(&project.path("/branches"), body).await.refused(422);
    assert!(message.contains("archived"), "{message}");
    assert_eq!(rig.get(&project.path("/branches/count")).await.expect(200)["count"], 1);
}

#[tokio::test]
async fn a_branch_that_was_never_ready_takes_nothing() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.arm(json!({ "method": "POST", "path": "*/branches", "kind": { "type": "failed_operation" } }))
        .await;
    let body = json!({ "branch": { "name": "broken" } });
    let broken = rig.branch_with(&project, body).await;
    let read = rig.get(&project.branch(&broken, "")).await.expect(200);
    assert_eq!(read["branch"]["current_state"], "init");
    for (path, body) in [
        (project.branch(&broken, "/roles"), json!({ "role": { "name": "app" } })),
        (
            project.branch(&broken, "/databases"),
            json!({ "database": { "name": "app", "owner_name": "neondb_owner" } }),
        ),
        (project.branch(&broken, "/roles/neondb_owner/reset_password"), json!({})),
        (
            project.path("/endpoints"),
            json!({ "endpoint": { "branch_id": broken, "type": "read_write" } }),
        ),
        (
            project.branch(&broken, "/auth"),
            json!({ "auth_provider": "better_auth" }),
        ),
        (project.path("/branches"), json!({ "branch": { "parent_id": broken } })),
        (project.main("/restore"), json!({ "source_branch_id": broken })),
        (project.branch(&broken, "/data-api/neondb"), json!({})),
    ] {
        let message = rig.post(&path, body).await.refused(422);
        assert_eq!(message, "branch not ready yet", "{path}");
    }
    rig.delete(&project.branch(&broken, "")).await.expect(200);
}
