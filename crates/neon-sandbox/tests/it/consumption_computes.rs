//! What computes used: when they really worked, at which size, for which branch.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::{
    Rig,
    consumption::{ALL, about, frames, of_project, org, scale, span, total},
};

#[tokio::test]
async fn compute_time_is_what_the_computes_really_worked() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    rig.advance(2 * 3600).await;
    let hours = 5 * 3600;
    let seen = of_project(&rig, &project, hours, "hourly", "compute_unit_seconds").await;
    about(total(&seen, "compute_unit_seconds"), 75);

    let endpoint = project.path(&format!("/endpoints/{}", project.endpoint));
    rig.post(&format!("{endpoint}/start"), json!({})).await.expect(200);
    rig.settle().await;
    rig.advance(98).await;
    rig.post(&format!("{endpoint}/suspend"), json!({})).await.expect(200);
    rig.settle().await;
    rig.advance(3600).await;
    let seen = of_project(&rig, &project, hours, "hourly", "compute_unit_seconds").await;
    about(total(&seen, "compute_unit_seconds"), 75 + 25);

    let size = json!({ "endpoint": { "autoscaling_limit_min_cu": 4, "autoscaling_limit_max_cu": 4, "suspend_timeout_seconds": -1 } });
    rig.patch(&endpoint, size).await.expect(200);
    rig.settle().await;
    rig.post(&format!("{endpoint}/start"), json!({})).await.expect(200);
    rig.settle().await;
    let before = of_project(&rig, &project, hours, "hourly", "compute_unit_seconds").await;
    rig.advance(1000).await;
    let after = of_project(&rig, &project, hours, "hourly", "compute_unit_seconds").await;
    let used = total(&after, "compute_unit_seconds") - total(&before, "compute_unit_seconds");
    assert!((3996..=4100).contains(&used), "{used}: 1000 s at 4 CU");

    let alone = rig.get(&project.path("")).await.expect(200);
    let months = of_project(&rig, &project, hours, "monthly", "compute_unit_seconds").await;
    if frames(&months).len() == 1 {
        let shown = alone["project"]["compute_time_seconds"].as_u64().unwrap();
        assert!(shown.abs_diff(total(&months, "compute_unit_seconds")) <= 80, "{shown}");
    }
    let by_day = of_project(&rig, &project, hours, "daily", "compute_unit_seconds").await;
    let day = total(&by_day, "compute_unit_seconds");
    assert!(day.abs_diff(total(&after, "compute_unit_seconds")) <= 80, "{day}");

    rig.delete(&endpoint).await.expect(200);
    rig.settle().await;
    rig.advance(3600).await;
    let gone = of_project(&rig, &project, hours, "hourly", "compute_unit_seconds").await;
    let total = total(&gone, "compute_unit_seconds");
    assert!(
        total.abs_diff(day) <= 80,
        "{total}: a deleted compute counts as long as it worked"
    );
}

#[tokio::test]
async fn nothing_is_asked_of_a_compute() {
    let rig = scale().await;
    let project = rig.project().await;
    rig.advance(3600).await;
    let endpoint = project.path(&format!("/endpoints/{}", project.endpoint));
    of_project(&rig, &project, 3600, "hourly", ALL).await;
    let seen = rig.get(&endpoint).await.expect(200);
    assert_eq!(seen["endpoint"]["current_state"], "idle");
    let now: DateTime<Utc> = rig.time(0).await.parse().unwrap();
    let later = (now + TimeDelta::hours(5)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let from = rig.time(-3600).await;
    let path = format!("/consumption_history/projects?from={from}&to={later}&granularity=hourly");
    let seen = rig.get(&path).await.expect(200);
    let frames = frames(&seen["projects"][0]);
    assert!((2..=3).contains(&frames.len()), "nothing lies ahead: {}", frames.len());
}

#[tokio::test]
async fn a_compute_that_moves_counts_for_the_branch_that_it_is_on() {
    let rig = Rig::start().await;
    let project = rig.project().await;
    let endpoint = project.path(&format!("/endpoints/{}", project.endpoint));
    let always = json!({ "endpoint": { "autoscaling_limit_min_cu": 1, "suspend_timeout_seconds": -1 } });
    rig.patch(&endpoint, always).await.expect(200);
    rig.settle().await;
    rig.advance(1000).await;
    let made = rig.post(&project.main("/snapshot"), json!({})).await.expect(200);
    rig.settle().await;
    let path = project.path(&format!(
        "/snapshots/{}/restore",
        made["snapshot"]["id"].as_str().unwrap()
    ));
    let body = json!({ "finalize_restore": true, "target_branch_id": project.branch });
    let restored = rig.post(&path, body).await.expect(200);
    rig.settle().await;
    rig.advance(2000).await;
    let query = span(&rig, 5 * 3600, "hourly").await;
    let path = format!(
        "/consumption_history/v2/branches?{query}&org_id={}&project_ids={}&metrics=compute_unit_seconds",
        org(&rig).await,
        project.id
    );
    let seen = rig.get(&path).await.expect(200);
    let of = |id: &str| {
        let items = seen["branches"].as_array().unwrap();
        total(
            items.iter().find(|item| item["branch_id"] == id).unwrap(),
            "compute_unit_seconds",
        )
    };
    let (old, new) = (of(&project.branch), of(restored["branch"]["id"].as_str().unwrap()));
    assert!((1000..=1040).contains(&old), "{old}");
    assert!((1995..=2040).contains(&new), "{new}");
}
