//! Rows 1, 9 and 10: API keys, organizations and their people, projects that change hands.

use neon_mcp::sandbox::{ExtraMember, SandboxOptions};
use serde_json::{Value, json};

use super::{Story, each, find, text};
use crate::support::server::TestServer;

/// What a server's call to Neon was answered, where that was no success.
pub(super) async fn refused(server: &TestServer, tool: &str, arguments: Value) -> Value {
    let (mut value, is_error) = server.call(tool, arguments).await;
    assert!(is_error, "{tool}: {value}");
    value["error"].take()
}

/// A server whose key works.
pub(super) async fn works(story: &Story, key: &str) -> TestServer {
    let server = story.client_with(key).await;
    let (listed, is_error) = server.call("list_projects", json!({})).await;
    assert!(!is_error, "{listed}");
    assert_eq!(each(&listed["result"]["projects"], "name"), ["shop"]);
    server
}

/// Whatever a key could do before, it is unknown now.
pub(super) async fn is_unknown(server: &TestServer) {
    let error = refused(server, "list_projects", json!({})).await;
    assert_eq!(error["status"], 401, "{error}");
}

#[tokio::test]
async fn row_01_manage_api_keys() {
    let story = Story::of(1).await;
    let shop = story.make_shop(json!({})).await;

    let made = story.call("create_api_key", json!({"key_name": "laptop"})).await;
    assert_eq!(story.asked(), 1, "a key is for a human to hand out");
    let key = text(&made["key"]);
    let laptop = works(&story, &key).await;
    let listed = story.call("list_api_keys", json!({})).await;
    assert_eq!(find(&listed["api_keys"], "id", made["id"].clone())["name"], "laptop");
    assert!(!listed.to_string().contains(&key), "a key is shown once: {listed}");
    let revoked = story.call("revoke_api_key", json!({"key_id": made["id"]})).await;
    assert_eq!(revoked["revoked"], true, "{revoked}");
    is_unknown(&laptop).await;
    let listed = story.call("list_api_keys", json!({})).await;
    assert!(
        !each(&listed["api_keys"], "name").contains(&"laptop".to_owned()),
        "{listed}"
    );

    let org = json!({"org_id": story.org});
    let wide = json!({"org_id": story.org, "key_name": "ci"});
    let wide = story.call("create_organization_api_key", wide).await;
    let narrow = json!({"org_id": story.org, "key_name": "preview", "project_id": "shop"});
    let narrow = story.call("create_organization_api_key", narrow).await;
    assert_eq!(narrow["project_id"], shop.as_str());
    let listed = story.call("list_organization_api_keys", org.clone()).await;
    assert_eq!(
        find(&listed["api_keys"], "name", "ci").get("project_id"),
        None,
        "{listed}"
    );
    assert_eq!(
        find(&listed["api_keys"], "name", "preview")["project_id"],
        shop.as_str()
    );

    let ci = works(&story, &text(&wide["key"])).await;
    let preview = works(&story, &text(&narrow["key"])).await;
    story
        .call("create_project", json!({"name": "other", "org_id": story.org}))
        .await;
    let (seen, _) = ci.call("list_projects", json!({})).await;
    assert_eq!(seen["result"]["projects"].as_array().map(Vec::len), Some(2), "{seen}");
    let (seen, _) = preview.call("list_projects", json!({})).await;
    assert_eq!(
        each(&seen["result"]["projects"], "name"),
        ["shop"],
        "bound to one project"
    );
    let error = refused(&preview, "delete_project", json!({"project_id": "shop"})).await;
    assert_eq!(error["status"], 403, "a member's rights: {error}");

    for made in [&wide, &narrow] {
        let id = json!({"org_id": story.org, "key_id": made["id"]});
        let revoked = story.call("revoke_organization_api_key", id).await;
        assert_eq!(revoked["revoked"], true, "{revoked}");
    }
    is_unknown(&ci).await;
    is_unknown(&preview).await;
    let listed = story.call("list_organization_api_keys", org).await;
    assert_eq!(listed["api_keys"], json!([]));
}

