//! Anonymized branches: made, their rules, their masking.

use std::time::Duration;

use neon_sandbox::SandboxOptions;
use serde_json::{Value, json};

use super::{Made, Rig, options};

fn rule(column: &str) -> Value {
    json!({
        "database_name": "neondb", "schema_name": "public", "table_name": "users", "column_name": column,
        "masking_function": "anon.fake_email()",
    })
}

async fn make(rig: &Rig, project: &Made, body: Value) -> String {
    let made = rig.post(&project.path("/branch_anonymized"), body).await.expect(201);
    made["branch"]["id"].as_str().unwrap().to_owned()
}

async fn status(rig: &Rig, project: &Made, branch: &str) -> Value {
    rig.get(&project.branch(branch, "/anonymized_status")).await.expect(200)
}

#[tokio::test]
pub async fn an_anonymized_branch_is_made_then_masked() {
    // Long operations, so that the states between are seen however slow the machine is.
    let rig = Rig::with(SandboxOptions {
        operation_time: Duration::from_secs(20),
        ..options()
    })
    .await;
    let project = rig.project().await;
    rig.advance(200).await;
    let body = json!({
        "branch_create": {
            "branch": { "name": "masked" },
            "endpoints": [{ "type": "read_write" }],
        },
        "annotation_value": { "for": "tests" },
        "masking_rules": [rule("email")],
    });
    let made = rig.post(&project.path("/branch_anonymized"), body).await.expect(201);
    assert_eq!(made["branch"]["name"], "masked");
    assert_eq!(made["branch"]["parent_id"], project.branch);
    assert_eq!(made["endpoints"].as_array().unwrap().len(), 1);
    assert!(made["connection_uris"][0]["connection_uri"].is_string());
    let id = made["branch"]["id"].as_str().unwrap();
    assert_eq!(status(&rig, &project, id).await["state"], "created");
    let start = project.branch(id, "/anonymize");
    rig.post(&start, json!({})).await.refused(422);
    rig.advance(200).await;
    let before = status(&rig, &project, id).await;
    assert_eq!(before["state"], "initialized");
    assert_eq!(before["last_run"], Value::Null);
    let branch = rig.get(&project.branch(id, "")).await.expect(200);
    assert_eq!(branch["annotation"]["value"]["for"], "tests");

    let started = rig.post(&start, json!({})).await.expect(200);
    assert_eq!(started["state"], "anonymizing");
    assert!(started["last_run"]["started_at"].is_string());
    rig.post(&start, json!({})).await.refused(422);
    rig.advance(200).await;
    let after = status(&rig, &project, id).await;
    assert_eq!(after["state"], "anonymized");
    assert_eq!(after["last_run"]["masked_columns"], 1);
    assert!(after["last_run"]["completed_at"].is_string());
    assert_eq!(after["project_id"], project.id);
    assert_eq!(after["branch_id"], id);
}

#[tokio::test]
pub async fn rules_are_replaced_as_a_whole_and_a_run_can_be_repeated() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let body = json!({ "masking_rules": [rule("email"), rule("name")], "start_anonymization": true });
    let id = make(&rig, &project, body).await;
    rig.settle().await;
    assert_eq!(status(&rig, &project, &id).await["state"], "anonymized");
    let rules = project.branch(&id, "/masking_rules");
    let listed = rig.get(&rules).await.expect(200);
    assert_eq!(listed["masking_rules"], json!([rule("email"), rule("name")]));

    let fixed = json!({
        "database_name": "neondb", "schema_name": "public", "table_name": "users", "column_name": "phone",
        "masking_value": "none",
    });
    let replaced = rig.patch(&rules, json!({ "masking_rules": [fixed] })).await.expect(200);
    assert_eq!(replaced["masking_rules"], json!([fixed]));
    assert_eq!(rig.get(&rules).await.expect(200)["masking_rules"], json!([fixed]));
    rig.post(&project.branch(&id, "/anonymize"), json!({}))
        .await
        .expect(200);
    rig.settle().await;
    let after = status(&rig, &project, &id).await;
    assert_eq!(after["last_run"]["masked_columns"], 1);

    rig.post(
        &project.branch(&id, "/restore"),
        json!({ "source_branch_id": project.branch }),
    )
    .await
    .expect(200);
    rig.settle().await;
    let reset = status(&rig, &project, &id).await;
    assert_eq!(
        reset["state"], "initialized",
        "after a reset it holds the parent's data again"
    );
}

#[tokio::test]
async fn what_cannot_be_masked_ends_in_an_error_that_can_be_mended() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let mut wrong = rule("email");
    wrong["database_name"] = "none".into();
    let id = make(
        &rig,
        &project,
        json!({ "masking_rules": [wrong], "start_anonymization": true }),
    )
    .await;
    rig.settle().await;
    let failed = status(&rig, &project, &id).await;
    assert_eq!(failed["state"], "error");
    assert!(failed["status_message"].as_str().unwrap().contains("\"none\""));
    assert!(failed["failed_at"].is_string());
    rig.patch(
        &project.branch(&id, "/masking_rules"),
        json!({ "masking_rules": [rule("email")] }),
    )
    .await
    .expect(200);
    rig.post(&project.branch(&id, "/anonymize"), json!({}))
        .await
        .expect(200);
    rig.settle().await;
    let mended = status(&rig, &project, &id).await;
    assert_eq!(mended["state"], "anonymized");
    assert_eq!(mended["failed_at"], Value::Null);

    rig.arm(json!({ "times": 1, "path": "/projects/*/branches/*/anonymize", "kind": { "type": "failed_operation" } }))
        .await;
    rig.post(&project.branch(&id, "/anonymize"), json!({}))
        .await
        .expect(200);
    rig.settle().await;
    assert_eq!(status(&rig, &project, &id).await["state"], "error");
}

#[tokio::test]
async fn anonymized_branches_have_rules() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = project.path("/branch_anonymized");
    let mut both = rule("email");
    both["masking_value"] = "x".into();
    rig.post(&path, json!({ "masking_rules": [both] })).await.refused(400);
    rig.post(&path, json!({ "masking_rules": [{ "column_name": "email" }] }))
        .await
        .refused(400);
    rig.post(
        &path,
        json!({ "branch_create": { "branch": { "init_source": "schema-only" } } }),
    )
    .await
    .refused(422);
    rig.post(
        &path,
        json!({ "branch_create": { "branch": { "parent_id": "br-none" } } }),
    )
    .await
    .refused(404);
    for rest in ["/masking_rules", "/anonymized_status"] {
        rig.get(&project.main(rest)).await.refused(404);
    }
    rig.patch(&project.main("/masking_rules"), json!({ "masking_rules": [] }))
        .await
        .refused(404);
    rig.post(&project.main("/anonymize"), json!({})).await.refused(404);

    let id = make(&rig, &project, json!({})).await;
    rig.settle().await;
    rig.patch(
        &project.branch(&id, "/masking_rules"),
        json!({ "masking_rules": [both] }),
    )
    .await
    .refused(400);
    rig.delete(&project.branch(&id, "")).await.expect(200);
    rig.get(&project.branch(&id, "/anonymized_status")).await.refused(404);
}
