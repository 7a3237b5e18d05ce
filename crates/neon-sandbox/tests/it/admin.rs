//! The sandbox's own routes.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Rig, read};

#[tokio::test]
async fn health_needs_no_key_and_the_others_do() {
    let rig = Rig::start().await;
    let admin = rig.sandbox.admin_url();
    let health = read(rig.http.get(format!("{admin}/health")).send().await.unwrap())
        .await
        .unwrap()
        .expect(200);
    assert_eq!(health["sandbox"], true);
    for path in ["/requests", "/faults", "/clock"] {
        assert_eq!(
            rig.http.get(format!("{admin}{path}")).send().await.unwrap().status(),
            401
        );
    }
    rig.admin(Method::GET, "/nothing", None).await.refused(404);
}

#[tokio::test]
async fn the_log_holds_what_came_but_no_key() {
    let rig = Rig::start().await;
    rig.post("/projects", json!({ "project": { "name": "shop" } }))
        .await
        .expect(201);
    rig.get("/projects?search=sh%20op").await.expect(200);
    rig.arm(json!({ "kind": { "type": "reset_before" } })).await;
    assert!(rig.try_call(Method::GET, "/regions", None).await.is_err());
    let log = rig.admin(Method::GET, "/requests", None).await.expect(200);
    assert!(!log.to_string().contains(&rig.key));
    let requests = log["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0]["method"], "POST");
    assert_eq!(requests[0]["path"], "/projects");
    assert_eq!(requests[0]["operation"], "createProject");
    assert_eq!(requests[0]["status"], 201);
    assert_eq!(requests[0]["body"]["project"]["name"], "shop");
    assert_eq!(requests[0]["headers"]["content-type"], "application/json");
    assert!(requests[0]["request_id"].is_string());
    assert_eq!(requests[1]["query"], "search=sh%20op");
    assert_eq!(requests[1]["body"], Value::Null);
    assert_eq!(requests[2]["status"], Value::Null);
    rig.admin(Method::DELETE, "/requests", None).await.expect(200);
    let log = rig.admin(Method::GET, "/requests", None).await.expect(200);
    assert_eq!(log["requests"], json!([]));
}

#[tokio::test]
async fn a_schema_is_set_only_where_there_is_a_database() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = |project_id: &str, branch: &str, database: &str| {
        Some(json!({ "project_id": project_id, "branch_id": branch, "database_name": database, "sql": "-- x" }))
    };
    let (id, main) = (project.id.as_str(), project.branch.as_str());
    rig.admin(Method::PUT, "/schema", body(id, main, "neondb"))
        .await
        .expect(200);
    rig.admin(Method::PUT, "/schema", body(id, main, "none"))
        .await
        .refused(404);
    rig.admin(Method::PUT, "/schema", body(id, "br-none", "neondb"))
        .await
        .refused(404);
    rig.admin(Method::PUT, "/schema", body("none", main, "neondb"))
        .await
        .refused(404);
    rig.admin(Method::PUT, "/schema", Some(json!({ "sql": 1 })))
        .await
        .refused(400);
}

#[tokio::test]
async fn a_project_that_somebody_else_shares_is_no_longer_the_users_own() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let share = json!({ "project_id": project.id });
    let body = rig.admin(Method::POST, "/shares", Some(share)).await.expect(200);
    let stranger = body["org_id"].as_str().unwrap();
    let shared = rig.get("/projects/shared").await.expect(200);
    assert_eq!(shared["projects"][0]["id"], project.id.as_str());
    assert_eq!(shared["projects"][0]["org_id"], stranger);
    assert_eq!(shared["projects"][0]["effective_project_permission"], "EDITOR");
    let none = rig.get("/projects/shared?search=none").await.expect(200);
    assert_eq!(none["projects"], json!([]));
    assert_eq!(rig.get("/projects").await.expect(200)["projects"], json!([]));
    rig.get(&format!("/projects?org_id={stranger}")).await.refused(404);
    let shown = rig.get(&project.path("")).await.expect(200);
    assert_eq!(shown["project"]["owner"]["email"], "stranger@elsewhere.example");
    rig.branch(&project, "an editor makes branches").await;
    rig.delete(&project.path("")).await.refused(403);
    rig.get(&project.path("/members")).await.refused(403);
    rig.post(&project.path("/transfer_requests"), json!({}))
        .await
        .refused(403);
    let nobody = json!({ "project_id": "none" });
    rig.admin(Method::POST, "/shares", Some(nobody)).await.refused(404);
}
