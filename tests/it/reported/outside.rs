//! What may only run outside of a transaction and isn't told by its text, and how long anything may run.

use harness::{assert_worded, wording::line_with};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::examples::Story;
use crate::workflows::{rows, shop, sql};

const COMMITS: &str = "CREATE PROCEDURE tidy(n int) LANGUAGE plpgsql AS $$ BEGIN \
    FOR i IN 1..n LOOP INSERT INTO log VALUES (i); COMMIT; END LOOP; END $$";

async fn with_procedures() -> Story {
    let story = shop().await;
    for statement in [
        "CREATE TABLE log (x int)",
        COMMITS,
        "CREATE PROCEDURE outer_one() LANGUAGE plpgsql AS $$ BEGIN CALL tidy(2); END $$",
        "CREATE PROCEDURE plain() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (0); END $$",
    ] {
        sql(&story, "main", statement).await;
    }
    story
}

async fn count(story: &Story, branch: &str, of: &str) -> Value {
    rows(&sql(story, branch, &format!("SELECT count(*)::int FROM {of}")).await)[0][0].clone()
}

#[tokio::test]
async fn procedure_that_commits_runs_after_the_user_was_asked() {
    let story = with_procedures().await;
    for call in [
        "CALL tidy(3)",
        "CALL public.outer_one()",
        "DO $$ BEGIN CALL tidy(1); END $$",
    ] {
        let before = story.asked();
        sql(&story, "main", call).await;
        assert_eq!(story.asked(), before + 1, "{call}");
        let question = story.question();
        assert_worded!(
            "approvals",
            &format!("procedure that runs outside of a transaction: {call}"),
            line_with(&question, "outside")
        );
    }
    assert_eq!(count(&story, "main", "log").await, json!(3 + 2 + 1));
    // One that doesn't is held by the measured commit, and nobody is asked.
    let before = story.asked();
    sql(&story, "main", "CALL plain()").await;
    assert_eq!(story.asked(), before);
    assert_eq!(count(&story, "main", "log").await, json!(7));
}

#[tokio::test]
async fn procedure_that_commits_cannot_be_in_a_list() {
    let story = with_procedures().await;
    let said = story
        .shop_fails(
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": ["INSERT INTO log VALUES (1)", "CALL tidy(3)"]}),
        )
        .await;
    assert_worded!(
        "errors",
        "transaction: procedure that commits",
        said["problems"][0]["message"]
    );
    assert_eq!(said["changed"], "no", "{said}");
}

#[tokio::test]
async fn procedure_that_fails_after_it_committed_tells_so() {
    let story = with_procedures().await;
    sql(
        &story,
        "main",
        "CREATE PROCEDURE half() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); COMMIT; INSERT INTO log VALUES (1 / 0); END $$",
    )
    .await;
    story.shop("create_throwaway_branch", json!({"name": "try"})).await;
    let said = story
        .shop_fails("run_sql", json!({"branch_id": "try", "sql": "CALL half()"}))
        .await;
    assert_eq!(
        (&said["sqlstate"], &said["changed"]),
        (&json!("22012"), &json!("unknown")),
        "{said}"
    );
    assert_eq!(count(&story, "try", "log").await, json!(1));
}

#[tokio::test]
async fn partitioned_indexes_are_rebuilt_where_postgres_lets_them_be() {
    let story = shop().await;
    for statement in [
        "CREATE SCHEMA \"Sales\"",
        "CREATE TABLE \"Sales\".\"Orders\" (at int) PARTITION BY RANGE (at)",
        "CREATE TABLE part PARTITION OF \"Sales\".\"Orders\" FOR VALUES FROM (0) TO (10)",
        "CREATE INDEX by_at ON \"Sales\".\"Orders\" (at)",
        "CREATE TABLE plain (at int)",
    ] {
        sql(&story, "main", statement).await;
    }
    for statement in [
        "REINDEX TABLE \"Sales\".\"Orders\"",
        "REINDEX INDEX \"Sales\".by_at",
        "CLUSTER \"Sales\".\"Orders\" USING by_at",
        "REINDEX TABLE plain",
    ] {
        sql(&story, "main", statement).await;
    }
}

#[tokio::test]
async fn migration_with_a_procedure_that_commits_is_cut_around_it() {
    let story = with_procedures().await;
    let prepared = story
        .shop(
            "prepare_database_migration",
            json!({"branch_id": "main", "sql": "ALTER TABLE log ADD y int; CALL tidy(2); \
                CREATE PROCEDURE own() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$; CALL own(); \
                CREATE TABLE parts (x int) PARTITION BY LIST (x); CREATE INDEX ON parts (x); REINDEX TABLE parts"}),
        )
        .await;
    assert_eq!(prepared["parts"].as_array().map(Vec::len), Some(6), "{prepared}");
    let completes = json!({"branch_id": "main", "migration": prepared["migration"]});
    story.shop("complete_database_migration", completes).await;
    assert!(story.question().contains("CALL"), "{}", story.question());
    assert_eq!(count(&story, "main", "log").await, json!(2));
}

