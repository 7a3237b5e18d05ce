//! What runs functions by itself, and what the logs say of it.

use serde_json::{Value, json};

use super::{Made, Rig, buckets::upload, each, functions::live};

fn schedule(name: &str, cron: &str) -> Value {
    json!({ "type": "schedule", "function_slug": "hello", "name": name, "schedule": { "cron": cron } })
}

fn on_upload(name: &str, bucket: &str, prefix: &str) -> Value {
    let watched = json!({ "bucket_name": bucket, "prefix": prefix });
    json!({ "type": "storage_object_created", "function_slug": "hello", "name": name, "storage_object_created": watched })
}

async fn prepared() -> (Rig, Made) {
    let rig = Rig::start().await;
    let project = rig.project().await;
    live(&rig, &project, "hello").await;
    rig.post(&project.main("/buckets"), json!({ "name": "files" }))
        .await
        .expect(201);
    (rig, project)
}

async fn made(rig: &Rig, project: &Made, body: Value) -> Value {
    rig.post(&project.main("/triggers"), body).await.expect(201)["trigger"].clone()
}

#[tokio::test]
async fn a_trigger_is_made_changed_and_deleted() {
    let (rig, project) = prepared().await;
    let trigger = made(&rig, &project, schedule("nightly", "0 3 * * *")).await;
    assert_eq!(trigger["function_path"], "/");
    assert_eq!(trigger["enabled"], true);
    assert!(trigger["next_run_at"].as_str().unwrap().contains("T03:00:00"));
    let one = project.main(&format!("/triggers/{}", trigger["trigger_id"].as_str().unwrap()));
    assert_eq!(rig.get(&one).await.expect(200)["trigger"], trigger);

    let body = json!({ "type": "schedule", "name": "hourly", "schedule": { "cron": "0 * * * *" } });
    let changed = rig.patch(&one, body).await.expect(200);
    assert_eq!(changed["trigger"]["version"], 2);
    assert_eq!(changed["trigger"]["schedule"]["cron"], "0 * * * *");
    let body = json!({ "type": "schedule", "function_path": "/run" });
    let changed = rig.patch(&one, body).await.expect(200);
    assert_eq!(changed["trigger"]["version"], 2, "only the schedule and enabled count");
    let off = rig
        .patch(&one, json!({ "type": "schedule", "enabled": false }))
        .await
        .expect(200);
    assert_eq!(off["trigger"]["next_run_at"], Value::Null);
    assert_eq!(off["trigger"]["version"], 3);
    let listed = rig.get(&project.main("/triggers")).await.expect(200);
    assert_eq!(each(&listed["triggers"], "name"), ["hourly"]);
    rig.delete(&one).await.expect(204);
    rig.delete(&one).await.refused(404);
    rig.get(&one).await.refused(404);
    rig.patch(&one, json!({ "type": "schedule", "enabled": true }))
        .await
        .refused(404);
}

#[tokio::test]
async fn what_no_trigger_can_be_is_refused() {
    let (rig, project) = prepared().await;
    let all = project.main("/triggers");
    let trigger = made(&rig, &project, on_upload("thumbs", "files", "in/")).await;
    rig.post(&all, schedule("thumbs", "0 3 * * *")).await.refused(409);
    rig.post(&all, schedule("", "0 3 * * *")).await.refused(400);
    for cron in ["", "@daily", "* * * *", "60 * * * *"] {
        rig.post(&all, schedule("x", cron)).await.refused(400);
    }
    rig.post(&all, on_upload("x", "none", "")).await.refused(404);
    rig.post(&all, on_upload("x", "files", &"x".repeat(1_025)))
        .await
        .refused(400);
    let mut body = schedule("x", "0 3 * * *");
    body["function_slug"] = "none".into();
    rig.post(&all, body.clone()).await.refused(404);
    body["function_slug"] = "hello".into();
    body["storage_object_created"] = json!({ "bucket_name": "files" });
    rig.post(&all, body).await.refused(400);
    rig.post(
        &all,
        json!({ "type": "schedule", "function_slug": "hello", "name": "x" }),
    )
    .await
    .refused(400);
    rig.post(&all, json!({ "type": "moon", "function_slug": "hello", "name": "x" }))
        .await
        .refused(400);
    let one = project.main(&format!("/triggers/{}", trigger["trigger_id"].as_str().unwrap()));
    rig.patch(&one, json!({ "type": "schedule", "enabled": false }))
        .await
        .refused(400);
    let nowhere = json!({ "type": "storage_object_created", "storage_object_created": { "prefix": "x" } });
    rig.patch(&one, nowhere).await.refused(400);
    assert_eq!(rig.get(&one).await.expect(200)["trigger"], trigger);
}

#[tokio::test]
async fn an_inherited_trigger_is_off_until_the_child_takes_it() {
    let (rig, project) = prepared().await;
    let trigger = made(&rig, &project, schedule("nightly", "0 3 * * *")).await;
    let child = rig.branch(&project, "child").await;
    let id = trigger["trigger_id"].as_str().unwrap();
    let there = project.branch(&child, &format!("/triggers/{id}"));
    let inherited = rig.get(&there).await.expect(200);
    assert_eq!(inherited["trigger"]["inherited"], true);
    assert_eq!(inherited["trigger"]["enabled"], false);
    let taken = json!({ "type": "schedule", "name": "mine" });
    rig.post(&project.branch(&child, "/triggers"), schedule("nightly", "0 3 * * *"))
        .await
        .refused(409);
    let own = rig.patch(&there, taken).await.expect(200);
    assert_eq!(own["trigger"]["inherited"], false);
    assert_eq!(own["trigger"]["enabled"], false);
    let on = rig
        .patch(&there, json!({ "type": "schedule", "enabled": true }))
        .await
        .expect(200);
    assert_eq!(on["trigger"]["enabled"], true);
    rig.delete(&there).await.expect(204);
    let above = rig.get(&project.main(&format!("/triggers/{id}"))).await.expect(200);
    assert_eq!(above["trigger"], trigger, "the parent's own stays");
}

