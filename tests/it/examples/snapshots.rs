//! Rows 23 and 24: snapshots as backups, and as versions of a database.

use serde_json::{Value, json};

use super::{Story, each, find, in_shop, text};

const ONE: &str = "CREATE TABLE notes (\n    id bigint\n);\n";
const TWO: &str = "CREATE TABLE notes (\n    id bigint,\n    body text\n);\n";

/// The names of the snapshots of `shop`.
async fn names(story: &Story) -> Vec<String> {
    let listed = story.shop("list_snapshots", json!({})).await;
    each(&listed["snapshots"], "name")
}

#[tokio::test]
async fn row_23_backup_and_restore() {
    let story = Story::of(23).await;
    story.make_shop(json!({})).await;
    let main = story.branch_id("main").await;
    let host = story.uri("main").await;
    story.set_schema("main", ONE).await;

    let new = json!({"branch_id": "main", "name": "before"});
    let made = story.shop("create_snapshot", new).await;
    let snapshot = text(&made["snapshot"]["id"]);
    let passing = json!({"branch_id": "main", "name": "passing", "expires_at": story.time(3600).await});
    let passing = story.shop("create_snapshot", passing).await;
    assert_eq!(names(&story).await, ["before", "passing"]);
    let change = json!({"snapshot_id": snapshot, "name": "release"});
    story.shop("update_snapshot", change).await;
    assert_eq!(names(&story).await, ["release", "passing"]);

    let before = story.time(0).await;
    story.advance(10).await;
    // Looked at first, then put in place.
    story.set_schema("main", TWO).await;
    let restore = json!({"snapshot_id": snapshot, "name": "look"});
    let restored = story.shop("restore_snapshot", restore).await;
    let new_main = text(&restored["branch"]["id"]);
    assert_eq!(restored["branch"]["restored_from"], snapshot.as_str());
    assert_eq!(story.schema("look").await, ONE);
    assert_eq!(story.schema("main").await, TWO, "nothing is replaced yet");
    let asked = story.asked();
    story
        .shop("finalize_restore_branch", json!({"branch_id": "look"}))
        .await;
    assert_eq!(story.asked(), asked + 1);
    assert_eq!(story.branches().await, ["main", "main (old)"]);
    assert_eq!(story.branch_id("main").await, new_main);
    assert_eq!(story.branch_id("main (old)").await, main);
    assert_eq!(story.schema("main").await, ONE);
    let name = |uri: &str| uri.split(['@', '/']).nth(3).map(str::to_owned);
    assert_eq!(
        name(&story.uri("main").await),
        name(&host),
        "clients reach the restored branch by the same host"
    );
    let again = story
        .shop_fails("finalize_restore_branch", json!({"branch_id": "main"}))
        .await;
    assert_eq!(again["kind"], "would_fail", "{again}");
    // What the branch was before is another one's history now, which is named before anybody is asked.
    let asked = story.asked();
    let earlier = json!({
        "branch_id": "main", "source_branch_id": "main", "source_timestamp": before, "preserve_under_name": "kept",
    });
    let error = story.shop_fails("restore_branch", earlier).await;
    assert_eq!(error["kind"], "would_fail", "{error}");
    assert!(error["found"].to_string().contains("main (old)"), "{error}");
    assert_eq!(story.asked(), asked);

    // Instant restore, from the branch's own history.
    let good = story.time(0).await;
    story.advance(60).await;
    story.set_schema("main", TWO).await;
    let own = json!({
        "branch_id": "main", "source_branch_id": "main", "source_timestamp": good, "preserve_under_name": "kept",
    });
    story.shop("restore_branch", own).await;
    assert_eq!(story.schema("main").await, ONE);
    assert_eq!(story.schema("kept").await, TWO);

    // Backups by the clock.
    let schedule = || story.shop("get_backup_schedule", json!({"branch_id": "main"}));
    assert_eq!(schedule().await["schedule"], json!([]));
    let daily =
        json!({"branch_id": "main", "schedule": [{"frequency": "daily", "hour": 3, "retention_seconds": 604_800}]});
    story.shop("set_backup_schedule", daily).await;
    assert_eq!(schedule().await["schedule"][0]["retention_seconds"], 604_800);
    story.advance(2 * 86_400).await;
    let listed = story.shop("list_snapshots", json!({})).await;
    let made: Vec<&Value> = listed["snapshots"]
        .as_array()
        .expect("snapshots")
        .iter()
        .filter(|snapshot| snapshot["manual"] == false)
        .collect();
    assert_eq!(made.len(), 2, "{listed}");
    assert!(!listed.to_string().contains("passing"), "its time is over: {listed}");
    let id = json!({"snapshot_id": passing["snapshot"]["id"]});
    let error = story.shop_fails("delete_snapshot", id).await;
    assert_eq!(error["kind"], "would_fail", "{error}");

    story.shop("delete_snapshot", json!({"snapshot_id": snapshot})).await;
    assert!(!names(&story).await.contains(&"release".to_owned()));
}

