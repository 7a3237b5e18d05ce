//! Every operation about buckets, functions, triggers, logs and custom domains, for the check against the reference.

use serde_json::json;

use super::buckets::upload;
use super::functions::{ZIP, deploy};
use super::{Made, Rig};

/// The operations about what a branch has beside Postgres.
pub const SERVED: [&str; 24] = [
    "listProjectBranchBuckets",
    "createProjectBranchBucket",
    "deleteProjectBranchBucket",
    "listProjectBranchBucketObjects",
    "deleteProjectBranchBucketObject",
    "getProjectBranchBucketObject",
    "deleteProjectBranchBucketObjectsByPrefix",
    "presignProjectBranchBucketObject",
    "listProjectBranchFunctions",
    "getProjectBranchFunction",
    "updateProjectBranchFunction",
    "deleteProjectBranchFunction",
    "createProjectBranchFunctionDeployment",
    "queryProjectBranchLogs",
    "listProjectBranchLogFields",
    "listProjectBranchLogFieldValues",
    "listProjectBranchTriggers",
    "createProjectBranchTrigger",
    "deleteProjectBranchTrigger",
    "getProjectBranchTrigger",
    "updateProjectBranchTrigger",
    "listProjectBranchCustomDomains",
    "registerProjectBranchCustomDomain",
    "deleteProjectBranchCustomDomain",
];

/// Calls each of them with success.
pub async fn exercise(rig: &Rig, project: &Made) {
    // The restore before made another branch the default one.
    let branches = rig.get(&project.path("/branches")).await.expect(200);
    let branch = branches["branches"][0]["id"].as_str().unwrap().to_owned();
    let m = |rest: &str| project.branch(&branch, rest);
    rig.post(&m("/buckets"), json!({ "name": "files" })).await.expect(201);
    rig.get(&m("/buckets")).await.expect(200);
    upload(rig, &m("/buckets/files"), "a/b", "x").await;
    upload(rig, &m("/buckets/files"), "c", "x").await;
    let objects = m("/buckets/files/objects");
    for query in ["", "?limit=1", "?delimiter=/"] {
        rig.get(&format!("{objects}{query}")).await.expect(200);
    }
    rig.get(&format!("{objects}/c/download")).await.expect(200);
    rig.delete(&format!("{objects}/c")).await.expect(204);
    rig.delete(&m("/buckets/files/objects-by-prefix?prefix=a/"))
        .await
        .expect(200);

    let parts = [("zip", ZIP), ("environment", "{\"A\":\"1\"}")];
    deploy(rig, &m("/functions/hello/deployments"), &parts)
        .await
        .expect(201);
    rig.settle().await;
    rig.get(&m("/functions?limit=1")).await.expect(200);
    rig.get(&m("/functions/hello")).await.expect(200);
    rig.patch(&m("/functions/hello"), json!({ "name": "Hello" }))
        .await
        .expect(200);

    let timed =
        json!({ "type": "schedule", "function_slug": "hello", "name": "a", "schedule": { "cron": "0 3 * * *" } });
    let watched = json!({
        "type": "storage_object_created", "function_slug": "hello", "name": "b",
        "storage_object_created": { "bucket_name": "files", "prefix": "a/" },
    });
    rig.post(&m("/triggers"), watched).await.expect(201);
    let made = rig.post(&m("/triggers"), timed).await.expect(201);
    let one = m(&format!(
        "/triggers/{}",
        made["trigger"]["trigger_id"].as_str().unwrap()
    ));
    rig.get(&m("/triggers")).await.expect(200);
    rig.get(&one).await.expect(200);
    rig.patch(&one, json!({ "type": "schedule", "enabled": false }))
        .await
        .expect(200);
    rig.delete(&one).await.expect(204);

    let domain = json!({ "domain": "api.example.com", "entity_type": "function", "entity_id": "hello" });
    rig.post(&m("/custom-domains"), domain).await.expect(201);
    rig.get(&m("/custom-domains")).await.expect(200);
    rig.delete(&m("/custom-domains/api.example.com")).await.expect(204);

    rig.post(&m("/logs/query"), json!({ "limit": 1 })).await.expect(200);
    rig.get(&m("/logs/fields")).await.expect(200);
    rig.get(&m("/logs/fields/source/values")).await.expect(200);
    rig.delete(&m("/functions/hello")).await.expect(204);
    rig.delete(&m("/buckets/files")).await.expect(204);
}
