//! Nobody is asked about what Neon would refuse: for each tool that declares such a thing, on a sandbox.

use std::collections::BTreeSet;
use std::time::Duration;

use neon_mcp::sandbox::{Limits, SandboxOptions};
use serde_json::{Value, json};

use super::catalog;
use crate::examples::Story;

/// A call that must fail is refused before anybody is asked, and Neon is sent nothing.
async fn refused(story: &Story, seen: &mut BTreeSet<String>, tool: &str, mut arguments: Value) {
    if catalog().tool(tool).expect("a tool").property("project_id").is_some() {
        arguments["project_id"] = "shop".into();
    }
    let asked = story.asked();
    let error = story.fails(tool, arguments.clone()).await;
    assert_eq!(error["kind"], "would_fail", "{tool} {arguments}: {error}");
    assert_eq!(error["changed"], "no", "{tool}: {error}");
    assert!(
        error["next"].as_str().is_some_and(|next| !next.is_empty()),
        "{tool}: {error}"
    );
    assert_eq!(story.asked(), asked, "{tool} {arguments}: somebody was asked");
    seen.insert(tool.to_owned());
}

#[tokio::test]
async fn nobody_is_asked_about_what_neon_would_refuse() {
    let story = Story::aside(SandboxOptions {
        extra_organizations: vec!["Annex".to_owned()],
        ..SandboxOptions::default()
    })
    .await;
    let mut seen = BTreeSet::new();
    story.make_shop(json!({})).await;
    story.make_branch(json!({"name": "dev"})).await;
    story
        .make_branch(json!({"name": "child", "parent_id": "dev", "compute": false}))
        .await;
    let soon = story.time(3_600).await;
    story
        .make_branch(json!({"name": "short", "expires_at": soon, "compute": false}))
        .await;
    story.make_branch(json!({"name": "safe", "compute": true})).await;
    story
        .shop("update_branch", json!({"branch_id": "safe", "protected": true}))
        .await;
    let safe = story.shop("list_branch_computes", json!({"branch_id": "safe"})).await;
    let safe = safe["endpoints"][0]["id"].clone();
    let (later, before) = (story.time(3_600).await, story.time(-40 * 86_400).await);
    let far = story.time(60 * 86_400).await;
    let org = story.org.clone();
    let members = story.call("list_organization_members", json!({"org_id": org})).await;
    let admin = members["members"][0]["member"]["id"].clone();
    story
        .shop(
            "create_role",
            json!({"branch_id": "main", "name": "quiet", "no_login": true}),
        )
        .await;
    story
        .shop("create_bucket", json!({"branch_id": "main", "name": "files"}))
        .await;
    let auth = json!({"branch_id": "main", "auth_provider": "better_auth"});
    story.shop("provision_neon_auth", auth).await;
    story
        .shop(
            "add_auth_domain",
            json!({"branch_id": "main", "domain": "https://a.example", "auth_provider": "better_auth"}),
        )
        .await;
    let snapshot = story.shop("create_snapshot", json!({"branch_id": "main"})).await;
    let snapshot = snapshot["snapshot"]["id"].clone();
    for (tool, arguments) in [
        ("delete_branch", json!({"branch_id": "main"})),
        ("delete_branch", json!({"branch_id": "safe"})),
        ("delete_branch", json!({"branch_id": "dev"})),
        ("update_branch", json!({"branch_id": "main", "expires_at": soon})),
        ("update_branch", json!({"branch_id": "safe", "expires_at": soon})),
        ("update_branch", json!({"branch_id": "dev", "expires_at": soon})),
        ("update_branch", json!({"branch_id": "child", "expires_at": before})),
        ("update_branch", json!({"branch_id": "child", "expires_at": far})),
        (
            "restore_branch",
            json!({"branch_id": "main", "source_branch_id": "main"}),
        ),
        (
            "restore_branch",
            json!({"branch_id": "main", "source_branch_id": "main", "source_timestamp": later, "preserve_under_name": "old"}),
        ),
        (
            "restore_branch",
            json!({"branch_id": "main", "source_branch_id": "main", "source_timestamp": before, "preserve_under_name": "old"}),
        ),
        (
            "restore_branch",
            json!({"branch_id": "main", "source_branch_id": "main", "source_timestamp": soon}),
        ),
        (
            "restore_branch",
            json!({"branch_id": "dev", "source_branch_id": "dev", "source_timestamp": soon, "preserve_under_name": "old"}),
        ),
        (
            "restore_branch",
            json!({"branch_id": "safe", "source_branch_id": "main"}),
        ),
        (
            "restore_branch",
            json!({"branch_id": "dev", "source_branch_id": "main"}),
        ),
        (
            "restore_branch",
            json!({"branch_id": "dev", "source_branch_id": "main", "preserve_under_name": "child"}),
        ),
        ("reset_from_parent", json!({"branch_id": "main"})),
        ("reset_from_parent", json!({"branch_id": "safe"})),
        ("reset_from_parent", json!({"branch_id": "dev"})),
        (
            "reset_from_parent",
            json!({"branch_id": "dev", "preserve_under_name": "child"}),
        ),
        ("set_default_branch", json!({"branch_id": "short"})),
        ("finalize_restore_branch", json!({"branch_id": "dev"})),
        (
            "restore_snapshot",
            json!({"snapshot_id": snapshot, "name": "dev", "target_branch_id": "main", "finalize_restore": true}),
        ),
        (
            "update_snapshot",
            json!({"snapshot_id": snapshot, "expires_at": before}),
        ),
        (
            "create_branch",
            json!({"name": "dev", "autoscaling_limit_min_cu": 9, "autoscaling_limit_max_cu": 10}),
        ),
        (
            "create_branch",
            json!({"name": "next", "parent_id": "short", "suspend_timeout_seconds": -1}),
        ),
        (
            "create_branch",
            json!({"name": "next", "parent_id": "main", "parent_timestamp": later, "suspend_timeout_seconds": -1}),
        ),
        (
            "create_compute",
            json!({"branch_id": "dev", "type": "read_write", "suspend_timeout_seconds": -1}),
        ),
        (
            "create_anonymized_branch",
            json!({"name": "dev", "suspend_timeout_seconds": -1}),
        ),
        (
            "create_anonymized_branch",
            json!({"name": "masked", "parent_id": "short", "suspend_timeout_seconds": -1}),
        ),
        ("delete_compute", json!({"endpoint_id": safe})),
        ("delete_project", json!({})),
        ("delete_role", json!({"branch_id": "main", "role_name": "neondb_owner"})),
        ("create_role", json!({"branch_id": "main", "name": "quiet"})),
        ("create_role", json!({"branch_id": "main", "name": "pg_me"})),
        (
            "reset_role_password",
            json!({"branch_id": "main", "role_name": "quiet"}),
        ),
        ("get_role_password", json!({"branch_id": "main", "role_name": "quiet"})),
        (
            "get_connection_string",
            json!({"branch_id": "main", "role_name": "made_by_sql"}),
        ),
        (
            "update_database",
            json!({"branch_id": "main", "database_name": "neondb", "owner_name": "nobody"}),
        ),
        (
            "update_organization_member",
            json!({"org_id": org, "member_id": admin, "role": "member"}),
        ),
        ("remove_organization_member", json!({"org_id": org, "member_id": admin})),
        ("set_backup_schedule", json!({"branch_id": "dev", "schedule": []})),
        (
            "create_bucket",
            json!({"branch_id": "main", "name": "files", "access_level": "public_read"}),
        ),
        (
            "create_trigger",
            json!({
                "branch_id": "main", "name": "n", "type": "schedule", "function_slug": "nothing", "cron": "0 3 * * *",
            }),
        ),
        (
            "transfer_projects",
            json!({"source_org_id": org, "destination_org_id": org, "project_ids": ["shop"]}),
        ),
        (
            "assign_organization_vpc_endpoint",
            json!({"org_id": org, "region_id": "azure-eastus2", "vpc_endpoint_id": "vpce-1", "label": "a"}),
        ),
    ] {
        refused(&story, &mut seen, tool, arguments).await;
    }
    // What is there once can't be made twice.
    for (tool, arguments) in [
        (
            "provision_neon_auth",
            json!({"branch_id": "main", "auth_provider": "better_auth"}),
        ),
        (
            "provision_neon_data_api",
            json!({"branch_id": "main", "database_name": "neondb"}),
        ),
        (
            "add_auth_domain",
            json!({"branch_id": "main", "domain": "https://a.example", "auth_provider": "better_auth"}),
        ),
        (
            "add_auth_oauth_provider",
            json!({"branch_id": "main", "oauth_provider_id": "google"}),
        ),
        (
            "add_project_jwks",
            json!({"jwks_url": "https://id.example.com/jwks.json", "provider_name": "id"}),
        ),
        ("grant_project_permission", json!({"email": "friend@b.example"})),
    ] {
        let mut given = arguments.clone();
        given["project_id"] = "shop".into();
        story.answer(tool, given).await;
        refused(&story, &mut seen, tool, arguments).await;
    }
    // What is so already changes nothing, and a provider of one's own needs an app.
    let computes = story.shop("list_branch_computes", json!({"branch_id": "main"})).await;
    let compute = computes["endpoints"][0]["id"].clone();
    let open = json!({"endpoint_id": compute, "passwordless_access": true});
    let mut given = open.clone();
    given["project_id"] = "shop".into();
    story.answer("update_compute", given).await;
    refused(&story, &mut seen, "update_compute", open).await;
    let github = json!({"branch_id": "main", "oauth_provider_id": "github"});
    refused(&story, &mut seen, "add_auth_oauth_provider", github).await;
    // The least is above the most.
    let (least, most) = ("autoscaling_limit_min_cu", "autoscaling_limit_max_cu");
    for (tool, mut arguments, least, most) in [
        ("update_compute", json!({"endpoint_id": compute}), least, most),
        (
            "create_compute",
            json!({"branch_id": "safe", "type": "read_only"}),
            least,
            most,
        ),
        ("create_branch", json!({"name": "next"}), least, most),
        ("update_project", json!({}), "default_min_cu", "default_max_cu"),
        (
            "create_project",
            json!({"name": "next", "org_id": org}),
            "default_min_cu",
            "default_max_cu",
        ),
    ] {
        arguments[least] = 10.into();
        arguments[most] = 9.into();
        refused(&story, &mut seen, tool, arguments).await;
    }
    // The branch that the default branch came off.
    let now = story.time(0).await;
    let back =
        json!({"branch_id": "main", "source_branch_id": "main", "source_timestamp": now, "preserve_under_name": "old"});
    story.shop("restore_branch", back).await;
    let children = json!({"branch_id": "old"});
    let error = story
        .fails("delete_branch", json!({"project_id": "shop", "branch_id": "old"}))
        .await;
    assert!(
        error["next"].as_str().is_some_and(|next| next.contains("stay")),
        "{error}"
    );
    refused(&story, &mut seen, "delete_branch", children).await;
    // A function, its domain and what starts it.
    let function = json!({"branch_id": "main", "slug": "hello", "archive_base64": "UEsDBHh4"});
    story.shop("deploy_function", function).await;
    let domain = json!({"branch_id": "main", "domain": "www.a.example", "function_slug": "hello"});
    story.shop("add_custom_domain", domain.clone()).await;
    refused(&story, &mut seen, "add_custom_domain", domain).await;
    let nightly = json!({
        "branch_id": "main", "name": "nightly", "type": "schedule", "function_slug": "hello", "cron": "0 3 * * *",
    });
    story.shop("create_trigger", nightly).await;
    let moved = json!({"branch_id": "main", "trigger_id": "nightly", "type": "schedule", "function_slug": "nothing"});
    refused(&story, &mut seen, "update_trigger", moved).await;
    // What isn't there isn't taken away.
    let nobody = "11111111-2222-4333-8444-555555555555";
    for (tool, arguments) in [
        ("revoke_api_key", json!({"key_id": 4_711})),
        ("delete_project_jwks", json!({"jwks_id": nobody})),
        (
            "delete_auth_domain",
            json!({"branch_id": "main", "domain": "https://b.example", "auth_provider": "better_auth"}),
        ),
        ("delete_bucket", json!({"branch_id": "main", "bucket_name": "nothing"})),
    ] {
        refused(&story, &mut seen, tool, arguments).await;
    }
    let declared = catalog();
    let declared = declared.tools().iter().filter(|tool| {
        let safety = &tool.declaration.safety;
        !safety.refuse.is_empty() || !safety.moments.is_empty()
    });
    being_masked(&mut seen).await;
    on_the_free_plan(&mut seen).await;
    let missing: Vec<&str> = declared
        .map(|tool| tool.name())
        .filter(|name| !seen.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no call here for {missing:?}");
}

/// A branch that is being masked isn't masked once more: masking takes its time here.
async fn being_masked(seen: &mut BTreeSet<String>) {
    let story = Story::aside(SandboxOptions {
        operation_time: Duration::from_secs(5),
        ..SandboxOptions::default()
    })
    .await;
    story.make_shop(json!({})).await;
    let rule = json!({
        "database_name": "neondb", "schema_name": "public", "table_name": "people", "column_name": "email",
        "masking_value": "'x'",
    });
    let masked = json!({
        "project_id": "shop", "name": "masked", "masking_rules": [rule], "start_anonymization": true, "wait": false,
    });
    story.call("create_anonymized_branch", masked).await;
    refused(&story, seen, "start_anonymization", json!({"branch_id": "masked"})).await;
}

/// What the Free plan has not is refused before anybody is asked about what it would cost.
async fn on_the_free_plan(seen: &mut BTreeSet<String>) {
    let story = Story::aside(SandboxOptions {
        limits: Limits::free(),
        ..SandboxOptions::default()
    })
    .await;
    story.make_shop(json!({})).await;
    let computes = story.shop("list_branch_computes", json!({"branch_id": "main"})).await;
    let compute = &computes["endpoints"][0]["id"];
    let large = ("autoscaling_limit_max_cu", json!(10));
    let awake = ("suspend_timeout_seconds", json!(-1));
    for (tool, base, (argument, value)) in [
        ("update_project", json!({}), ("default_max_cu", json!(10))),
        ("update_project", json!({}), ("default_suspend_seconds", json!(-1))),
        ("update_compute", json!({"endpoint_id": compute}), large.clone()),
        ("update_compute", json!({"endpoint_id": compute}), awake.clone()),
        ("create_branch", json!({"name": "next"}), large.clone()),
        ("create_branch", json!({"name": "next"}), awake.clone()),
        (
            "create_compute",
            json!({"branch_id": "main", "type": "read_only"}),
            large.clone(),
        ),
        (
            "create_compute",
            json!({"branch_id": "main", "type": "read_only"}),
            awake.clone(),
        ),
        ("create_anonymized_branch", json!({"name": "next"}), large),
        ("create_anonymized_branch", json!({"name": "next"}), awake),
    ] {
        let mut arguments = base;
        arguments[argument] = value;
        refused(&story, seen, tool, arguments).await;
    }
}
