//! Prepared work under the operator's policy.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{rows, shop, sql};
use crate::examples::Story;
use crate::support::human::Manner;
use crate::support::policy::write_policy;
use crate::support::proxy::{Counting, Trouble};
use crate::support::server::{Era, TestClient, TestServer, program, state_home};

/// A server under a policy, with the directory of its state.
async fn under(story: &Story, policy: &str, api: &str) -> (TestServer, PathBuf) {
    let state = state_home();
    let file = state.join("policy.toml");
    write_policy(&file, policy);
    let file = file.to_str().expect("a path").to_owned();
    let mut command = program(
        &["--toolsets", "all", "--policy", &file],
        api,
        story.sandbox().api_key(),
    );
    command.env("XDG_STATE_HOME", &state).env("NEON_MCP_LOG", "error");
    (
        TestServer::run(command, TestClient::with(story.human().clone()), Era::Legacy).await,
        state,
    )
}

async fn with(story: &Story, policy: &str) -> TestServer {
    under(story, policy, &story.sandbox().api_url()).await.0
}

async fn prepare(server: &TestServer, sql: &str) -> (Value, bool) {
    let call = json!({"project_id": "shop", "branch_id": "main", "sql": sql});
    server.call("prepare_database_migration", call).await
}

async fn prepared(server: &TestServer, sql: &str) -> Value {
    let (value, is_error) = prepare(server, sql).await;
    assert!(!is_error, "{value}");
    value["result"]["migration"].clone()
}

async fn complete(server: &TestServer, handle: &Value) -> (Value, bool) {
    let call = json!({"project_id": "shop", "branch_id": "main", "migration": handle});
    server.call("complete_database_migration", call).await
}

async fn started() -> Story {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE t (x int)").await;
    sql(&story, "main", "INSERT INTO t VALUES (1)").await;
    story
}

#[tokio::test]
async fn what_may_change_nothing_prepares_nothing() {
    let story = started().await;
    for policy in ["read_only = true\n", "freeze = \"launch day\"\n"] {
        let server = with(&story, policy).await;
        let tools = server.client.list_all_tools().await.expect("tools");
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        assert!(names.contains(&"get_database_schema"), "{names:?}");
        for tool in [
            "prepare_database_migration",
            "complete_database_migration",
            "prepare_query_tuning",
            "complete_query_tuning",
        ] {
            if names.contains(&tool) {
                assert!(policy.starts_with("freeze"), "{policy}: {tool} is shown");
                let (handle, changes) = (json!("0123456789abcdef.x"), json!("CREATE INDEX by_x ON t (x)"));
                let call = match tool {
                    "prepare_database_migration" => json!({"project_id": "shop", "branch_id": "main", "sql": changes}),
                    "prepare_query_tuning" => {
                        json!({"project_id": "shop", "branch_id": "main", "sql": "SELECT 1", "changes": changes})
                    }
                    "complete_query_tuning" => json!({"project_id": "shop", "branch_id": "main", "tuning": handle}),
                    _ => json!({"project_id": "shop", "branch_id": "main", "migration": handle}),
                };
                let (value, is_error) = server.call(tool, call).await;
                assert!(is_error, "{tool}: {value}");
                let kind = &value["error"]["kind"];
                assert!(
                    kind == "denied_by_policy" || kind == "invalid_arguments",
                    "{tool}: {value}"
                );
            }
        }
    }
    assert_eq!(story.branches().await, ["main"]);
}