#[tokio::test]
async fn uploads_run_what_waits_for_them_and_the_logs_tell() {
    let (rig, project) = prepared().await;
    made(&rig, &project, on_upload("thumbs", "files", "in/")).await;
    let files = project.main("/buckets/files");
    upload(&rig, &files, "in/a.png", "x").await;
    upload(&rig, &files, "out/b.png", "x").await;
    let query = project.main("/logs/query");
    let all = rig.post(&query, json!({})).await.expect(200);
    assert_eq!(all["is_truncated"], false);
    assert_eq!(all["logs"].as_array().unwrap().len(), 4, "{all}");
    let runs = rig
        .post(&query, json!({ "source": "function", "body_contains": "thumbs" }))
        .await
        .expect(200);
    assert_eq!(each(&runs["logs"], "message"), ["/ run by trigger thumbs for in/a.png"]);
    let stored = rig
        .post(
            &query,
            json!({ "logql": "{source=\"storage\"} |= \"created\" != \"out/\"" }),
        )
        .await
        .expect(200);
    assert_eq!(each(&stored["logs"], "message"), ["object created: in/a.png (1 bytes)"]);
}

#[tokio::test]
async fn logs_are_paged_filtered_and_bounded() {
    let (rig, project) = prepared().await;
    let files = project.main("/buckets/files");
    for key in ["1", "2", "3"] {
        upload(&rig, &files, key, "x").await;
        rig.advance(1).await;
    }
    let query = project.main("/logs/query");
    let ask = |more: Value| {
        let mut body = json!({ "source": "storage", "sort_order": "asc", "limit": 2 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rig.post(&query, body)
    };
    let first = ask(json!({})).await.expect(200);
    assert_eq!(first["is_truncated"], true);
    let rest = ask(json!({ "cursor": first["next_cursor"] })).await.expect(200);
    assert_eq!(rest["logs"].as_array().unwrap().len(), 1);
    assert_eq!(rest["logs"][0]["attributes"]["key"], "3");
    for (body, code) in [
        (
            json!({ "since": "1h", "start_time": "2030-01-01T00:00:00Z" }),
            "conflicting_time_range",
        ),
        (json!({ "since": "8d" }), "time_range_too_large"),
        (
            json!({ "start_time": "2030-01-01T00:00:00Z", "end_time": "2030-02-01T00:00:00Z" }),
            "time_range_too_large",
        ),
        (
            json!({ "start_time": "2030-01-02T00:00:00Z", "end_time": "2030-01-01T00:00:00Z" }),
            "invalid_time_range",
        ),
        (json!({ "cursor": "nonsense" }), "invalid_cursor"),
        // Of the query above, which asks for storage alone.
        (
            json!({ "cursor": first["next_cursor"], "sort_order": "asc" }),
            "invalid_cursor",
        ),
        (
            json!({ "logql": "{source=\"storage\"}", "severity_text": "INFO" }),
            "conflicting_filters",
        ),
        (json!({ "logql": "rate({x=\"y\"}[5m])" }), "invalid_logql"),
    ] {
        let refused = rig.post(&query, body).await.expect(400);
        assert_eq!(refused["reason"], code, "{refused}");
    }
    rig.post(&query, json!({ "limit": 1_001 })).await.refused(400);
    rig.post(&query, json!({ "since": "soon" })).await.refused(400);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    rig.post(&query, json!({ "trace_id": trace })).await.expect(200);
    for wrong in [trace.to_uppercase(), trace[1..].to_owned(), "x".repeat(32)] {
        rig.post(&query, json!({ "trace_id": wrong })).await.refused(400);
    }
    let nowhere = rig
        .post(&project.branch("br-none", "/logs/query"), json!({}))
        .await
        .expect(404);
    assert_eq!(nowhere["reason"], "branch_not_found");
    let nowhere = rig.get(&project.branch("br-none", "/logs/fields")).await.expect(404);
    assert_eq!(nowhere["reason"], "branch_not_found");
    let grave = rig
        .post(&query, json!({ "minimum_severity": "warn" }))
        .await
        .expect(200);
    assert_eq!(grave["logs"], json!([]));
    let old = rig
        .post(&query, json!({ "end_time": "2020-01-01T00:00:00Z" }))
        .await
        .expect(200);
    assert_eq!(old["logs"], json!([]));

    let fields = rig.get(&project.main("/logs/fields")).await.expect(200);
    assert_eq!(
        fields["fields"],
        json!(["key", "service_name", "severity_text", "source"])
    );
    let values = project.main("/logs/fields/source/values");
    assert_eq!(
        rig.get(&values).await.expect(200)["values"],
        json!(["function", "storage"])
    );
    let some = rig.get(&format!("{values}?limit=1")).await.expect(200);
    assert_eq!(some["is_truncated"], true);
    let one = rig.get(&format!("{values}?source=storage&since=1h")).await.expect(200);
    assert_eq!(one["values"], json!(["storage"]));
    let unknown = rig.get(&project.main("/logs/fields/none/values")).await.expect(400);
    assert_eq!(unknown["reason"], "unknown_field");
    let long = rig.get(&format!("{values}?since=9d")).await.expect(400);
    assert_eq!(long["reason"], "time_range_too_large");
}
