//! Projects: making, changing, deleting, recovering, connecting.

use serde_json::json;

use super::{Rig, actions, options};

#[tokio::test]
async fn a_new_project_has_a_branch_a_database_a_role_and_a_compute() {
    let rig = Rig::start().await;
    let made = rig
        .post("/projects", json!({ "project": { "name": "shop" } }))
        .await
        .expect(201);
    let id = made["project"]["id"].as_str().unwrap();
    let parts: Vec<_> = id.split('-').collect();
    assert!(matches!(parts[..], ["sandbox", _, digits] if digits.len() == 8), "{id}");
    assert_eq!(made["project"]["name"], "shop");
    assert_eq!(made["project"]["pg_version"], 17);
    assert_eq!(made["project"]["history_retention_seconds"], 86_400);
    assert_eq!(made["branch"]["name"], "main");
    assert_eq!(made["branch"]["default"], true);
    assert!(made["branch"]["id"].as_str().unwrap().starts_with("br-sandbox-"));
    assert_eq!(made["databases"][0]["name"], "neondb");
    assert_eq!(made["roles"][0]["name"], "neondb_owner");
    let password = made["roles"][0]["password"].as_str().unwrap();
    let endpoint = made["endpoints"][0]["id"].as_str().unwrap();
    assert!(endpoint.starts_with("ep-sandbox-"));
    assert_eq!(
        made["connection_uris"][0]["connection_uri"],
        format!("postgresql://neondb_owner:{password}@{endpoint}.sandbox.localhost/neondb?sslmode=disable")
    );
    rig.settle().await;
    let read = rig.get(&format!("/projects/{id}")).await.expect(200);
    assert_eq!(read["project"]["id"], id);
}

#[tokio::test]
async fn the_seed_decides_the_ids_but_not_the_secrets() {
    let (one, two) = (Rig::start().await, Rig::start().await);
    let body = json!({ "project": {} });
    let one_made = one.post("/projects", body.clone()).await.expect(201);
    let two_made = two.post("/projects", body).await.expect(201);
    assert_eq!(one_made["project"]["id"], two_made["project"]["id"]);
    assert_ne!(one_made["roles"][0]["password"], two_made["roles"][0]["password"]);
    assert_ne!(one.key, two.key);
}

