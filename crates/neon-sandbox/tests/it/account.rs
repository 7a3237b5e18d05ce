//! The user, the organization, its members and keys, and the regions.

use neon_sandbox::{ExtraMember, SandboxOptions};

use super::{Rig, each, options};

#[tokio::test]
async fn a_fresh_sandbox_has_one_user_one_organization_and_no_project() {
    let rig = Rig::start().await;
    assert_eq!(
        rig.get("/projects").await.expect(200)["projects"],
        serde_json::json!([])
    );
    let organizations = rig.get("/users/me/organizations").await.expect(200);
    let organizations = organizations["organizations"].as_array().unwrap();
    assert_eq!(organizations.len(), 1);
    let id = organizations[0]["id"].as_str().unwrap();
    let parts: Vec<_> = id.split('-').collect();
    assert!(
        matches!(parts[..], ["org", "sandbox", _, digits] if digits.len() == 8),
        "{id}"
    );
    assert_eq!(
        rig.get(&format!("/organizations/{id}")).await.expect(200),
        organizations[0]
    );
    rig.get("/organizations/org-sandbox-none-12345678").await.refused(404);
}

#[tokio::test]
async fn members_page_and_sort() {
    let member = |name: &str| ExtraMember {
        email: format!("{name}@sandbox.example"),
        role: "editor".into(),
    };
    let rig = Rig::with(SandboxOptions {
        extra_members: vec![member("ada"), member("zoe"), member("kim")],
        ..options()
    })
    .await;
    let organizations = rig.get("/users/me/organizations").await.expect(200);
    let members = format!(
        "/organizations/{}/members",
        organizations["organizations"][0]["id"].as_str().unwrap()
    );
    let mut found = Vec::new();
    let mut next = String::new();
    loop {
        let page = rig
            .get(&format!("{members}?limit=3&sort_by=email&sort_order=asc{next}"))
            .await
            .expect(200);
        for member in page["members"].as_array().unwrap() {
            found.push(member["user"]["email"].as_str().unwrap().to_owned());
        }
        match page["pagination"]["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(
        found,
        [
            "ada@sandbox.example",
            "kim@sandbox.example",
            "owner@sandbox.example",
            "zoe@sandbox.example"
        ]
    );
    rig.get(&format!("{members}?cursor=bm9wZQ")).await.refused(400);
    rig.get(&format!("{members}/not-a-uuid")).await.refused(400);
    rig.get(&format!("{members}/00000000-0000-4000-8000-000000000000"))
        .await
        .refused(404);
}

#[tokio::test]
async fn key_lists_show_uses_and_no_secrets() {
    let rig = Rig::start().await;
    let keys = rig.get("/api_keys").await.expect(200);
    assert_eq!(keys.as_array().unwrap().len(), 1);
    assert!(keys[0]["last_used_at"].is_string());
    assert_eq!(keys[0]["last_used_from_addr"], "127.0.0.1");
    assert!(!keys.to_string().contains(&rig.key));
}

#[tokio::test]
async fn one_region_is_the_default() {
    let rig = Rig::start().await;
    let regions = rig.get("/regions").await.expect(200);
    assert!(each(&regions["regions"], "region_id").contains(&"aws-eu-central-1"));
    let defaults = regions["regions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|region| region["default"] == true);
    assert_eq!(defaults.count(), 1);
}
