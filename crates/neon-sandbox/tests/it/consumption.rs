//! What projects and branches used: the figures follow from what computes, branches and snapshots did.

use chrono::{DateTime, TimeDelta, Utc};
use neon_sandbox::{Limits, SandboxOptions};
use serde_json::{Value, json};

use super::{Made, Rig, each, options};

const EMPTY: u64 = 30_842_880;

pub(super) const ALL: &str = "compute_unit_seconds,root_branch_bytes_month,child_branch_bytes_month,instant_restore_bytes_month,\
                   public_network_transfer_bytes,private_network_transfer_bytes";

/// A sandbox on the plan that has every version of the history.
pub(super) async fn scale() -> Rig {
    Rig::with(SandboxOptions {
        limits: Limits::scale(),
        ..options()
    })
    .await
}

pub(super) async fn org(rig: &Rig) -> String {
    let listed = rig.get("/users/me/organizations").await.expect(200);
    listed["organizations"][0]["id"].as_str().unwrap().to_owned()
}

/// The query of the span from so many seconds ago until now.
pub(super) async fn span(rig: &Rig, back: i64, granularity: &str) -> String {
    let [from, to] = [rig.time(-back).await, rig.time(0).await];
    format!("from={from}&to={to}&granularity={granularity}")
}

/// What the second version says of the project.
pub(super) async fn of_project(rig: &Rig, project: &Made, back: i64, granularity: &str, metrics: &str) -> Value {
    let query = span(rig, back, granularity).await;
    let path = format!(
        "/consumption_history/v2/projects?{query}&org_id={}&project_ids={}&metrics={metrics}",
        org(rig).await,
        project.id
    );
    rig.get(&path).await.expect(200)["projects"][0].clone()
}

/// The timeframes of all periods.
pub(super) fn frames(item: &Value) -> Vec<&Value> {
    item["periods"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|period| period["consumption"].as_array().unwrap())
        .collect()
}

fn metric(frame: &Value, name: &str) -> u64 {
    let metrics = frame["metrics"].as_array().unwrap();
    let found = metrics.iter().find(|metric| metric["metric_name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {frame}"))["value"]
        .as_u64()
        .unwrap()
}

pub(super) fn total(item: &Value, name: &str) -> u64 {
    frames(item).into_iter().map(|frame| metric(frame, name)).sum()
}

/// Two figures are the same but for the rounding of each timeframe.
#[track_caller]
pub(super) fn about(value: u64, wanted: u64) {
    assert!(value.abs_diff(wanted) <= 3, "{value}, not {wanted}");
}

#[tokio::test]
async fn timeframes_lie_on_whole_hours_in_the_months_that_are_billed() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.advance(3 * 3600).await;
    let seen = of_project(&rig, &project, 24 * 3600, "hourly", ALL).await;
    let frames = frames(&seen);
    assert!(
        (4..=5).contains(&frames.len()),
        "none before the project was: {}",
        frames.len()
    );
    let time = |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    for frame in &frames {
        let (start, end) = (time(&frame["timeframe_start"]), time(&frame["timeframe_end"]));
        assert_eq!(start.timestamp() % 3600, 0);
        assert_eq!(end - start, TimeDelta::hours(1));
        assert_eq!(frame["metrics"].as_array().unwrap().len(), 6);
    }
    let period = &seen["periods"][0];
    assert_eq!(period["period_plan"], "launch_v3");
    let start = time(&period["period_start"]).to_rfc3339();
    assert!(start.contains("-01T00:00:00"), "{start}");
    let again = of_project(&rig, &project, 24 * 3600, "hourly", ALL).await;
    assert_eq!(period["period_id"], again["periods"][0]["period_id"]);

    let other = rig.project().await;
    rig.advance(40 * 86_400).await;
    let months = of_project(&rig, &other, 60 * 86_400, "monthly", ALL).await;
    let periods = months["periods"].as_array().unwrap();
    assert!(periods.len() >= 2, "{months}");
    assert!(periods[0]["period_end"].is_string());
    assert_eq!(
        periods.last().unwrap()["period_end"],
        Value::Null,
        "this month still runs"
    );
}

