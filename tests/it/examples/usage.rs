//! Rows 11 to 14: what projects and branches use, and what they may use.

use chrono::{DurationRound as _, TimeDelta};
use neon_mcp::sandbox::{Limits, SandboxOptions};
use serde_json::{Value, json};

use super::{Story, each, find, text};

/// What a compute of the sandbox uses until it scales to zero: 300 seconds at a quarter of a compute unit.
const ACTIVE_SECONDS: u64 = 300;

/// How far a figure may be off: each timeframe is rounded, and operations take their time.
const SLACK: u64 = 4;

#[track_caller]
fn about(value: &Value, wanted: u64) {
    let value = value.as_u64().unwrap_or_else(|| panic!("no figure: {value}"));
    assert!(value.abs_diff(wanted) <= SLACK, "{value}, not {wanted}");
}

/// The sum of a metric over all timeframes; one where it is zero has none.
fn total(item: &Value, metric: &str) -> u64 {
    let rows = item["usage"].as_array().unwrap_or_else(|| panic!("no rows in {item}"));
    rows.iter().filter_map(|row| row[metric].as_u64()).sum()
}

/// The question for the last hours until the next full one.
async fn span(story: &Story, hours: i64, metrics: &[&str]) -> Value {
    let now = story.time(0).await;
    let now = chrono::DateTime::parse_from_rfc3339(&now).expect("a time");
    let hour = now.duration_trunc(TimeDelta::hours(1)).expect("an hour");
    json!({
        "from": (hour - TimeDelta::hours(hours)).to_rfc3339(), "to": (hour + TimeDelta::hours(1)).to_rfc3339(),
        "granularity": "hourly", "metrics": metrics,
    })
}

/// Sees to it that no month ends in the next two hours: its figures would begin anew.
async fn within_a_month(story: &Story) {
    const SECONDS: u32 = 2 * 3600;
    let (now, then) = (story.time(0).await, story.time(SECONDS.into()).await);
    if now[..7] != then[..7] {
        story.advance(SECONDS).await;
    }
}

fn with(mut question: Value, more: Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    question.as_object_mut().expect("an object").extend(more);
    question
}

#[tokio::test]
async fn row_11_monitor_usage_metrics() {
    let story = Story::of(11).await;
    within_a_month(&story).await;
    story.make_shop(json!({})).await;
    story.make_branch(json!({"name": "dev"})).await;
    story.set_schema("dev", &"-- a long schema\n".repeat(1000)).await;
    story.advance(3600).await;

    let shown = story.shop("describe_project", json!({})).await;
    let project = &shown["project"];
    let now = story.time(0).await;
    about(&project["active_time_seconds"], 2 * ACTIVE_SECONDS);
    about(&project["compute_time_seconds"], 2 * ACTIVE_SECONDS / 4);
    assert!(project["written_data_bytes"].as_u64() > Some(0), "{shown}");
    assert!(project["data_storage_bytes_hour"].as_u64() > Some(0), "{shown}");
    assert!(text(&project["consumption_period_start"]) < now, "{shown}");
    assert!(text(&project["consumption_period_end"]) > now, "{shown}");
    assert!(project["synthetic_storage_size"].as_u64() > Some(0), "{shown}");
    assert_eq!(project["owner"]["subscription_type"], "launch_v3");

    let listed = story.call("list_projects", json!({})).await;
    let last = text(&listed["projects"][0]["compute_last_active_at"]);
    assert_eq!(project["compute_last_active_at"], last.as_str());
    assert!(last < now, "{last}");

    let listed = story.shop("list_branches", json!({})).await;
    let size = |name: &str| find(&listed["branches"], "name", name)["logical_size"].as_u64();
    assert!(size("dev") > size("main"), "what was written shows: {listed}");
    let shown = story.shop("describe_branch", json!({"branch_id": "dev"})).await;
    assert_eq!(shown["branch"]["logical_size"].as_u64(), size("dev"));
    let full = story
        .shop("describe_branch", json!({"branch_id": "dev", "detail": "full"}))
        .await;
    let branch = &full["branch"];
    about(&branch["active_time_seconds"], ACTIVE_SECONDS);
    about(&branch["compute_time_seconds"], ACTIVE_SECONDS / 4);
    assert!(branch["written_data_bytes"].as_u64() > Some(0), "{full}");
}

/// The plan that has every version of the consumption history.
fn scale() -> SandboxOptions {
    SandboxOptions {
        limits: Limits::scale(),
        ..SandboxOptions::default()
    }
}

