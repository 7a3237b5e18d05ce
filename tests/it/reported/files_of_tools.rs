//! Scripts as other tools write them: what of them can't run is told at once, with what to leave out.

use serde_json::{Value, json};

use crate::examples::Story;

async fn refused(story: &Story, sql: &str) -> Value {
    story
        .shop_fails("prepare_database_migration", json!({"branch_id": "main", "sql": sql}))
        .await
}

#[tokio::test]
async fn mark_before_the_first_character_is_left_out() {
    let story = Story::with_data().await;
    let sql = "\u{feff}CREATE TABLE bom (a int);";
    let done = story
        .shop("prepare_database_migration", json!({"branch_id": "main", "sql": sql}))
        .await;
    assert!(done["migration"].is_string(), "{done}");
    story
        .shop("run_sql", json!({"branch_id": "main", "sql": "\u{feff}SELECT 1"}))
        .await;
}

#[tokio::test]
async fn lines_that_only_an_owner_runs_are_to_be_left_out() {
    let story = Story::with_data().await;
    for (sql, word) in [
        (
            "COMMENT ON EXTENSION plpgsql IS 'x'",
            "leave the COMMENT ON EXTENSION line out",
        ),
        (
            "CREATE TABLE public.o1 (a int); ALTER TABLE public.o1 OWNER TO no_such_role",
            "pg_dump --no-owner",
        ),
    ] {
        let failed = refused(&story, sql).await;
        assert!(failed["next"].to_string().contains(word), "{sql}: {failed}");
    }
}

#[tokio::test]
async fn all_that_cannot_run_is_told_at_once() {
    let story = Story::with_data().await;
    let dump = "\\restrict abc\nCREATE TABLE c (a int);\nCOPY c (a) FROM stdin;\n1\n2\n\\.\n\\unrestrict abc\n";
    let told = refused(&story, dump).await["problems"].to_string();
    assert!(told.contains("\\\\restrict") && told.contains("COPY"), "{told}");
    let prisma = "CREATE TABLE a (i int); BEGIN; CREATE TABLE b (i int); COMMIT; CREATE TABLE c (i int);";
    let told = refused(&story, prisma).await["problems"].to_string();
    assert!(told.contains("(BEGIN)") && told.contains("(COMMIT)"), "{told}");
}
