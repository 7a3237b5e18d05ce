//! Every way back of every tool takes back what the call did: run on a sandbox, with the state before and after compared.

use std::collections::BTreeSet;

use harness::fence::bare_value;
use neon_mcp::catalog::Undo;
use neon_mcp::sandbox::SandboxOptions;
use serde_json::{Value, json};

use super::catalog;
use crate::examples::{Story, in_shop};

/// Fields that change by themselves, or that what comes back has anew.
const OTHERS: [&str; 32] = [
    "active_time_seconds",
    "compute_last_active_at",
    "compute_time_seconds",
    "cpu_used_sec",
    "created_at",
    "current_state",
    "data_storage_bytes_hour",
    "data_transfer_bytes",
    "entity_id",
    "granted_at",
    "host",
    "id",
    "invited_at",
    "joined_at",
    "jwks_id",
    "last_active",
    "last_used_at",
    "last_used_from_addr",
    "logical_size",
    "page",
    "pending_state",
    "proxy_host",
    "recovery",
    "request_id",
    "started_at",
    "state_changed_at",
    "suspended_at",
    "synthetic_storage_size",
    "token_id",
    "updated_at",
    "version",
    "written_data_bytes",
];

fn without_others(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !OTHERS.contains(&name.as_str()));
            object.values_mut().for_each(without_others);
            // A limit of none is no limit, and an empty list is none.
            let nothing = [json!(0), json!([]), json!({}), json!(false), json!(null), json!("")];
            object.retain(|_, value| !nothing.contains(value));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(without_others);
            // What was changed last is listed first.
            items.sort_by_key(ToString::to_string);
        }
        _ => {}
    }
}

pub(super) async fn state(story: &Story, (tool, arguments): &(&str, Value)) -> Value {
    let mut value = story.answer(tool, arguments.clone()).await.0;
    let mut value = bare_value(&value["result"].take());
    without_others(&mut value);
    value
}

/// Calls the tool, and then what its result names as the way back: what the reading tool shows is as before.
pub(super) async fn comes_back(
    story: &Story,
    seen: &mut BTreeSet<String>,
    tool: &str,
    arguments: Value,
    read: (&str, Value),
) {
    let before = state(story, &read).await;
    let done = story.done(tool, arguments).await;
    assert_ne!(
        state(story, &read).await,
        before,
        "{tool} changes what {} shows: {done}",
        read.0
    );
    let undo = &done["undo"];
    assert!(undo["tool"].is_string(), "{tool}: {done}");
    story.undo(&done).await;
    let after = state(story, &read).await;
    assert_eq!(after, before, "{tool} by {undo}");
    seen.insert(tool.to_owned());
}