#[tokio::test]
async fn row_12_query_consumption_metrics() {
    let story = Story::with(12, scale()).await;
    let shop = story.make_shop(json!({})).await;
    let blog = json!({"name": "blog", "org_id": story.org});
    let blog = text(&story.call("create_project", blog).await["project"]["id"]);
    let dev = story.make_branch(json!({"name": "dev"})).await;
    story.advance(2 * 3600).await;

    let mine = json!({"org_id": story.org});
    let question = with(span(&story, 3, &["compute_unit_seconds"]).await, mine.clone());
    let seen = story.call("get_project_consumption", question.clone()).await;
    let of = |id: &str| total(find(&seen["projects"], "project_id", id), "compute_unit_seconds");
    about(&of(&shop).into(), 2 * ACTIVE_SECONDS / 4);
    about(&of(&blog).into(), ACTIVE_SECONDS / 4);
    // The account's own figures have no operation any more: they are the sum of its projects'.
    let account: u64 = each(&seen["projects"], "project_id").iter().map(|id| of(id)).sum();
    about(&account.into(), 3 * ACTIVE_SECONDS / 4);

    let of_shop = json!({"org_id": story.org, "project_ids": [shop]});
    let seen = story
        .call("get_project_consumption", with(question.clone(), of_shop.clone()))
        .await;
    assert_eq!(each(&seen["projects"], "project_id"), [shop.as_str()]);
    let seen = story.call("get_branch_consumption", with(question, of_shop)).await;
    assert_eq!(seen["branches"].as_array().map(Vec::len), Some(2), "{seen}");
    let used = total(find(&seen["branches"], "branch_id", dev), "compute_unit_seconds");
    about(&used.into(), ACTIVE_SECONDS / 4);

    let question = with(span(&story, 3, &["active_time_seconds"]).await, mine);
    let seen = story.call("get_legacy_project_consumption", question.clone()).await;
    let used = total(find(&seen["projects"], "project_id", blog), "active_time_seconds");
    about(&used.into(), ACTIVE_SECONDS);
    let long_ago = with(question, json!({"from": "2024-03-01T00:00:00Z"}));
    let error = story.fails("get_legacy_project_consumption", long_ago).await;
    assert_eq!(error["status"], 406, "{error}");
}

#[tokio::test]
async fn row_13_organization_consumption() {
    let story = Story::with(13, scale()).await;
    let shop = story.make_shop(json!({})).await;
    story.advance(3600).await;
    let org = json!({"org_id": story.org});
    let metrics = ["compute_unit_seconds", "root_branch_bytes_month"];
    let question = with(span(&story, 2, &metrics).await, org.clone());
    let seen = story.call("get_project_consumption", question.clone()).await;
    assert_eq!(each(&seen["projects"], "project_id"), [shop.as_str()]);
    let project = total(&seen["projects"][0], "compute_unit_seconds");
    about(&project.into(), ACTIVE_SECONDS / 4);
    let branches = with(question, json!({"project_ids": [shop]}));
    let seen = story.call("get_branch_consumption", branches).await;
    let branch = total(&seen["branches"][0], "compute_unit_seconds");
    about(&branch.into(), project);
    assert!(total(&seen["branches"][0], "root_branch_bytes_month") > 0, "{seen}");
    let question = with(span(&story, 2, &["compute_time_seconds"]).await, org.clone());
    let seen = story.call("get_legacy_project_consumption", question.clone()).await;
    let legacy = total(&seen["projects"][0], "compute_time_seconds");
    about(&legacy.into(), project);
    let elsewhere = with(question, json!({"org_id": "org-some-where-12345678"}));
    let error = story.fails("get_legacy_project_consumption", elsewhere).await;
    assert_eq!(error["status"], 404, "{error}");

    let limit = || story.call("get_organization_spending_limit", org.clone());
    assert_eq!(limit().await["spending_limit_cents"], Value::Null);
    let set = json!({"org_id": story.org, "spending_limit_cents": 5000});
    let asked = story.asked();
    story.call("set_organization_spending_limit", set).await;
    assert_eq!(story.asked(), asked + 1, "what may be spent is for a human to say");
    assert_eq!(limit().await["spending_limit_cents"], 5000);
    story.call("delete_organization_spending_limit", org.clone()).await;
    assert_eq!(limit().await["spending_limit_cents"], Value::Null);
}

#[tokio::test]
async fn row_14_configure_consumption_limits() {
    let story = Story::of(14).await;
    within_a_month(&story).await;
    let quota = json!({"quota_active_time_seconds": 1000, "quota_logical_size_bytes": 1_000_000_000});
    story.make_shop(quota).await;
    let project = || async { story.shop("describe_project", json!({})).await["project"].take() };
    assert_eq!(
        project().await["settings"]["quota"],
        json!({"active_time_seconds": 1000, "logical_size_bytes": 1_000_000_000})
    );
    let asked = story.asked();
    let lower = json!({
        "quota_active_time_seconds": 250, "quota_compute_time_seconds": 0, "quota_written_data_bytes": 0,
        "quota_data_transfer_bytes": 0, "quota_logical_size_bytes": 0,
    });
    story.shop("update_project", lower.clone()).await;
    assert_eq!(story.asked(), asked + 1, "it can stop every compute");
    assert_eq!(
        project().await["settings"]["quota"],
        json!({
            "active_time_seconds": 250, "compute_time_seconds": 0, "written_data_bytes": 0,
            "data_transfer_bytes": 0, "logical_size_bytes": 0,
        })
    );

    // 300 seconds of work are more than 250: the compute is stopped and doesn't start before the limit is lifted.
    let computes = story.shop("list_computes", json!({})).await;
    let one = json!({"endpoint_id": computes["endpoints"][0]["id"]});
    assert_eq!(computes["endpoints"][0]["current_state"], "active");
    story.advance(260).await;
    let shown = story.shop("describe_compute", one.clone()).await;
    assert_eq!(shown["endpoint"]["current_state"], "idle", "{shown}");
    let error = story.shop_fails("start_compute", one.clone()).await;
    assert_eq!(error["status"], 422, "{error}");
    assert!(error.to_string().contains("quota"), "{error}");
    let mut unlimited = lower;
    unlimited["quota_active_time_seconds"] = 0.into();
    story.shop("update_project", unlimited).await;
    story.shop("start_compute", one.clone()).await;
    let shown = story.shop("describe_compute", one).await;
    assert_eq!(shown["endpoint"]["current_state"], "active");
}
