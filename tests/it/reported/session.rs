//! What a session holds between calls, and between the parts of a migration.

use harness::{assert_worded, wording::line_with};
use serde_json::{Value, json};

use crate::examples::Story;
use crate::support::human::Manner;

async fn run(story: &Story, sql: &str) -> Value {
    let arguments = json!({"project_id": "shop", "branch_id": "main", "sql": sql});
    story.done("run_sql", arguments).await
}

async fn list(story: &Story, statements: &[&str]) -> Value {
    let arguments = json!({"project_id": "shop", "branch_id": "main", "statements": statements});
    story.done("run_sql_transaction", arguments).await
}

async fn prepare(story: &Story, sql: &str) -> Value {
    let arguments = json!({"project_id": "shop", "branch_id": "main", "sql": sql});
    story.done("prepare_database_migration", arguments).await
}

async fn refused(story: &Story, sql: &str) -> String {
    let arguments = json!({"branch_id": "main", "sql": sql});
    let error = story.shop_fails("prepare_database_migration", arguments).await;
    assert_eq!(error["kind"], "invalid_arguments", "{sql}: {error}");
    let said = error.to_string();
    assert!(!said.contains("run_sql"), "no less safe way round: {said}");
    said
}

async fn complete(story: &Story, prepared: &Value) -> Value {
    let arguments = json!({"branch_id": "main", "migration": prepared["result"]["migration"]});
    story.shop("complete_database_migration", arguments).await
}

const GONE: &str = "Gone with this call";

#[tokio::test]
async fn somebody_set_something_in_one_call_and_used_it_in_the_next() {
    let story = Story::with_data().await;
    story.human().changes_to(Manner::Accepts);
    for (statement, what) in [
        ("SET search_path = pg_catalog", "the setting search_path"),
        (
            "SELECT set_config('lock_timeout', '1s', false)",
            "the setting lock_timeout",
        ),
        ("SET ROLE neondb_owner", "the role"),
        ("CREATE TEMP TABLE scratch (x int)", "the temporary scratch"),
        ("PREPARE p AS SELECT 1", "the prepared statement p"),
        ("LISTEN news", "what it listens to"),
        ("SELECT pg_advisory_lock(7)", "an advisory lock"),
    ] {
        let said = run(&story, statement).await["notes"].to_string();
        assert!(said.contains(GONE) && said.contains(what), "{statement}: {said}");
    }
    let said = run(&story, "RESET search_path").await;
    assert_worded!("notes", "setting that is reset", said["notes"]);
}

#[tokio::test]
async fn somebody_used_what_they_made_in_the_same_list() {
    let story = Story::with_data().await;
    for statements in [
        &["CREATE TEMP TABLE scratch (x int)", "INSERT INTO scratch VALUES (1)"][..],
        &["SET LOCAL lock_timeout = '1s'", "SELECT 1"],
        &["SET lock_timeout = '1s'", "SELECT 1", "RESET lock_timeout"],
        &["SELECT pg_advisory_lock(7)", "SELECT pg_advisory_unlock(7)"],
        &["SELECT pg_advisory_xact_lock(7)", "SELECT 1"],
    ] {
        let said = list(&story, statements).await["notes"].to_string();
        assert!(!said.contains(GONE), "{statements:?}: {said}");
    }
    let said = list(&story, &["SET lock_timeout = '1s'", "SELECT 1"]).await["notes"].to_string();
    assert!(said.contains(GONE), "{said}");
}

#[tokio::test]
async fn somebody_migrated_with_settings_over_a_vacuum() {
    let story = Story::with_data().await;
    run(&story, "CREATE SCHEMA app").await;
    run(&story, "CREATE TABLE t (x int)").await;
    for (setting, name) in [
        ("SET search_path = app", "one"),
        ("SET SCHEMA 'app'", "two"),
        ("SELECT pg_catalog.set_config('search_path', 'app', false)", "three"),
    ] {
        // The cut comes before the setting, and the enum's value cuts behind it.
        let script = format!(
            "VACUUM public.t; {setting}; CREATE TYPE {name}_kind AS ENUM ('a'); ALTER TYPE {name}_kind ADD VALUE 'b'; \
             CREATE TABLE {name} (kind {name}_kind DEFAULT 'b'); RESET search_path; VACUUM public.t; CREATE TABLE after_{name} (x int)"
        );
        let prepared = prepare(&story, &script).await;
        let done = complete(&story, &prepared).await;
        assert_eq!(done["schema_matches_preview"], true, "{done}");
        let at = format!(
            "SELECT relnamespace::regnamespace::text || '.' || relname AS place FROM pg_class WHERE relname IN ('{name}', 'after_{name}') ORDER BY 1"
        );
        let places = run(&story, &at).await["result"]["rows"].to_string();
        assert!(places.contains(&format!("app.{name}")), "{setting}: {places}");
        assert!(places.contains(&format!("public.after_{name}")), "{setting}: {places}");
    }
}

