//! Keys, request ids, and paths that nobody serves.

use harness::assert_worded;
use neon_sandbox::{ExtraKey, KeyKind};
use reqwest::Method;
use serde_json::json;

use super::{Rig, options, read};

#[tokio::test]
async fn a_missing_or_wrong_key_is_401_in_neons_shape() {
    let rig = Rig::start().await;
    let url = format!("{}/projects", rig.sandbox.api_url());
    for request in [rig.http.get(&url), rig.http.get(&url).bearer_auth("napi_wrong")] {
        let answer = read(request.send().await.unwrap()).await.unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.body["code"], "");
        assert!(answer.body["message"].is_string());
        assert!(answer.body["request_id"].is_string());
    }
}

#[tokio::test]
async fn the_request_id_comes_back_in_the_header_and_in_errors() {
    let rig = Rig::start().await;
    let url = format!("{}/projects/nothing", rig.sandbox.api_url());
    let request = rig
        .http
        .get(&url)
        .bearer_auth(&rig.key)
        .header("X-Request-ID", "abc-123");
    let answer = read(request.send().await.unwrap()).await.unwrap();
    assert_eq!(answer.headers["x-request-id"], "abc-123");
    assert_eq!(answer.body["request_id"], "abc-123");
    let own = rig.get("/projects/nothing").await;
    assert_eq!(own.headers["x-request-id"].to_str().unwrap(), own.body["request_id"]);
    assert!(rig.get("/projects").await.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn a_path_that_is_not_served_is_404_and_says_so() {
    let rig = Rig::start().await;
    let message = rig.get("/projects/x/nothing").await.refused(404);
    assert_worded!("refusals", "path that is not served", message);
    let message = rig.call(Method::PUT, "/projects", None).await.refused(404);
    assert_worded!("refusals", "method that is not served", message);
}

#[tokio::test]
async fn malformed_input_is_400() {
    let rig = Rig::start().await;
    let url = format!("{}/projects", rig.sandbox.api_url());
    let request = rig.http.post(&url).bearer_auth(&rig.key).body("{ not json");
    assert_eq!(request.send().await.unwrap().status(), 400);
    rig.call(Method::POST, "/projects", None).await.refused(400);
    rig.post("/projects", json!({ "project": { "name": 5 } }))
        .await
        .refused(400);
    rig.post("/projects", json!({ "project": { "region_id": "moon-1" } }))
        .await
        .refused(400);
    rig.post("/projects", json!({ "project": { "name": "x".repeat(257) } }))
        .await
        .refused(400);
    rig.get("/projects?limit=many").await.refused(400);
    rig.get("/projects?limit=401").await.refused(400);
    rig.get("/projects/Not_An_Id").await.refused(400);
    let project = rig.project().await;
    rig.get(&project.path("/branches?sort_by=size")).await.refused(400);
    rig.post(
        &project.path("/endpoints"),
        json!({ "endpoint": { "branch_id": project.branch, "type": "huge" } }),
    )
    .await
    .refused(400);
}

#[tokio::test]
async fn keys_reach_what_their_kind_reaches() {
    let key = |key: &str, kind| ExtraKey {
        key: key.into(),
        name: key.into(),
        kind,
    };
    let mut rig = Rig::with(neon_sandbox::SandboxOptions {
        extra_keys: vec![key("sandbox_org", KeyKind::Organization)],
        ..options()
    })
    .await;
    let mine = rig.project().await;
    let other = rig.project().await;
    let user = rig.get("/users/me").await.expect(200);
    let auth = rig.get("/auth").await.expect(200);
    assert_eq!(auth["auth_method"], "api_key_user");
    assert_eq!(auth["account_id"], user["id"]);

    let kind = json!({ "type": "project", "project_id": mine.id });
    let made = rig
        .admin(Method::POST, "/keys", Some(json!({ "name": "ci", "kind": kind })))
        .await
        .expect(201);
    rig.key = made["key"].as_str().unwrap().to_owned();
    let listed = rig.get("/projects").await.expect(200);
    assert_eq!(super::each(&listed["projects"], "id"), [mine.id.as_str()]);
    rig.get(&mine.path("")).await.expect(200);
    rig.get(&other.path("")).await.refused(404);
    rig.delete(&mine.path("")).await.refused(403);
    rig.post("/projects", json!({ "project": {} })).await.refused(403);
    assert_eq!(rig.get("/auth").await.expect(200)["auth_method"], "api_key_org");
    rig.admin(Method::GET, "/requests", None).await.refused(403);

    rig.key = "sandbox_org".to_owned();
    let auth = rig.get("/auth").await.expect(200);
    assert_eq!(auth["auth_method"], "api_key_org");
    assert!(auth["account_id"].as_str().unwrap().starts_with("org-sandbox-"));
    let own = rig.get("/users/me/organizations").await.expect(200);
    assert_eq!(
        super::each(&own["organizations"], "id"),
        [auth["account_id"].as_str().unwrap()]
    );
    for path in ["/users/me", "/api_keys"] {
        let message = rig.get(path).await.refused(404);
        assert_worded!("refusals", "route for persons", message);
    }
    rig.delete(&mine.path("")).await.expect(200);
}

#[tokio::test]
async fn the_key_never_shows_in_debug_output() {
    let rig = Rig::start().await;
    assert!(rig.key.starts_with("sandbox_"));
    assert!(!format!("{:?}", rig.sandbox).contains(&rig.key));
    let named = neon_sandbox::SandboxOptions {
        api_key: Some("top-secret".into()),
        ..options()
    };
    assert!(!format!("{named:?}").contains("top-secret"));
}

#[tokio::test]
async fn shutdown_closes_the_port() {
    let rig = Rig::start().await;
    rig.get("/regions").await.expect(200);
    let url = rig.sandbox.api_url();
    let Rig { sandbox, http, .. } = rig;
    sandbox.shutdown().await;
    assert!(http.get(format!("{url}/regions")).send().await.is_err());

    let rig = Rig::start().await;
    let Rig { sandbox, http, .. } = rig;
    let url = sandbox.admin_url();
    drop(sandbox);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(http.get(format!("{url}/health")).send().await.is_err());
}

#[tokio::test]
async fn the_request_id_comes_back_with_a_401() {
    let rig = Rig::start().await;
    let url = format!("{}/projects", rig.sandbox.api_url());
    let request = rig.http.get(&url).header("X-Request-ID", "abc-401");
    let answer = read(request.send().await.unwrap()).await.unwrap();
    assert_eq!(answer.headers["x-request-id"], "abc-401");
    assert_eq!(answer.expect(401)["request_id"], "abc-401");
}

#[tokio::test]
async fn a_project_key_changes_nothing_of_another_project() {
    let mut rig = Rig::start().await;
    let mine = rig.project().await;
    let other = rig.project().await;
    let kind = json!({ "type": "project", "project_id": mine.id });
    let made = rig
        .admin(Method::POST, "/keys", Some(json!({ "name": "ci", "kind": kind })))
        .await
        .expect(201);
    let personal = std::mem::replace(&mut rig.key, made["key"].as_str().unwrap().to_owned());
    rig.patch(&other.path(""), json!({ "project": { "name": "taken" } }))
        .await
        .refused(404);
    rig.delete(&other.path("")).await.refused(404);
    rig.post(&other.path("/branches"), json!({})).await.refused(404);
    rig.get(&other.main("/roles/neondb_owner/reveal_password"))
        .await
        .refused(404);
    rig.post(&mine.path("/branches"), json!({})).await.expect(201);
    rig.key = personal;
    let read = rig.get(&other.path("")).await.expect(200);
    assert_eq!(read["project"]["name"], other.id.as_str());
    assert_eq!(rig.get(&other.path("/branches/count")).await.expect(200)["count"], 1);
}