#[tokio::test]
async fn bounds_hold_for_what_is_prepared() {
    let story = started().await;
    // One that expires within what the policy allows.
    let server = with(&story, "[caps]\nthrowaway_lifetime_hours = 2\n").await;
    let before = chrono::Utc::now();
    let handle = prepared(&server, "DROP TABLE t").await;
    let listed = story.shop("list_throwaway_branches", json!({})).await;
    let listed = super::fenced(&listed["throwaway_branches"]);
    let branch: Value = serde_json::from_str(listed.lines().next().expect("a branch")).expect("JSON");
    let expires = branch["expires_at"].as_str().expect("a time");
    let expires = chrono::DateTime::parse_from_rfc3339(expires).expect("a time").to_utc();
    assert!(
        (expires - before).num_minutes() <= 120 && (expires - before).num_minutes() >= 110,
        "{branch}"
    );
    let discard = json!({"project_id": "shop", "branch_id": "main", "migration": handle, "discard": true});
    assert!(!server.call("complete_database_migration", discard).await.1);
    assert_eq!(story.branches().await, ["main"]);
    // The branch where it is tried counts; of several at once, one is made.
    let server = with(&story, "[caps]\nbranches_per_project = 2\n").await;
    let all = (0..3).map(|_| prepare(&server, "DROP TABLE t"));
    let ended = futures::future::join_all(all).await;
    let done = ended.iter().filter(|(_, is_error)| !is_error).count();
    assert_eq!((done, story.branches().await.len()), (1, 2), "{ended:?}");
    for (value, _) in ended.iter().filter(|(_, is_error)| *is_error) {
        assert_eq!(value["error"]["rule"], "caps.branches_per_project", "{value}");
    }
    // Another project than the allowed one.
    let server = with(&story, "allowed_projects = [\"other-one-12345678\"]\n").await;
    let (value, is_error) = prepare(&server, "DROP TABLE t").await;
    assert!(is_error && value["error"]["kind"] == "unresolved", "{value}");
    let by_id = json!({"project_id": "another-one-87654321", "branch_id": "main", "sql": "DROP TABLE t"});
    let (value, is_error) = server.call("prepare_database_migration", by_id).await;
    assert!(is_error && value["error"]["kind"] == "denied_by_policy", "{value}");
    assert_eq!(value["error"]["rule"], "allowed_projects", "{value}");
    // A minute's changes.
    let server = with(&story, "[caps]\nchanges_per_minute = 1\n").await;
    let handle = prepared(&server, "INSERT INTO t VALUES (2)").await;
    let (value, is_error) = complete(&server, &handle).await;
    assert!(
        is_error && value["error"]["rule"] == "caps.changes_per_minute",
        "{value}"
    );
    assert_eq!(
        rows(&sql(&story, "main", "SELECT count(*) FROM t").await),
        [json!(["1"])]
    );
    // The tool alone.
    let server = with(&story, "[tools]\ncomplete_database_migration = \"deny\"\n").await;
    let tools = server.client.list_all_tools().await.expect("tools");
    assert!(tools.iter().all(|tool| tool.name != "complete_database_migration"));
}

#[tokio::test]
async fn a_dry_run_shows_and_changes_nothing_and_uses_no_handle_up() {
    let story = started().await;
    let server = with(&story, "dry_run = true\n").await;
    let (value, is_error) = prepare(&server, "DROP TABLE t").await;
    assert!(!is_error && value["dry_run"] == true, "{value}");
    assert_eq!(story.branches().await, ["main"], "no branch was made");
    // Prepared by another process of the same operator, shown by one that runs dry, applied by the first.
    let place = state_home();
    std::fs::write(place.join("seal.key"), "k".repeat(32)).expect("a key");
    std::fs::write(place.join("dry.toml"), "dry_run = true\n").expect("a policy");
    let serve = async |more: &[&str]| {
        let key = place.join("seal.key").to_str().expect("a path").to_owned();
        let state = place.join("shared").to_str().expect("a path").to_owned();
        let arguments = [
            &["--toolsets", "all", "--seal-key-file", &key, "--state-dir", &state],
            more,
        ]
        .concat();
        story.server_at(&arguments, &story.sandbox().api_url()).await
    };
    let wet = serve(&[]).await;
    let dry = serve(&["--policy", place.join("dry.toml").to_str().expect("a path")]).await;
    let handle = prepared(&wet, "DROP TABLE t").await;
    let (value, is_error) = complete(&dry, &handle).await;
    assert!(
        !is_error && value["dry_run"] == true && value["would_ask"] == true,
        "{value}"
    );
    assert!(value["plan"].to_string().contains("DROP TABLE t"), "{value}");
    assert_eq!(
        rows(&sql(&story, "main", "SELECT count(*) FROM t").await),
        [json!(["1"])]
    );
    story.human().changes_to(Manner::Accepts);
    let (value, is_error) = complete(&wet, &handle).await;
    assert!(!is_error && value["result"]["applied_statements"] == 1, "{value}");
}