#[tokio::test]
async fn somebodys_settings_are_set_again_in_each_part() {
    let story = Story::with_data().await;
    run(&story, "CREATE SCHEMA app").await;
    run(&story, "CREATE TABLE t (x int)").await;
    let script = "CREATE TYPE kind AS ENUM ('a'); SET search_path = app, public; SET lock_timeout = '1234ms'; ALTER TYPE kind ADD VALUE 'b'; \
                  CREATE TABLE landed AS SELECT 'b'::kind AS kind, current_setting('lock_timeout') AS waits";
    let prepared = prepare(&story, script).await;
    assert_worded!("notes", "migration: setting that later parts need", prepared["notes"]);
    complete(&story, &prepared).await;
    let rows = run(&story, "SELECT waits FROM app.landed").await["result"]["rows"].to_string();
    assert!(rows.contains("1234ms"), "{rows}");
}

#[tokio::test]
async fn somebody_migrated_with_what_no_other_session_has() {
    let story = Story::with_data().await;
    run(&story, "CREATE TABLE t (x int)").await;
    for (script, says) in [
        (
            "SET lock_timeout = '1s'; VACUUM t; ALTER TABLE t ADD y int",
            "the setting lock_timeout",
        ),
        ("SET search_path = app; VACUUM t", "the setting search_path"),
        ("SET ROLE neondb_owner; VACUUM t", "the role"),
        ("SET SESSION AUTHORIZATION neondb_owner; VACUUM t", "the user"),
        (
            "DO $$ BEGIN SET search_path = app; END $$; VACUUM public.t; CREATE TABLE u (x int)",
            "the setting search_path",
        ),
        (
            "CREATE TEMP TABLE s AS SELECT 1 AS x; VACUUM t; INSERT INTO t SELECT x FROM s",
            "the temporary s",
        ),
        (
            "SELECT pg_advisory_lock(1); ALTER TABLE t ADD y int; VACUUM t; ALTER TABLE t ADD z int",
            "an advisory lock",
        ),
        (
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1; VACUUM t; FETCH c",
            "the cursor c",
        ),
        (
            "SET LOCAL search_path = app; CREATE TABLE u (x int); VACUUM t; CREATE TABLE v (x int)",
            "without LOCAL",
        ),
        ("DISCARD ALL", "discards what a session holds"),
        ("SET search_path = app; RESET ALL", "RESET each by its name"),
        (
            "BEGIN; ALTER TABLE t ADD y int; VACUUM t; COMMIT",
            "puts BEGIN and COMMIT around it",
        ),
    ] {
        let said = refused(&story, script).await;
        assert!(said.contains(says), "{script}: {said}");
    }
    assert_eq!(story.branches().await, ["main"], "no branch is made for it");
    for script in [
        "SET client_min_messages = warning; SET statement_timeout = 0; VACUUM t; ALTER TABLE t ADD a int",
        "SET lock_timeout = '1s'; ALTER TABLE t ADD b int; RESET lock_timeout; VACUUM t",
        "CREATE TEMP TABLE s AS SELECT 1 AS x; INSERT INTO t (x) SELECT x FROM s; VACUUM t",
        "SELECT pg_advisory_lock(1); ALTER TABLE t ADD c int; SELECT pg_advisory_unlock(1); VACUUM t",
    ] {
        let prepared = prepare(&story, script).await;
        complete(&story, &prepared).await;
    }
}

#[tokio::test]
async fn somebody_executed_what_nothing_prepared() {
    let story = Story::with_data().await;
    story.human().changes_to(Manner::Declines);
    for (tool, arguments) in [
        ("run_sql", json!({"branch_id": "main", "sql": "EXECUTE p"})),
        (
            "run_sql",
            json!({"branch_id": "main", "sql": "EXPLAIN ANALYZE EXECUTE p (1)"}),
        ),
        (
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": ["PREPARE p AS SELECT 1", "EXECUTE q"]}),
        ),
        (
            "prepare_database_migration",
            json!({"branch_id": "main", "sql": "EXECUTE p"}),
        ),
    ] {
        let error = story.shop_fails(tool, arguments).await;
        assert_eq!(error["kind"], "invalid_arguments", "{error}");
        assert_worded!(
            "errors",
            &format!("execution of what was not prepared: {tool}"),
            error["problems"][0]["message"]
        );
    }
    assert_eq!(story.asked(), 0, "nobody is asked about it");
}

#[tokio::test]
async fn somebody_executed_what_the_same_list_prepared() {
    let story = Story::with_data().await;
    run(&story, "CREATE TABLE t (x int)").await;
    run(&story, "INSERT INTO t SELECT i FROM generate_series(1, 500) i").await;
    story.human().changes_to(Manner::Declines);
    let done = list(&story, &["PREPARE p (int) AS SELECT $1 + 1 AS y", "EXECUTE p (41)"]).await;
    assert!(done.to_string().contains("42"), "{done}");
    list(
        &story,
        &[
            "PREPARE p (int) AS DELETE FROM t WHERE x = $1",
            "EXECUTE p (1)",
            "EXECUTE p (2)",
        ],
    )
    .await;
    assert_eq!(story.asked(), 0, "it is what was prepared that counts");
    // What it loses is measured, whatever its text says.
    let statements = ["PREPARE p (int) AS DELETE FROM t WHERE x > $1", "EXECUTE p (100)"];
    story
        .shop_fails(
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": statements}),
        )
        .await;
    assert_eq!(story.asked(), 1);
    let question = story.question();
    assert_worded!(
        "approvals",
        "execution that deletes rows",
        line_with(&question, "400 of 498")
    );
    let statements = [
        "PREPARE p (text) AS SELECT pg_read_file($1)",
        "EXECUTE p ('/etc/passwd')",
    ];
    story
        .shop_fails(
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": statements}),
        )
        .await;
    assert_eq!(story.asked(), 2);
}

