//! Roles and their passwords.

use harness::assert_worded;
use serde_json::{Value, json};

use super::{Rig, actions};

fn role(name: &str) -> Value {
    json!({ "role": { "name": name } })
}

#[tokio::test]
async fn a_password_shows_when_it_is_made_and_when_it_is_asked_for() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let roles = project.main("/roles");
    let made = rig.post(&roles, role("app")).await.expect(201);
    assert_eq!(actions(&made), ["apply_config"]);
    let password = made["role"]["password"].clone();
    assert!(password.is_string());
    rig.settle().await;
    assert_eq!(
        rig.get(&format!("{roles}/app")).await.expect(200)["role"].get("password"),
        None
    );
    let listed = rig.get(&roles).await.expect(200);
    assert!(
        listed["roles"]
            .as_array()
            .unwrap()
            .iter()
            .all(|role| role.get("password").is_none())
    );
    let revealed = rig.get(&format!("{roles}/app/reveal_password")).await.expect(200);
    assert_eq!(revealed["password"], password);
    let reset = rig
        .post(&format!("{roles}/app/reset_password"), json!({}))
        .await
        .expect(200);
    assert_ne!(reset["role"]["password"], password);
    let revealed = rig.get(&format!("{roles}/app/reveal_password")).await.expect(200);
    assert_eq!(revealed["password"], reset["role"]["password"]);
}

#[tokio::test]
async fn passwords_that_are_not_stored_cannot_be_shown() {
    let rig = Rig::start().await;
    let project = rig.project_with(json!({ "store_passwords": false })).await;
    rig.get(&project.main("/roles/neondb_owner/reveal_password"))
        .await
        .refused(412);
    rig.get(&project.path("/connection_uri?database_name=neondb&role_name=neondb_owner"))
        .await
        .refused(412);
    let body = json!({ "endpoints": [{ "type": "read_write" }] });
    let made = rig.post(&project.path("/branches"), body).await.expect(201);
    assert_eq!(made.get("connection_uris"), None);
    assert_eq!(made["roles"][0].get("password"), None);
}

#[tokio::test]
async fn role_names_are_unique_bounded_and_partly_reserved() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let roles = project.main("/roles");
    rig.post(&roles, role("neondb_owner")).await.refused(409);
    rig.post(&roles, role("")).await.refused(400);
    rig.post(&roles, role(&"é".repeat(32))).await.refused(400);
    for reserved in [
        "pg_mine",
        "neon_superuser",
        "cloud_admin",
        "zenith_admin",
        "public",
        "none",
    ] {
        rig.post(&roles, role(reserved)).await.refused(422);
    }
}

#[tokio::test]
async fn a_role_that_owns_a_database_stays() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let message = rig.delete(&project.main("/roles/neondb_owner")).await.refused(422);
    assert_worded!("refusals", "role that owns a database", message);
    rig.post(&project.main("/roles"), role("app")).await.expect(201);
    rig.settle().await;
    rig.delete(&project.main("/roles/app")).await.expect(200);
    rig.settle().await;
    assert_eq!(rig.delete(&project.main("/roles/app")).await.status, 204);
    rig.get(&project.main("/roles/app")).await.refused(404);
}

#[tokio::test]
async fn a_role_without_login_has_no_password() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = json!({ "role": { "name": "group", "no_login": true } });
    let made = rig.post(&project.main("/roles"), body).await.expect(201);
    assert_eq!(made["role"].get("password"), None);
    rig.settle().await;
    rig.get(&project.main("/roles/group/reveal_password"))
        .await
        .refused(404);
    rig.post(&project.main("/roles/group/reset_password"), json!({}))
        .await
        .refused(422);
}

#[tokio::test]
async fn a_reserved_role_name_is_refused_for_a_new_project_too() {
    let rig = Rig::start().await;
    let body = json!({ "project": { "branch": { "role_name": "pg_mine" } } });
    rig.post("/projects", body).await.refused(422);
    assert_eq!(rig.get("/projects").await.expect(200)["projects"], json!([]));
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_404_and_deletes_as_204() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let none = project.main("/roles/none_such");
    rig.get(&none).await.refused(404);
    rig.get(&format!("{none}/reveal_password")).await.refused(404);
    rig.post(&format!("{none}/reset_password"), json!({}))
        .await
        .refused(404);
    assert_eq!(rig.delete(&none).await.status, 204);
}
