//! Rows 15 to 22: workflows on branches, from making one to its archive.

use std::collections::BTreeSet;

use neon_mcp::sandbox::{Limits, SandboxOptions};
use serde_json::json;

use super::{Story, each, find, text};

const BEFORE: &str = "CREATE TABLE orders (\n    id bigint\n);\n";
const AFTER: &str = "CREATE TABLE orders (\n    id bigint,\n    total numeric\n);\n";

#[tokio::test]
async fn row_15_branching_with_the_neon_api() {
    let story = Story::of(15).await;
    story.make_shop(json!({})).await;
    story.set_schema("main", BEFORE).await;
    story.make_branch(json!({"name": "dev", "compute": false})).await;
    assert_eq!(story.branches().await, ["dev", "main"]);
    let arguments = json!({"branch_id": "dev", "database_name": "neondb", "role_name": "neondb_owner"});
    let error = story.shop_fails("get_connection_string", arguments).await;
    assert_eq!(error["status"], 404, "nothing to connect to yet: {error}");

    let new = json!({"branch_id": "dev", "type": "read_write"});
    let made = story.shop("create_compute", new).await;
    let host = text(&made["endpoint"]["host"]);
    let uri = story.uri("dev").await;
    assert!(uri.contains(&host), "{uri}");
    assert_ne!(uri, story.uri("main").await);
    let shown = story.shop("describe_branch", json!({"branch_id": "dev"})).await;
    assert_eq!(shown["branch"]["current_state"], "ready");
    assert_eq!(story.schema("dev").await, BEFORE);

    story.shop("delete_branch", json!({"branch_id": "dev"})).await;
    assert_eq!(story.branches().await, ["main"]);
    let computes = story.shop("list_computes", json!({})).await;
    assert_eq!(computes["endpoints"].as_array().map(Vec::len), Some(1), "{computes}");
}

#[tokio::test]
async fn row_16_branch_restore() {
    let story = Story::of(16).await;
    story.make_shop(json!({})).await;
    let main = story.branch_id("main").await;
    let host = story.uri("main").await;
    story.set_schema("main", BEFORE).await;
    let good = story.time(0).await;
    story.advance(60).await;
    story.set_schema("main", AFTER).await;

    let own = json!({"branch_id": "main", "source_branch_id": "main", "source_timestamp": good});
    let error = story.shop_fails("restore_branch", own.clone()).await;
    assert!(
        error.to_string().contains("preserve_under_name"),
        "what is there now must be kept: {error}"
    );
    let mut restore = own;
    restore["preserve_under_name"] = "main_backup".into();
    let asked = story.asked();
    let done = story.done("restore_branch", super::in_shop(restore)).await;
    assert_eq!(story.asked(), asked + 1);
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
    assert_eq!(story.schema("main").await, BEFORE);
    assert_eq!(story.branch_id("main").await, main, "the branch keeps its id");
    assert_eq!(story.uri("main").await, host, "and its host");
    assert_eq!(story.branches().await, ["main", "main_backup"]);
    assert_eq!(story.schema("main_backup").await, AFTER);

    // The restored branch has come off the backup only for as long as that one is there.
    story.shop("delete_branch", json!({"branch_id": "main_backup"})).await;
    assert_eq!(story.branches().await, ["main"]);
}

#[tokio::test]
async fn row_17_branch_expiration() {
    let story = Story::of(17).await;
    story.make_shop(json!({})).await;
    let soon = story.time(3600).await;
    story.make_branch(json!({"name": "short", "expires_at": soon})).await;
    story.make_branch(json!({"name": "kept", "expires_at": soon})).await;
    story.make_branch(json!({"name": "late"})).await;
    // Results tell times to the second.
    let to_the_second = |time: &str| time.get(..19).map(str::to_owned);
    let expiry = |name: &'static str| {
        let story = &story;
        async move {
            let shown = story.shop("describe_branch", json!({"branch_id": name})).await;
            shown["branch"]
                .get("expires_at")
                .and_then(|time| to_the_second(&text(time)))
        }
    };
    assert_eq!(expiry("short").await, to_the_second(&soon));
    assert_eq!(expiry("late").await, None);

    story
        .shop("update_branch", json!({"branch_id": "kept", "expires_at": "never"}))
        .await;
    assert_eq!(expiry("kept").await, None);
    let later = story.time(7200).await;
    let asked = story.asked();
    story
        .shop("update_branch", json!({"branch_id": "late", "expires_at": later}))
        .await;
    assert_eq!(story.asked(), asked + 1, "somebody may have put rows into it meanwhile");
    assert_eq!(expiry("late").await, to_the_second(&later));

    let month = story.time(31 * 86_400).await;
    let past = story.time(-60).await;
    for wrong in [month, past] {
        let error = story
            .shop_fails("create_branch", json!({"name": "wrong", "expires_at": wrong}))
            .await;
        assert_eq!(error["status"], 400, "{error}");
    }
    let soon = story.time(60).await;
    let both = json!({"name": "wrong", "expires_at": soon, "protected": true});
    let error = story.shop_fails("create_branch", both).await;
    assert_eq!(error["kind"], "invalid_arguments", "{error}");

    story.advance(3601).await;
    assert_eq!(story.branches().await, ["kept", "late", "main"]);
    story.advance(3600).await;
    assert_eq!(story.branches().await, ["kept", "main"]);
}

