//! What an attack with the source found and a single statement doesn't show: asking changes nothing, what nothing bounds is shown
//! whole, tools of ours run no code of others, and a trial that was spared spares the target.

use serde_json::json;

use super::{server, shop};
use crate::examples::Story;
use crate::support::fence::bare;
use crate::support::human::Manner;
use harness::sandbox_process::{execute, number};

const ZAP: &str = "CREATE FUNCTION zap() RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
                   PERFORM lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = 4711; RETURN 1; END $$";

async fn objects(uri: &str) -> i64 {
    number(uri, "SELECT count(*) FROM pg_largeobject_metadata").await
}

/// A list of statements that the human declines.
async fn declined(story: &Story, statements: serde_json::Value) -> String {
    story.human().changes_to(Manner::Declines);
    let asked = story.human().count();
    let call = json!({"branch_id": "main", "statements": statements});
    let failed = story.shop_fails("run_sql_transaction", call).await;
    assert_eq!(failed["kind"], "rejected", "{failed}");
    let questions = story.human().asked_since(asked);
    bare(&questions.first().expect("a question").0)
}

#[tokio::test(flavor = "multi_thread")]
async fn question_changes_nothing_that_a_rollback_would_not_take_back() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(
        &uri,
        "CREATE TABLE items AS SELECT i AS id FROM generate_series(1, 500) i; CREATE SEQUENCE numbers START 500",
    )
    .await;
    number(&uri, "SELECT nextval('numbers')").await;
    let named = format!(
        "{uri}{}application_name=victim",
        if uri.contains('?') { "&" } else { "?" }
    );
    let (victim, connection) = tokio_postgres::connect(&named, tokio_postgres::NoTls)
        .await
        .expect("connects");
    let driven = tokio::spawn(connection);
    for statement in [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'",
        "SELECT pg_cancel_backend(pid), setval('numbers', 1) FROM pg_stat_activity WHERE application_name = 'victim'",
        "DO $$ BEGIN PERFORM setval('numbers', 1); PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'; END $$",
    ] {
        let question = declined(&story, json!(["DELETE FROM items", statement])).await;
        assert!(
            question.contains("pg_terminate_backend") || question.contains("setval"),
            "{question}"
        );
        victim.simple_query("SELECT 1").await.expect("the other session lives");
        assert_eq!(number(&uri, "SELECT last_value FROM numbers").await, 500, "{statement}");
        assert_eq!(number(&uri, "SELECT count(*) FROM items").await, 500, "{statement}");
    }
    driven.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn list_that_nothing_bounds_is_shown_whole() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(
        &uri,
        "CREATE TABLE items AS SELECT i AS id FROM generate_series(1, 500) i",
    )
    .await;
    execute(
        &uri,
        "CREATE FUNCTION wipes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.items; RETURN 1; END $$",
    )
    .await;
    let filler = format!("SELECT '{}'", "x".repeat(1_500));
    // What can't be measured isn't held either.
    let unbounded = "SELECT schema_to_xml('public', true, false, '')";
    let question = declined(&story, json!([unbounded, "SELECT wipes()", filler])).await;
    assert!(question.contains("SELECT wipes()"), "{question}");
    assert_eq!(number(&uri, "SELECT count(*) FROM items").await, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_that_looks_runs_no_view_of_others() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(&uri, "SELECT lo_from_bytea(4711, 'kept')").await;
    execute(&uri, ZAP).await;
    execute(
        &uri,
        "CREATE VIEW pg_stat_statements AS SELECT zap() AS queryid, 1::bigint AS calls, 1::float8 AS total_exec_time, \
         1::float8 AS mean_exec_time, 1::bigint AS rows, 1::bigint AS shared_blks_hit, 1::bigint AS shared_blks_read, \
         'x'::text AS query, d.oid AS dbid FROM pg_database d WHERE d.datname = current_database()",
    )
    .await;
    for arguments in [
        &["--toolsets", "all"][..],
        &[
            "--read-only",
            "--toolsets",
            "all",
            "--tools",
            "run_sql,run_sql_transaction",
        ],
    ] {
        let server = server(&story, arguments).await;
        let (answer, is_error) = server
            .call("list_slow_queries", json!({"project_id": "shop", "branch_id": "main"}))
            .await;
        assert!(!is_error && answer["result"]["queries"].is_null(), "{answer}");
        assert_eq!(objects(&uri).await, 1, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_harmless_is_looked_at_again_when_it_changes() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(&uri, "SELECT lo_from_bytea(4711, 'kept')").await;
    execute(&uri, ZAP).await;
    execute(
        &uri,
        "CREATE FUNCTION ok(n int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN zap() = 1; END $$",
    )
    .await;
    execute(
        &uri,
        "CREATE DOMAIN number AS int; CREATE FUNCTION same(a int, b int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2'; \
         CREATE OPERATOR ==== (LEFTARG = int, RIGHTARG = int, FUNCTION = same); CREATE TABLE plain (n int); INSERT INTO plain VALUES (1); \
         CREATE VIEW seen AS SELECT 1 AS n",
    )
    .await;
    let read_only = server(
        &story,
        &[
            "--read-only",
            "--toolsets",
            "all",
            "--tools",
            "run_sql,run_sql_transaction",
        ],
    )
    .await;
    for (read, change) in [
        ("SELECT '5'::number", "ALTER DOMAIN number ADD CHECK (ok(VALUE))"),
        (
            "SELECT 1 ==== 1",
            "CREATE OR REPLACE FUNCTION same(a int, b int) RETURNS boolean LANGUAGE sql AS 'SELECT zap() = 1'",
        ),
        ("SELECT * FROM seen", "CREATE OR REPLACE VIEW seen AS SELECT zap() AS n"),
        (
            "SELECT * FROM plain",
            "ALTER TABLE plain ENABLE ROW LEVEL SECURITY; ALTER TABLE plain FORCE ROW LEVEL SECURITY; \
             CREATE POLICY p ON plain USING (zap() = 1)",
        ),
    ] {
        let call = json!({"project_id": "shop", "branch_id": "main", "sql": read});
        let (answer, is_error) = read_only.call("run_sql", call.clone()).await;
        assert!(!is_error, "{read}: {answer}");
        execute(&uri, change).await;
        let (answer, is_error) = read_only.call("run_sql", call).await;
        assert!(is_error, "{read}: {answer}");
        assert_eq!(objects(&uri).await, 1, "{read}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completion_that_spared_its_trial_loses_no_more_than_runs_unasked() {
    let story = shop().await;
    let uri = story.uri("main").await;
    let tables = "DROP TABLE IF EXISTS eleven, forty, tiny; CREATE TABLE eleven AS SELECT i AS id, 'w' AS word FROM generate_series(1, 11) i; \
                  CREATE TABLE forty AS SELECT i AS id, i AS n FROM generate_series(1, 40) i; CREATE TABLE tiny (id int)";
    execute(&uri, tables).await;
    let target = story
        .done("describe_branch", json!({"project_id": "shop", "branch_id": "main"}))
        .await;
    let branch = target["result"]["branch"]["id"].as_str().expect("an id").to_owned();
    let there = format!("current_setting('neon.branch_id') = '{branch}'");
    for script in [
        format!("UPDATE eleven SET word = word WHERE id = 1; DELETE FROM eleven WHERE id > 1 AND {there} AND id <= 10"),
        format!(
            "ALTER TABLE tiny ADD COLUMN z int; UPDATE forty SET n = n WHERE id = 1 AND {there}; CREATE INDEX CONCURRENTLY ON tiny (id); \
             DELETE FROM forty WHERE id > 0 AND {there}"
        ),
    ] {
        story.human().changes_to(Manner::Declines);
        let call = json!({"branch_id": "main", "sql": script});
        let prepared = story.shop("prepare_database_migration", call).await;
        let call = json!({"branch_id": "main", "migration": prepared["migration"]});
        let failed = story.shop_fails("complete_database_migration", call).await;
        assert_eq!(
            number(&uri, "SELECT count(*) FROM eleven").await,
            11,
            "{script}: {failed}"
        );
        assert_eq!(
            number(&uri, "SELECT count(*) FROM forty").await,
            40,
            "{script}: {failed}"
        );
    }
}