#[tokio::test]
async fn row_09_organizations_api() {
    let story = Story::with(
        9,
        SandboxOptions {
            extra_members: vec![ExtraMember {
                email: "ada@elsewhere.example".into(),
                role: "member".into(),
            }],
            extra_organizations: vec!["Annex".into()],
            ..SandboxOptions::default()
        },
    )
    .await;
    let organizations = story.call("list_organizations", json!({})).await;
    assert_eq!(each(&organizations["organizations"], "name"), ["Sandbox", "Annex"]);
    let annex = text(&organizations["organizations"][1]["id"]);
    let org = json!({"org_id": story.org});
    let shown = story.call("describe_organization", org.clone()).await;
    assert_eq!(shown["name"], "Sandbox");
    assert_eq!(shown["plan"], "launch");

    let members = story.call("list_organization_members", org.clone()).await;
    let ada = members["members"]
        .as_array()
        .expect("members")
        .iter()
        .find(|member| member["user"]["email"] == "ada@elsewhere.example")
        .expect("ada");
    let ada = json!({"org_id": story.org, "member_id": ada["member"]["id"]});
    let mut promotion = ada.clone();
    promotion["role"] = "admin".into();
    story.call("update_organization_member", promotion).await;
    let shown = story.call("describe_organization_member", ada.clone()).await;
    assert_eq!(shown["role"], "admin");
    story.call("remove_organization_member", ada.clone()).await;
    let error = story.fails("describe_organization_member", ada).await;
    assert_eq!(error["status"], 404, "{error}");

    let invitations = json!([
        {"email": "grace@elsewhere.example", "role": "viewer"},
        {"email": "bob@sandbox.example", "role": "editor"},
    ]);
    let invited = json!({"org_id": story.org, "invitations": invitations});
    story.call("create_organization_invitations", invited).await;
    let waiting = story.call("list_organization_invitations", org.clone()).await;
    assert_eq!(each(&waiting["invitations"], "email"), ["grace@elsewhere.example"]);
    assert_eq!(waiting["invitations"][0]["role"], "viewer");
    let members = story.call("list_organization_members", org.clone()).await;
    assert!(
        members.to_string().contains("bob@sandbox.example"),
        "who has an account joins at once: {members}"
    );

    let key = json!({"org_id": story.org, "key_name": "ci"});
    let key = story.call("create_organization_api_key", key).await;
    let listed = story.call("list_organization_api_keys", org.clone()).await;
    assert_eq!(each(&listed["api_keys"], "name"), ["ci"]);
    let id = json!({"org_id": story.org, "key_id": key["id"]});
    story.call("revoke_organization_api_key", id).await;
    let listed = story.call("list_organization_api_keys", org.clone()).await;
    assert_eq!(listed["api_keys"], json!([]));

    let shop = story.make_shop(json!({})).await;
    let listed = story.call("list_projects", org.clone()).await;
    assert_eq!(each(&listed["projects"], "id"), [shop.as_str()]);
    let moved = json!({"source_org_id": story.org, "destination_org_id": annex, "project_ids": [shop]});
    story.call("transfer_projects", moved).await;
    let listed = story.call("list_projects", org).await;
    assert_eq!(listed["projects"], json!([]));
    let listed = story.call("list_projects", json!({"org_id": annex})).await;
    assert_eq!(each(&listed["projects"], "id"), [shop.as_str()]);
}

#[tokio::test]
async fn row_10_project_transfer() {
    let story = Story::with(
        10,
        SandboxOptions {
            extra_organizations: vec!["Annex".into()],
            ..SandboxOptions::default()
        },
    )
    .await;
    let organizations = story.call("list_organizations", json!({})).await;
    let annex = text(&find(&organizations["organizations"], "name", "Annex")["id"]);
    let shop = story.make_shop(json!({})).await;
    let bound = json!({"org_id": story.org, "key_name": "bound", "project_id": "shop"});
    let bound = story.call("create_organization_api_key", bound).await;
    let bound = works(&story, &text(&bound["key"])).await;

    let moved = json!({"source_org_id": story.org, "destination_org_id": annex, "project_ids": [shop]});
    let path = "/organizations/*/projects/transfer";
    for (status, message) in [
        (406, "the plan has no room for so many projects"),
        (422, "the project is linked to GitHub"),
    ] {
        let fault =
            json!({"path": path, "kind": {"type": "status", "status": status, "message": message}, "method": "POST"});
        story.admin(reqwest::Method::POST, "/faults", fault).await;
        let error = story.fails("transfer_projects", moved.clone()).await;
        assert_eq!(error["status"], status, "{error}");
        assert_eq!(error["changed"], "no", "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    let owner = |project: Value| text(&project["project"]["org_id"]);
    assert_eq!(owner(story.shop("describe_project", json!({})).await), story.org);
    let done = story.done("transfer_projects", moved).await;
    assert!(
        story.question().contains(&shop),
        "the human sees what moves: {}",
        story.question()
    );
    assert_eq!(owner(story.shop("describe_project", json!({})).await), annex);
    is_unknown(&bound).await;
    story.undo(&done).await;
    assert_eq!(owner(story.shop("describe_project", json!({})).await), story.org);

    // The claim: whoever holds it takes the project over, once, and not after its time.
    let offer = |ttl: u32| json!({"ttl_seconds": ttl});
    let late = story.shop("create_project_transfer_request", offer(60)).await;
    story.advance(61).await;
    let take = |claim: &Value| json!({"project_id": shop, "request_id": claim["id"], "org_id": annex});
    let error = story.fails("accept_project_transfer_request", take(&late)).await;
    assert_eq!(error["status"], 404, "{error}");
    let claim = story.shop("create_project_transfer_request", offer(600)).await;
    assert!(claim["expires_at"].is_string(), "{claim}");
    story.call("accept_project_transfer_request", take(&claim)).await;
    assert_eq!(owner(story.shop("describe_project", json!({})).await), annex);
    let error = story.fails("accept_project_transfer_request", take(&claim)).await;
    assert_eq!(error["status"], 404, "{error}");
}
