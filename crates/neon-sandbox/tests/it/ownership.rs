//! Whose a project is, who may do what on it, and which tokens and private networks reach it.

use harness::assert_worded;
use neon_sandbox::{Limits, Sandbox, SandboxOptions};
use serde_json::{Value, json};

use super::access_control::{organizations, peopled, text};
use super::{Rig, actions, each, options};

/// A member of the project, by the beginning of their address.
async fn seen(rig: &Rig, path: &str, name: &str) -> Option<Value> {
    let answer = rig.get(path).await.expect(200);
    let members = answer["project_members"].as_array().unwrap();
    members
        .iter()
        .find(|member| member["email"].as_str().unwrap().starts_with(name))
        .cloned()
}

#[tokio::test]
async fn a_role_on_a_project_adds_to_what_the_organization_gives() {
    let rig = Rig::with(peopled()).await;
    let project = rig.project().await;
    let path = project.path("/members");
    let owner = seen(&rig, &path, "owner").await.unwrap();
    assert_eq!(owner["effective_project_permission"], "ADMIN");
    assert_eq!(owner["grant_source"], "org_admin_override");
    let ada = seen(&rig, &path, "ada").await.unwrap();
    assert_eq!(ada["org_default_project_permission"], "EDITOR");
    assert_eq!(ada["grant_source"], "org_role_default");
    let zoe = seen(&rig, &path, "zoe").await.unwrap();
    assert_eq!(zoe["grant_source"], "unassigned");
    assert_eq!(zoe["effective_project_permission"], Value::Null);

    let role = format!("{path}/{}/role", zoe["member_id"].as_str().unwrap());
    for _ in 0..2 {
        let set = rig.put(&role, json!({ "role": "editor" })).await.expect(200);
        assert_eq!(set["project_role"], "editor");
        assert_eq!(set["effective_project_permission"], "EDITOR");
        assert_eq!(set["credential_rotation_recommended"], false);
    }
    assert_eq!(seen(&rig, &path, "zoe").await.unwrap()["grant_source"], "explicit");
    let lowered = rig.put(&role, json!({ "role": "viewer" })).await.expect(200);
    assert_eq!(lowered["credential_rotation_recommended"], true);
    for _ in 0..2 {
        let gone = rig.delete(&role).await.expect(200);
        assert_eq!(gone["project_role"], Value::Null);
    }
    rig.put(&role, json!({ "role": "collaborator" })).await.refused(400);
    let nobody = format!("{path}/00000000-0000-4000-8000-000000000000/role");
    rig.put(&nobody, json!({ "role": "viewer" })).await.refused(404);
    rig.get(&project.path("/members?limit=0")).await.refused(400);
}

#[tokio::test]
async fn members_of_a_project_page() {
    let rig = Rig::with(peopled()).await;
    let project = rig.project().await;
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = rig
            .get(&project.path(&format!("/members?limit=2{cursor}")))
            .await
            .expect(200);
        found.extend(each(&page["project_members"], "email").into_iter().map(str::to_owned));
        match page["pagination"]["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        found,
        [
            "ada@elsewhere.example",
            "owner@sandbox.example",
            "zoe@elsewhere.example"
        ]
    );
}