#[tokio::test]
async fn a_demanded_copy_comes_before_the_statements_and_is_named() {
    const COPY: &str = "[safety_copy]\nbefore = \"destructive\"\n";
    let story = started().await;
    story.human().changes_to(Manner::Accepts);
    let proxy = Counting::before(&story.sandbox().api_url()).await;
    let (server, _) = under(&story, COPY, &proxy.url()).await;
    let handle = prepared(&server, "DELETE FROM t").await;
    // No copy, no statements.
    for _ in 0..8 {
        proxy.trouble("POST /projects/", 0, Trouble::Status(422));
    }
    proxy.taken();
    let (value, is_error) = complete(&server, &handle).await;
    assert!(is_error && value["error"]["kind"] == "no_safety_copy", "{value}");
    assert!(!proxy.taken().contains(&"WRITE /sql".to_owned()));
    let run = json!({"project_id": "shop", "branch_id": "main", "sql": "DELETE FROM t"});
    let (value, is_error) = server.call("run_sql", run.clone()).await;
    assert!(is_error && value["error"]["kind"] == "no_safety_copy", "{value}");
    assert_eq!(
        rows(&sql(&story, "main", "SELECT count(*) FROM t").await),
        [json!(["1"])]
    );
    // A statement that fails after its copy: somebody must know of the copy.
    let (server, _) = under(&story, COPY, &story.sandbox().api_url()).await;
    // What can be tried is known to fail before that, and nothing is copied for it.
    let fails = json!({"project_id": "shop", "branch_id": "main", "sql": "DROP TABLE nowhere"});
    let (value, is_error) = server.call("run_sql", fails).await;
    assert!(is_error && value["error"]["kind"] == "sql_failed", "{value}");
    assert!(value["error"]["safety_copy"].is_null(), "{value}");
    let fails = json!({"project_id": "shop", "branch_id": "main", "sql": "DROP INDEX CONCURRENTLY nowhere"});
    let (value, is_error) = server.call("run_sql", fails).await;
    assert!(is_error && value["error"]["kind"] == "sql_failed", "{value}");
    assert!(value["error"]["safety_copy"]["snapshot_id"].is_string(), "{value}");
    let handle = prepared(&server, "DELETE FROM t").await;
    let (value, is_error) = complete(&server, &handle).await;
    assert!(!is_error && value["safety_copy"]["snapshot_id"].is_string(), "{value}");
    assert_eq!(
        rows(&sql(&story, "main", "SELECT count(*) FROM t").await),
        [json!(["0"])]
    );
    let (value, is_error) = server.call("run_sql", run).await;
    assert!(!is_error && value["safety_copy"]["snapshot_id"].is_string(), "{value}");
}

#[tokio::test]
async fn the_audit_log_has_a_line_for_each_with_the_statements() {
    let story = started().await;
    let (server, state) = under(&story, "", &story.sandbox().api_url()).await;
    let handle = prepared(&server, "ALTER TABLE t ADD COLUMN noted int").await;
    assert!(!complete(&server, &handle).await.1);
    assert!(complete(&server, &handle).await.1);
    let text = std::fs::read_to_string(state.join("neon-mcp/audit.jsonl")).expect("a log");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |tool: &str| lines.iter().filter(|line| line["tool"] == tool).collect::<Vec<_>>();
    let prepare = of("prepare_database_migration");
    assert_eq!(prepare.len(), 1, "{text}");
    assert!(
        prepare[0].to_string().contains("ADD COLUMN noted") && prepare[0]["outcome"] == "done",
        "{text}"
    );
    let complete = of("complete_database_migration");
    assert!(!complete.is_empty(), "{text}");
    assert!(
        complete[0].to_string().contains("ADD COLUMN noted") && complete[0]["outcome"] == "done",
        "{text}"
    );
}