#[tokio::test]
async fn names_and_owner_can_be_chosen() {
    let rig = Rig::start().await;
    let project = json!({
        "pg_version": 16,
        "region_id": "azure-gwc",
        "branch": { "name": "trunk", "database_name": "app", "role_name": "boss" },
        "default_endpoint_settings": { "autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 4 },
    });
    let made = rig.post("/projects", json!({ "project": project })).await.expect(201);
    assert_eq!(made["project"]["platform_id"], "azure");
    assert_eq!(made["branch"]["name"], "trunk");
    assert_eq!(made["databases"][0]["owner_name"], "boss");
    assert_eq!(made["endpoints"][0]["autoscaling_limit_max_cu"], 4.0);
    let made = rig
        .post(
            "/projects",
            json!({ "project": { "branch": { "database_name": "x" } } }),
        )
        .await
        .expect(201);
    assert_eq!(made["roles"][0]["name"], "x_owner");
    rig.post("/projects", json!({ "project": { "pg_version": 13 } }))
        .await
        .refused(400);
    rig.post("/projects", json!({ "project": { "pg_version": 19 } }))
        .await
        .refused(422);
}

#[tokio::test]
async fn a_personal_key_must_name_the_organization() {
    let rig = Rig::with(neon_sandbox::SandboxOptions {
        require_org_id: true,
        ..options()
    })
    .await;
    let message = rig.post("/projects", json!({ "project": {} })).await.refused(400);
    assert!(message.contains("org_id"), "{message}");
    let organizations = rig.get("/users/me/organizations").await.expect(200);
    let id = organizations["organizations"][0]["id"].clone();
    let made = rig
        .post("/projects", json!({ "project": { "org_id": id } }))
        .await
        .expect(201);
    assert_eq!(made["project"]["org_id"], id);
    rig.post("/projects", json!({ "project": { "org_id": "org-other-1" } }))
        .await
        .refused(404);
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let rig = Rig::start().await;
    let project = rig
        .project_with(json!({ "name": "old", "settings": { "quota": { "written_data_bytes": 5 } } }))
        .await;
    let path = project.path("");
    let body = rig
        .patch(&path, json!({ "project": { "name": "new" } }))
        .await
        .expect(200);
    assert_eq!(body["project"]["name"], "new");
    assert_eq!(body["project"]["settings"]["quota"]["written_data_bytes"], 5);
    assert!(actions(&body).is_empty());
    let body = rig
        .patch(&path, json!({ "project": { "history_retention_seconds": 3600 } }))
        .await
        .expect(200);
    assert_eq!(actions(&body), ["apply_storage_config"]);
    rig.settle().await;
    let on = json!({ "project": { "settings": { "enable_logical_replication": true } } });
    assert_eq!(actions(&rig.patch(&path, on).await.expect(200)), ["suspend_compute"]);
    rig.settle().await;
    let endpoint = project.path(&format!("/endpoints/{}", project.endpoint));
    assert_eq!(
        rig.get(&endpoint).await.expect(200)["endpoint"]["current_state"],
        "idle"
    );
    let off = json!({ "project": { "settings": { "enable_logical_replication": false } } });
    rig.patch(&path, off).await.refused(422);
    let window = |day: u8| json!({ "weekdays": [day], "start_time": "01:00", "end_time": "02:00" });
    let update = |day| json!({ "project": { "settings": { "maintenance_window": window(day) } } });
    rig.patch(&path, update(8)).await.refused(400);
    rig.patch(&path, update(7)).await.expect(200);
    rig.patch(&path, json!({ "project": { "history_retention_seconds": 2_592_001 } }))
        .await
        .refused(400);
    rig.patch(
        &path,
        json!({ "project": { "settings": { "quota": { "written_data_bytes": -1 } } } }),
    )
    .await
    .refused(400);
}

#[tokio::test]
async fn a_deleted_project_is_gone_and_can_be_recovered_for_seven_days() {
    let rig = Rig::start().await;
    let project = rig.project_with(json!({ "name": "shop" })).await;
    rig.delete(&project.path("")).await.expect(200);
    rig.get(&project.path("")).await.refused(404);
    rig.delete(&project.path("")).await.refused(404);
    assert_eq!(rig.get("/projects").await.expect(200)["projects"], json!([]));
    let listed = rig.get("/projects?recoverable=true").await.expect(200);
    assert_eq!(listed["projects"][0]["id"], project.id.as_str());
    assert!(listed["projects"][0]["recoverable_until"].is_string());
    rig.advance(6 * 86_400).await;
    let recovered = rig.post(&project.path("/recover"), json!({})).await.expect(200);
    assert_eq!(recovered["branches"][0]["name"], "main");
    rig.post(&project.path("/recover"), json!({})).await.refused(422);
    let endpoint = rig
        .get(&project.path(&format!("/endpoints/{}", project.endpoint)))
        .await
        .expect(200);
    assert_eq!(endpoint["endpoint"]["current_state"], "idle");
    rig.delete(&project.path("")).await.expect(200);
    rig.advance(7 * 86_400 + 1).await;
    rig.post(&project.path("/recover"), json!({})).await.refused(404);
}

#[tokio::test]
async fn a_project_with_a_protected_branch_does_not_delete() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.patch(&project.main(""), json!({ "branch": { "protected": true } }))
        .await
        .expect(200);
    rig.delete(&project.path("")).await.refused(422);
    rig.patch(&project.main(""), json!({ "branch": { "protected": false } }))
        .await
        .expect(200);
    rig.delete(&project.path("")).await.expect(200);
}

#[tokio::test]
async fn a_connection_uri_names_the_right_compute_role_and_password() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let shown = rig
        .get(&project.main("/roles/neondb_owner/reveal_password"))
        .await
        .expect(200);
    let password = shown["password"].as_str().unwrap();
    let path = project.path("/connection_uri?database_name=neondb&role_name=neondb_owner");
    let host = &project.endpoint;
    assert_eq!(
        rig.get(&path).await.expect(200)["uri"],
        format!("postgresql://neondb_owner:{password}@{host}.sandbox.localhost/neondb?sslmode=disable")
    );
    assert_eq!(
        rig.get(&format!("{path}&pooled=true")).await.expect(200)["uri"],
        format!("postgresql://neondb_owner:{password}@{host}-pooler.sandbox.localhost/neondb?sslmode=disable")
    );
    rig.get(&project.path("/connection_uri?database_name=neondb"))
        .await
        .refused(400);
    rig.get(&project.path("/connection_uri?database_name=no&role_name=neondb_owner"))
        .await
        .refused(404);
    rig.get(&project.path("/connection_uri?database_name=neondb&role_name=no"))
        .await
        .refused(404);
    let child = rig.branch(&project, "no-compute").await;
    rig.get(&format!("{path}&branch_id={child}")).await.refused(404);
    rig.get(&format!("{path}&branch_id={child}&endpoint_id={host}"))
        .await
        .refused(404);
}
