//! What needs a human's yes is refused with its plan, and nothing reaches Neon.

use serde_json::{Value, json};

use super::{BRANCH, PROJECT, catalog, error, neon};
use crate::support::arguments::arguments;
use crate::support::server::{Era, KEY, Server};
use crate::support::upstream::{Recorded, Reply, Upstream};

#[tokio::test]
async fn no_access_or_destructive_call_of_any_tool_reaches_neon() {
    for era in [Era::Legacy, Era::Modern] {
        let upstream = Upstream::route(neon).await;
        let server = Server::start_with(&["--toolsets", "all"], &upstream.url(), KEY, era, "error").await;
        let mut refused = 0;
        for tool in catalog()
            .tools()
            .iter()
            .filter(|tool| tool.declaration.effect.needs_consent())
        {
            for all in [false, true] {
                let (value, is_error) = server.call(tool.name(), Value::Object(arguments(tool, all))).await;
                assert!(is_error, "{} ran", tool.name());
                let error = error(&value);
                assert_eq!(error["kind"], "needs_confirmation", "{}: {value}", tool.name());
                assert_eq!(error["changed"], "nothing");
                assert_eq!(error["plan"]["tool"], tool.name());
                assert!(
                    error["plan"]["summary"].is_string() && !error["plan"]["undo"].is_null(),
                    "{value}"
                );
                let method = tool.declaration.method.as_str();
                assert!(
                    error["plan"]["would_send"]["request"]
                        .as_str()
                        .expect("a request")
                        .starts_with(method),
                    "{value}"
                );
                assert!(
                    value.to_string().len() <= 4_000,
                    "{}: {} bytes",
                    tool.name(),
                    value.to_string().len()
                );
                refused += 1;
            }
        }
        assert_eq!(upstream.count(), 0, "{:?}", upstream.requests());
        assert!(refused >= 20, "{refused}");
    }
}

#[tokio::test]
async fn an_escalated_call_is_refused_and_the_plain_one_runs() {
    let upstream = Upstream::route(neon).await;
    let server = Server::start(&["--toolsets", "all"], &upstream.url()).await;
    let restore = |finalize: bool| json!({"project_id": PROJECT, "snapshot_id": "snap-a", "target_branch_id": BRANCH, "finalize_restore": finalize});
    let (value, is_error) = server.call("restore_snapshot", restore(true)).await;
    assert!(is_error && error(&value)["plan"]["effect"] == "destructive", "{value}");
    assert_eq!(error(&value)["plan"]["severe"], true);
    let undo = error(&value)["plan"]["undo"].as_str().expect("a text");
    assert!(
        undo.starts_with("none by one call"),
        "deleting the live branch is no way back: {undo}"
    );
    assert_eq!(upstream.count(), 0);
    let (value, is_error) = server.call("restore_snapshot", restore(false)).await;
    assert!(!is_error, "{value}");
    let last = upstream.requests().pop().expect("a request");
    assert!(last.path().ends_with("/snapshots/snap-a/restore"));
}

