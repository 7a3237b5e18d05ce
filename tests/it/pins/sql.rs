//! The same with SQL, on a sandbox: the branch, its throwaway branches, migrations and their trials.

use crate::examples::Story;
use serde_json::{Value, json};

use crate::support::server::{Era, TestClient, TestServer, program};

async fn shop() -> Story {
    let story = crate::workflows::shop().await;
    story.shop("create_branch", json!({"name": "dev"})).await;
    story
}

/// Another server on the same sandbox, with these flags.
async fn bounded(story: &Story, flags: &[&str]) -> TestServer {
    let mut all = vec!["--toolsets", "all"];
    all.extend(flags);
    let mut command = program(&all, &story.sandbox().api_url(), story.sandbox().api_key());
    command.env("NEON_MCP_LOG", "error");
    TestServer::run(command, TestClient::with(story.human().clone()), Era::Legacy).await
}

async fn done(server: &TestServer, tool: &str, arguments: Value) -> Value {
    let (value, is_error) = server.call(tool, arguments).await;
    assert!(!is_error, "{tool}: {value}");
    value
}

#[tokio::test]
async fn pinned_branch_is_where_sql_throwaway_branches_and_migrations_are() {
    let story = shop().await;
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    let project = project.as_str().expect("an id");
    let server = bounded(&story, &["--project-id", project, "--branch", "dev"]).await;
    done(&server, "run_sql", json!({"sql": "CREATE TABLE here (x int)"})).await;
    let on_main = crate::workflows::rows(
        &crate::workflows::sql(
            &story,
            "main",
            "SELECT count(*) FROM pg_tables WHERE tablename = 'here'",
        )
        .await,
    );
    assert_eq!(on_main, [json!(["0"])], "main has no such table");
    let made = done(&server, "create_throwaway_branch", json!({})).await;
    let undo = &made["undo"];
    assert_eq!(undo["tool"], "delete_throwaway_branches", "{made}");
    done(&server, "delete_throwaway_branches", undo["arguments"].clone()).await;
    let prepared = done(
        &server,
        "prepare_database_migration",
        json!({"sql": "ALTER TABLE here ADD y int"}),
    )
    .await;
    let migration = prepared["result"]["migration"].clone();
    done(&server, "complete_database_migration", json!({"migration": migration})).await;
    done(&server, "run_sql", json!({"sql": "SELECT y FROM here"})).await;
    // Nothing of the trial is left.
    let left = done(&server, "list_throwaway_branches", json!({})).await;
    assert_eq!(left["result"]["returned"], 0, "{left}");
}

#[tokio::test]
async fn production_is_reached_by_no_sql_where_one_line_denies_it() {
    let story = shop().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "denied_branches = [\"@default\", \"@protected\"]\n").expect("written");
    let path = file.path().to_str().expect("a path");
    let server = bounded(&story, &["--policy", path]).await;
    let on = |branch: &str, sql: &str| json!({"project_id": "shop", "branch_id": branch, "sql": sql});
    done(&server, "run_sql", on("dev", "CREATE TABLE t (x int)")).await;
    for sql in ["SELECT 1", "CREATE TABLE t (x int)", "DROP TABLE t", "no sql"] {
        let (value, is_error) = server.call("run_sql", on("main", sql)).await;
        assert!(
            is_error && value["error"]["rule"] == "denied_branches",
            "{sql}: {value}"
        );
    }
    done(
        &server,
        "prepare_database_migration",
        on("dev", "ALTER TABLE t ADD y int"),
    )
    .await;
    // Another branch becomes the default: that one is production from then on.
    story.shop("set_default_branch", json!({"branch_id": "dev"})).await;
    let (value, is_error) = server.call("run_sql", on("dev", "SELECT 1")).await;
    assert!(is_error && value["error"]["rule"] == "denied_branches", "{value}");
}