#[tokio::test]
async fn row_18_schema_only_branches() {
    let story = Story::of(18).await;
    story.make_shop(json!({})).await;
    story.set_schema("main", BEFORE).await;
    let dev = json!({"name": "structure", "init_source": "schema-only"});
    story.make_branch(dev).await;
    assert_eq!(story.schema("structure").await, BEFORE);
    let shown = story.shop("describe_branch", json!({"branch_id": "structure"})).await;
    assert_eq!(shown["branch"].get("parent_id"), None, "it is a root: {shown}");
    assert_eq!(shown["branch"]["init_source"], "schema-only");
    assert!(story.uri("structure").await.starts_with("postgresql://"));

    // Roots are few: one is there with the project, the Launch plan has five.
    for number in 2..5 {
        story
            .make_branch(json!({"name": format!("root-{number}"), "init_source": "schema-only", "compute": false}))
            .await;
    }
    let more = json!({"name": "root-5", "init_source": "schema-only", "compute": false});
    let error = story.shop_fails("create_branch", more).await;
    assert_eq!(error["status"], 422, "{error}");
    assert!(error.to_string().contains("ROOT_BRANCHES_LIMIT_EXCEEDED"), "{error}");
}

#[tokio::test]
async fn row_19_reset_from_parent() {
    let story = Story::of(19).await;
    story.make_shop(json!({})).await;
    story.set_schema("main", BEFORE).await;
    let dev = story.make_branch(json!({"name": "dev"})).await;
    let uri = story.uri("dev").await;
    story.set_schema("dev", "-- tried out\n").await;
    story.set_schema("main", AFTER).await;

    let shown = story.shop("describe_branch", json!({"branch_id": "dev"})).await;
    let parent = text(&shown["branch"]["parent_id"]);
    assert_eq!(shown["branch"].get("last_reset_at"), None);
    let reset = json!({"branch_id": "dev", "source_branch_id": parent});
    story.shop("restore_branch", reset.clone()).await;
    assert!(story.question().contains("dev"), "{}", story.question());
    assert_eq!(story.schema("dev").await, AFTER);
    assert_eq!(story.uri("dev").await, uri, "clients stay connected to the same host");
    let shown = story.shop("describe_branch", json!({"branch_id": dev})).await;
    assert!(shown["branch"]["last_reset_at"].is_string(), "{shown}");
    assert_eq!(shown["branch"]["parent_id"], parent.as_str());
    assert_eq!(story.branches().await, ["dev", "main"], "a reset keeps no backup");

    story
        .shop(
            "create_branch",
            json!({"name": "child", "parent_id": "dev", "compute": false}),
        )
        .await;
    let error = story.shop_fails("restore_branch", reset).await;
    assert_eq!(error["kind"], "would_fail", "a branch with children: {error}");
}