#[tokio::test]
async fn time_binds_what_runs_outside_of_a_transaction() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE busy (x int)").await;
    let holder = harness::sandbox_process::connect(&story.uri("main").await)
        .await
        .unwrap();
    holder
        .batch_execute("BEGIN; LOCK TABLE busy IN ACCESS SHARE MODE")
        .await
        .unwrap();
    let begun = Instant::now();
    let said = story
        .shop_fails(
            "run_sql",
            json!({"branch_id": "main", "sql": "VACUUM FULL busy", "timeout_seconds": 2}),
        )
        .await;
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}: {said}",
        begun.elapsed()
    );
    assert_eq!(said["sqlstate"], "57014", "{said}");
    // Nobody waits behind it any more.
    let waiting =
        "SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE '%VACUUM FULL%' AND pid <> pg_backend_pid()";
    assert_eq!(rows(&sql(&story, "main", waiting).await), [json!([0])]);
}

#[tokio::test]
async fn statement_that_was_not_begun_changed_nothing() {
    let story = shop().await;
    for statement in [
        "VACUUM FULL nowhere",
        "CLUSTER",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h' PUBLICATION p",
    ] {
        let (said, is_error) = story
            .answer(
                "run_sql",
                json!({"project_id": "shop", "branch_id": "main", "sql": statement}),
            )
            .await;
        let text = said.to_string();
        assert!(!is_error || said["error"]["changed"] == "no", "{statement}: {text}");
        assert!(!text.contains("invalid"), "{statement}: {text}");
    }
}

#[tokio::test]
async fn position_is_one_in_the_text_as_it_was_sent() {
    let story = shop().await;
    let said = story
        .shop_fails(
            "run_sql",
            json!({"branch_id": "main", "sql": "VACUUM (FREEZE, nö, ANALYZE) x"}),
        )
        .await;
    assert_eq!(said["position"].to_string().replace('"', ""), "17", "{said}");
}

#[tokio::test]
async fn time_binds_all_statements_of_a_list_together() {
    let story = shop().await;
    let begun = Instant::now();
    let statements = vec!["SELECT pg_sleep(0.7)"; 20];
    let said = story
        .shop_fails(
            "run_sql_transaction",
            json!({"branch_id": "main", "statements": statements, "timeout_seconds": 2}),
        )
        .await;
    // All of them take fourteen seconds, and a busy machine takes some.
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}: {said}",
        begun.elapsed()
    );
    assert_eq!(said["sqlstate"], "57014", "{said}");
}

#[tokio::test]
async fn code_that_catches_its_cancelling_has_its_session_ended() {
    let story = shop().await;
    for statement in [
        "CREATE TABLE log (x int)",
        "CREATE PROCEDURE stubborn() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); COMMIT; \
         LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$",
    ] {
        sql(&story, "main", statement).await;
    }
    let begun = Instant::now();
    let said = story
        .shop_fails(
            "run_sql",
            json!({"branch_id": "main", "sql": "CALL stubborn()", "timeout_seconds": 1}),
        )
        .await;
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}: {said}",
        begun.elapsed()
    );
    // What it committed before is there, so nobody says that nothing was changed.
    assert_eq!(said["changed"], "unknown", "{said}");
    assert!(said["message"].to_string().contains("session was ended"), "{said}");
    assert_eq!(count(&story, "main", "log").await, json!(1));
    let runs =
        "SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE '%CALL stubborn%' AND pid <> pg_backend_pid()";
    let until = Instant::now() + Duration::from_secs(10);
    while rows(&sql(&story, "main", runs).await) != [json!([0])] {
        assert!(Instant::now() < until, "it still runs");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn list_of_reads_that_fails_runs_a_second_time_within_the_time_of_the_call() {
    let story = shop().await;
    let list = |pause: &str| json!({"project_id": "shop", "branch_id": "main", "statements": [format!("SELECT pg_sleep({pause})"), "SELECT 1 / 0"]});
    let (said, _) = story.answer("run_sql_transaction", list("0.2")).await;
    assert_eq!(
        (&said["error"]["sqlstate"], &said["error"]["statement"]),
        (&json!("22012"), &json!(2)),
        "{said}"
    );
    // There is no time left to find out which one it was: what is known is told, and nothing waits for more.
    let api = story.sandbox().api_url();
    let server = story.server_at(&["--call-timeout-seconds", "8"], &api).await;
    let (warm, is_error) = server
        .call(
            "run_sql",
            json!({"project_id": "shop", "branch_id": "main", "sql": "SELECT 1"}),
        )
        .await;
    assert!(!is_error, "{warm}");
    let begun = Instant::now();
    let (said, _) = server.call("run_sql_transaction", list("5")).await;
    assert!(
        begun.elapsed() < Duration::from_millis(9_500),
        "{:?}: {said}",
        begun.elapsed()
    );
    let error = &said["error"];
    assert_eq!(
        (&error["sqlstate"], &error["changed"]),
        (&json!("22012"), &json!("no")),
        "{said}"
    );
    assert!(error.get("statement").is_none(), "{said}");
}