#[tokio::test]
pub async fn storage_is_what_branches_and_snapshots_held() {
    let rig = scale().await;
    let project = rig.project().await;
    rig.advance(3600).await;
    let query = span(&rig, 24 * 3600, "hourly").await;
    let path = format!("/consumption_history/projects?{query}&project_ids={}", project.id);
    rig.advance(4 * 3600).await;
    let child = rig.branch(&project, "child").await;
    rig.advance(3600).await;
    rig.set_schema(&project, &child, &"-- a long schema\n".repeat(1000))
        .await;
    rig.post(&project.main("/snapshot"), json!({})).await.expect(200);
    rig.settle().await;
    rig.advance(2 * 3600).await;

    let seen = rig.get(&path).await.expect(200);
    let old = frames(&seen["projects"][0])[0];
    assert_eq!(old["synthetic_storage_size_bytes"], 0);
    let query = span(&rig, 24 * 3600, "hourly").await;
    let path = format!("/consumption_history/projects?{query}&project_ids={}", project.id);
    let seen = rig.get(&path).await.expect(200);
    let hours = frames(&seen["projects"][0]);
    assert_eq!(hours[2]["logical_size_bytes"], EMPTY);
    assert_eq!(
        hours[2]["logical_size_bytes_hour"], EMPTY,
        "one hour of one empty branch"
    );
    assert_eq!(hours[2]["data_storage_bytes_hour"], EMPTY);
    assert_eq!(hours[2]["active_time_seconds"], 0);
    let last = hours.last().unwrap();
    assert_eq!(last["logical_size_bytes"], 2 * EMPTY + 64 * 17_000);
    let written: u64 = hours
        .iter()
        .map(|hour| hour["written_data_bytes"].as_u64().unwrap())
        .sum();
    assert!(written > 0, "the schema was written");

    let metrics = format!("{ALL},snapshot_storage_bytes_month,extra_branches_month");
    let seen = of_project(&rig, &project, 24 * 3600, "hourly", &metrics).await;
    let hours = frames(&seen);
    let month = month_hours(hours[2]["timeframe_start"].as_str().unwrap());
    about(metric(hours[2], "root_branch_bytes_month"), EMPTY / month);
    assert_eq!(metric(hours[2], "child_branch_bytes_month"), 0);
    assert_eq!(metric(hours[2], "snapshot_storage_bytes_month"), 0);
    let before_last = hours[hours.len() - 2];
    let month = month_hours(before_last["timeframe_start"].as_str().unwrap());
    about(metric(before_last, "child_branch_bytes_month"), written / month);
    about(metric(before_last, "snapshot_storage_bytes_month"), EMPTY / month);
    assert_eq!(
        metric(before_last, "instant_restore_bytes_month"),
        0,
        "nothing was written to the root"
    );
}

fn month_hours(start: &str) -> u64 {
    let start: DateTime<Utc> = start.parse().unwrap();
    let first = start
        .format("%Y-%m-01T00:00:00Z")
        .to_string()
        .parse::<DateTime<Utc>>()
        .unwrap();
    let next = first.checked_add_months(chrono::Months::new(1)).unwrap();
    u64::try_from((next - first).num_hours()).unwrap()
}

#[tokio::test]
pub async fn branches_are_told_apart_and_remembered() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.advance(600).await;
    let body = json!({ "branch": { "name": "child" }, "endpoints": [{ "type": "read_write" }] });
    let child = rig.branch_with(&project, body).await;
    rig.advance(1800).await;
    rig.delete(&format!("{}?hard_delete=true", project.branch(&child, "")))
        .await
        .expect(200);
    rig.settle().await;
    let query = span(&rig, 5 * 3600, "hourly").await;
    let org = org(&rig).await;
    let path = format!(
        "/consumption_history/v2/branches?{query}&org_id={org}&project_ids={}&metrics={ALL}",
        project.id
    );
    let seen = rig.get(&path).await.expect(200);
    let items = seen["branches"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    for item in items {
        assert_eq!(item["project_id"], project.id);
        about(total(item, "compute_unit_seconds"), 75);
    }
    let of = |id: &str| items.iter().find(|item| item["branch_id"] == id).unwrap();
    assert!(total(of(&project.branch), "root_branch_bytes_month") > 0);
    assert_eq!(total(of(&child), "root_branch_bytes_month"), 0);
    let only = rig.get(&format!("{path}&branch_ids={child}")).await.expect(200);
    assert_eq!(each(&only["branches"], "branch_id"), [child]);

    let first = rig.get(&format!("{path}&limit=1")).await.expect(200);
    let cursor = first["pagination"]["cursor"].as_str().unwrap();
    let second = rig.get(&format!("{path}&limit=1&cursor={cursor}")).await.expect(200);
    assert_ne!(first["branches"][0]["branch_id"], second["branches"][0]["branch_id"]);
    assert_eq!(second["pagination"], Value::Null);
}

