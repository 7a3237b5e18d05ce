//! Every answer against the API reference, where one is named: see `expected`.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::sync::{LazyLock, Mutex};

use reqwest::Method;
use serde_json::json;

use super::expected::{REFERENCE, find};
use super::{Answer, Rig, access_control, services};

/// The operations that the sandbox serves.
const SERVED: [&str; 55] = [
    "listProjects",
    "createProject",
    "listSharedProjects",
    "getProject",
    "updateProject",
    "deleteProject",
    "recoverProject",
    "getConnectionURI",
    "listProjectBranches",
    "createProjectBranch",
    "countProjectBranches",
    "getProjectBranch",
    "updateProjectBranch",
    "deleteProjectBranch",
    "restoreProjectBranch",
    "getProjectBranchSchema",
    "getProjectBranchSchemaComparison",
    "setDefaultProjectBranch",
    "recoverProjectBranch",
    "finalizeRestoreBranch",
    "listProjectBranchEndpoints",
    "listProjectEndpoints",
    "createProjectEndpoint",
    "getProjectEndpoint",
    "updateProjectEndpoint",
    "deleteProjectEndpoint",
    "startProjectEndpoint",
    "suspendProjectEndpoint",
    "restartProjectEndpoint",
    "listProjectBranchDatabases",
    "createProjectBranchDatabase",
    "getProjectBranchDatabase",
    "updateProjectBranchDatabase",
    "deleteProjectBranchDatabase",
    "listProjectBranchRoles",
    "createProjectBranchRole",
    "getProjectBranchRole",
    "deleteProjectBranchRole",
    "getProjectBranchRolePassword",
    "resetProjectBranchRolePassword",
    "listProjectOperations",
    "getProjectOperation",
    "createSnapshot",
    "listSnapshots",
    "updateSnapshot",
    "deleteSnapshot",
    "restoreSnapshot",
    "getSnapshotSchedule",
    "setSnapshotSchedule",
    "getActiveRegions",
    "getCurrentUserInfo",
    "getCurrentUserOrganizations",
    "getAuthDetails",
    "getOrganization",
    "getOrganizationMembers",
];

/// The other operations that the sandbox serves.
const SERVED_TOO: [&str; 4] = [
    "getOrganizationMember",
    "getOrganizationInvitations",
    "listApiKeys",
    "listOrgApiKeys",
];

/// What a test was answered with success.
#[derive(Default, Clone)]
pub struct Seen {
    pub operations: BTreeSet<String>,
    /// Operations that the reference doesn't have yet.
    pub newer: BTreeSet<String>,
    /// Bodies that were checked against a schema, those of errors among them.
    pub bodies: usize,
}

/// What was seen, by the test's thread.
static SEEN: LazyLock<Mutex<HashMap<String, Seen>>> = LazyLock::new(Mutex::default);

/// What this test was answered so far.
pub fn seen() -> Seen {
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    SEEN.lock().unwrap().get(&thread).cloned().unwrap_or_default()
}

/// Checks an answer: its status is documented, so is its media type, its body fits, and has no field that the reference
/// doesn't know. Of errors only a reference that describes them is asked.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    let Some(operations) = REFERENCE.as_ref() else {
        return;
    };
    let success = answer.status < 300;
    let Some(operation) = find(operations, method, path) else {
        assert!(!success, "{method} {path} is not in the reference");
        return;
    };
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    let expected = operation.expected(answer.status);
    {
        let mut seen = SEEN.lock().unwrap();
        let seen = seen.entry(thread).or_default();
        if success && operation.newer {
            seen.newer.insert(operation.id.clone());
        } else if success {
            seen.operations.insert(operation.id.clone());
        }
        seen.bodies += usize::from(expected.is_some_and(|expected| expected.body.is_some()));
    }
    if operation.newer {
        return;
    }
    let Some(expected) = expected else {
        assert!(!success, "{} answered {}", operation.id, answer.status);
        return;
    };
    expected.check(&operation.id, answer);
}

