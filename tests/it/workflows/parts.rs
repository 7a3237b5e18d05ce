//! What the parts of a migration lose is counted together, and what others make meanwhile isn't a call's own.

use std::time::Duration;

use serde_json::{Value, json};

use super::{shop, sql};
use crate::examples::Story;
use crate::support::human::Manner;
use harness::sandbox_process::{execute, number};

async fn prepare(story: &Story, sql: &str) -> Value {
    story
        .shop("prepare_database_migration", json!({"branch_id": "main", "sql": sql}))
        .await
}

#[tokio::test]
async fn table_that_is_put_under_others_between_parts_keeps_its_count() {
    let story = shop().await;
    sql(&story, "main", "CREATE TABLE many (id int NOT NULL)").await;
    sql(&story, "main", "CREATE TABLE ix (a int)").await;
    sql(&story, "main", "INSERT INTO many SELECT generate_series(1, 300)").await;
    let prepared = prepare(
        &story,
        "DELETE FROM many WHERE id <= 100; CREATE INDEX CONCURRENTLY i1 ON ix (a); \
         CREATE TABLE r2 (id int) PARTITION BY RANGE (id); \
         CREATE TABLE r2f PARTITION OF r2 FOR VALUES FROM (1000) TO (9000); \
         INSERT INTO r2f SELECT generate_series(1000, 2500); \
         ALTER TABLE r2 ATTACH PARTITION many FOR VALUES FROM (0) TO (1000); CREATE INDEX CONCURRENTLY i2 ON ix (a); \
         DELETE FROM many WHERE id <= 200",
    )
    .await;
    assert_eq!(prepared["completion"]["requires_approval"], true, "{prepared}");
    // Our own word, which is called as it stands.
    assert_eq!(
        prepared["completion"]["call"]["tool"], "complete_database_migration",
        "{prepared}"
    );
    let uri = story.uri("main").await;
    story.human().changes_to(Manner::Declines);
    let arguments = json!({"branch_id": "main", "migration": prepared["migration"]});
    let failed = story.shop_fails("complete_database_migration", arguments).await;
    assert_eq!(failed["kind"], "rejected", "{failed}");
    assert_eq!(number(&uri, "SELECT count(*) FROM many").await, 300);
}

#[tokio::test]
async fn tenth_of_a_table_is_a_tenth_of_what_it_held_before_the_first_part() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(
        &uri,
        "CREATE TABLE ix (a int); CREATE TABLE h (id int); INSERT INTO h SELECT generate_series(1, 500); CREATE TABLE here (yes bool)",
    )
    .await;
    let part = |most: u32, index: u32| {
        format!(
            "DELETE FROM h WHERE id <= {most} AND EXISTS (SELECT FROM here); CREATE INDEX CONCURRENTLY h{index} ON ix (a); "
        )
    };
    let script: String = [(24, 1), (44, 2), (60, 3)]
        .map(|(most, index)| part(most, index))
        .concat();
    let prepared = prepare(&story, &script).await;
    assert_eq!(prepared["completion"]["requires_approval"], false, "{prepared}");
    execute(&uri, "INSERT INTO here VALUES (true)").await;
    let arguments = json!({"branch_id": "main", "migration": prepared["migration"]});
    let failed = story.shop_fails("complete_database_migration", arguments).await;
    assert_eq!(failed["kind"], "applied_in_part", "{failed}");
    assert_eq!(number(&uri, "SELECT count(*) FROM h").await, 456, "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn table_that_others_made_meanwhile_is_not_the_calls_own() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute(
        &uri,
        "CREATE TABLE parts (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
    )
    .await;
    story.human().changes_to(Manner::Declines);
    for (table, made) in [
        (
            "fresh",
            "CREATE TABLE fresh AS SELECT i AS id FROM generate_series(1, 1000) i",
        ),
        (
            "parts",
            "CREATE TABLE p2 PARTITION OF parts FOR VALUES FROM (10) TO (5000); INSERT INTO parts SELECT generate_series(11, 1010)",
        ),
    ] {
        let asked = story.human().count();
        let statements = [
            format!("CREATE TABLE own_{table} (i int)"),
            "SELECT pg_sleep(3)".to_owned(),
            format!("DELETE FROM {table} WHERE id > 0"),
        ];
        let call = json!({"branch_id": "main", "statements": statements});
        let meanwhile = async {
            let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            while number(&uri, sleeping).await == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            execute(&uri, made).await;
        };
        let (failed, ()) = tokio::join!(story.shop_fails("run_sql_transaction", call), meanwhile);
        assert!(story.human().count() > asked, "{failed}");
        assert_eq!(
            number(&uri, &format!("SELECT count(*) FROM {table}")).await,
            1000,
            "{failed}"
        );
    }
}