#[tokio::test]
async fn nobody_locks_themselves_out_unasked() {
    let rig = Rig::with(peopled()).await;
    let org = organizations(&rig).await.remove(0);
    let project = rig.project().await;
    let path = project.path("/members");
    let id = |member: Option<Value>| member.unwrap()["member_id"].as_str().unwrap().to_owned();
    let owner = id(seen(&rig, &path, "owner").await);
    let ada = id(seen(&rig, &path, "ada").await);
    let role = format!("{path}/{owner}/role");
    rig.put(&role, json!({ "role": "admin" })).await.expect(200);
    let members = format!("/organizations/{org}/members");
    rig.patch(&format!("{members}/{ada}"), json!({ "role": "admin" }))
        .await
        .expect(200);
    rig.patch(&format!("{members}/{owner}"), json!({ "role": "viewer" }))
        .await
        .expect(200);

    let message = rig.put(&role, json!({ "role": "editor" })).await.refused(422);
    assert!(message.contains("confirm_self_demotion"), "{message}");
    let message = rig.delete(&role).await.refused(422);
    assert!(message.contains("confirm_self_lockout"), "{message}");
    let gone = rig
        .delete(&format!("{role}?confirm_self_lockout=true"))
        .await
        .expect(200);
    assert_eq!(gone["effective_project_permission"], "VIEWER");
    rig.put(&role, json!({ "role": "admin" })).await.refused(403);
    assert!(
        seen(&rig, &path, "zoe").await.is_none(),
        "who manages nothing sees the members with access only"
    );
}

#[tokio::test]
async fn an_offered_project_is_taken_once_and_its_own_keys_die() {
    let mut rig = Rig::with(peopled()).await;
    let orgs = organizations(&rig).await;
    let project = rig.project().await;
    let new = json!({ "key_name": "ci", "project_id": project.id });
    let key = rig
        .post(&format!("/organizations/{}/api_keys", orgs[0]), new)
        .await
        .expect(200);
    let path = project.path("/transfer_requests");
    rig.post(&path, json!({ "ttl_seconds": 0 })).await.refused(400);
    let offer = rig.post(&path, json!({})).await.expect(201);
    let claim = format!("{path}/{}", offer["id"].as_str().unwrap());
    rig.put(&format!("{path}/00000000-0000-4000-8000-000000000000"), json!({}))
        .await
        .refused(404);
    rig.put(&claim, json!({ "org_id": "org-none" })).await.refused(404);
    rig.put(&claim, json!({ "org_id": orgs[1] })).await.expect(204);
    rig.put(&claim, json!({ "org_id": orgs[1] })).await.refused(404);
    let read = rig.get(&project.path("")).await.expect(200);
    assert_eq!(read["project"]["org_id"], orgs[1].as_str());
    let personal = std::mem::replace(&mut rig.key, key["key"].as_str().unwrap().to_owned());
    rig.get("/projects").await.refused(401);
    rig.key = personal;

    let late = rig.post(&path, json!({ "ttl_seconds": 60 })).await.expect(201);
    rig.advance(61).await;
    rig.put(&format!("{path}/{}", late["id"].as_str().unwrap()), json!({}))
        .await
        .refused(404);
}

#[tokio::test]
async fn an_organization_key_sees_its_own_organization_only() {
    let mut rig = Rig::with(peopled()).await;
    let orgs = organizations(&rig).await;
    let project = rig.project().await;
    let key = rig
        .post(
            &format!("/organizations/{}/api_keys", orgs[1]),
            json!({ "key_name": "x" }),
        )
        .await
        .expect(200);
    rig.key = key["key"].as_str().unwrap().to_owned();
    rig.get(&project.path("")).await.refused(404);
    rig.get(&format!("/organizations/{}", orgs[0])).await.refused(404);
    rig.get(&format!("/organizations/{}", orgs[1])).await.expect(200);
    assert_eq!(rig.get("/auth").await.expect(200)["account_id"], orgs[1].as_str());
    let made = rig.post("/projects", json!({ "project": {} })).await.expect(201);
    assert_eq!(made["project"]["org_id"], orgs[1].as_str());
}