#[tokio::test]
pub async fn every_served_operation_answers_in_the_documented_shape() {
    if REFERENCE.is_none() {
        // Written past the test harness, which keeps the output of tests that pass.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no answer was checked against the API reference; set NEON_OPENAPI_FILE to what tests/openapi/fetch prints"
        );
        return;
    }
    let rig = Rig::with(access_control::peopled()).await;
    account(&rig).await;
    let project = rig
        .project_with(json!({ "name": "shop", "settings": { "quota": { "written_data_bytes": 0 } } }))
        .await;
    let p = |rest: &str| project.path(rest);
    let m = |rest: &str| project.main(rest);
    rig.get("/projects").await.expect(200);
    rig.get("/projects/shared").await.expect(200);
    rig.get(&p("")).await.expect(200);
    rig.patch(
        &p(""),
        json!({ "project": { "name": "store", "history_retention_seconds": 3600 } }),
    )
    .await
    .expect(200);
    rig.settle().await;
    rig.get(&p(
        "/connection_uri?database_name=neondb&role_name=neondb_owner&pooled=true",
    ))
    .await
    .expect(200);

    rig.get(&p("/branches")).await.expect(200);
    rig.get(&p("/branches/count")).await.expect(200);
    rig.get(&m("")).await.expect(200);
    let child = rig
        .branch_with(
            &project,
            json!({
                "branch": { "name": "child", "expires_at": rig.time(3600).await },
                "endpoints": [{ "type": "read_write" }],
                "annotation_value": { "purpose": "test" },
            }),
        )
        .await;
    rig.get(&p("/branches")).await.expect(200);
    rig.patch(&project.branch(&child, ""), json!({ "branch": { "expires_at": null } }))
        .await
        .expect(200);
    rig.post(&project.branch(&child, "/set_as_default"), json!({}))
        .await
        .expect(200);
    rig.post(&m("/set_as_default"), json!({})).await.expect(200);
    rig.post(
        &project.branch(&child, "/restore"),
        json!({ "source_branch_id": project.branch }),
    )
    .await
    .expect(200);
    rig.settle().await;
    rig.get(&project.branch(&child, "/schema?db_name=neondb"))
        .await
        .expect(200);
    rig.get(&project.branch(&child, "/compare_schema?db_name=neondb"))
        .await
        .expect(200);
    rig.delete(&project.branch(&child, "")).await.expect(200);
    rig.settle().await;
    rig.get(&p("/branches?include_deleted=true")).await.expect(200);
    rig.post(&project.branch(&child, "/recover"), json!({}))
        .await
        .expect(200);

    endpoints(&rig, &project).await;
    contents(&rig, &project).await;
    snapshots(&rig, &project).await;
    services::exercise(&rig, &project).await;
    access_control::every_operation(&rig, &project).await;

    let listed = rig.get(&p("/operations?limit=3")).await.expect(200);
    let operation = listed["operations"][0]["id"].as_str().unwrap();
    rig.get(&p(&format!("/operations/{operation}"))).await.expect(200);
    rig.delete(&p("")).await.expect(200);
    rig.get("/projects?recoverable=true").await.expect(200);
    rig.post(&p("/recover"), json!({})).await.expect(200);

    let seen = seen();
    let missing: Vec<_> = SERVED
        .iter()
        .chain(&SERVED_TOO)
        .chain(&services::SERVED)
        .chain(&access_control::OPERATIONS)
        .filter(|operation| !seen.operations.contains(**operation) && !seen.newer.contains(**operation))
        .collect();
    assert!(missing.is_empty(), "not asked: {missing:?}");
    let _ = writeln!(
        std::io::stderr(),
        "checked against the API reference: {} bodies of {} operations",
        seen.bodies,
        seen.operations.len()
    );
}

async fn account(rig: &Rig) {
    for path in ["/regions", "/users/me", "/auth", "/api_keys"] {
        rig.get(path).await.expect(200);
    }
    let organizations = rig.get("/users/me/organizations").await.expect(200);
    let id = organizations["organizations"][0]["id"].as_str().unwrap();
    let kind = json!({ "name": "ci", "kind": { "type": "project", "project_id": "sandbox-none-1" } });
    rig.admin(Method::POST, "/keys", Some(kind)).await.expect(201);
    for rest in ["", "/members", "/invitations", "/api_keys"] {
        rig.get(&format!("/organizations/{id}{rest}")).await.expect(200);
    }
    let members = rig.get(&format!("/organizations/{id}/members")).await.expect(200);
    let member = members["members"][0]["member"]["id"].as_str().unwrap();
    rig.get(&format!("/organizations/{id}/members/{member}"))
        .await
        .expect(200);
}

