//! Who may reach what: keys, members, invitations, sharing, spending limits.

use neon_sandbox::{ExtraMember, Limits, SandboxOptions};
use serde_json::{Value, json};

use super::{Made, Rig, each, options};

/// The operations that [`every_operation`] calls.
pub const OPERATIONS: [&str; 32] = [
    "getProjectAdvisorSecurityIssues",
    "listProjectPermissions",
    "grantPermissionToProject",
    "revokePermissionFromProject",
    "getAvailablePreloadLibraries",
    "createProjectTransferRequest",
    "acceptProjectTransferRequest",
    "getProjectJWKS",
    "addProjectJWKS",
    "deleteProjectJWKS",
    "listProjectVPCEndpoints",
    "assignProjectVPCEndpoint",
    "deleteProjectVPCEndpoint",
    "listProjectMembers",
    "removeProjectMemberRole",
    "setProjectMemberRole",
    "createApiKey",
    "revokeApiKey",
    "createOrgApiKey",
    "revokeOrgApiKey",
    "getOrganizationSpendingLimit",
    "setOrganizationSpendingLimit",
    "deleteOrganizationSpendingLimit",
    "updateOrganizationMember",
    "removeOrganizationMember",
    "createOrganizationInvitations",
    "transferProjectsFromOrgToOrg",
    "listOrganizationVPCEndpointsAllRegions",
    "listOrganizationVPCEndpoints",
    "getOrganizationVPCEndpointDetails",
    "assignOrganizationVPCEndpoint",
    "deleteOrganizationVPCEndpoint",
];

/// An account with two organizations and three members.
pub fn peopled() -> SandboxOptions {
    let member = |name: &str, role: &str| ExtraMember {
        email: format!("{name}@elsewhere.example"),
        role: role.into(),
    };
    SandboxOptions {
        extra_members: vec![member("ada", "editor"), member("zoe", "collaborator")],
        extra_organizations: vec!["Annex".into()],
        ..options()
    }
}