#[tokio::test]
async fn row_20_protected_branches() {
    let story = Story::of(20).await;
    story.make_shop(json!({})).await;
    story
        .shop("update_branch", json!({"branch_id": "main", "protected": true}))
        .await;
    story.make_branch(json!({"name": "release", "protected": true})).await;
    let listed = story.shop("list_branches", json!({})).await;
    for name in ["main", "release"] {
        assert_eq!(find(&listed["branches"], "name", name)["protected"], true);
    }
    let more = json!({"name": "third", "protected": true});
    let error = story.shop_fails("create_branch", more).await;
    assert_eq!(error["status"], 422, "the plan has two: {error}");

    // Protected: not to be deleted, nor to be reset, nor its compute, nor the project.
    let main = story.branch_id("main").await;
    let computes = story
        .shop("list_branch_computes", json!({"branch_id": "release"}))
        .await;
    let compute = &computes["endpoints"][0]["id"];
    for (tool, arguments) in [
        ("delete_branch", json!({"branch_id": "release"})),
        (
            "restore_branch",
            json!({"branch_id": "release", "source_branch_id": main}),
        ),
        ("delete_compute", json!({"endpoint_id": compute})),
        ("delete_project", json!({})),
    ] {
        let error = story.shop_fails(tool, arguments).await;
        assert_eq!(error["changed"], "no", "{tool}: {error}");
    }
    let password = |uri: String| uri.split([':', '@']).nth(2).map(str::to_owned);
    let parent = password(story.uri("main").await);
    story.make_branch(json!({"name": "dev"})).await;
    assert_ne!(password(story.uri("dev").await), parent, "a child gets new passwords");

    let ips = json!({"allowed_ips": ["192.0.2.0/24"], "allowed_ips_protected_only": true});
    let asked = story.asked();
    story.shop("update_project", ips).await;
    assert_eq!(story.asked(), asked + 1, "it can lock clients out");
    let shown = story.shop("describe_project", json!({})).await;
    assert_eq!(
        shown["project"]["settings"]["allowed_ips"],
        json!({"ips": ["192.0.2.0/24"], "protected_branches_only": true})
    );

    story
        .shop("update_branch", json!({"branch_id": "release", "protected": false}))
        .await;
    story.shop("delete_branch", json!({"branch_id": "release"})).await;
    assert_eq!(story.branches().await, ["dev", "main"]);
}

#[tokio::test]
async fn row_21_branching_for_testing() {
    let story = Story::of(21).await;
    story.make_shop(json!({})).await;
    story.set_schema("main", BEFORE).await;
    let until = story.time(3600).await;
    // A test runs on data like the real ones, with a compute of its own.
    let new = json!({"name": "test-run", "expires_at": until, "autoscaling_limit_max_cu": 1});
    let made = story.shop("create_branch", new).await;
    assert_eq!(made["endpoints"][0]["type"], "read_write", "{made}");
    let host = text(&made["endpoints"][0]["host"]);
    assert!(story.uri("test-run").await.contains(&host));
    story.set_schema("test-run", AFTER).await;
    assert_eq!(story.schema("test-run").await, AFTER);
    assert_eq!(story.schema("main").await, BEFORE, "what a test does stays there");

    story.shop("delete_branch", json!({"branch_id": "test-run"})).await;
    assert_eq!(story.branches().await, ["main"]);
    assert_eq!(story.schema("main").await, BEFORE);
}

#[tokio::test]
async fn row_22_branch_archiving() {
    let story = Story::with(
        22,
        SandboxOptions {
            limits: Limits::free(),
            ..SandboxOptions::default()
        },
    )
    .await;
    story.make_shop(json!({})).await;
    let actions = || async {
        let listed = story.shop("list_operations", json!({})).await;
        each(&listed["operations"], "action")
            .into_iter()
            .collect::<BTreeSet<_>>()
    };
    let state = |name: &'static str| {
        let story = &story;
        async move {
            let shown = story.shop("describe_branch", json!({"branch_id": name})).await;
            text(&shown["branch"]["current_state"])
        }
    };
    let cold = json!({"name": "cold", "archived": true, "compute": false});
    story.make_branch(cold).await;
    story.make_branch(json!({"name": "dev"})).await;
    assert_eq!(state("cold").await, "archived");
    assert_eq!(state("dev").await, "ready");
    assert!(actions().await.contains("timeline_archive"));
    let made = json!({"name": "wrong", "archived": true});
    let error = story.shop_fails("create_branch", made).await;
    assert_eq!(error["status"], 422, "an archive has no compute: {error}");

    // Two weeks old and a day without work: a branch of the Free plan goes to the archive.
    story.advance(13 * 86_400).await;
    assert_eq!(state("dev").await, "ready");
    story.advance(2 * 86_400).await;
    let listed = story.shop("list_branches", json!({})).await;
    for name in ["dev", "cold"] {
        assert_eq!(
            find(&listed["branches"], "name", name)["current_state"],
            "archived",
            "{name}"
        );
    }
    assert!(!actions().await.contains("timeline_unarchive"));
    assert!(story.uri("dev").await.starts_with("postgresql://"), "nothing is lost");

    // Whoever uses it has it back.
    let computes = story.shop("list_branch_computes", json!({"branch_id": "dev"})).await;
    let one = json!({"endpoint_id": computes["endpoints"][0]["id"]});
    story.shop("start_compute", one).await;
    assert_eq!(state("dev").await, "ready");
    assert!(actions().await.contains("timeline_unarchive"));
}
