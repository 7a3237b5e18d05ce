//! Migrations that build indexes outside of a transaction: a human is asked where those may call functions of the database's own,
//! and nowhere else.

use serde_json::{Value, json};

use crate::examples::Story;
use crate::workflows::{shop, sql};

async fn prepared(story: &Story, sql: &str) -> Value {
    story
        .shop("prepare_database_migration", json!({"branch_id": "main", "sql": sql}))
        .await
}

#[tokio::test]
async fn types_and_blocks_that_make_no_code_ask_nobody() {
    let story = Story::with_data().await;
    for sql in [
        "CREATE TYPE rr AS ENUM ('a'); CREATE TABLE x2 (id int, r rr DEFAULT 'a'); CREATE INDEX CONCURRENTLY x2i ON x2 (r);",
        "CREATE TABLE x3 (id int); DO $$ BEGIN ALTER TABLE x3 ADD COLUMN b int; END $$; CREATE INDEX CONCURRENTLY x3i ON x3 (id);",
        "DO $$ BEGIN CREATE TYPE st AS ENUM ('on'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n--> statement-breakpoint\n\
         CREATE TABLE x4 (s st);\n--> statement-breakpoint\nCREATE INDEX CONCURRENTLY x4i ON x4 (s);",
        "CREATE DOMAIN pos AS int CHECK (VALUE > 0); CREATE TABLE x5 (p pos); CREATE INDEX CONCURRENTLY x5i ON x5 (p);",
        "CREATE TYPE pair AS (a int, b int); CREATE TABLE x6 (p pair); CREATE INDEX CONCURRENTLY x6i ON x6 (p);",
    ] {
        let done = prepared(&story, sql).await;
        assert_eq!(done["completion"]["requires_approval"], false, "{sql}: {done}");
        let before = story.asked();
        let completed = story
            .shop(
                "complete_database_migration",
                json!({"branch_id": "main", "migration": done["migration"]}),
            )
            .await;
        assert!(
            completed["applied_statements"]
                .as_u64()
                .is_some_and(|applied| applied >= 3),
            "{completed}"
        );
        assert_eq!(story.asked(), before, "{sql}");
    }
}

const CALLS: &str = "CREATE FUNCTION twice(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 2 * i; END'";

#[tokio::test]
async fn whatever_makes_an_index_call_code_asks() {
    let story = Story::with_data().await;
    let other = CALLS.replace("twice", "thrice");
    let builds =
        "CREATE FUNCTION build() RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE INDEX y3f ON y3 (twice(id)); END'";
    for sql in [CALLS, builds] {
        story.shop("run_sql", json!({"branch_id": "main", "sql": sql})).await;
    }
    for sql in [
        format!("CREATE TABLE y1 (id int); {other}; CREATE INDEX CONCURRENTLY y1i ON y1 (thrice(id));"),
        "CREATE DOMAIN evens AS int CHECK (twice(VALUE) > 0); CREATE TABLE y2 (e evens); CREATE INDEX CONCURRENTLY y2i ON y2 (e);".to_owned(),
        // What the block calls makes another index call it.
        "CREATE TABLE y3 (id int); DO $$ BEGIN PERFORM build(); END $$; CREATE INDEX CONCURRENTLY y3i ON y3 (id);".to_owned(),
    ] {
        let done = prepared(&story, &sql).await;
        assert_eq!(done["completion"]["requires_approval"], true, "{sql}: {done}");
    }
}

#[tokio::test]
async fn code_that_autovacuum_would_run_later_is_asked_about() {
    let story = shop().await;
    for statement in [
        "CREATE TABLE lure (id int, span int4range)",
        "CREATE FUNCTION wipe() RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$",
        "CREATE FUNCTION same(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM wipe(); RETURN a; END $$",
        "CREATE FUNCTION far(a int, b int) RETURNS float8 IMMUTABLE LANGUAGE sql AS 'SELECT 1.0::float8'",
    ] {
        sql(&story, "main", statement).await;
    }
    for statement in [
        "CREATE STATISTICS counted ON (same(id)), (id + 1) FROM lure",
        "CREATE INDEX ON lure (same(id))",
        "CREATE INDEX ON lure (id) WHERE same(id) > 1",
        "CREATE TABLE made (id int, UNIQUE (id)); CREATE INDEX ON made (same(id))",
        "CREATE TYPE spans AS RANGE (subtype = int4, subtype_diff = far)",
        "DO $$ BEGIN EXECUTE 'CREATE INDEX hidden ON lure (same(id))'; END $$",
    ] {
        let before = story.asked();
        let statements: Vec<&str> = match statement.starts_with("DO") {
            true => vec![statement],
            false => statement.split("; ").collect(),
        };
        let list = json!({"branch_id": "main", "database_name": "neondb", "statements": statements});
        story.shop("run_sql_transaction", list).await;
        assert_eq!(story.asked(), before + 1, "{statement}");
    }
    // What is made of Postgres' own functions is nobody's code.
    let before = story.asked();
    sql(&story, "main", "CREATE INDEX ON lure (abs(id)) WHERE abs(id) > 1").await;
    sql(&story, "main", "CREATE STATISTICS own ON (abs(id)), (id + 1) FROM lure").await;
    assert_eq!(story.asked(), before);
}
