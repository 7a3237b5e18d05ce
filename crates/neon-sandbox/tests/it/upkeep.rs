//! What happens to computes and branches by itself: quotas stop them, maintenance restarts them, the archive takes them.

use harness::assert_worded;
use neon_sandbox::{Limits, SandboxOptions};
use serde_json::{Value, json};

use super::{Made, Rig, actions, options};

fn compute(project: &Made, rest: &str) -> String {
    project.path(&format!("/endpoints/{}{rest}", project.endpoint))
}

async fn state(rig: &Rig, project: &Made, branch: &str) -> Value {
    rig.get(&project.branch(branch, "")).await.expect(200)["branch"]["current_state"].clone()
}

#[tokio::test]
async fn a_reached_quota_stops_every_compute_until_it_is_lifted_or_the_month_is_over() {
    let rig = Rig::start().await;
    // The figures begin anew with each month.
    let (now, soon) = (rig.time(0).await, rig.time(600).await);
    if now[..7] != soon[..7] {
        rig.advance(600).await;
    }
    let quota = |compute: u64| json!({ "settings": { "quota": { "compute_time_seconds": compute } } });
    let project = rig.project_with(quota(50)).await;
    let body = json!({ "branch": { "name": "dev" }, "endpoints": [{ "type": "read_write" }] });
    rig.branch_with(&project, body.clone()).await;
    // Two computes of a quarter of a unit each.
    rig.advance(110).await;
    for endpoint in rig.get(&project.path("/endpoints")).await.expect(200)["endpoints"]
        .as_array()
        .unwrap()
    {
        assert_eq!(endpoint["current_state"], "idle");
    }
    let operations = rig.get(&project.path("/operations?limit=2")).await.expect(200);
    assert_eq!(actions(&operations), ["suspend_compute", "suspend_compute"]);

    for action in ["/start", "/restart"] {
        let message = rig.post(&compute(&project, action), json!({})).await.refused(422);
        assert!(message.contains("compute_time_seconds"), "{message}");
    }
    let replica = json!({ "endpoint": { "branch_id": project.branch, "type": "read_only" } });
    rig.post(&project.path("/endpoints"), replica).await.refused(422);
    let other = json!({ "branch": { "name": "other" }, "endpoints": [{ "type": "read_write" }] });
    rig.post(&project.path("/branches"), other).await.refused(422);
    let bare = rig.branch(&project, "without a compute").await;
    // Nor does a change that an idle compute would have to wake for.
    let role = json!({ "role": { "name": "app" } });
    for (path, body) in [
        ("/roles", role.clone()),
        ("/roles/neondb_owner/reset_password", json!({})),
        (
            "/databases",
            json!({ "database": { "name": "app", "owner_name": "neondb_owner" } }),
        ),
    ] {
        let message = rig.post(&project.main(path), body).await.refused(422);
        assert!(message.contains("compute_time_seconds"), "{message}");
        assert_worded!("refusals", "project whose quota is used up", message);
    }
    rig.patch(
        &compute(&project, ""),
        json!({ "endpoint": { "autoscaling_limit_max_cu": 4 } }),
    )
    .await
    .refused(422);
    rig.patch(&compute(&project, ""), json!({ "endpoint": { "name": "main" } }))
        .await
        .expect(200);
    assert_eq!(
        rig.get(&project.main("/roles")).await.expect(200)["roles"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "what is refused changes nothing"
    );
    rig.post(&project.branch(&bare, "/roles"), role).await.expect(201);
    rig.settle().await;

    rig.patch(&project.path(""), json!({ "project": quota(0) }))
        .await
        .expect(200);
    rig.settle().await;
    rig.post(&compute(&project, "/start"), json!({})).await.expect(200);
    rig.settle().await;
    rig.patch(&project.path(""), json!({ "project": quota(50) }))
        .await
        .expect(200);
    rig.post(&compute(&project, "/restart"), json!({})).await.refused(422);
    rig.advance(32 * 86_400).await;
    rig.post(&compute(&project, "/start"), json!({})).await.expect(200);
}

#[tokio::test]
async fn maintenance_restarts_what_has_run_for_a_week_and_spares_what_scales_to_zero() {
    let rig = Rig::start().await;
    let window = json!({ "weekdays": [2, 5], "start_time": "04:30", "end_time": "05:30" });
    let settings = json!({ "settings": { "maintenance_window": window } });
    let sleeper = rig.project_with(settings.clone()).await;
    let mut runner = settings;
    runner["default_endpoint_settings"] = json!({ "suspend_timeout_seconds": -1 });
    let runner = rig.project_with(runner).await;
    let planned = |project: &Made| {
        let path = project.path("");
        let rig = &rig;
        async move { rig.get(&path).await.expect(200)["project"]["maintenance_scheduled_for"].clone() }
    };
    rig.advance(6 * 86_400).await;
    assert_eq!(planned(&runner).await, Value::Null);
    rig.advance(86_400).await;
    assert_eq!(planned(&sleeper).await, Value::Null);
    let at = planned(&runner).await;
    let at = chrono::DateTime::parse_from_rfc3339(at.as_str().unwrap()).unwrap();
    assert!(
        matches!(
            at.format("%a %H:%M:%S").to_string().as_str(),
            "Tue 04:30:00" | "Fri 04:30:00"
        ),
        "{at}"
    );
    let now = rig.time(0).await;
    let now = chrono::DateTime::parse_from_rfc3339(&now).unwrap();
    assert!(at > now && at - now < chrono::TimeDelta::days(4), "{at}");

    rig.advance(4 * 86_400).await;
    assert_eq!(planned(&runner).await, Value::Null);
    let endpoint = rig.get(&compute(&runner, "")).await.expect(200);
    let started = endpoint["endpoint"]["started_at"].as_str().unwrap();
    assert_eq!(chrono::DateTime::parse_from_rfc3339(started).unwrap(), at);
    let operations = rig.get(&runner.path("/operations?limit=2")).await.expect(200);
    let mut both = actions(&operations);
    both.sort_unstable();
    assert_eq!(both, ["start_compute", "suspend_compute"]);
}

#[tokio::test]
async fn the_archive_takes_what_nobody_uses_and_gives_it_back() {
    let rig = Rig::with(SandboxOptions {
        limits: Limits {
            protected_branches: 1,
            ..Limits::free()
        },
        ..options()
    })
    .await;
    let project = rig.project().await;
    let parent = rig.branch(&project, "parent").await;
    let kept = rig.branch(&project, "kept").await;
    rig.patch(&project.branch(&kept, ""), json!({ "branch": { "protected": true } }))
        .await
        .expect(200);
    rig.advance(10 * 86_400).await;
    let child = rig
        .branch_with(&project, json!({ "branch": { "parent_id": parent } }))
        .await;
    rig.advance(5 * 86_400).await;
    assert_eq!(state(&rig, &project, &parent).await, "ready", "its child is young");
    rig.advance(10 * 86_400).await;
    assert_eq!(state(&rig, &project, &child).await, "archived");
    assert_eq!(state(&rig, &project, &parent).await, "archived");
    assert_eq!(state(&rig, &project, &kept).await, "ready", "it is protected");
    assert_eq!(
        state(&rig, &project, &project.branch).await,
        "ready",
        "it has a protected child"
    );

    let role = json!({ "role": { "name": "app" } });
    let made = rig.post(&project.branch(&child, "/roles"), role).await.expect(201);
    assert_eq!(actions(&made), ["timeline_unarchive", "apply_config"]);
    rig.settle().await;
    assert_eq!(state(&rig, &project, &child).await, "ready");
    let body = json!({ "branch": { "parent_id": parent } });
    let made = rig.post(&project.path("/branches"), body).await.expect(201);
    assert_eq!(actions(&made), ["timeline_unarchive", "create_branch"]);
    rig.settle().await;
    assert_eq!(state(&rig, &project, &parent).await, "ready");
    rig.advance(23 * 3600).await;
    assert_eq!(state(&rig, &project, &child).await, "ready");
    rig.advance(2 * 3600).await;
    assert_eq!(state(&rig, &project, &child).await, "archived", "a day without use");

    let paid = Rig::start().await;
    let project = paid.project().await;
    let idle = paid.branch(&project, "idle").await;
    paid.advance(30 * 86_400).await;
    assert_eq!(
        state(&paid, &project, &idle).await,
        "ready",
        "a paid plan archives nothing"
    );
}