#[tokio::test]
pub async fn what_is_asked_is_checked() {
    let rig = scale().await;
    let project = rig.project().await;
    let org = org(&rig).await;
    let day = span(&rig, 86_400, "hourly").await;
    let v2 = "/consumption_history/v2/projects";
    let branches = "/consumption_history/v2/branches";
    for wrong in [
        format!("{v2}?{day}&metrics=compute_unit_seconds"),
        format!("{v2}?{day}&org_id={org}"),
        format!("{v2}?{day}&org_id={org}&metrics=gold"),
        format!("{v2}?{day}&org_id={org}&metrics=compute_unit_seconds&limit=101"),
        format!("{v2}?org_id={org}&metrics=compute_unit_seconds&granularity=hourly"),
        format!("{branches}?{day}&org_id={org}&metrics=compute_unit_seconds"),
        format!(
            "{branches}?{day}&org_id={org}&project_ids={}&metrics=extra_branches_month",
            project.id
        ),
        format!("/consumption_history/projects?{}", day.replace("hourly", "yearly")),
        "/consumption_history/projects?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z&granularity=daily".to_owned(),
    ] {
        rig.get(&wrong).await.refused(400);
    }
    rig.get(&format!("{v2}?{day}&org_id=org-none&metrics=compute_unit_seconds"))
        .await
        .refused(404);
    for (back, granularity) in [
        (200 * 3600, "hourly"),
        (62 * 86_400, "daily"),
        (400 * 86_400, "monthly"),
    ] {
        let query = span(&rig, back, granularity).await;
        rig.get(&format!("/consumption_history/projects?{query}"))
            .await
            .refused(406);
    }
    let repeated = format!("{v2}?{day}&org_id={org}&metrics=compute_unit_seconds&metrics=root_branch_bytes_month");
    let seen = rig.get(&repeated).await.expect(200);
    assert_eq!(frames(&seen["projects"][0])[0]["metrics"].as_array().unwrap().len(), 2);
    let some = rig
        .get(&format!(
            "/consumption_history/projects?{day}&metrics=logical_size_bytes"
        ))
        .await
        .expect(200);
    let frame = frames(&some["projects"][0])[0];
    assert_eq!(frame["active_time_seconds"], 0);
    assert_eq!(frame["logical_size_bytes"], EMPTY);
    assert_eq!(frame["data_storage_bytes_hour"], Value::Null);

    let v1 = "/consumption_history/projects";
    for (limits, statuses) in [(Limits::free(), [403, 403, 403]), (Limits::launch(), [403, 200, 200])] {
        let plan = limits.plan;
        let rig = Rig::with(SandboxOptions { limits, ..options() }).await;
        let project = rig.project().await;
        let v2_query = format!("{day}&org_id={}&metrics=compute_unit_seconds", self::org(&rig).await);
        for (path, status) in [
            format!("{v1}?{day}"),
            format!("{v2}?{v2_query}"),
            format!("{branches}?{v2_query}&project_ids={}", project.id),
        ]
        .iter()
        .zip(statuses)
        {
            assert_eq!(rig.get(path).await.status, status, "{plan} {path}");
        }
    }
}

#[tokio::test]
async fn branches_beyond_the_plan_count() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    for number in 0..12 {
        rig.branch(&project, &format!("extra-{number}")).await;
    }
    rig.advance(62 * 86_400).await;
    let metrics = "extra_branches_month,root_branch_bytes_month";
    let seen = of_project(&rig, &project, 61 * 86_400, "monthly", metrics).await;
    let months = frames(&seen);
    let whole = months[months.len() - 2];
    assert_eq!(metric(whole, "extra_branches_month"), 3, "13 branches, 10 included");
    assert_eq!(
        metric(whole, "root_branch_bytes_month"),
        EMPTY,
        "one root, a whole month"
    );
}

#[tokio::test]
async fn an_organization_key_asks_about_its_own_organization_only() {
    let mut rig = Rig::with(SandboxOptions {
        extra_organizations: vec!["Annex".into()],
        ..options()
    })
    .await;
    let day = span(&rig, 86_400, "hourly").await;
    let listed = rig.get("/users/me/organizations").await.expect(200);
    let ids: Vec<String> = each(&listed["organizations"], "id")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let keys = format!("/organizations/{}/api_keys", ids[0]);
    let made = rig.post(&keys, json!({ "key_name": "ci" })).await.expect(200);
    rig.key = made["key"].as_str().unwrap().to_owned();
    let path = |org: &str| format!("/consumption_history/v2/projects?{day}&org_id={org}&metrics=compute_unit_seconds");
    rig.get(&path(&ids[0])).await.expect(200);
    rig.get(&path(&ids[1])).await.refused(404);
}
