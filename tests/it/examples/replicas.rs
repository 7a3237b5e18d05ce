//! Rows 29 to 32: read replicas.

use neon_mcp::sandbox::{Limits, SandboxOptions};
use serde_json::{Value, json};

use super::{Story, each, find, in_shop, text};

/// Adds a replica to `main` of `shop`.
async fn replica(story: &Story, more: Value) -> Value {
    let mut new = json!({"branch_id": "main", "type": "read_only"});
    new.as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    story.shop("create_compute", new).await["endpoint"].take()
}

/// How `neondb` is reached through one compute.
async fn through(story: &Story, endpoint: &Value) -> String {
    let arguments = json!({
        "branch_id": "main", "endpoint_id": endpoint["id"], "database_name": "neondb", "role_name": "neondb_owner",
    });
    text(&story.shop("get_connection_string", arguments).await["uri"])
}

#[tokio::test]
async fn row_29_read_replicas_overview() {
    let story = Story::of(29).await;
    story.make_shop(json!({})).await;
    story.make_branch(json!({"name": "dev"})).await;
    let made = replica(&story, json!({"name": "reports"})).await;
    assert_eq!(made["type"], "read_only", "{made}");
    let all = story.shop("list_computes", json!({})).await;
    assert_eq!(all["endpoints"].as_array().map(Vec::len), Some(3), "{all}");
    let of_main = story.shop("list_branch_computes", json!({"branch_id": "main"})).await;
    let mut types = each(&of_main["endpoints"], "type");
    types.sort();
    assert_eq!(types, ["read_only", "read_write"], "both work on the same branch");
    let writer = find(&of_main["endpoints"], "type", "read_write");
    assert_eq!(writer["branch_id"], made["branch_id"]);

    let change = json!({"endpoint_id": made["id"], "autoscaling_limit_max_cu": 4, "suspend_timeout_seconds": 600});
    let changed = story.done("update_compute", in_shop(change)).await;
    assert!(
        changed["undo"]["tool"] == "update_compute",
        "a resize can be taken back: {changed}"
    );
    let shown = story.shop("describe_compute", json!({"endpoint_id": "reports"})).await;
    assert_eq!(shown["endpoint"]["autoscaling_limit_max_cu"], 4.0);
    assert_eq!(shown["endpoint"]["suspend_timeout_seconds"], 600);

    story.shop("delete_compute", json!({"endpoint_id": "reports"})).await;
    let of_main = story.shop("list_branch_computes", json!({"branch_id": "main"})).await;
    assert_eq!(each(&of_main["endpoints"], "type"), ["read_write"]);
    assert_eq!(story.branches().await, ["dev", "main"], "the data stay");
}

#[tokio::test]
async fn row_30_create_read_replicas() {
    let story = Story::with(
        30,
        SandboxOptions {
            limits: Limits::free(),
            ..SandboxOptions::default()
        },
    )
    .await;
    story.make_shop(json!({})).await;
    let mut replicas = Vec::new();
    for number in 1..=3 {
        replicas.push(replica(&story, json!({"name": format!("reader-{number}")})).await);
    }
    let fourth = json!({"branch_id": "main", "type": "read_only"});
    let error = story.shop_fails("create_compute", fourth.clone()).await;
    assert_eq!(error["status"], 422, "the Free plan has three: {error}");
    for replica in &replicas {
        let uri = through(&story, replica).await;
        assert!(uri.contains(&text(&replica["host"])), "{uri}");
        assert_ne!(uri, story.uri("main").await);
    }
    let main = story.uri("main").await;
    let computes = story.shop("list_computes", json!({})).await;
    let writer = find(&computes["endpoints"], "type", "read_write");
    assert!(
        main.contains(&text(&writer["host"])),
        "without a choice it is the one that writes: {main}"
    );

    let first = json!({"endpoint_id": "reader-1"});
    let change = json!({"endpoint_id": "reader-1", "autoscaling_limit_max_cu": 1});
    story.shop("update_compute", change).await;
    let shown = story.shop("describe_compute", first.clone()).await;
    assert_eq!(shown["endpoint"]["autoscaling_limit_max_cu"], 1.0);
    story.shop("delete_compute", first.clone()).await;
    let gone = story.shop_fails("describe_compute", first).await;
    assert_eq!(gone["kind"], "unresolved", "{gone}");
    story.shop("create_compute", fourth).await;
}

#[tokio::test]
async fn row_31_run_analytics_on_a_replica() {
    let story = Story::of(31).await;
    story.make_shop(json!({})).await;
    // Analysis wants more than the application does, and must not slow it down.
    let made = replica(
        &story,
        json!({"name": "analytics", "autoscaling_limit_min_cu": 2, "autoscaling_limit_max_cu": 8}),
    )
    .await;
    assert_eq!(made["autoscaling_limit_max_cu"], 8.0, "{made}");
    let computes = story.shop("list_computes", json!({})).await;
    let writer = find(&computes["endpoints"], "type", "read_write").clone();
    assert_eq!(writer["autoscaling_limit_max_cu"], 2.0, "the other stays as it is");
    let (reads, writes) = (through(&story, &made).await, through(&story, &writer).await);
    assert_ne!(reads, writes);
    let role = |uri: &str| uri.split('@').next().map(str::to_owned);
    assert_eq!(role(&reads), role(&writes), "the same role and password on both");

    let asked = story.asked();
    let large = json!({"branch_id": "main", "type": "read_only", "autoscaling_limit_min_cu": 8, "autoscaling_limit_max_cu": 16});
    story.shop("create_compute", large).await;
    assert_eq!(story.asked(), asked + 1, "more than 8 CU is for a human to allow");
}

#[tokio::test]
async fn row_32_run_ad_hoc_queries_on_a_replica() {
    let story = Story::of(32).await;
    story.make_shop(json!({})).await;
    let made = replica(&story, json!({"suspend_timeout_seconds": 60})).await;
    let one = json!({"endpoint_id": made["id"]});
    let state = || async {
        let shown = story.shop("describe_compute", one.clone()).await;
        text(&shown["endpoint"]["current_state"])
    };
    assert_eq!(state().await, "active");
    assert!(through(&story, &made).await.contains(&text(&made["host"])));
    // Between two questions it costs nothing.
    story.advance(61).await;
    assert_eq!(state().await, "idle");
    story.shop("start_compute", one.clone()).await;
    assert_eq!(state().await, "active");
    let computes = story.shop("list_branch_computes", json!({"branch_id": "main"})).await;
    let writer = find(&computes["endpoints"], "type", "read_write");
    assert_eq!(
        writer["current_state"], "active",
        "the writer has its own time: {computes}"
    );
}