#[tokio::test]
async fn way_back_takes_back_what_the_call_did() {
    let story = Story::aside(SandboxOptions {
        extra_organizations: vec!["Annex".to_owned()],
        ..SandboxOptions::default()
    })
    .await;
    let mut seen = BTreeSet::new();
    let shop = story.make_shop(json!({})).await;
    story.make_branch(json!({"name": "dev"})).await;
    let on = |branch: &str| in_shop(json!({"branch_id": branch}));
    let with = |mut base: Value, more: Value| {
        for (name, value) in more.as_object().expect("an object") {
            base[name] = value.clone();
        }
        base
    };
    let project = in_shop(json!({}));
    let dev = story.branch_id("dev").await;
    let computes = story.shop("list_branch_computes", json!({"branch_id": "dev"})).await;
    let compute = in_shop(json!({"endpoint_id": bare_value(&computes["endpoints"][0]["id"])}));
    let expires = story.time(86_400).await;
    let org = story.org.clone();
    let organizations = story.call("list_organizations", json!({})).await;
    let annex = bare_value(&organizations["organizations"][1]["id"]);
    story
        .shop("create_role", json!({"branch_id": "dev", "name": "app"}))
        .await;
    story
        .shop(
            "create_database",
            json!({"branch_id": "dev", "name": "spare", "owner_name": "app"}),
        )
        .await;
    story
        .shop("create_role", json!({"branch_id": "dev", "name": "idle"}))
        .await;
    let snapshot = story
        .shop("create_snapshot", json!({"branch_id": "main", "name": "one"}))
        .await;
    let snapshot = in_shop(json!({"snapshot_id": bare_value(&snapshot["snapshot"]["id"])}));
    let branches = ("list_branches", project.clone());
    let described = ("describe_project", project.clone());
    let cases: Vec<(&str, Value, (&str, Value))> = vec![
        (
            "create_branch",
            with(project.clone(), json!({"name": "next", "compute": false})),
            branches.clone(),
        ),
        (
            "update_branch",
            with(on("dev"), json!({"name": "later", "protected": true})),
            ("describe_branch", in_shop(json!({"branch_id": dev}))),
        ),
        (
            "update_branch",
            with(on("dev"), json!({"expires_at": expires})),
            ("describe_branch", on("dev")),
        ),
        ("set_default_branch", on("dev"), branches.clone()),
        (
            "create_compute",
            with(on("dev"), json!({"type": "read_only"})),
            ("list_computes", project.clone()),
        ),
        (
            "update_compute",
            with(
                compute.clone(),
                json!({"autoscaling_limit_max_cu": 2, "suspend_timeout_seconds": 600}),
            ),
            ("describe_compute", compute.clone()),
        ),
        (
            "create_database",
            with(on("dev"), json!({"name": "more", "owner_name": "app"})),
            ("list_databases", on("dev")),
        ),
        (
            "update_database",
            with(
                on("dev"),
                json!({"database_name": "spare", "name": "other", "owner_name": "neondb_owner"}),
            ),
            ("list_databases", on("dev")),
        ),
        (
            "create_role",
            with(on("dev"), json!({"name": "extra"})),
            ("list_roles", on("dev")),
        ),
        (
            "delete_role",
            with(on("dev"), json!({"role_name": "idle"})),
            ("list_roles", on("dev")),
        ),
        (
            "restore_snapshot",
            with(snapshot.clone(), json!({"name": "restored"})),
            branches.clone(),
        ),
        (
            "create_snapshot",
            with(on("main"), json!({"name": "two"})),
            ("list_snapshots", project.clone()),
        ),
        (
            "update_snapshot",
            with(snapshot.clone(), json!({"name": "first", "expires_at": expires})),
            ("list_snapshots", project.clone()),
        ),
        (
            "set_backup_schedule",
            with(
                on("main"),
                json!({"schedule": [{"frequency": "daily", "retention_seconds": 604_800}]}),
            ),
            ("get_backup_schedule", on("main")),
        ),
        (
            "update_project",
            with(json!({"project_id": shop}), json!({"name": "store"})),
            ("describe_project", json!({"project_id": shop})),
        ),
        (
            "update_project",
            with(
                project.clone(),
                json!({"quota_logical_size_bytes": 1_000_000_000, "allowed_ips": ["1.2.3.4"]}),
            ),
            described.clone(),
        ),
        (
            "update_project",
            with(project.clone(), json!({"history_retention_seconds": 604_800})),
            described.clone(),
        ),
        (
            "grant_project_permission",
            with(project.clone(), json!({"email": "friend@b.example"})),
            ("list_project_permissions", project.clone()),
        ),
        (
            "add_project_jwks",
            with(
                project.clone(),
                json!({"jwks_url": "https://id.example.com/jwks.json", "provider_name": "id"}),
            ),
            ("list_project_jwks", project.clone()),
        ),
        (
            "create_bucket",
            with(on("dev"), json!({"name": "files"})),
            ("list_buckets", on("dev")),
        ),
        (
            "create_organization_api_key",
            json!({"org_id": org, "key_name": "ci"}),
            ("list_organization_api_keys", json!({"org_id": org})),
        ),
        (
            "create_api_key",
            json!({"key_name": "laptop"}),
            ("list_api_keys", json!({})),
        ),
        (
            "transfer_projects",
            json!({"source_org_id": org, "destination_org_id": annex, "project_ids": [shop]}),
            ("describe_project", json!({"project_id": shop})),
        ),
        (
            "delete_project",
            json!({"project_id": shop}),
            ("list_projects", json!({"org_id": org})),
        ),
        ("delete_branch", on("dev"), branches.clone()),
    ];
    for (tool, arguments, read) in cases {
        comes_back(&story, &mut seen, tool, arguments, read).await;
    }
    // What is gone comes back, and goes again.
    let listed = || ("list_projects", json!({"org_id": org}));
    comes_back(
        &story,
        &mut seen,
        "create_project",
        json!({"name": "next", "org_id": org}),
        listed(),
    )
    .await;
    story.call("delete_project", project.clone()).await;
    comes_back(
        &story,
        &mut seen,
        "recover_project",
        json!({"project_id": shop}),
        listed(),
    )
    .await;
    story.call("recover_project", json!({"project_id": shop})).await;
    story.call("delete_branch", on("dev")).await;
    let gone = in_shop(json!({"branch_id": dev}));
    comes_back(&story, &mut seen, "recover_branch", gone.clone(), branches.clone()).await;
    story.call("recover_branch", gone).await;
    for toolset in [
        "api_keys",
        "branches",
        "buckets",
        "databases",
        "projects",
        "roles",
        "snapshots",
    ] {
        all_of(toolset, &seen);
    }
}

