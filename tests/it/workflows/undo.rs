//! What SQL results say of the way back: that it leads there, and where there is none.

use serde_json::{Value, json};

use super::{shop, sql};
use crate::examples::Story;
use crate::support::fence::bare_value;
use harness::sandbox_process::{execute, number};

/// A table with rows, the same before each change.
const ROWS: &str = "DROP TABLE IF EXISTS kept CASCADE; CREATE TABLE kept (id int PRIMARY KEY, word text NOT NULL); \
                    INSERT INTO kept SELECT i, 'word ' || i FROM generate_series(1, 200) i";

/// What the table holds, as one text; its name where there is none.
const HELD: &str = "SELECT CASE WHEN to_regclass('kept') IS NULL THEN -1 ELSE (SELECT hashtext(string_agg(k::text, ',' ORDER BY k.id)) FROM kept k) END::bigint";

/// Runs the way back of an answer, as it stands there.
async fn undone(story: &Story, done: &Value, what: &str) {
    let undo = &done["undo"];
    assert_eq!(undo["tool"], "restore_branch", "{what}: {undo}");
    assert_eq!(undo["within_seconds"], 86_400, "{what}: {undo}");
    assert!(undo["until"].is_string(), "{what}: {undo}");
    let note = undo["note"].as_str().expect("what it costs");
    assert!(
        note.contains("databases") && note.contains("Connections drop"),
        "{note}"
    );
    let asked = story.human().count();
    story.done("restore_branch", bare_value(&undo["arguments"])).await;
    assert_eq!(story.human().count(), asked + 1, "{what}: a restore is asked about");
    // A plan has few root branches.
    let preserved = json!({"branch_id": undo["arguments"]["preserve_under_name"]});
    story.shop("delete_branch", preserved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_of_each_kind_of_change_brings_the_rows_back() {
    let story = shop().await;
    let before = async || {
        let uri = story.uri("main").await;
        execute(&uri, ROWS).await;
        number(&uri, HELD).await
    };
    for statement in [
        "INSERT INTO kept VALUES (201, 'new')",
        "UPDATE kept SET word = 'other' WHERE id <= 150",
        "DELETE FROM kept WHERE id > 1",
        "MERGE INTO kept k USING (VALUES (1), (2), (999)) v(id) ON k.id = v.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'merged')",
        "TRUNCATE kept",
        "DROP TABLE kept",
        "ALTER TABLE kept DROP COLUMN word",
    ] {
        let was = before().await;
        let done = story
            .done(
                "run_sql",
                json!({"project_id": "shop", "branch_id": "main", "sql": statement}),
            )
            .await;
        undone(&story, &done, statement).await;
        assert_eq!(number(&story.uri("main").await, HELD).await, was, "{statement}");
    }
    let was = before().await;
    let statements = json!([
        "DELETE FROM kept WHERE id <= 100",
        "INSERT INTO kept VALUES (1, 'back')"
    ]);
    let done = story
        .done(
            "run_sql_transaction",
            json!({"project_id": "shop", "branch_id": "main", "statements": statements}),
        )
        .await;
    undone(&story, &done, "a transaction").await;
    assert_eq!(number(&story.uri("main").await, HELD).await, was);
    // Outside of a transaction, and what a migration applies.
    before().await;
    let indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = 'kept'";
    let done = story
        .done(
            "run_sql",
            json!({"project_id": "shop", "branch_id": "main", "sql": "CREATE INDEX CONCURRENTLY words ON kept (word)"}),
        )
        .await;
    undone(&story, &done, "an index").await;
    assert_eq!(number(&story.uri("main").await, indexes).await, 1);
    let was = before().await;
    let prepared = story
        .shop(
            "prepare_database_migration",
            json!({"branch_id": "main", "sql": "UPDATE kept SET word = 'm'; ALTER TABLE kept ADD COLUMN more int"}),
        )
        .await;
    let done = story
        .done(
            "complete_database_migration",
            json!({"project_id": "shop", "branch_id": "main", "migration": prepared["migration"]}),
        )
        .await;
    undone(&story, &done, "a migration").await;
    assert_eq!(number(&story.uri("main").await, HELD).await, was);
}

#[tokio::test]
async fn change_that_changed_nothing_has_no_undo() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE kept (id int)").await;
    for statement in [
        "DELETE FROM kept WHERE id = 5",
        "UPDATE kept SET id = 1 WHERE id = 5",
        "INSERT INTO kept SELECT 1 WHERE false",
        "SET work_mem = '8MB'",
    ] {
        let call = json!({"project_id": "shop", "branch_id": "main", "sql": statement});
        let done = story.done("run_sql", call).await;
        assert!(done.get("undo").is_none(), "{statement}: {done}");
    }
    // A read has none, and what only advances a sequence has one.
    let read = story
        .done(
            "run_sql",
            json!({"project_id": "shop", "branch_id": "main", "sql": "SELECT 1"}),
        )
        .await;
    assert!(read.get("undo").is_none(), "{read}");
    sql(&story, "main", "CREATE SEQUENCE s").await;
    let done = story
        .done(
            "run_sql",
            json!({"project_id": "shop", "branch_id": "main", "sql": "SELECT setval('s', 7)"}),
        )
        .await;
    assert_eq!(done["undo"]["tool"], "restore_branch", "{done}");
}

#[tokio::test]
async fn undo_says_where_there_is_none() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE kept (id int)").await;
    let insert =
        |branch: &str| json!({"project_id": "shop", "branch_id": branch, "sql": "INSERT INTO kept VALUES (1)"});
    // A branch with a parent has no past that it could be restored to.
    story.make_branch(json!({"name": "child"})).await;
    let done = story.done("run_sql", insert("child")).await;
    let undo = done["undo"].as_str().expect("a sentence");
    assert!(undo.starts_with("none") && undo.contains("parent_timestamp"), "{undo}");
    // The tool isn't offered: what it would take, and where it is.
    let server = story
        .server_at(&["--toolsets", "sql"], &story.sandbox().api_url())
        .await;
    let (done, is_error) = server.call("run_sql", insert("main")).await;
    assert!(!is_error, "{done}");
    let undo = done["undo"].as_str().expect("a sentence");
    assert!(undo.contains("restore_branch") && undo.contains("toolset"), "{undo}");
    // What the operator fixed isn't an argument.
    let project = story.shop("describe_project", json!({})).await["project"]["id"].clone();
    let fixed = ["--project-id", project.as_str().expect("an id")];
    let server = story.server_at(&fixed, &story.sandbox().api_url()).await;
    let call = json!({"branch_id": "main", "sql": "INSERT INTO kept VALUES (2)"});
    let (done, is_error) = server.call("run_sql", call).await;
    assert!(!is_error, "{done}");
    let arguments = bare_value(&done["undo"]["arguments"]);
    assert!(arguments.get("project_id").is_none(), "{arguments}");
    let (undone, is_error) = server.call("restore_branch", arguments).await;
    assert!(!is_error, "{undone}");
    // No history, no way back.
    story
        .shop("update_project", json!({"history_retention_seconds": 0}))
        .await;
    let done = story.done("run_sql", insert("main")).await;
    let undo = done["undo"].as_str().expect("a sentence");
    assert!(
        undo.starts_with("none") && undo.contains("history_retention_seconds"),
        "{undo}"
    );
}