#[tokio::test]
async fn a_vpc_endpoint_goes_to_the_organization_first_and_never_comes_back() {
    let rig = Rig::start().await;
    let org = organizations(&rig).await.remove(0);
    let project = rig.project().await;
    let path = format!("/organizations/{org}/vpc/region/aws-us-east-1/vpc_endpoints");
    let label = |label: &str| json!({ "label": label });
    let of_project = project.path("/vpc_endpoints/vpce-0a");
    let message = rig.post(&of_project, label("office")).await.refused(404);
    assert_worded!("refusals", "VPC endpoint of no organization", message);
    let one = format!("{path}/vpce-0a");
    rig.get(&one).await.refused(404);
    rig.post(&one, json!({})).await.refused(400);
    rig.post(&one, label("office")).await.expect(200);
    rig.post(&one, label("plant")).await.expect(200);
    let elsewhere = one.replace("us-east-1", "eu-central-1");
    rig.post(&elsewhere, label("x")).await.refused(409);
    rig.post(&one.replace("aws-us-east-1", "moon"), label("x"))
        .await
        .refused(404);
    rig.post(&one.replace("aws-us-east-1", "azure-gwc"), label("x"))
        .await
        .refused(422);
    assert_eq!(
        rig.get(&path).await.expect(200)["endpoints"],
        json!([{ "vpc_endpoint_id": "vpce-0a", "label": "plant" }])
    );
    let everywhere = rig
        .get(&format!("/organizations/{org}/vpc/vpc_endpoints"))
        .await
        .expect(200);
    assert_eq!(everywhere["endpoints"][0]["region_id"], "aws-us-east-1");

    rig.post(&of_project, label("office")).await.expect(200);
    rig.post(&of_project, label("shop")).await.expect(200);
    let shown = rig.get(&one).await.expect(200);
    assert_eq!(shown["num_restricted_projects"], 1);
    assert_eq!(shown["example_restricted_projects"], json!([project.id]));
    let restrictions = rig.get(&project.path("/vpc_endpoints")).await.expect(200);
    assert_eq!(each(&restrictions["endpoints"], "label"), ["shop"]);
    rig.delete(&of_project).await.expect(200);
    rig.delete(&of_project).await.refused(404);

    rig.delete(&one).await.expect(200);
    rig.delete(&one).await.refused(404);
    let message = rig.post(&one, label("again")).await.refused(422);
    assert_worded!("refusals", "VPC endpoint that was deleted", message);
}

#[tokio::test]
async fn the_advisor_finds_what_is_wrong_with_a_schema() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = project.path("/advisors");
    let message = rig.get(&path).await.refused(422);
    assert!(message.contains("Data API"), "{message}");
    rig.post(&project.main("/data-api/neondb"), json!({})).await.expect(201);
    assert_eq!(rig.get(&path).await.expect(200), json!({ "issues": [] }));
    let sql = "CREATE TABLE notes (body text);\nCREATE TABLE users (id int PRIMARY KEY);\n\
               ALTER TABLE users ENABLE ROW LEVEL SECURITY;\n";
    rig.set_schema(&project, &project.branch, sql).await;
    let found = rig.get(&path).await.expect(200);
    assert_eq!(
        each(&found["issues"], "name"),
        ["rls_disabled_in_public", "no_primary_key"]
    );
    let security = rig.get(&format!("{path}?category=SECURITY")).await.expect(200);
    assert_eq!(each(&security["issues"], "level"), ["ERROR"]);
    let worst = rig.get(&format!("{path}?min_severity=WARN")).await.expect(200);
    assert_eq!(each(&worst["issues"], "name"), ["rls_disabled_in_public"]);
    rig.get(&format!("{path}?category=LOOKS")).await.refused(400);
    rig.get(&format!("{path}?branch_id=br-none-12345678"))
        .await
        .refused(404);
    rig.get(&format!("{path}?database_name=none")).await.refused(404);
    let second = json!({ "database": { "name": "second", "owner_name": "neondb_owner" } });
    rig.post(&project.main("/databases"), second).await.expect(201);
    rig.settle().await;
    let message = rig.get(&path).await.refused(400);
    assert!(message.contains("database_name"), "{message}");
    rig.get(&format!("{path}?database_name=neondb")).await.expect(200);
    rig.get(&format!("{path}?database_name=second")).await.refused(422);
    let libraries = rig.get(&project.path("/available_preload_libraries")).await.expect(200);
    assert!(each(&libraries["libraries"], "library_name").contains(&"pg_cron"));
}