#[tokio::test]
async fn way_back_of_a_compute_wakes_or_suspends_it() {
    let story = Story::aside(SandboxOptions::default()).await;
    story.make_shop(json!({})).await;
    let mut seen = BTreeSet::new();
    let replica = json!({"branch_id": "main", "type": "read_only"});
    let replica = story.shop("create_compute", replica).await;
    let compute = in_shop(json!({"endpoint_id": bare_value(&replica["endpoint"]["id"])}));
    let is = async || {
        let shown = story.call("describe_compute", compute.clone()).await;
        bare_value(&shown["endpoint"]["current_state"])
    };
    story.call("start_compute", compute.clone()).await;
    let suspended = story.done("suspend_compute", compute.clone()).await;
    assert_eq!(is().await, "idle");
    story.undo(&suspended).await;
    assert_eq!(is().await, "active");
    story.call("suspend_compute", compute.clone()).await;
    let started = story.done("start_compute", compute.clone()).await;
    assert_eq!(is().await, "active");
    story.undo(&started).await;
    assert_eq!(is().await, "idle");
    seen.extend(["start_compute", "suspend_compute"].map(str::to_owned));
    let size = in_shop(json!({"endpoint_id": compute["endpoint_id"], "autoscaling_limit_max_cu": 1}));
    let computes = ("list_computes", in_shop(json!({})));
    comes_back(&story, &mut seen, "update_compute", size, computes.clone()).await;
    let another = in_shop(json!({"branch_id": "main", "type": "read_only"}));
    comes_back(&story, &mut seen, "create_compute", another, computes.clone()).await;
    comes_back(&story, &mut seen, "delete_compute", compute, computes).await;
    all_of("computes", &seen);
}

#[tokio::test]
async fn way_back_of_a_restore_brings_the_data_back() {
    let story = Story::with_data().await;
    story.make_branch(json!({"name": "dev"})).await;
    let on_dev = |more: Value| {
        let mut given = in_shop(more);
        given["branch_id"] = "dev".into();
        given
    };
    for (tool, more) in [
        (
            "restore_branch",
            json!({"source_branch_id": "main", "preserve_under_name": "kept"}),
        ),
        ("reset_from_parent", json!({"preserve_under_name": "saved"})),
    ] {
        let table = format!("CREATE TABLE {tool} (id int)");
        story.call("run_sql", on_dev(json!({"sql": table}))).await;
        let read = || on_dev(json!({"sql": format!("SELECT count(*) FROM {tool}")}));
        let done = story.done(tool, on_dev(more)).await;
        assert!(story.answer("query_database", read()).await.1, "{tool} took the table");
        story.undo(&done).await;
        story.call("query_database", read()).await;
    }
}

