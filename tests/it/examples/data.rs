//! Rows 25 to 28: masked copies of a database, and how two schemas differ.

use serde_json::{Value, json};

use super::{Story, text};
use crate::support::fence::bare_value;

const BEFORE: &str = "CREATE TABLE users (\n    id bigint\n);\n";
const AFTER: &str = "CREATE TABLE users (\n    id bigint,\n    email text\n);\n";

/// What a comparison of the two shows.
const DIFF: &str = "--- a/neondb\n+++ b/neondb\n@@ -1,3 +1,4 @@\n CREATE TABLE users (\n-    id bigint\n+    id bigint,\n\
                    +    email text\n );\n";

fn rule(column: &str, how: Value) -> Value {
    let mut rule = json!({
        "database_name": "neondb", "schema_name": "public", "table_name": "users", "column_name": column,
    });
    rule.as_object_mut()
        .expect("an object")
        .extend(how.as_object().expect("an object").clone());
    rule
}

/// The state that the branch `masked` of `shop` has reached, once it no longer changes.
async fn state(story: &Story) -> Value {
    // The work takes its time on the sandbox's clock.
    story.advance(60).await;
    story
        .shop("get_anonymization_status", json!({"branch_id": "masked"}))
        .await
}

#[tokio::test]
async fn row_25_data_anonymization_api() {
    let story = Story::of(25).await;
    story.make_shop(json!({})).await;
    story.set_schema("main", AFTER).await;
    let email = rule("email", json!({"masking_function": "anon.dummy_free_email()"}));
    let name = rule("name", json!({"masking_value": "'nobody'"}));
    let new = json!({"name": "masked", "masking_rules": [email]});
    let made = story.shop("create_anonymized_branch", new).await;
    assert_eq!(made["branch"]["name"], "masked", "{made}");
    assert_eq!(state(&story).await["state"], "initialized", "nothing is masked yet");

    let rules = || async {
        let branch = json!({"branch_id": "masked"});
        // An expression with quotes in it is delimited.
        bare_value(&story.shop("list_masking_rules", branch).await["masking_rules"])
    };
    assert_eq!(rules().await, json!([email]));
    let change = |rules: Value| json!({"branch_id": "masked", "masking_rules": rules});
    let changed = change(json!([email, name]));
    story.shop("update_masking_rules", changed).await;
    assert_eq!(rules().await, json!([email, name]));
    story.shop("update_masking_rules", change(json!([name]))).await;
    assert_eq!(rules().await, json!([name]), "all rules are replaced");
    let both = rule(
        "name",
        json!({"masking_value": "'x'", "masking_function": "anon.fake_city()"}),
    );
    let error = story.shop_fails("update_masking_rules", change(json!([both]))).await;
    assert_eq!(error["kind"], "invalid_arguments", "{error}");

    let asked = story.asked();
    story.shop("start_anonymization", json!({"branch_id": "masked"})).await;
    assert_eq!(story.asked(), asked + 1, "it overwrites what is there for good");
    let state = state(&story).await;
    assert_eq!(state["state"], "anonymized", "{state}");
    assert_eq!(state["last_run"]["masked_columns"], 1, "{state}");
    let error = story
        .shop_fails("get_anonymization_status", json!({"branch_id": "main"}))
        .await;
    assert_eq!(error["status"], 404, "{error}");
}