#[tokio::test]
async fn claims_never_show_in_debug_output() {
    let rig = Rig::with(options()).await;
    let project = rig.project().await;
    let offer = rig
        .post(&project.path("/transfer_requests"), json!({}))
        .await
        .expect(201);
    let sandbox: &Sandbox = &rig.sandbox;
    assert!(!format!("{sandbox:?}").contains(offer["id"].as_str().unwrap()));
}

#[tokio::test]
async fn jwks_are_https_are_trusted_once_and_go_with_their_branch() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = project.path("/jwks");
    let new =
        |url: &str, branch: Option<&str>| json!({ "jwks_url": url, "provider_name": "Clerk", "branch_id": branch });
    let url = "https://id.example/jwks.json";
    rig.post(&path, new("http://id.example/jwks.json", None))
        .await
        .refused(400);
    rig.post(&path, json!({ "jwks_url": url })).await.refused(400);
    rig.post(&path, new(url, Some("br-none-12345678"))).await.refused(404);
    let made = rig.post(&path, new(url, None)).await.expect(201);
    assert_eq!(actions(&made), ["apply_config"]);
    rig.post(&path, new("https://b.example/j", None)).await.refused(423);
    rig.settle().await;
    rig.post(&path, new(url, None)).await.refused(409);

    let branch = rig.branch(&project, "dev").await;
    let of_branch = rig.post(&path, new(url, Some(&branch))).await.expect(201);
    assert_eq!(of_branch["jwks"]["branch_id"], branch.as_str());
    rig.settle().await;
    assert_eq!(each(&rig.get(&path).await.expect(200)["jwks"], "id").len(), 2);
    rig.delete(&project.branch(&branch, "")).await.expect(200);
    rig.settle().await;
    let left = rig.get(&path).await.expect(200);
    assert_eq!(each(&left["jwks"], "id"), [text(&made["jwks"], "id")]);
    let one = format!("{path}/{}", text(&made["jwks"], "id"));
    rig.delete(&one).await.expect(200);
    rig.delete(&one).await.refused(404);
}

#[tokio::test]
async fn the_plan_of_the_destination_must_have_room() {
    let rig = Rig::with(SandboxOptions {
        limits: Limits {
            projects: 1,
            ..Limits::launch()
        },
        ..peopled()
    })
    .await;
    let orgs = organizations(&rig).await;
    let first = rig.project().await;
    let move_to = |ids: Value| json!({ "destination_org_id": orgs[1], "project_ids": ids });
    let path = format!("/organizations/{}/projects/transfer", orgs[0]);
    rig.post(&path, move_to(json!([]))).await.refused(400);
    rig.post(&path, move_to(json!(["sandbox-none-12345678"])))
        .await
        .refused(404);
    rig.post(&path, move_to(json!([first.id, "sandbox-none-12345678"])))
        .await
        .refused(404);
    assert_eq!(
        rig.get(&first.path("")).await.expect(200)["project"]["org_id"],
        orgs[0].as_str(),
        "all move or none"
    );
    let refused = rig.post(&path, move_to(json!([first.id, first.id]))).await.expect(406);
    let limit = json!({ "name": "projects_count", "expected": "1", "actual": "2" });
    assert_eq!(refused, json!({ "limits": [limit] }));
    rig.post(&path, move_to(json!([first.id]))).await.expect(200);
    assert_eq!(
        rig.get(&first.path("")).await.expect(200)["project"]["org_id"],
        orgs[1].as_str()
    );
    let of_annex = rig.get(&format!("/projects?org_id={}", orgs[1])).await.expect(200);
    assert_eq!(each(&of_annex["projects"], "id"), [first.id.as_str()]);
}