/// What comes back in another form than it had, and why.
const OTHERWISE: [(&str, &str); 5] = [
    (
        "accept_project_transfer_request",
        "the former owner has to accept: another account's call",
    ),
    ("remove_organization_member", "an invitation takes the member's place"),
    ("transfer_projects", "run with the projects, in this file"),
    (
        "restore_branch",
        "the branch that kept the data stays: see the test of the data",
    ),
    (
        "reset_from_parent",
        "the branch that kept the data stays: see the test of the data",
    ),
];

/// Every tool of a toolset that names a way back has had it run.
pub(super) fn all_of(toolset: &str, seen: &BTreeSet<String>) {
    let catalog = catalog();
    let missing: Vec<&str> = catalog
        .tools()
        .iter()
        .filter(|tool| &*tool.toolset == toolset && matches!(tool.declaration.safety.undo, Some(Undo::Way(_))))
        .map(|tool| tool.name())
        .filter(|name| !seen.contains(*name) && OTHERWISE.iter().all(|(other, _)| other != name))
        .collect();
    assert!(missing.is_empty(), "no way back was run of {missing:?}");
}

#[tokio::test]
async fn way_back_is_one_that_can_be_called_here() {
    let story = Story::aside(SandboxOptions::default()).await;
    let shop = story.make_shop(json!({})).await;
    let api = story.sandbox().api_url();
    // What the operator fixed isn't given.
    let pinned = story
        .server_at(&["--project-id", &shop, "--toolsets", "all"], &api)
        .await;
    let (made, is_error) = pinned.call("create_branch", json!({"name": "dev"})).await;
    assert!(!is_error, "{made}");
    let undo = &made["undo"];
    assert!(undo["arguments"].get("project_id").is_none(), "{undo}");
    let tool = undo["tool"].as_str().expect("a tool");
    let (value, is_error) = pinned.call(tool, bare_value(&undo["arguments"])).await;
    assert!(!is_error, "{value}");
    // What isn't offered is named with its toolset.
    let narrow = story.server_at(&["--tools", "create_branch"], &api).await;
    let made = narrow
        .call("create_branch", json!({"project_id": "shop", "name": "dev"}))
        .await
        .0;
    assert_eq!(made["undo"]["not_offered"], "delete_branch", "{made}");
    assert_eq!(made["undo"]["toolset"], "branches", "{made}");
    assert!(made["undo"].get("tool").is_none(), "{made}");
}

#[tokio::test]
async fn way_back_of_several_changes_has_a_call_for_each() {
    let story = Story::aside(SandboxOptions::default()).await;
    story.make_shop(json!({})).await;
    for name in ["one", "two"] {
        story.shop("create_throwaway_branch", json!({"name": name})).await;
    }
    let given = in_shop(json!({"branches": ["one", "two"]}));
    let done = story.done("delete_throwaway_branches", given).await;
    assert_eq!(story.branches().await, ["main"]);
    story.undo(&done).await;
    for call in done["undo"]["also"].as_array().expect("more calls") {
        story.undo(&json!({ "undo": call })).await;
    }
    assert_eq!(story.branches().await, ["main", "one", "two"]);
}

#[test]
fn way_back_is_declared_with_what_its_tool_requires() {
    let catalog = catalog();
    for tool in catalog.tools() {
        let Some(Undo::Way(way)) = &tool.declaration.safety.undo else {
            continue;
        };
        let back = catalog.tool(&way.tool).expect("a tool");
        let required = back.input.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            // A former value is only there where the call gives its argument.
            let always = way.arguments.contains_key(name);
            let given = tool.input.get("required").and_then(Value::as_array);
            let given = given.is_some_and(|given| given.iter().any(|one| one == name));
            assert!(always || given, "{}: {name} of {}", tool.name(), way.tool);
        }
    }
}