#[tokio::test]
async fn row_24_database_versioning() {
    let story = Story::of(24).await;
    story.make_shop(json!({})).await;
    let first_main = story.branch_id("main").await;
    let version = |name: &'static str, slug: &'static str| {
        let story = &story;
        async move {
            let new = json!({"branch_id": "main", "name": name, "slug": slug});
            let made = story.shop("create_snapshot", new).await;
            assert_eq!(made["snapshot"]["slug"], slug);
            text(&made["snapshot"]["id"])
        }
    };
    story.set_schema("main", ONE).await;
    let one = version("v1", "v-one").await;
    story.set_schema("main", TWO).await;
    let two = version("v2", "v-two").await;
    let taken = json!({"branch_id": "main", "slug": "v-two"});
    let error = story.shop_fails("create_snapshot", taken).await;
    assert_eq!(error["status"], 409, "{error}");

    // Back to the first version and forward to the second: each restore takes the branch's place at once.
    let mut old = first_main.clone();
    for (snapshot, schema) in [(&one, ONE), (&two, TWO)] {
        let restore = json!({"snapshot_id": snapshot, "target_branch_id": "main", "finalize_restore": true});
        let asked = story.asked();
        let done = story.done("restore_snapshot", in_shop(restore)).await;
        assert_eq!(story.asked(), asked + 1, "it replaces the branch");
        for operation in done["operations"].as_array().expect("operations") {
            assert_eq!(operation["status"], "finished", "{done}");
        }
        let listed = story.shop("list_operations", json!({"limit": 2})).await;
        for operation in listed["operations"].as_array().expect("operations") {
            let shown = story
                .shop("get_operation", json!({"operation_id": operation["id"]}))
                .await;
            assert_eq!(shown["operation"]["status"], "finished", "{shown}");
        }
        // The branch has a new id from now on, which the list tells.
        let listed = story.shop("list_branches", json!({})).await;
        let main = find(&listed["branches"], "name", "main");
        assert_eq!(main["default"], true);
        assert_ne!(main["id"], old.as_str());
        assert_eq!(find(&listed["branches"], "name", "main (old)")["id"], old.as_str());
        assert_eq!(story.schema("main").await, schema);
        let deleted = json!({"branch_id": "main (old)"});
        story.shop("delete_branch", deleted).await;
        assert_eq!(story.branches().await, ["main"]);
        old = text(&main["id"]);
    }

    let expires = story.time(3600).await;
    let change = json!({"snapshot_id": one, "name": "v1 (kept for an hour)", "expires_at": expires});
    story.shop("update_snapshot", change).await;
    let listed = story.shop("list_snapshots", json!({})).await;
    let shown = find(&listed["snapshots"], "id", one.as_str());
    // Results tell times to the second.
    assert_eq!(text(&shown["expires_at"]).get(..19), expires.get(..19));
    assert_eq!(shown["slug"], "v-one", "a slug stays");
    story.shop("delete_snapshot", json!({"snapshot_id": two})).await;
    assert_eq!(names(&story).await, ["v1 (kept for an hour)"]);
    story.advance(3601).await;
    assert!(names(&story).await.is_empty());
}
