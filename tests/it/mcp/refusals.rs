//! What needs a human's approval is refused with its plan, and nothing reaches Neon.

use harness::assert_worded;
use serde_json::{Value, json};

use super::{BRANCH, PROJECT, error};
use crate::support::server;
use crate::support::world::{ENDPOINT, ROOT, SNAPSHOT, World};

#[tokio::test]
async fn an_escalated_call_is_refused_and_the_plain_one_runs() {
    let world = World::start().await;
    let server = server::start(&["--toolsets", "all"], &world.url()).await;
    let restore = |finalize: bool| json!({"project_id": PROJECT, "snapshot_id": SNAPSHOT, "target_branch_id": BRANCH, "finalize_restore": finalize});
    let (value, is_error) = server.call("restore_snapshot", restore(true)).await;
    assert!(is_error && error(&value)["plan"]["effect"] == "destructive", "{value}");
    assert_eq!(error(&value)["plan"]["severe"], true);
    // Deleting the live branch is no way back.
    assert_worded!(
        "approvals",
        "undo of a restored snapshot",
        error(&value)["plan"]["undo"]
    );
    assert_eq!(world.changes(), Vec::<String>::new());
    let (value, is_error) = server.call("restore_snapshot", restore(false)).await;
    assert!(!is_error, "{value}");
    let changes = world.changes();
    assert!(
        changes.len() == 1 && changes[0].ends_with(&format!("/snapshots/{SNAPSHOT}/restore")),
        "{changes:?}"
    );
}

/// A world whose branch is the default, or protected.
async fn with_flagged_branch(flag: &str) -> World {
    World::with(|facts| facts.branch()[flag] = true.into()).await
}

