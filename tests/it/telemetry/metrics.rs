//! `/metrics`: what is counted, under which labels, on which listener.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use neon_mcp::telemetry::{self, Row, TABLE};
use serde_json::json;

use super::{PROJECT, call_body, measured, post};
use crate::support::catalog;
use crate::support::fake_neon::{FakeNeon, Recorded, Reply};
use crate::support::http::plain;
use crate::support::human::{Human, Manner};
use crate::support::server::{Era, TestClient, call};

const BRANCH: &str = "br-quiet-sun-a1b2c3d4";
/// A project that is gone.
const GONE: &str = "quiet-moon-87654321";

fn neon(request: &Recorded) -> Reply {
    if request.path().ends_with(GONE) {
        return Reply::error(404, "", "no such project");
    }
    let branch = json!({"id": BRANCH, "project_id": PROJECT, "parent_id": "br-root", "name": "dev", "default": false, "protected": false, "current_state": "ready"});
    Reply::json(
        200,
        json!({"project": {"id": PROJECT, "name": "shop"}, "projects": [], "branch": branch.clone(), "branches": [branch],
            "endpoints": [], "operations": [], "databases": [], "roles": [], "pagination": {}}),
    )
}

async fn exposition(url: &str) -> String {
    let answer = plain().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    answer.text().await.unwrap()
}

/// The names of the labels of a line.
fn labels(line: &str) -> BTreeSet<String> {
    let Some((_, rest)) = line.split_once('{') else {
        return BTreeSet::new();
    };
    let inner = rest.rsplit_once('}').unwrap().0;
    let mut names = BTreeSet::new();
    let mut rest = inner;
    while let Some((name, behind)) = rest.split_once("=\"") {
        names.insert(name.trim_start_matches(',').to_owned());
        rest = behind.split_once('"').unwrap().1;
    }
    names
}

fn row(name: &str) -> Option<&'static Row> {
    let base = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    TABLE.iter().find(|row| row.prometheus_name() == base)
}

#[tokio::test]
async fn calls_approvals_and_requests_are_counted_under_the_labels_of_the_table() {
    let upstream = FakeNeon::route(neon).await;
    let server = measured(&upstream.url()).await;
    let url = server.metrics_url().await;
    let human = Human::who(Manner::Accepts);
    let client = server.http.client(TestClient::with(human.clone()), Era::Legacy).await;
    call(&client, "describe_project", json!({"project_id": PROJECT})).await;
    call(&client, "describe_project", json!({"project_id": GONE})).await;
    let delete = json!({"project_id": PROJECT, "branch_id": BRANCH});
    let (deleted, _) = call(&client, "delete_branch", delete.clone()).await;
    human.changes_to(Manner::Declines);
    call(&client, "delete_branch", delete.clone()).await;
    let waits = post(&server.http.url, &call_body("delete_branch", &delete, &json!({})), &[]).await;
    let text = exposition(&url).await;
    for line in [
        r#"neon_mcp_calls_total{effect="read",outcome="done",tool="describe_project"} 1"#,
        r#"neon_mcp_calls_total{effect="read",outcome="failed",tool="describe_project"} 1"#,
        r#"neon_mcp_calls_total{effect="destructive",outcome="done",tool="delete_branch"} 1"#,
        r#"neon_mcp_calls_total{effect="destructive",outcome="rejected",tool="delete_branch"} 1"#,
        r#"neon_mcp_calls_total{effect="destructive",outcome="asked",tool="delete_branch"} 1"#,
        r#"neon_mcp_call_duration_seconds_count{effect="read",tool="describe_project"} 2"#,
        r#"neon_mcp_approvals_total{channel="client",outcome="approved"} 1"#,
        r#"neon_mcp_approvals_total{channel="client",outcome="rejected"} 1"#,
        r#"neon_mcp_approvals_total{channel="outside",outcome="asked"} 1"#,
        r#"neon_mcp_approval_wait_seconds_count{channel="client",outcome="approved"} 1"#,
        r#"neon_mcp_upstream_requests_total{method="GET",route="/projects/{project_id}",status="404"}"#,
        r#"neon_mcp_upstream_requests_total{method="DELETE",route="/projects/{project_id}/branches/{branch_id}",status="200"} 1"#,
        r#"neon_mcp_http_responses_total{endpoint="mcp",status="200"}"#,
        "neon_mcp_rate_limit_wait_seconds_count ",
        "neon_mcp_sessions 1",
        "neon_mcp_connections ",
        r#"service_name="neon-mcp""#,
    ] {
        assert!(text.contains(line), "{line}\n{deleted}\n{waits}\n{text}");
    }
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("target_info"))
    {
        let name = line.split(['{', ' ']).next().unwrap();
        let row = row(name).unwrap_or_else(|| panic!("{line} is of no row of the table"));
        let mut expected: BTreeSet<String> = row.labels.iter().map(|&label| label.to_owned()).collect();
        if name.ends_with("_bucket") {
            expected.insert("le".to_owned());
        }
        assert_eq!(labels(line), expected, "{line}");
    }
    for id in [PROJECT, BRANCH, GONE, "test 1"] {
        assert!(!text.contains(id), "{id}\n{text}");
    }
    checked_by_promtool(&text);
}