async fn endpoints(rig: &Rig, project: &super::Made) {
    let new = json!({ "endpoint": { "branch_id": project.branch, "type": "read_only" } });
    let made = rig.post(&project.path("/endpoints"), new).await.expect(201);
    rig.settle().await;
    let one = project.path(&format!("/endpoints/{}", made["endpoint"]["id"].as_str().unwrap()));
    rig.get(&project.path("/endpoints")).await.expect(200);
    rig.get(&project.main("/endpoints")).await.expect(200);
    rig.get(&one).await.expect(200);
    for action in ["suspend", "start", "restart"] {
        rig.post(&format!("{one}/{action}"), json!({})).await.expect(200);
        rig.settle().await;
    }
    rig.patch(
        &one,
        json!({ "endpoint": { "name": "replica", "autoscaling_limit_max_cu": 4 } }),
    )
    .await
    .expect(200);
    rig.settle().await;
    rig.delete(&one).await.expect(200);
    rig.settle().await;
}

async fn contents(rig: &Rig, project: &super::Made) {
    let roles = project.main("/roles");
    rig.post(&roles, json!({ "role": { "name": "app" } })).await.expect(201);
    rig.settle().await;
    rig.get(&roles).await.expect(200);
    rig.get(&format!("{roles}/app")).await.expect(200);
    rig.get(&format!("{roles}/app/reveal_password")).await.expect(200);
    rig.post(&format!("{roles}/app/reset_password"), json!({}))
        .await
        .expect(200);
    rig.settle().await;
    let databases = project.main("/databases");
    rig.post(
        &databases,
        json!({ "database": { "name": "app", "owner_name": "app" } }),
    )
    .await
    .expect(201);
    rig.settle().await;
    rig.get(&databases).await.expect(200);
    rig.get(&format!("{databases}/app")).await.expect(200);
    rig.patch(
        &format!("{databases}/app"),
        json!({ "database": { "owner_name": "neondb_owner" } }),
    )
    .await
    .expect(200);
    rig.settle().await;
    rig.delete(&format!("{databases}/app")).await.expect(200);
    rig.settle().await;
    rig.delete(&format!("{roles}/app")).await.expect(200);
    rig.settle().await;
}

async fn snapshots(rig: &Rig, project: &super::Made) {
    let made = rig
        .post(&project.main("/snapshot?name=before"), json!({}))
        .await
        .expect(200);
    rig.settle().await;
    let one = project.path(&format!("/snapshots/{}", made["snapshot"]["id"].as_str().unwrap()));
    rig.get(&project.path("/snapshots")).await.expect(200);
    rig.patch(&one, json!({ "snapshot": { "name": "kept" } }))
        .await
        .expect(200);
    let restored = rig.post(&format!("{one}/restore"), json!({})).await.expect(200);
    rig.settle().await;
    let branch = restored["branch"]["id"].as_str().unwrap();
    rig.post(&project.branch(branch, "/finalize_restore"), json!({}))
        .await
        .expect(200);
    rig.settle().await;
    let schedule = json!({ "schedule": [{ "frequency": "daily", "hour": 3 }] });
    rig.put(&project.main("/backup_schedule"), schedule).await.expect(200);
    rig.get(&project.main("/backup_schedule")).await.expect(200);
    rig.delete(&one).await.expect(202);
    rig.settle().await;
}

/// Of these operations, those that this test was not answered with success; nothing where there is no reference.
pub fn not_asked<'a>(operations: &[&'a str]) -> Vec<&'a str> {
    if REFERENCE.is_none() {
        return Vec::new();
    }
    let seen = seen();
    let missing = operations
        .iter()
        .filter(|operation| !seen.operations.contains(**operation) && !seen.newer.contains(**operation));
    missing.copied().collect()
}
