//! Code that statements outside of a transaction would run, where no transaction holds it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures::future::join_all;
use harness::wait::until_async;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::examples::Story;
use crate::support::human::Manner;
use crate::workflows::{rows, shop, sql};

/// Functions that delete where they see that nothing holds them.
const CODE: [&str; 3] = [
    "CREATE FUNCTION vol(i int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN \
     IF current_query() ~* 'neon-mcp' THEN DELETE FROM public.victims WHERE id >= 1; END IF; RETURN i; END $$",
    "CREATE FUNCTION imm(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.vol(i); END $$",
    "CREATE FUNCTION opf(a int, b int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM public.imm(a); RETURN true; END $$",
];

async fn with_victims() -> Story {
    let story = shop().await;
    for statement in [
        "CREATE TABLE victims AS SELECT id FROM generate_series(1, 1000) id",
        "CREATE TABLE t AS SELECT i AS id, i AS v FROM generate_series(1, 10) i",
        "CREATE TABLE pt (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE pt1 PARTITION OF pt FOR VALUES FROM (0) TO (100)",
        "INSERT INTO pt SELECT i FROM generate_series(1, 10) i",
    ] {
        sql(&story, "main", statement).await;
    }
    story.human().changes_to(Manner::Declines);
    story
}

/// Somebody else's session on the default branch, beside the server: nobody asks it.
async fn beside(story: &Story) -> Client {
    story.human().changes_to(Manner::Accepts);
    let handed = story.shop("get_connection_string", json!({"branch_id": "main"})).await;
    story.human().changes_to(Manner::Declines);
    let uri = handed["uri"].as_str().expect("a connection string");
    let (client, connection) = tokio_postgres::connect(uri, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// Whether a session waits for that.
async fn is_waiting(story: &Story, event: &str) -> bool {
    let count = format!("SELECT count(*)::int FROM pg_stat_activity WHERE {event} AND pid <> pg_backend_pid()");
    rows(&sql(story, "main", &count).await) != [json!([0])]
}

/// Waits until a session waits for that.
async fn waits(story: &Story, event: &str) {
    until_async(event, async || is_waiting(story, event).await).await;
}

const SLEEPS: &str = "wait_event = 'PgSleep'";

async fn victims(story: &Story) -> Value {
    rows(&sql(story, "main", "SELECT count(*)::int FROM victims").await)[0][0].clone()
}

#[tokio::test]
async fn migration_that_makes_the_code_of_its_indexes_asks() {
    let story = with_victims().await;
    for rest in [
        "CREATE INDEX CONCURRENTLY ix ON t (imm(id))",
        "CREATE INDEX x1 ON t (imm(id)); REINDEX TABLE CONCURRENTLY t",
        "CREATE INDEX x2 ON t (imm(id)); VACUUM FULL t",
        "CREATE INDEX x3 ON pt (imm(id)); REINDEX TABLE pt",
        "CREATE INDEX x4 ON pt (imm(id)); CLUSTER pt USING x4",
        "CREATE STATISTICS st ON (imm(id)), v FROM t; VACUUM ANALYZE t",
    ] {
        let script = format!("{}; {}; {rest}", CODE[0], CODE[1]);
        let arguments = json!({"project_id": "shop", "branch_id": "main", "sql": script});
        let (prepared, is_error) = story.answer("prepare_database_migration", arguments).await;
        if !is_error {
            let asked = story.asked();
            let completes = json!({"branch_id": "main", "migration": prepared["result"]["migration"]});
            let said = story.shop_fails("complete_database_migration", completes).await;
            assert_eq!(said["kind"], "rejected", "{rest}: {said}");
            assert_eq!(story.asked(), asked + 1, "{rest}");
        }
        assert_eq!(victims(&story).await, json!(1000), "{rest}");
    }
}

#[tokio::test]
async fn operator_behind_a_domain_of_an_index_is_seen() {
    let story = with_victims().await;
    for statement in CODE.into_iter().chain([
        "CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = opf)",
        "CREATE DOMAIN dom AS int CHECK (VALUE ### 1)",
        "CREATE INDEX ixd ON t ((id::dom))",
    ]) {
        sql(&story, "main", statement).await;
    }
    for statement in [
        "REINDEX TABLE CONCURRENTLY t",
        "VACUUM FULL t",
        "CREATE INDEX CONCURRENTLY other ON t ((id::dom))",
    ] {
        let arguments = json!({"branch_id": "main", "sql": statement});
        let said = story.shop_fails("run_sql", arguments).await;
        assert_eq!(said["kind"], "rejected", "{statement}: {said}");
        assert_eq!(victims(&story).await, json!(1000), "{statement}");
    }
}

#[tokio::test]
async fn index_that_calls_code_by_now_stops_a_prepared_migration() {
    let story = with_victims().await;
    let prepared = story
        .shop(
            "prepare_database_migration",
            json!({"branch_id": "main", "sql": "SELECT pg_sleep(4); REINDEX TABLE CONCURRENTLY t"}),
        )
        .await;
    for statement in &CODE[..2] {
        sql(&story, "main", statement).await;
    }
    let other = beside(&story).await;
    let ended = AtomicBool::new(false);
    // Behind the look before the call, and before the part.
    let late = async {
        // It may be declined before it comes so far.
        let there = async || ended.load(Ordering::SeqCst) || is_waiting(&story, SLEEPS).await;
        until_async("the statement before the part", there).await;
        other.batch_execute("CREATE INDEX evil ON t (imm(id))").await
    };
    let completes = json!({"project_id": "shop", "branch_id": "main", "migration": prepared["migration"]});
    let completed = async {
        let said = story.answer("complete_database_migration", completes).await;
        ended.store(true, Ordering::SeqCst);
        said
    };
    let (said, _) = tokio::join!(completed, late);
    assert_eq!(victims(&story).await, json!(1000), "{}", said.0);
}

/// A schema change that makes an index over own code, and then keeps its locks for a while: as a server's own transaction that was
/// approved, or whose answer was lost, with the lock that it takes. Its text doesn't say whose it is: by that the functions know.
const KEPT: &str = "BEGIN; SELECT pg_advisory_xact_lock_shared(hashtextextended('neon' || '-mcp definitions', 0)); \
    CREATE INDEX evil ON t (imm(id)); CREATE INDEX evils ON pt (imm(id)); SELECT pg_sleep(3); COMMIT";

#[tokio::test]
async fn index_that_is_not_committed_yet_is_waited_for_before_the_look() {
    join_all(["VACUUM FULL t", "REINDEX TABLE CONCURRENTLY t", "REINDEX TABLE pt"].map(waits_for_the_index)).await;
}

async fn waits_for_the_index(statement: &str) {
    let story = with_victims().await;
    for made in &CODE[..2] {
        sql(&story, "main", made).await;
    }
    let other = beside(&story).await;
    let making = other.batch_execute(KEPT);
    // The look before the call finds nothing: the index is nobody's to see yet.
    let rebuilding = async {
        waits(&story, SLEEPS).await;
        let arguments = json!({"branch_id": "main", "sql": statement});
        story.shop_fails("run_sql", arguments).await
    };
    let (made, said) = tokio::join!(making, rebuilding);
    made.expect("the indexes");
    assert_eq!(said["kind"], "rejected", "{statement}: {said}");
    assert_eq!(victims(&story).await, json!(1000), "{statement}");
}

#[tokio::test]
async fn statement_that_builds_no_index_of_its_own_keeps_no_row_from_being_written() {
    let story = with_victims().await;
    let statements = ["INSERT INTO t VALUES (11, 11)", "SELECT pg_sleep(5)"];
    let arguments = json!({"project_id": "shop", "branch_id": "main", "statements": statements});
    let locked = async { (story.answer("run_sql_transaction", arguments).await, Instant::now()) };
    let vacuum = async {
        waits(&story, SLEEPS).await;
        story
            .answer(
                "run_sql",
                json!({"project_id": "shop", "branch_id": "main", "sql": "VACUUM FULL t"}),
            )
            .await
    };
    // It waits for the lock of the first; rows of another table are written meanwhile, and its schema is changed behind it.
    let beside = async {
        waits(&story, "wait_event_type = 'Lock'").await;
        sql(&story, "main", "INSERT INTO victims VALUES (2000)").await;
        Instant::now()
    };
    let (((first, failed), unlocked), (second, failed_too), written) = tokio::join!(locked, vacuum, beside);
    assert!(!failed && !failed_too, "{first} {second}");
    assert!(written < unlocked, "it waited for the lock, too");
}