/// What Prometheus' own checker says, where it is.
fn checked_by_promtool(text: &str) {
    let checker = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checker) = checker else {
        // tests/deploy/run has it, and says where it hasn't.
        return;
    };
    checker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = checker.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr) + String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.trim().is_empty(), "{said}\n{text}");
}

#[tokio::test]
async fn tool_that_nobody_declared_is_counted_as_other() {
    let upstream = FakeNeon::route(neon).await;
    let server = measured(&upstream.url()).await;
    let url = server.metrics_url().await;
    for number in 0..20 {
        let body = call_body(&format!("canary_tool_{number}"), &json!({}), &json!({}));
        post(&server.http.url, &body, &[]).await;
    }
    let text = exposition(&url).await;
    assert!(
        text.contains(r#"neon_mcp_calls_total{effect="read",outcome="refused",tool="other"} 20"#),
        "{text}"
    );
    assert!(!text.contains("canary_tool"), "{text}");
    let known = |name: &str| name == "other" || catalog().tool(name).is_some();
    let tools = text
        .split("tool=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    assert!(tools.into_iter().all(known), "{text}");
}

#[tokio::test]
async fn metrics_are_on_their_own_listener_alone_and_not_for_pages_elsewhere() {
    let upstream = FakeNeon::route(neon).await;
    let server = measured(&upstream.url()).await;
    let url = server.metrics_url().await;
    let main = format!("{}/metrics", server.http.origin());
    assert_eq!(plain().get(main).send().await.unwrap().status(), 404);
    let health = plain().get(url.replace("/metrics", "/healthz")).send();
    assert_eq!(health.await.expect("an answer").status(), 200);
    let mcp = url.replace("/metrics", "/mcp");
    assert_eq!(plain().post(mcp).send().await.unwrap().status(), 404);
    let elsewhere = plain().get(&url).header("host", "evil.example").send().await.unwrap();
    assert_eq!(elsewhere.status(), 403);
}

#[tokio::test]
async fn failure_of_the_store_is_counted_and_nothing_else_than_that_is_told() {
    let upstream = FakeNeon::route(neon).await;
    let server = measured(&upstream.url()).await;
    let url = server.metrics_url().await;
    let approvals = server.state.join("neon-mcp/approvals");
    let _ = std::fs::remove_dir_all(&approvals);
    std::fs::create_dir_all(approvals.parent().unwrap()).unwrap();
    std::fs::write(&approvals, "no directory").unwrap();
    let delete = json!({"project_id": PROJECT, "branch_id": BRANCH});
    let answer = post(&server.http.url, &call_body("delete_branch", &delete, &json!({})), &[]).await;
    let text = exposition(&url).await;
    let is_counted = |line: &str| line.starts_with("neon_mcp_store_errors_total{operation=") && !line.ends_with(" 0");
    assert!(text.lines().any(is_counted), "{answer}\n{text}");
    let refused = r#"neon_mcp_approvals_total{channel="outside",outcome="refused"} 1"#;
    assert!(text.contains(refused), "{answer}\n{text}");
}

#[tokio::test]
async fn what_alerts_look_at_is_there_from_the_start_at_zero() {
    let upstream = FakeNeon::route(neon).await;
    let server = measured(&upstream.url()).await;
    let text = exposition(&server.metrics_url().await).await;
    for line in [
        r#"neon_mcp_calls_total{effect="destructive",outcome="unknown",tool="delete_branch"} 0"#,
        r#"neon_mcp_calls_total{effect="write",outcome="unknown",tool="run_sql"} 0"#,
        r#"neon_mcp_reloads_total{outcome="failed",part="policy"} 0"#,
        r#"neon_mcp_store_errors_total{operation="redeem"} 0"#,
    ] {
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
    assert!(!text.contains(r#"outcome="unknown",tool="list_projects""#), "{text}");
}

#[tokio::test]
async fn what_replicas_share_is_a_gauge_for_each_part() {
    let upstream = FakeNeon::route(neon).await;
    let server = measured(&upstream.url()).await;
    let url = server.metrics_url().await;
    let details = format!("{}/readyz?details", server.http.origin());
    assert_eq!(plain().get(details).send().await.unwrap().status(), 200);
    let text = exposition(&url).await;
    for part in ["neon", "store"] {
        let line = format!(r#"neon_mcp_shared_up{{part="{part}"}} 1"#);
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
}

#[test]
fn reloads_are_counted_by_part_and_paths_by_a_few_endpoints() {
    telemetry::set_up(true, &telemetry::Wanted::default()).unwrap();
    telemetry::reload("policy", false);
    for path in [
        "/mcp/",
        "/approve/ABCD-EFGH",
        "/readyz",
        "/.well-known/oauth-protected-resource/mcp",
        "/canary/path",
    ] {
        telemetry::http_response(path, 418);
    }
    let text = telemetry::exposition().unwrap();
    assert!(
        text.contains(r#"neon_mcp_reloads_total{outcome="failed",part="policy"} 1"#),
        "{text}"
    );
    for endpoint in ["mcp", "approve", "health", "well-known", "other"] {
        let line = format!(r#"neon_mcp_http_responses_total{{endpoint="{endpoint}",status="418"}} 1"#);
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(!text.contains("canary") && !text.contains("ABCD"), "{text}");
}