/// The ids of the user's organizations.
pub async fn organizations(rig: &Rig) -> Vec<String> {
    let answer = rig.get("/users/me/organizations").await.expect(200);
    each(&answer["organizations"], "id")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// The member id of somebody in the organization.
async fn member(rig: &Rig, org: &str, name: &str) -> String {
    let answer = rig.get(&format!("/organizations/{org}/members")).await.expect(200);
    let members = answer["members"].as_array().unwrap();
    let found = members
        .iter()
        .find(|member| member["user"]["email"].as_str().unwrap().starts_with(name));
    found.unwrap()["member"]["id"].as_str().unwrap().to_owned()
}

pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// Calls every operation of the area with success. The rig is one of [`peopled`].
pub async fn every_operation(rig: &Rig, project: &Made) {
    let orgs = organizations(rig).await;
    let org = format!("/organizations/{}", orgs[0]);
    let open = rig.get(&project.path("/branches")).await.expect(200);
    let default = open["branches"]
        .as_array()
        .unwrap()
        .iter()
        .find(|branch| branch["default"] == true);
    let data_api = project.branch(text(default.unwrap(), "id"), "/data-api/neondb");
    rig.post(&data_api, json!({})).await.expect(201);
    rig.get(&project.path("/advisors")).await.expect(200);
    rig.get(&project.path("/available_preload_libraries")).await.expect(200);

    let key = rig.post("/api_keys", json!({ "key_name": "ci" })).await.expect(200);
    rig.delete(&format!("/api_keys/{}", key["id"])).await.expect(200);
    let new = json!({ "key_name": "ci", "project_id": project.id });
    let key = rig.post(&format!("{org}/api_keys"), new).await.expect(200);
    assert_eq!(key["project_id"], project.id.as_str());
    rig.delete(&format!("{org}/api_keys/{}", key["id"])).await.expect(200);

    let limit = format!("{org}/billing/spending_limit");
    rig.put(&limit, json!({ "spending_limit_cents": 5000 }))
        .await
        .expect(200);
    rig.get(&limit).await.expect(200);
    rig.delete(&limit).await.expect(200);

    let new = json!({ "invitations": [{ "email": "kim@sandbox.example", "role": "viewer" }] });
    rig.post(&format!("{org}/invitations"), new).await.expect(200);
    let kim = format!("{org}/members/{}", member(rig, &orgs[0], "kim").await);
    rig.patch(&kim, json!({ "role": "editor" })).await.expect(200);
    rig.delete(&kim).await.expect(200);

    let shares = project.path("/permissions");
    let share = rig.post(&shares, json!({ "email": "a@b.example" })).await.expect(200);
    rig.get(&shares).await.expect(200);
    rig.delete(&format!("{shares}/{}", text(&share, "id")))
        .await
        .expect(200);

    rig.get(&project.path("/members")).await.expect(200);
    let ada = member(rig, &orgs[0], "ada").await;
    let role = project.path(&format!("/members/{ada}/role"));
    rig.put(&role, json!({ "role": "admin" })).await.expect(200);
    rig.delete(&role).await.expect(200);

    let new = json!({ "jwks_url": "https://id.example/jwks.json", "provider_name": "Example" });
    let made = rig.post(&project.path("/jwks"), new).await.expect(201);
    rig.settle().await;
    rig.get(&project.path("/jwks")).await.expect(200);
    let one = project.path(&format!("/jwks/{}", text(&made["jwks"], "id")));
    rig.delete(&one).await.expect(200);

    let vpc = format!("{org}/vpc/region/aws-us-east-1/vpc_endpoints");
    let label = json!({ "label": "office" });
    rig.post(&format!("{vpc}/vpce-1"), label.clone()).await.expect(200);
    rig.get(&vpc).await.expect(200);
    rig.get(&format!("{org}/vpc/vpc_endpoints")).await.expect(200);
    rig.get(&format!("{vpc}/vpce-1")).await.expect(200);
    let of_project = project.path("/vpc_endpoints");
    rig.post(&format!("{of_project}/vpce-1"), label).await.expect(200);
    rig.get(&of_project).await.expect(200);
    rig.delete(&format!("{of_project}/vpce-1")).await.expect(200);
    rig.delete(&format!("{vpc}/vpce-1")).await.expect(200);

    let offers = project.path("/transfer_requests");
    let offer = rig.post(&offers, json!({ "ttl_seconds": 60 })).await.expect(201);
    rig.put(
        &format!("{offers}/{}", text(&offer, "id")),
        json!({ "org_id": orgs[1] }),
    )
    .await
    .expect(204);
    let back = json!({ "destination_org_id": orgs[0], "project_ids": [project.id] });
    rig.post(&format!("/organizations/{}/projects/transfer", orgs[1]), back)
        .await
        .expect(200);
}

#[tokio::test]
async fn every_operation_of_the_area_is_answered() {
    let rig = Rig::with(peopled()).await;
    let project = rig.project().await;
    every_operation(&rig, &project).await;
}

#[tokio::test]
async fn a_new_key_works_and_a_revoked_one_is_401() {
    let mut rig = Rig::start().await;
    let org = organizations(&rig).await.remove(0);
    let project = rig.project().await;
    let other = rig.project().await;
    let first = rig.key.clone();
    let personal = rig.post("/api_keys", json!({ "key_name": "laptop" })).await.expect(200);
    let keys = format!("/organizations/{org}/api_keys");
    let wide = rig.post(&keys, json!({ "key_name": "ops" })).await.expect(200);
    let new = json!({ "key_name": "ci", "project_id": project.id });
    let narrow = rig.post(&keys, new).await.expect(200);
    assert_eq!(wide["project_id"], Value::Null);

    rig.key = text(&personal, "key").to_owned();
    rig.get("/users/me").await.expect(200);
    rig.key = text(&wide, "key").to_owned();
    rig.get("/users/me").await.refused(404);
    rig.get(&other.path("")).await.expect(200);
    rig.key = text(&narrow, "key").to_owned();
    rig.get(&project.path("")).await.expect(200);
    rig.get(&other.path("")).await.refused(404);
    rig.post(&keys, json!({ "key_name": "more" })).await.refused(403);
    rig.post(&project.path("/permissions"), json!({ "email": "a@b.example" }))
        .await
        .refused(403);

    rig.key = first;
    let listed = rig.get(&keys).await.expect(200);
    assert_eq!(each(&listed, "name"), ["ops", "ci"]);
    assert!(listed[0]["last_used_at"].is_string(), "{listed}");
    assert!(!listed.to_string().contains(text(&wide, "key")));
    let gone = rig.delete(&format!("/api_keys/{}", personal["id"])).await.expect(200);
    assert_eq!(gone["revoked"], true);
    assert_eq!(gone["name"], "laptop");
    for key in [&wide, &narrow] {
        rig.delete(&format!("{keys}/{}", key["id"])).await.expect(200);
        rig.delete(&format!("{keys}/{}", key["id"])).await.refused(404);
    }
    assert_eq!(rig.get(&keys).await.expect(200), json!([]));
    assert_eq!(rig.get("/api_keys").await.expect(200).as_array().unwrap().len(), 1);
    for key in [&personal, &wide, &narrow] {
        rig.key = text(key, "key").to_owned();
        rig.get("/projects").await.refused(401);
    }
}

#[tokio::test]
async fn keys_have_a_name_of_at_most_64_characters_and_an_own_kind() {
    let rig = Rig::start().await;
    let org = organizations(&rig).await.remove(0);
    let keys = format!("/organizations/{org}/api_keys");
    for name in [String::new(), "x".repeat(65)] {
        rig.post("/api_keys", json!({ "key_name": name })).await.refused(400);
        rig.post(&keys, json!({ "key_name": name })).await.refused(400);
    }
    rig.post(&keys, json!({ "key_name": "x", "project_id": "sandbox-none-12345678" }))
        .await
        .refused(404);
    let key = rig.post("/api_keys", json!({ "key_name": "x" })).await.expect(200);
    // The user's keys aren't the organization's.
    rig.delete(&format!("{keys}/{}", key["id"])).await.refused(404);
    rig.delete("/api_keys/none").await.refused(400);
    rig.post("/organizations/org-none/api_keys", json!({ "key_name": "x" }))
        .await
        .refused(404);
}

#[tokio::test]
async fn organization_keys_are_made_ten_times_a_second() {
    let rig = Rig::with(SandboxOptions {
        rate_limits: true,
        ..options()
    })
    .await;
    let org = organizations(&rig).await.remove(0);
    let keys = format!("/organizations/{org}/api_keys");
    for _ in 0..10 {
        rig.post(&keys, json!({ "key_name": "x" })).await.expect(200);
    }
    rig.post(&keys, json!({ "key_name": "x" })).await.refused(429);
}

#[tokio::test]
async fn the_last_admin_stays_and_a_demoted_user_manages_nothing() {
    let rig = Rig::with(peopled()).await;
    let org = organizations(&rig).await.remove(0);
    let members = format!("/organizations/{org}/members");
    let owner = format!("{members}/{}", member(&rig, &org, "owner").await);
    let ada = format!("{members}/{}", member(&rig, &org, "ada").await);
    rig.patch(&owner, json!({ "role": "viewer" })).await.refused(422);
    rig.delete(&owner).await.refused(422);
    rig.patch(&ada, json!({ "role": "boss" })).await.refused(400);
    assert_eq!(
        rig.patch(&ada, json!({ "role": "admin" })).await.expect(200)["role"],
        "admin"
    );
    rig.patch(&owner, json!({ "role": "viewer" })).await.expect(200);
    rig.delete(&ada).await.refused(403);
    rig.get(&format!("/organizations/{org}/api_keys")).await.refused(403);
    rig.put(
        &format!("/organizations/{org}/billing/spending_limit"),
        json!({ "spending_limit_cents": 1 }),
    )
    .await
    .refused(403);
}

#[tokio::test]
async fn who_has_an_account_joins_at_once_and_the_others_are_waited_for() {
    let rig = Rig::with(peopled()).await;
    let org = organizations(&rig).await.remove(0);
    let path = format!("/organizations/{org}/invitations");
    let invite = |email: &str| json!({ "invitations": [{ "email": email, "role": "viewer" }] });
    let both = json!({ "invitations": [
        { "email": "kim@sandbox.example", "role": "admin" },
        { "email": "max@new.example", "role": "viewer" },
    ] });
    let sent = rig.post(&path, both).await.expect(200);
    assert_eq!(
        each(&sent["invitations"], "email"),
        ["kim@sandbox.example", "max@new.example"]
    );
    let waiting = rig.get(&path).await.expect(200);
    assert_eq!(each(&waiting["invitations"], "email"), ["max@new.example"]);
    member(&rig, &org, "kim").await;
    for email in ["kim@sandbox.example", "max@new.example", "owner@sandbox.example"] {
        rig.post(&path, invite(email)).await.refused(409);
    }
    rig.post(&path, invite("nobody")).await.refused(400);
    rig.post(
        &path,
        json!({ "invitations": [{ "email": "a@b.example", "role": "boss" }] }),
    )
    .await
    .refused(400);

    let kim = format!("/organizations/{org}/members/{}", member(&rig, &org, "kim").await);
    rig.delete(&kim).await.expect(200);
    rig.get(&kim).await.refused(404);
    rig.delete(&kim).await.refused(404);
}

#[tokio::test]
async fn the_spending_limit_is_kept_and_is_at_least_a_cent() {
    let rig = Rig::start().await;
    let org = organizations(&rig).await.remove(0);
    let path = format!("/organizations/{org}/billing/spending_limit");
    let none = json!({ "spending_limit_cents": null });
    assert_eq!(rig.get(&path).await.expect(200), none);
    rig.put(&path, json!({ "spending_limit_cents": 12_000 }))
        .await
        .expect(200);
    assert_eq!(rig.get(&path).await.expect(200)["spending_limit_cents"], 12_000);
    for wrong in [json!(0), json!(null), json!("10")] {
        rig.put(&path, json!({ "spending_limit_cents": wrong }))
            .await
            .refused(400);
    }
    rig.delete(&path).await.expect(200);
    assert_eq!(rig.get(&path).await.expect(200), none);
}

#[tokio::test]
async fn the_free_plan_has_no_spending_limit() {
    let rig = Rig::with(SandboxOptions {
        limits: Limits::free(),
        ..options()
    })
    .await;
    let org = organizations(&rig).await.remove(0);
    let path = format!("/organizations/{org}/billing/spending_limit");
    rig.get(&path).await.refused(403);
    rig.put(&path, json!({ "spending_limit_cents": 12_000 }))
        .await
        .refused(403);
    rig.delete(&path).await.refused(403);
}

#[tokio::test]
async fn a_project_is_shared_once_with_each_until_it_is_taken_back() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let path = project.path("/permissions");
    let share = json!({ "email": "friend@b.example" });
    let made = rig.post(&path, share.clone()).await.expect(200);
    assert_eq!(made["revoked_at"], Value::Null);
    rig.post(&path, share.clone()).await.refused(409);
    rig.post(&path, json!({ "email": "friend" })).await.refused(400);
    let one = format!("{path}/{}", text(&made, "id"));
    assert!(rig.delete(&one).await.expect(200)["revoked_at"].is_string());
    rig.delete(&one).await.refused(404);
    assert_eq!(rig.get(&path).await.expect(200), json!({ "project_permissions": [] }));
    rig.post(&path, share).await.expect(200);
}