/// An upstream whose branch is the default, or protected.
fn guarded(flag: &'static str) -> impl Fn(&Recorded) -> Reply + Send + Sync + 'static {
    move |request| {
        let mut branch = json!({"id": BRANCH, "name": "main", "default": false, "protected": false});
        branch[flag] = true.into();
        let endpoint = json!({"id": "ep-a", "branch_id": BRANCH, "current_state": "active"});
        let _ = request;
        Reply::json(
            200,
            json!({"branch": branch, "endpoint": endpoint, "uri": "postgresql://u:p@h/d"}),
        )
    }
}

#[tokio::test]
async fn interrupting_or_revealing_a_default_or_protected_branch_asks() {
    for flag in ["default", "protected"] {
        let upstream = Upstream::route(guarded(flag)).await;
        let server = Server::start(&["--toolsets", "all"], &upstream.url()).await;
        let connection = json!({"project_id": PROJECT, "branch_id": BRANCH, "database_name": "d", "role_name": "r"});
        let role = json!({"project_id": PROJECT, "branch_id": BRANCH, "name": "r"});
        let compute = json!({"project_id": PROJECT, "endpoint_id": "ep-a"});
        for (tool, arguments) in [
            ("get_connection_string", connection),
            ("create_role", role),
            ("suspend_compute", compute.clone()),
            ("restart_compute", compute),
        ] {
            let (value, is_error) = server.call(tool, arguments).await;
            assert!(
                is_error && error(&value)["kind"] == "needs_confirmation",
                "{flag} {tool}: {value}"
            );
        }
        assert!(
            upstream.requests().iter().all(|request| request.method == "GET"),
            "{:?}",
            upstream.requests()
        );
    }
}

#[tokio::test]
async fn a_reveal_without_a_branch_asks_and_sends_nothing_that_reveals() {
    let upstream = Upstream::route(neon).await;
    let server = Server::start(&[], &upstream.url()).await;
    let arguments = json!({"project_id": PROJECT, "database_name": "d", "role_name": "r"});
    let (value, is_error) = server.call("get_connection_string", arguments).await;
    assert!(is_error && error(&value)["kind"] == "needs_confirmation", "{value}");
    assert!(
        !upstream
            .requests()
            .iter()
            .any(|request| request.path().contains("connection_uri"))
    );
}

#[tokio::test]
async fn lowering_what_neon_keeps_asks_and_raising_it_does_not() {
    let upstream = Upstream::route(|_| {
        Reply::json(
            200,
            json!({"project": {"id": PROJECT, "name": "shop", "history_retention_seconds": 86_400}}),
        )
    })
    .await;
    let server = Server::start(&[], &upstream.url()).await;
    let update = |seconds: u32| json!({"project_id": PROJECT, "history_retention_seconds": seconds});
    let (value, is_error) = server.call("update_project", update(3_600)).await;
    assert!(is_error && error(&value)["kind"] == "needs_confirmation", "{value}");
    assert!(upstream.requests().iter().all(|request| request.method == "GET"));
    let (value, is_error) = server.call("update_project", update(604_800)).await;
    assert!(!is_error, "{value}");
    assert_eq!(upstream.requests().pop().expect("a request").method, "PATCH");
}

#[tokio::test]
async fn a_way_back_that_the_arguments_close_is_not_promised() {
    let upstream = Upstream::route(neon).await;
    let server = Server::start(&[], &upstream.url()).await;
    let restore = |preserved: Option<&str>| {
        let mut arguments = json!({"project_id": PROJECT, "branch_id": BRANCH, "source_branch_id": "br-other"});
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
        "kept",
        "{value}"
    );
    assert_eq!(upstream.count(), 0);
}

/// A child of the default branch, whose only role is `owner`.
fn family(request: &Recorded) -> Reply {
    let path = request.path();
    let body = if path.ends_with("/roles") {
        json!({"roles": [{"name": "owner"}]})
    } else if path.ends_with("/branches/br-main") {
        json!({"branch": {"id": "br-main", "name": "main", "default": true, "protected": false}})
    } else if path.ends_with("/branches/br-orphan") {
        json!({"branch": {"id": "br-orphan", "name": "restored", "default": false, "protected": false}})
    } else if path.contains("/branches/br-child") && !path.contains("/roles/") {
        json!({"branch": {"id": "br-child", "name": "x", "default": false, "protected": false, "parent_id": "br-main"}})
    } else {
        json!({"password": "p", "uri": "postgresql://u:p@h/d"})
    };
    Reply::json(200, body)
}

#[tokio::test]
async fn a_password_inherited_from_the_default_branch_asks_and_a_branchs_own_does_not() {
    let upstream = Upstream::route(family).await;
    let server = Server::start(&["--toolsets", "all"], &upstream.url()).await;
    let reveals = |request: &Recorded| {
        request.path().ends_with("/reveal_password") || request.path().ends_with("/connection_uri")
    };
    for (branch, role, asks) in [
        ("br-child", "owner", true),
        ("br-orphan", "anyone", true),
        ("br-child", "made_here", false),
    ] {
        for tool in ["get_role_password", "get_connection_string"] {
            let mut arguments = json!({"project_id": PROJECT, "branch_id": branch, "role_name": role});
            if tool == "get_connection_string" {
                arguments["database_name"] = "d".into();
            }
            let before = upstream.requests().iter().filter(|request| reveals(request)).count();
            let (value, is_error) = server.call(tool, arguments).await;
            let sent = upstream.requests().iter().filter(|request| reveals(request)).count() - before;
            assert_eq!(is_error, asks, "{tool} {branch} {role}: {value}");
            assert_eq!(sent, usize::from(!asks), "{tool} {branch} {role}");
            if asks {
                assert!(
                    error(&value)["plan"]["because"].to_string().contains("inherited"),
                    "{value}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_backup_schedule_of_a_default_branch_is_not_replaced_unasked() {
    let schedule = |entries: Value| json!({"project_id": PROJECT, "branch_id": BRANCH, "schedule": entries});
    let upstream = Upstream::route(guarded("default")).await;
    let server = Server::start(&["--toolsets", "all"], &upstream.url()).await;
    let (value, is_error) = server
        .call("set_backup_schedule", schedule(json!([{"frequency": "daily"}])))
        .await;
    assert!(is_error && error(&value)["kind"] == "needs_confirmation", "{value}");
    assert!(upstream.requests().iter().all(|request| request.method == "GET"));
    // Elsewhere one entry must be both daily and kept: another entry doesn't make up for it.
    let upstream = Upstream::route(neon).await;
    let server = Server::start(&["--toolsets", "all"], &upstream.url()).await;
    let short = json!([{"frequency": "daily", "retention_seconds": 3600}, {"frequency": "monthly"}]);
    let (value, is_error) = server.call("set_backup_schedule", schedule(short)).await;
    assert!(is_error && error(&value)["kind"] == "needs_confirmation", "{value}");
    let (value, is_error) = server
        .call("set_backup_schedule", schedule(json!([{"frequency": "daily"}])))
        .await;
    assert!(!is_error, "{value}");
}