#[tokio::test]
async fn somebody_dropped_what_the_same_list_made() {
    let story = Story::with_data().await;
    run(&story, "CREATE TABLE old (x int)").await;
    run(&story, "CREATE SCHEMA app").await;
    run(&story, "INSERT INTO old SELECT i FROM generate_series(1, 500) i").await;
    story.human().changes_to(Manner::Declines);
    for statements in [
        &["CREATE TEMP TABLE s AS SELECT 1 AS x", "DROP TABLE s"][..],
        &[
            "CREATE TEMP TABLE old AS SELECT 1 AS x",
            "TRUNCATE old",
            "DROP TABLE old",
        ],
        &[
            "CREATE TABLE n AS SELECT i AS x, i AS y FROM generate_series(1, 500) i",
            "ALTER TABLE n DROP COLUMN y",
            "DELETE FROM n",
            "DROP TABLE n",
        ],
    ] {
        list(&story, statements).await;
    }
    assert_eq!(story.asked(), 0, "nothing that existed is lost");
    // Names that lead to what existed before: it is measured, and asked about.
    for statements in [
        &["CREATE TABLE IF NOT EXISTS old (x int)", "DROP TABLE old"][..],
        &["CREATE TEMP TABLE old (x int)", "DROP TABLE old", "DROP TABLE old"],
        &[
            "SET search_path = app",
            "CREATE TABLE old (x int)",
            "SET search_path = public",
            "DROP TABLE old",
        ],
        &[
            "CREATE TEMP TABLE old (x int)",
            "DO $$ BEGIN EXECUTE 'DROP TABLE pg_temp.old'; END $$",
            "DROP TABLE old",
        ],
        &[
            "CREATE TABLE app.old (x int)",
            "SELECT set_config('search_path', 'public', true)",
            "ALTER SCHEMA app RENAME TO gone",
            "ALTER SCHEMA public RENAME TO app",
            "DROP TABLE app.old",
        ],
    ] {
        let before = story.asked();
        story
            .shop_fails(
                "run_sql_transaction",
                json!({"branch_id": "main", "statements": statements}),
            )
            .await;
        assert_eq!(story.asked(), before + 1, "{statements:?}");
    }
    let left = run(&story, "SELECT count(*) AS rows FROM public.old").await;
    assert!(left["result"]["rows"].to_string().contains("500"), "{left}");
}

/// What pg_dump writes before all else.
const PREAMBLE: [&str; 13] = [
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET client_encoding = 'UTF8'",
    "SET standard_conforming_strings = on",
    "SELECT pg_catalog.set_config('search_path', '', false)",
    "SET check_function_bodies = false",
    "SET xmloption = content",
    "SET client_min_messages = warning",
    "SET row_security = off",
    "SET default_tablespace = ''",
    "SET default_table_access_method = heap",
    "SET backslash_quote = 'safe_encoding'",
];

#[tokio::test]
async fn somebody_ran_what_pg_dump_writes() {
    let story = Story::with_data().await;
    run(&story, "CREATE TABLE public.old (x int)").await;
    story.human().changes_to(Manner::Declines);
    for setting in PREAMBLE {
        run(&story, setting).await;
    }
    let made = "CREATE TABLE public.users (id integer NOT NULL)";
    let all: Vec<&str> = PREAMBLE.into_iter().chain([made]).collect();
    list(&story, &all).await;
    let script = format!(
        "{};\nCREATE TABLE public.orders (id integer NOT NULL);\nCREATE INDEX CONCURRENTLY by_x ON public.old (x);\n\
         CREATE TABLE public.more (id integer NOT NULL);",
        PREAMBLE.join(";\n")
    );
    let prepared = prepare(&story, &script).await;
    let done = complete(&story, &prepared).await;
    assert_eq!(done["schema_matches_preview"], true, "{done}");
    assert_eq!(story.asked(), 0, "none of it changes what a text means or what is held");
    // Other values do.
    for setting in [
        "SET client_encoding = 'SJIS'",
        "SET standard_conforming_strings = off",
        "SET backslash_quote = on",
        "SELECT set_config('standard_conforming_strings', 'off', false)",
        "ALTER ROLE neondb_owner SET client_encoding = 'SJIS'",
    ] {
        let before = story.asked();
        let arguments = json!({"branch_id": "main", "sql": setting});
        story.shop_fails("run_sql", arguments).await;
        assert_eq!(story.asked(), before + 1, "{setting}");
    }
}
