//! Credentials of a branch, its object storage and its AI gateway.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Made, Rig, each};

async fn credential(rig: &Rig, project: &Made, scopes: &[&str]) -> Value {
    let body = json!({ "name": "app", "scopes": scopes, "principal_type": "user" });
    rig.post(&project.main("/credentials"), body).await.expect(201)
}

#[tokio::test]
pub async fn a_credential_shows_its_secrets_where_they_are_asked_for() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let all = project.main("/credentials");
    assert_eq!(rig.get(&all).await.expect(200), json!({ "credentials": [] }));

    let made = credential(&rig, &project, &["storage:read", "ai_gateway:invoke", "storage:read"]).await;
    assert_eq!(made["name"], "app");
    assert_eq!(made["branch_id"], project.branch);
    assert_eq!(made["scopes"], json!(["storage:read", "ai_gateway:invoke"]));
    let id = made["token_id"].as_str().unwrap();
    assert!(id.ends_with(made["token_id_short"].as_str().unwrap()));

    let listed = rig.get(&all).await.expect(200);
    assert_eq!(each(&listed["credentials"], "token_id"), [id]);
    assert_eq!(listed["credentials"][0]["principal_type"], "user");
    for secret in ["api_token", "s3_secret_access_key"] {
        let text = made[secret].as_str().unwrap();
        assert!(text.contains("_sandbox_") && !listed.to_string().contains(text));
    }

    let one = format!("{all}/{id}");
    let shown = rig.post(&format!("{one}/reveal"), json!({})).await.expect(200);
    assert_eq!(shown["api_token"], made["api_token"]);
    assert_eq!(shown["s3_secret_access_key"], made["s3_secret_access_key"]);

    let rotated = rig.post(&format!("{one}/rotate"), json!({})).await.expect(200);
    for same in ["token_id", "scopes", "branch_id", "created_at"] {
        assert_eq!(rotated[same], made[same], "{same}");
    }
    let again = rig.post(&format!("{one}/rotate"), json!({})).await.expect(200);
    let shown = rig.post(&format!("{one}/reveal"), json!({})).await.expect(200);
    for secret in ["api_token", "s3_secret_access_key"] {
        let seen: BTreeSet<String> = [&made, &rotated, &again]
            .map(|body| body[secret].to_string())
            .into_iter()
            .collect();
        assert_eq!(seen.len(), 3, "each rotation makes another {secret}");
        assert_eq!(shown[secret], again[secret]);
    }

    rig.delete(&one).await.expect(204);
    assert_eq!(rig.get(&all).await.expect(200), json!({ "credentials": [] }));
    rig.delete(&one).await.refused(404);
    rig.post(&format!("{one}/reveal"), json!({})).await.refused(404);
    rig.post(&format!("{one}/rotate"), json!({})).await.refused(404);
}

#[tokio::test]
async fn credentials_have_rules_and_a_branch() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let all = project.main("/credentials");
    for wrong in [
        json!({ "scopes": ["storage:read"] }),
        json!({ "scopes": [], "principal_type": "user" }),
        json!({ "scopes": ["storage:read"], "principal_type": "function" }),
        json!({ "scopes": ["telemetry:write"], "principal_type": "user" }),
        json!({ "scopes": ["storage:admin"], "principal_type": "user" }),
        json!({ "scopes": ["storage:read"], "principal_type": "user", "name": "x".repeat(257) }),
    ] {
        rig.post(&all, wrong).await.refused(400);
    }
    let made = credential(&rig, &project, &["storage:write"]).await;
    let id = made["token_id"].as_str().unwrap();
    let child = rig.branch(&project, "child").await;
    let elsewhere = project.branch(&child, "/credentials");
    assert_eq!(
        rig.get(&elsewhere).await.expect(200)["credentials"],
        json!([]),
        "a branch inherits none"
    );
    rig.post(&format!("{elsewhere}/{id}/reveal"), json!({}))
        .await
        .refused(404);
    rig.delete(&project.branch(&child, "")).await.expect(200);
    rig.get(&elsewhere).await.refused(404);
}

#[tokio::test]
pub async fn storage_and_ai_gateway_say_where_they_are_or_why_they_are_not() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let gateway = rig.get(&project.main("/ai_gateway")).await.expect(200);
    assert_eq!(gateway["enabled"], true);
    assert!(gateway["base_url"].as_str().unwrap().contains(&project.branch));
    let storage = rig.get(&project.main("/storage")).await.expect(200);
    assert_eq!(storage["enabled"], true);
    assert_eq!(storage["region"], "us-east-1");
    assert!(storage["s3_endpoint"].as_str().unwrap().contains(&project.branch));
    for (rest, code) in [
        ("/storage", "STORAGE_NOT_ENABLED"),
        ("/ai_gateway", "AI_GATEWAY_NOT_ENABLED"),
    ] {
        let body = rig.get(&project.branch("br-none", rest)).await.expect(404);
        assert_eq!(
            (&body["code"], &body["reason"]),
            (&json!(code), &json!("branch_not_found")),
            "{body}"
        );
    }

    let azure = rig.project_with(json!({ "region_id": "azure-eastus2" })).await;
    for (rest, reason) in [
        ("/ai_gateway", "ai_gateway_unavailable"),
        ("/storage", "region_unavailable"),
    ] {
        let body = rig.get(&azure.main(rest)).await.expect(404);
        assert_eq!(body["reason"], reason, "{body}");
        assert!(body["message"].is_string() && body["code"].is_string(), "{body}");
    }
}
