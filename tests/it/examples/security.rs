//! Rows 33 and 34: projects for health data, and keys with the least rights.

use neon_mcp::sandbox::SandboxOptions;
use serde_json::{Value, json};

use super::account::{is_unknown, refused, works};
use super::{Story, each, find, text};

#[tokio::test]
async fn row_33_hipaa() {
    let story = Story::with(
        33,
        SandboxOptions {
            allow_hipaa_projects: true,
            ..SandboxOptions::default()
        },
    )
    .await;
    let org = json!({"org_id": story.org});
    let shown = story.call("describe_organization", org).await;
    assert_eq!(shown["allow_hipaa_projects"], true, "{shown}");

    let project = |name: &'static str| {
        let story = &story;
        async move { story.call("describe_project", json!({"project_id": name})).await["project"].take() }
    };
    let asked = story.asked();
    story.make_shop(json!({"hipaa": true, "audit_log_level": "full"})).await;
    assert_eq!(story.asked(), asked + 1, "it can't be turned off again");
    let shown = project("shop").await;
    assert_eq!(shown["settings"]["hipaa"], true, "{shown}");
    assert_eq!(shown["settings"]["audit_log_level"], "full");
    let since = text(&shown["hipaa_enabled_at"]);
    assert_eq!(since, text(&shown["created_at"]));
    let off = json!({"project_id": "shop", "hipaa": false});
    let error = story.fails("update_project", off).await;
    assert_eq!(error["kind"], "would_fail", "{error}");
    assert_eq!(project("shop").await["hipaa_enabled_at"], since.as_str());

    let clinic = json!({"name": "clinic", "org_id": story.org});
    story.call("create_project", clinic).await;
    assert_eq!(project("clinic").await.get("hipaa_enabled_at"), None);
    story.advance(60).await;
    let on = json!({"project_id": "clinic", "hipaa": true, "audit_log_level": "extended"});
    story.call("update_project", on).await;
    let shown = project("clinic").await;
    assert_eq!(shown["settings"]["audit_log_level"], "extended");
    assert!(text(&shown["hipaa_enabled_at"]) > text(&shown["created_at"]), "{shown}");
}

#[tokio::test]
async fn an_organization_must_be_allowed_to_have_projects_for_health_data() {
    // No story of a row: it needs another sandbox than row 33 has.
    let story = Story::aside(SandboxOptions::default()).await;
    let org = json!({"org_id": story.org});
    let shown = story.call("describe_organization", org).await;
    assert_eq!(shown["allow_hipaa_projects"], false, "{shown}");
    let new = json!({"name": "clinic", "org_id": story.org, "hipaa": true});
    let error = story.fails("create_project", new).await;
    assert_eq!(error["status"], 422, "{error}");
    let listed = story.call("list_projects", json!({})).await;
    assert_eq!(listed["projects"], json!([]));
    story.make_shop(json!({})).await;
    let error = story.shop_fails("update_project", json!({"hipaa": true})).await;
    assert_eq!(error["status"], 422, "{error}");
    let shown = story.shop("describe_project", json!({})).await;
    assert_eq!(shown["project"]["settings"].get("hipaa"), None, "{shown}");
}

/// Who a server's key acts as.
async fn identity(server: &crate::support::server::TestServer) -> Value {
    let (mut value, is_error) = server.call("get_authentication_details", json!({})).await;
    assert!(!is_error, "{value}");
    value["result"].take()
}

#[tokio::test]
async fn row_34_api_key_management() {
    let story = Story::of(34).await;
    story.make_shop(json!({})).await;
    let own = story.call("get_authentication_details", json!({})).await;
    assert_eq!(own["auth_method"], "api_key_user", "{own}");

    let personal = story.call("create_api_key", json!({"key_name": "mine"})).await;
    let org = |more: Value| {
        let mut arguments = json!({"org_id": story.org});
        arguments
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        arguments
    };
    let wide = org(json!({"key_name": "org"}));
    let wide = story.call("create_organization_api_key", wide).await;
    let narrow = org(json!({"key_name": "one", "project_id": "shop"}));
    let narrow = story.call("create_organization_api_key", narrow).await;
    let mine = works(&story, &text(&personal["key"])).await;
    let all = works(&story, &text(&wide["key"])).await;
    let one = works(&story, &text(&narrow["key"])).await;

    // Each key says what it is, and reaches no further.
    assert_eq!(identity(&mine).await["account_id"], own["account_id"]);
    for server in [&all, &one] {
        let identity = identity(server).await;
        assert_eq!(identity["auth_method"], "api_key_org", "{identity}");
        assert_eq!(identity["account_id"], story.org.as_str(), "{identity}");
        let error = refused(server, "list_api_keys", json!({})).await;
        assert_eq!(error["status"], 404, "a personal key's own: {error}");
    }
    let (listed, is_error) = all.call("list_organization_api_keys", org(json!({}))).await;
    assert!(!is_error, "{listed}");
    let error = refused(&one, "create_project", json!({"name": "more"})).await;
    assert_eq!(error["status"], 403, "{error}");

    // Rotation: the new one first, then the old one goes.
    let listed = story.call("list_api_keys", json!({})).await;
    let old = find(&listed["api_keys"], "name", "mine");
    assert!(old["last_used_at"].is_string(), "its use shows: {listed}");
    let next = story.call("create_api_key", json!({"key_name": "mine, new"})).await;
    let new = works(&story, &text(&next["key"])).await;
    story.call("revoke_api_key", json!({"key_id": personal["id"]})).await;
    is_unknown(&mine).await;
    let (_, is_error) = new.call("list_projects", json!({})).await;
    assert!(!is_error);
    for made in [&wide, &narrow] {
        let key = org(json!({"key_id": made["id"]}));
        story.call("revoke_organization_api_key", key).await;
    }
    is_unknown(&all).await;
    is_unknown(&one).await;
    let listed = story.call("list_organization_api_keys", org(json!({}))).await;
    assert_eq!(listed["api_keys"], json!([]));
    let listed = story.call("list_api_keys", json!({})).await;
    assert_eq!(each(&listed["api_keys"], "name"), ["sandbox", "mine, new"]);
    let undone = story.fails("revoke_api_key", json!({"key_id": personal["id"]})).await;
    assert_eq!(undone["kind"], "would_fail", "{undone}");
}
