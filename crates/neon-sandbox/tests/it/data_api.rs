//! The Data API of a database: opened, seen, changed, closed.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Rig, each};

#[tokio::test]
pub async fn a_data_api_is_opened_seen_changed_and_closed() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = project.main("/data-api/neondb");
    rig.get(&path).await.refused(404);
    rig.patch(&path, json!({})).await.refused(404);
    rig.delete(&path).await.refused(404);

    let body = json!({ "auth_provider": "neon_auth", "settings": { "db_max_rows": 100 } });
    let made = rig.post(&path, body).await.expect(201);
    let url = made["url"].as_str().unwrap();
    assert!(
        url.contains(&project.endpoint) && url.ends_with("/neondb/rest/v1"),
        "{url}"
    );
    let seen = rig.get(&path).await.expect(200);
    assert_eq!(seen["url"], url);
    assert_eq!(seen["status"], "active");
    assert_eq!(seen["settings"]["db_max_rows"], 100);
    assert_eq!(
        seen["settings"]["db_anon_role"], "anonymous",
        "the default where nothing was asked"
    );
    assert_eq!(seen["settings"]["db_schemas"], json!(["public"]));
    assert_eq!(seen["settings"]["server_cors_allowed_origins"], Value::Null);
    rig.post(&path, json!({})).await.refused(409);

    let change = json!({ "settings": { "db_schemas": ["public", "api"], "db_aggregates_enabled": false } });
    assert_eq!(rig.patch(&path, change).await.expect(201), json!({}));
    let seen = rig.get(&path).await.expect(200);
    assert_eq!(seen["settings"]["db_schemas"], json!(["public", "api"]));
    assert_eq!(seen["settings"]["db_aggregates_enabled"], false);
    assert_eq!(
        seen["settings"]["db_max_rows"], 100,
        "what isn't asked for stays as it is"
    );
    rig.call(Method::PATCH, &path, None).await.expect(201);

    assert_eq!(rig.delete(&path).await.expect(200), json!({}));
    rig.get(&path).await.refused(404);
    rig.delete(&path).await.refused(404);
    rig.call(Method::POST, &path, None).await.expect(201);
}

#[tokio::test]
async fn it_shows_the_schemas_that_there_are() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let sql = "CREATE SCHEMA IF NOT EXISTS \"api\";\ncreate schema audit;\nCREATE TABLE api.t (id int);";
    rig.set_schema(&project, &project.branch, sql).await;
    let path = project.main("/data-api/neondb");
    rig.post(&path, json!({})).await.expect(201);
    let seen = rig.get(&path).await.expect(200);
    assert_eq!(seen["available_schemas"], json!(["public", "api", "audit"]));
}

#[tokio::test]
async fn it_belongs_to_the_database() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let old = project.main("/data-api/neondb");
    rig.post(&old, json!({})).await.expect(201);
    rig.post(&project.main("/data-api/none"), json!({})).await.refused(404);
    let child = rig.branch(&project, "child").await;
    rig.get(&project.branch(&child, "/data-api/neondb")).await.refused(404);

    let databases = project.main("/databases/neondb");
    rig.patch(&databases, json!({ "database": { "name": "shop" } }))
        .await
        .expect(200);
    rig.settle().await;
    rig.get(&old).await.refused(404);
    let new = project.main("/data-api/shop");
    rig.get(&new).await.expect(200);
    rig.delete(&project.main("/databases/shop")).await.expect(200);
    rig.settle().await;
    let again = json!({ "database": { "name": "shop", "owner_name": "neondb_owner" } });
    rig.post(&project.main("/databases"), again).await.expect(201);
    rig.settle().await;
    rig.get(&new).await.refused(404);
}

#[tokio::test]
async fn it_has_rules() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = project.main("/data-api/neondb");
    for wrong in [
        json!({ "auth_provider": "external" }),
        json!({ "auth_provider": "external", "jwks_url": "http://keys.example" }),
        json!({ "auth_provider": "somebody" }),
        json!({ "settings": { "db_max_rows": 0 } }),
        json!({ "settings": { "jwt_cache_max_lifetime": -1 } }),
        json!({ "settings": { "db_schemas": "public" } }),
    ] {
        rig.post(&path, wrong).await.refused(400);
    }
    let role = json!({ "role": { "name": "app" } });
    rig.post(&project.main("/roles"), role).await.expect(201);
    rig.post(&path, json!({})).await.refused(423);
    rig.settle().await;
    let external = json!({ "auth_provider": "external", "jwks_url": "https://keys.example/jwks.json" });
    rig.post(&path, external).await.expect(201);
    rig.patch(&path, json!({ "settings": { "db_max_rows": 0 } }))
        .await
        .refused(400);
    let listed = rig.get(&project.main("/databases")).await.expect(200);
    assert_eq!(each(&listed["databases"], "name"), ["neondb"]);
}