#[tokio::test]
async fn interrupting_or_revealing_a_default_or_protected_branch_asks() {
    for flag in ["default", "protected"] {
        let world = with_flagged_branch(flag).await;
        let server = server::start(&["--toolsets", "all"], &world.url()).await;
        let connection =
            json!({"project_id": PROJECT, "branch_id": BRANCH, "database_name": "d", "role_name": "owner"});
        let role = json!({"project_id": PROJECT, "branch_id": BRANCH, "name": "r"});
        let compute = json!({"project_id": PROJECT, "endpoint_id": ENDPOINT});
        for (tool, arguments) in [
            ("get_connection_string", connection),
            ("create_role", role),
            ("suspend_compute", compute.clone()),
            ("restart_compute", compute),
        ] {
            let (value, is_error) = server.call(tool, arguments).await;
            assert!(
                is_error && error(&value)["kind"] == "requires_approval",
                "{flag} {tool}: {value}"
            );
        }
        assert_eq!(world.changes(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_reveal_without_a_branch_asks_and_sends_nothing_that_reveals() {
    let world = World::start().await;
    let server = server::start(&[], &world.url()).await;
    let arguments = json!({"project_id": PROJECT, "database_name": "d", "role_name": "owner"});
    let (value, is_error) = server.call("get_connection_string", arguments).await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    assert!(
        !world
            .upstream
            .requests()
            .iter()
            .any(|request| request.path().contains("connection_uri"))
    );
}

#[tokio::test]
async fn lowering_what_neon_keeps_asks_and_raising_it_does_not() {
    let world = World::start().await;
    let server = server::start(&["--toolsets", "all"], &world.url()).await;
    let update = |seconds: u32| json!({"project_id": PROJECT, "history_retention_seconds": seconds});
    let (value, is_error) = server.call("update_project", update(3_600)).await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    assert_eq!(world.changes(), Vec::<String>::new());
    let (value, is_error) = server.call("update_project", update(604_800)).await;
    assert!(!is_error, "{value}");
    assert_eq!(world.changes(), [format!("PATCH /projects/{PROJECT}")]);
}

#[tokio::test]
async fn a_way_back_that_the_arguments_close_is_not_promised() {
    let world = World::start().await;
    let server = server::start(&[], &world.url()).await;
    let restore = |preserved: Option<&str>| {
        let mut arguments = json!({"project_id": PROJECT, "branch_id": BRANCH, "source_branch_id": ROOT});
        if let Some(name) = preserved {
            arguments["preserve_under_name"] = name.into();
        }
        arguments
    };
    let (value, _) = server.call("restore_branch", restore(None)).await;
    assert!(
        error(&value)["plan"]["undo"]
            .as_str()
            .is_some_and(|undo| undo.starts_with("none")),
        "{value}"
    );
    assert_eq!(error(&value)["plan"]["severe"], true);
    let (value, _) = server.call("restore_branch", restore(Some("kept"))).await;
    assert_eq!(
        error(&value)["plan"]["undo"]["arguments"]["source_branch_id"],
        "name:kept",
        "{value}"
    );
    assert_eq!(world.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_password_inherited_from_the_default_branch_asks_and_a_branchs_own_does_not() {
    let world = World::with(|facts| {
        facts.branches.push(json!({
            "id": "br-orphan", "project_id": PROJECT, "name": "restored", "default": false, "protected": false,
        }));
        facts.roles = vec![
            json!({"name": "owner"}),
            json!({"name": "made_here", "branch_id": BRANCH}),
            json!({"name": "anyone", "branch_id": "br-orphan"}),
        ];
    })
    .await;
    let server = server::start(&["--toolsets", "all"], &world.url()).await;
    let revealed = || {
        let requests = world.upstream.requests();
        let reveals = ["/reveal_password", "/connection_uri"];
        requests
            .iter()
            .filter(|request| reveals.iter().any(|end| request.path().ends_with(end)))
            .count()
    };
    for (branch, role, asks) in [
        (BRANCH, "owner", true),
        ("br-orphan", "anyone", true),
        (BRANCH, "made_here", false),
        (ROOT, "made_here", true),
    ] {
        for tool in ["get_role_password", "get_connection_string"] {
            let mut arguments = json!({"project_id": PROJECT, "branch_id": branch, "role_name": role});
            if tool == "get_connection_string" {
                arguments["database_name"] = "d".into();
            }
            let before = revealed();
            let (value, is_error) = server.call(tool, arguments).await;
            assert_eq!(is_error, asks, "{tool} {branch} {role}: {value}");
            assert_eq!(revealed() - before, usize::from(!asks), "{tool} {branch} {role}");
            if asks && branch != ROOT {
                assert!(
                    error(&value)["plan"]["reasons"].to_string().contains("inherited"),
                    "{value}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_backup_schedule_of_a_default_branch_is_not_replaced_unasked() {
    let schedule = |entries: Value| json!({"project_id": PROJECT, "branch_id": BRANCH, "schedule": entries});
    let world = with_flagged_branch("default").await;
    world.change(|facts| facts.branch()["parent_id"] = Value::Null);
    let server = server::start(&["--toolsets", "all"], &world.url()).await;
    let (value, is_error) = server
        .call("set_backup_schedule", schedule(json!([{"frequency": "daily"}])))
        .await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    assert_eq!(world.changes(), Vec::<String>::new());
    // Elsewhere one entry must be both daily and kept: another entry doesn't make up for it.
    let world = World::with(|facts| facts.branch()["parent_id"] = Value::Null).await;
    let server = server::start(&["--toolsets", "all"], &world.url()).await;
    let short = json!([{"frequency": "daily", "retention_seconds": 3600}, {"frequency": "monthly"}]);
    let (value, is_error) = server.call("set_backup_schedule", schedule(short)).await;
    assert!(is_error && error(&value)["kind"] == "requires_approval", "{value}");
    let (value, is_error) = server
        .call("set_backup_schedule", schedule(json!([{"frequency": "daily"}])))
        .await;
    assert!(!is_error, "{value}");
}