#[tokio::test]
async fn row_26_data_anonymization_workflow() {
    let story = Story::of(26).await;
    story.make_shop(json!({})).await;
    story.set_schema("main", AFTER).await;
    let email = rule("email", json!({"masking_function": "anon.dummy_free_email()"}));
    let expires = story.time(86_400).await;
    let new = json!({
        "name": "masked", "parent_id": "main", "masking_rules": [email], "start_anonymization": true,
        "expires_at": expires,
    });
    story.shop("create_anonymized_branch", new).await;
    let first = state(&story).await;
    assert_eq!(first["state"], "anonymized", "made and masked in one call: {first}");
    let uri = story.uri("masked").await;
    assert_ne!(uri, story.uri("main").await);
    let pooled = json!({
        "branch_id": "masked", "database_name": "neondb", "role_name": "neondb_owner", "pooled": true,
    });
    let pooled = text(&story.shop("get_connection_string", pooled).await["uri"]);
    assert!(pooled.contains("-pooler."), "{pooled}");

    // More is to be masked: rules, then another run.
    let branch = json!({"branch_id": "masked"});
    let name = rule("name", json!({"masking_value": "'nobody'"}));
    let more = json!({"branch_id": "masked", "masking_rules": [email, name]});
    story.shop("update_masking_rules", more).await;
    let rules = story.shop("list_masking_rules", branch.clone()).await;
    assert_eq!(bare_value(&rules["masking_rules"]), json!([email, name]));
    story.shop("start_anonymization", branch.clone()).await;
    let second = state(&story).await;
    assert_eq!(second["state"], "anonymized");
    assert_eq!(second["last_run"]["masked_columns"], 2, "{second}");
    assert_ne!(first["last_run"], second["last_run"]);
    assert_eq!(story.schema("main").await, AFTER, "the parent stays as it is");

    story.shop("delete_branch", branch).await;
    assert_eq!(story.branches().await, ["main"]);
}

#[tokio::test]
async fn row_27_schema_comparison() {
    let story = Story::of(27).await;
    story.make_shop(json!({})).await;
    story.set_schema("main", BEFORE).await;
    let then = story.time(0).await;
    story.make_branch(json!({"name": "dev", "compute": false})).await;
    let compare = |more: Value| {
        let mut arguments = json!({"branch_id": "dev", "db_name": "neondb"});
        arguments
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        let story = &story;
        async move { text(&story.shop("compare_database_schema", arguments).await["diff"]) }
    };
    assert_eq!(compare(json!({})).await, "", "no difference to the parent");
    story.set_schema("dev", AFTER).await;
    assert_eq!(story.schema("dev").await, AFTER);
    assert_eq!(compare(json!({})).await, DIFF);
    assert_eq!(compare(json!({"base_branch_id": "main"})).await, DIFF);
    let back = compare(json!({"branch_id": "main", "base_branch_id": "dev"})).await;
    assert!(back.contains("\n-    email text"), "{back}");

    // The same branch, then and now.
    story.advance(60).await;
    story.set_schema("main", AFTER).await;
    assert_eq!(compare(json!({})).await, "");
    let past = json!({"branch_id": "main", "base_branch_id": "main", "base_timestamp": then});
    assert_eq!(compare(past).await, DIFF);
    let past = json!({"branch_id": "main", "db_name": "neondb", "timestamp": then});
    let past = story.shop("get_database_schema", past).await;
    assert_eq!(text(&past["sql"]), BEFORE);

    let root = json!({"branch_id": "main", "db_name": "neondb"});
    let error = story.shop_fails("compare_database_schema", root).await;
    assert_eq!(error["status"], 400, "a root has nothing to compare with: {error}");
    let none = json!({"branch_id": "dev", "db_name": "none"});
    let error = story.shop_fails("compare_database_schema", none).await;
    assert_eq!(error["status"], 404, "{error}");
}

#[tokio::test]
async fn row_28_schema_diff_tutorial() {
    let story = Story::of(28).await;
    let people = json!({"database_name": "people"});
    story.make_shop(people).await;
    let set = |branch: String, sql: &'static str| {
        let story = &story;
        async move {
            let project = story.shop("describe_project", json!({})).await;
            let body = json!({
                "project_id": project["project"]["id"], "branch_id": branch, "database_name": "people", "sql": sql,
            });
            story.admin(reqwest::Method::PUT, "/schema", body).await;
            story.advance(1).await;
        }
    };
    set(story.branch_id("main").await, BEFORE).await;
    let dev = story.make_branch(json!({"name": "feature/address"})).await;
    set(dev.clone(), AFTER).await;
    // A name with a slash could be read as a path, so it is said to be a name.
    let compare = json!({"branch_id": "name:feature/address", "base_branch_id": "main", "db_name": "people"});
    let shown = story.shop("compare_database_schema", compare).await;
    assert_eq!(text(&shown["diff"]), DIFF.replace("neondb", "people"));
    let error = story
        .shop_fails(
            "compare_database_schema",
            json!({"branch_id": dev, "db_name": "neondb"}),
        )
        .await;
    assert_eq!(error["status"], 404, "{error}");
}
