//! What can't be kept isn't prepared: the failure says why, and the branch on which it was tried is gone.

use serde_json::{Value, json};

use super::{shop, sql};
use crate::examples::Story;
use crate::support::proxy::Counting;
use crate::support::server::{TestServer, state_home};

/// Prepares: the error.
async fn refused(server: &TestServer, tool: &str, script: &str) -> Value {
    let mut call = json!({"project_id": "shop", "branch_id": "main", "sql": script});
    if tool == "prepare_query_tuning" {
        call["sql"] = "SELECT * FROM t WHERE x = 1".into();
        call["changes"] = script.into();
    }
    let (value, is_error) = server.call(tool, call).await;
    assert!(is_error, "{tool}: {value}");
    value["error"].clone()
}

async fn nothing_is_left(story: &Story) {
    assert_eq!(story.branches().await, ["main"]);
}

#[tokio::test]
async fn what_is_too_large_to_be_kept_is_not_prepared() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x text)").await;
    let proxy = Counting::before(&story.sandbox().api_url()).await;
    let server = story.server_at(&["--toolsets", "all"], &proxy.url()).await;
    // As it stands it is short enough to be read; as it is kept each of these characters takes six bytes, which is known only when
    // it was tried.
    let grows = format!("INSERT INTO t VALUES ('{}')", "\u{1}".repeat(800_000));
    let error = refused(&server, "prepare_database_migration", &grows).await;
    assert_eq!(
        (&error["kind"], &error["changed"]),
        (&json!("too_large_to_prepare"), &json!("no")),
        "{error}"
    );
    assert!(
        error["message"].as_str().expect("words").contains("bytes") && error["left_behind"].is_null(),
        "{error}"
    );
    assert_eq!(proxy.made().iter().filter(|(what, _)| what == "branch").count(), 1);
    nothing_is_left(&story).await;
}

#[tokio::test]
async fn what_the_state_directory_can_not_hold_is_not_prepared() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    let place = state_home();
    std::fs::write(place.join("seal.key"), "k".repeat(32)).expect("a key");
    let (key, state) = (place.join("seal.key"), place.join("state"));
    std::fs::create_dir(&state).expect("a directory");
    let arguments = [
        "--toolsets",
        "all",
        "--seal-key-file",
        key.to_str().expect("a path"),
        "--state-dir",
        state.to_str().expect("a path"),
    ];
    let server = story.server_at(&arguments, &story.sandbox().api_url()).await;
    // A file stands where the directory would be made.
    std::fs::write(state.join("prepared"), "").expect("a file");
    for (tool, script) in [
        ("prepare_database_migration", "ALTER TABLE t ADD COLUMN y int"),
        ("prepare_query_tuning", "CREATE INDEX by_x ON t (x)"),
    ] {
        let error = refused(&server, tool, script).await;
        assert_eq!(
            (&error["kind"], &error["changed"]),
            (&json!("not_stored"), &json!("no")),
            "{error}"
        );
        assert!(
            error["next"].as_str().expect("words").contains("--state-dir") && error["left_behind"].is_null(),
            "{error}"
        );
        nothing_is_left(&story).await;
    }
}
