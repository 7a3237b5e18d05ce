//! Rows 7 and 8: the work that Neon does, when it was asked to and in maintenance windows.

use serde_json::{Value, json};

use super::{Story, each, find, in_shop, text};

#[tokio::test]
async fn row_07_view_operations() {
    let story = Story::of(7).await;
    story.make_shop(json!({})).await;
    let listed = story.shop("list_operations", json!({})).await;
    let mut actions = each(&listed["operations"], "action");
    actions.sort();
    assert_eq!(actions, ["create_timeline", "start_compute"]);

    // The server polls: when a call returns, its work is done.
    let made = story.done("create_branch", in_shop(json!({"name": "dev"}))).await;
    let operations = made["operations"].as_array().expect("operations");
    assert_eq!(operations.len(), 2, "{made}");
    for operation in operations {
        assert_eq!(operation["status"], "finished", "{made}");
        assert!(operation.get("id").is_none(), "nobody looks at it again: {made}");
    }
    let listed = story.shop("list_operations", json!({})).await;
    assert_eq!(listed["operations"].as_array().map(Vec::len), Some(4), "{listed}");
    for operation in listed["operations"].as_array().expect("operations") {
        let shown = story
            .shop("get_operation", json!({"operation_id": operation["id"]}))
            .await;
        assert_eq!(shown["operation"]["status"], "finished", "{shown}");
        assert_eq!(shown["operation"]["action"], operation["action"]);
    }

    // Work that fails is told as it is, by the call and afterwards.
    let fault = json!({"method": "POST", "path": "/projects/*/branches", "kind": {"type": "failed_operation"}});
    story.admin(reqwest::Method::POST, "/faults", fault).await;
    let (failed, _) = story
        .server
        .call("create_branch", in_shop(json!({"name": "broken", "compute": false})))
        .await;
    assert!(failed.to_string().contains("failed"), "{failed}");
    let listed = story.shop("list_operations", json!({})).await;
    let operation = find(&listed["operations"], "status", "failed");
    assert_eq!(operation["action"], "create_branch", "{listed}");
    assert!(operation["error"].is_string(), "{listed}");

    let none = json!({"operation_id": "00000000-0000-4000-8000-000000000000"});
    let error = story.shop_fails("get_operation", none).await;
    assert_eq!(error["status"], 404, "{error}");
}

#[tokio::test]
async fn row_08_maintenance_windows() {
    let story = Story::of(8).await;
    let window = |days: Value, start: &str, end: &str| json!({"maintenance_weekdays": days, "maintenance_start": start, "maintenance_end": end});
    let mut new = window(json!([7]), "02:00", "03:00");
    new["default_suspend_seconds"] = (-1).into();
    story.make_shop(new).await;
    let project = || async { story.shop("describe_project", json!({})).await["project"].take() };
    assert_eq!(
        project().await["settings"]["maintenance_window"],
        json!({"weekdays": [7], "start_time": "02:00", "end_time": "03:00"})
    );
    let sunday = project().await;
    let changed = story
        .done("update_project", in_shop(window(json!([1, 3]), "22:00", "23:00")))
        .await;
    assert_eq!(
        project().await["settings"]["maintenance_window"],
        json!({"weekdays": [1, 3], "start_time": "22:00", "end_time": "23:00"})
    );
    story.undo(&changed).await;
    assert_eq!(
        project().await["settings"]["maintenance_window"],
        sunday["settings"]["maintenance_window"]
    );
    for wrong in [
        json!({"maintenance_weekdays": [1]}),
        window(json!([8]), "02:00", "03:00"),
        window(json!([]), "02:00", "03:00"),
        window(json!([1]), "2 am", "03:00"),
    ] {
        let error = story.shop_fails("update_project", wrong).await;
        assert_eq!(error["kind"], "invalid_arguments", "{error}");
    }

    // A compute that has run for a week is due; whoever restarts it before has the update at their own time.
    assert_eq!(project().await.get("maintenance_scheduled_for"), None);
    story.advance(7 * 86_400).await;
    let due = project().await;
    let due = text(&due["maintenance_scheduled_for"]);
    assert!(due.contains("T02:00:00"), "{due}");
    let computes = story.shop("list_computes", json!({})).await;
    let one = json!({"endpoint_id": computes["endpoints"][0]["id"]});
    story.shop("restart_compute", one.clone()).await;
    assert_eq!(project().await.get("maintenance_scheduled_for"), None);

    // Whoever doesn't is restarted in the window.
    story.advance(14 * 86_400).await;
    let shown = story.shop("describe_compute", one).await;
    assert_eq!(shown["endpoint"]["current_state"], "active");
    let restarted = text(&shown["endpoint"]["started_at"]);
    assert!(restarted.contains("T02:00:00"), "{restarted}");
}
