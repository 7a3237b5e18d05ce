//! Sizes, rows and descriptions of tables that are more than one.

use harness::{
    assert_worded,
    wording::{line_with, without_numbers},
};
use serde_json::{Value, json};

use crate::examples::Story;
use crate::support::fence::fenced;
use crate::support::human::Manner;
use crate::workflows::{shop, sql};

async fn story() -> Story {
    let story = Story::with_data().await;
    for statement in [
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN score AS int NOT NULL CHECK (VALUE > 0)",
        "CREATE TABLE events (id bigint, at date NOT NULL, feels mood, points score DEFAULT 1, doc text) PARTITION BY RANGE (at)",
        "CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (id)",
        "CREATE TABLE events_2024_some PARTITION OF events_2024 FOR VALUES IN (1, 2, 3)",
        "CREATE TABLE events_2024_rest PARTITION OF events_2024 DEFAULT",
        "CREATE TABLE events_rest PARTITION OF events DEFAULT",
        "CREATE INDEX events_at ON events (at)",
        "INSERT INTO events SELECT i, date '2024-06-01' + (i % 400)::int, 'ok', 1, repeat('x', 50) FROM generate_series(1, 5000) i",
        "CREATE TABLE places (id int, name text)",
        "CREATE TABLE cities (mayor text) INHERITS (places)",
        "INSERT INTO places SELECT i, 'p' FROM generate_series(1, 40) i",
        "INSERT INTO cities SELECT i, 'c', 'm' FROM generate_series(1, 300) i",
        "ANALYZE",
    ] {
        run(&story, statement).await;
    }
    story
}

async fn run(story: &Story, sql: &str) -> Value {
    story.shop("run_sql", json!({"branch_id": "main", "sql": sql})).await
}

fn lines(text: &Value) -> Vec<Value> {
    let lines = fenced(text);
    let lines = lines.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn described(story: &Story, table: &str) -> Value {
    let described = story
        .shop("describe_table_schema", json!({"branch_id": "main", "table": table}))
        .await;
    serde_json::from_str(&fenced(&described["table"])).expect("JSON")
}

#[tokio::test]
async fn somebody_lists_tables_with_partitions_and_inheriting_tables() {
    let story = story().await;
    let listed = story.shop("get_database_tables", json!({"branch_id": "main"})).await;
    let tables = lines(&listed["tables"]);
    let names: Vec<&str> = tables.iter().filter_map(|table| table["name"].as_str()).collect();
    assert_eq!(names, ["cities", "events", "places"]);
    let events = &tables[1];
    assert_eq!(events["kind"], "partitioned table");
    assert_eq!(events["estimated_rows"], 5000);
    assert_eq!(events["partitions"], 4);
    assert!(events["bytes"].as_u64() > Some(400_000), "{events}");
    let places = &tables[2];
    assert_eq!(places["estimated_rows"], 340);
    assert_eq!(places["own_estimated_rows"], 40);
    assert!(places["bytes"].as_u64() > places["own_bytes"].as_u64(), "{places}");
    assert_eq!(tables[0]["inherits"][0], "public.places");
    let below = story
        .shop(
            "get_database_tables",
            json!({"branch_id": "main", "partitions_of": "public.events"}),
        )
        .await;
    let below = lines(&below["tables"]);
    assert_eq!(below.len(), 2, "{below:?}");
    assert_eq!(below[0]["name"], "events_2024");
    assert_eq!(below[0]["bound"], "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')");
    assert_eq!(below[0]["partitions"], 2);
    assert_eq!(below[1]["bound"], "DEFAULT");
    let largest = story
        .shop("inspect_database", json!({"branch_id": "main", "checks": ["largest"]}))
        .await;
    let largest = lines(&largest["checks"]["largest"]["rows"]);
    assert_eq!(largest[0]["table"], "events");
    assert_eq!(largest[0]["bytes"], events["bytes"]);
}

#[tokio::test]
async fn somebody_describes_a_partitioned_table_an_enum_and_a_domain() {
    let story = story().await;
    let events = described(&story, "events").await;
    assert_eq!(events["kind"], "partitioned table");
    assert_eq!(events["partition_key"], "RANGE (at)");
    assert_eq!(events["partitions"], 4);
    assert_eq!(events["children"][0]["name"], "public.events_2024");
    assert_eq!(events["estimated_rows"], 5000);
    assert_eq!(
        events["total_bytes"].as_u64(),
        Some(
            ["table_bytes", "toast_bytes", "index_bytes"]
                .iter()
                .filter_map(|part| events[*part].as_u64())
                .sum()
        ),
    );
    let column = |name: &str| {
        let columns = events["columns"].as_array().expect("columns");
        columns
            .iter()
            .find(|column| column["name"] == name)
            .cloned()
            .expect("a column")
    };
    assert_eq!(column("feels")["enum"], json!(["sad", "ok"]));
    assert_eq!(
        column("points")["domain"][0]["constraints"][0]["definition"],
        "CHECK ((VALUE > 0))"
    );
    let some = described(&story, "events_2024_some").await;
    assert_eq!(some["partition_of"], "public.events_2024");
    assert_eq!(some["partition_bound"], "FOR VALUES IN ('1', '2', '3')");
    assert_eq!(described(&story, "cities").await["inherits"], json!(["public.places"]));
}

#[tokio::test]
async fn somebody_describes_what_is_no_plain_table() {
    let story = Story::with_data().await;
    for statement in [
        "CREATE UNLOGGED TABLE drafts (id int GENERATED BY DEFAULT AS IDENTITY, twice int GENERATED ALWAYS AS (1 + 1) STORED)",
        "CREATE POLICY mine ON drafts FOR UPDATE USING (id > 0) WITH CHECK (id > 1)",
        "CREATE VIEW shown AS SELECT id FROM drafts",
        "CREATE MATERIALIZED VIEW kept AS SELECT id FROM drafts",
        "CREATE SEQUENCE numbers INCREMENT 5 MAXVALUE 1000",
        "CREATE TABLE \"Mixed\" (id int)",
        "CREATE TABLE mixed (other int)",
        "CREATE TABLE \"Alone\" (id int)",
    ] {
        run(&story, statement).await;
    }
    let drafts = described(&story, "drafts").await;
    assert_eq!(
        (&drafts["kind"], &drafts["persistence"]),
        (&json!("table"), &json!("unlogged"))
    );
    let policy = &drafts["row_security_policies"][0];
    assert_eq!(policy["command"], "update");
    assert_eq!(policy["roles"], json!(["public"]));
    assert_eq!(
        (&policy["using"], &policy["with_check"]),
        (&json!("(id > 0)"), &json!("(id > 1)"))
    );
    assert_eq!(drafts["columns"][0]["identity"], "by default");
    assert_eq!(drafts["columns"][1]["expression"], "(1 + 1)");
    assert_eq!(described(&story, "shown").await["kind"], "view");
    assert_eq!(described(&story, "kept").await["populated"], true);
    let numbers = described(&story, "numbers").await;
    assert_eq!(
        (&numbers["kind"], &numbers["sequence"]["increment"]),
        (&json!("sequence"), &json!(5))
    );
    // As SQL reads names.
    assert_eq!(described(&story, "Mixed").await["columns"][0]["name"], "other");
    assert_eq!(described(&story, "\"Mixed\"").await["columns"][0]["name"], "id");
    assert_eq!(described(&story, "PUBLIC.Mixed").await["columns"][0]["name"], "other");
    assert_eq!(
        described(&story, "Alone").await["name"],
        "Alone",
        "nothing else has the name"
    );
    let missing = story
        .shop_fails("describe_table_schema", json!({"branch_id": "main", "table": "draft"}))
        .await;
    assert!(missing.to_string().contains("public.drafts"), "{missing}");
}

#[tokio::test]
async fn somebody_is_asked_about_truncating_a_partitioned_table() {
    let story = story().await;
    run(&story, "TRUNCATE events").await;
    let question = story.question();
    let loss = line_with(&question, "4 partitions");
    assert!(loss.contains("5000 rows") && !loss.contains(" 0 bytes"), "{question}");
    assert_worded!(
        "approvals",
        "size of a partitioned table",
        without_numbers(&loss.into())
    );
    run(&story, "DELETE FROM ONLY places").await;
    let question = story.question();
    let loss = line_with(&question, " 40 rows");
    assert_worded!("approvals", "size of a table alone", without_numbers(&loss.into()));
    run(&story, "DELETE FROM places").await;
    let question = story.question();
    let loss = line_with(&question, " 340 rows");
    assert!(loss.contains(" 1 inheriting"), "{question}");
    assert_worded!(
        "approvals",
        "size of a table that others inherit from",
        without_numbers(&loss.into())
    );
}

#[tokio::test]
async fn somebody_drops_with_cascade_and_is_told_what_went() {
    let story = Story::with_data().await;
    for statement in [
        "CREATE TABLE owners (id int PRIMARY KEY)",
        "CREATE TABLE pets (id int, owner int REFERENCES owners ON DELETE CASCADE)",
        "CREATE VIEW named AS SELECT * FROM owners",
        "INSERT INTO owners VALUES (1), (2)",
        "INSERT INTO pets VALUES (1, 1), (2, 1), (3, 2)",
    ] {
        run(&story, statement).await;
    }
    let deleted = run(&story, "DELETE FROM owners WHERE id = 1").await;
    let lost = deleted["losses"].to_string();
    assert!(lost.contains("2 of 3") && lost.contains("pets"), "{deleted}");
    assert_worded!(
        "notes",
        "rows that a cascade deleted",
        deleted["losses"][0]["description"]
    );
    assert!(!lost.contains("owners"), "{deleted}");
    let dropped = run(&story, "DROP TABLE owners CASCADE").await;
    let lost = dropped["losses"].to_string();
    assert!(lost.contains("named") && lost.contains("pets"), "{dropped}");
}

#[tokio::test]
async fn somebody_drops_a_partition_and_reads_whose_it_is() {
    let story = Story::with_data().await;
    for statement in [
        "CREATE TABLE orders (at int) PARTITION BY RANGE (at)",
        "CREATE TABLE early PARTITION OF orders FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE late PARTITION OF orders FOR VALUES FROM (100) TO (1000)",
        "INSERT INTO orders SELECT i FROM generate_series(0, 999) i",
        "ANALYZE orders",
    ] {
        story
            .shop("run_sql", json!({"branch_id": "main", "sql": statement}))
            .await;
    }
    story.human().changes_to(Manner::Declines);
    story
        .shop_fails("run_sql", json!({"branch_id": "main", "sql": "DROP TABLE early"}))
        .await;
    let question = story.question();
    let loss = line_with(&question, "public.orders");
    assert!(loss.contains(" 100 rows") && loss.contains(" 1000 "), "{question}");
    assert_worded!("approvals", "size of a partition", without_numbers(&loss.into()));
}

#[tokio::test]
async fn somebody_is_told_what_was_counted_and_what_an_approval_covers() {
    let story = Story::with_data().await;
    for statement in [
        "CREATE TABLE t (x int)",
        "INSERT INTO t SELECT i FROM generate_series(1, 900) i",
    ] {
        story
            .shop("run_sql", json!({"branch_id": "main", "sql": statement}))
            .await;
    }
    story.human().changes_to(Manner::Declines);
    for statement in ["DELETE FROM t WHERE x <= 580", "UPDATE t SET x = 0 WHERE x <= 580"] {
        story
            .shop_fails("run_sql", json!({"branch_id": "main", "sql": statement}))
            .await;
        let question = story.question();
        assert!(!question.contains("lost"), "{question}");
        for (what, part) in [("counted", "580 of 900"), ("covered", "600")] {
            assert_worded!(
                "approvals",
                &format!("rows that are {what}: {statement}"),
                line_with(&question, part)
            );
        }
    }
}

#[tokio::test]
async fn somebody_empties_a_table_that_postgres_has_not_counted_yet() {
    let story = shop().await;
    for statement in [
        "CREATE TABLE few AS SELECT i FROM generate_series(1, 321) i",
        "CREATE TABLE many AS SELECT i FROM generate_series(1, 20000) i",
        "CREATE TABLE of_parts (i int) PARTITION BY RANGE (i)",
        "CREATE TABLE part_1 PARTITION OF of_parts FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE part_2 PARTITION OF of_parts FOR VALUES FROM (100) TO (1000)",
        "INSERT INTO of_parts SELECT i FROM generate_series(1, 500) i",
    ] {
        sql(&story, "main", statement).await;
    }
    for (table, rows) in [
        ("few", "\": 321 rows, "),
        ("many", "\": at least 10001 rows, "),
        ("of_parts", " with 2 partitions): 500 rows, "),
    ] {
        let statement = format!("TRUNCATE {table}");
        story
            .shop("run_sql", json!({"branch_id": "main", "sql": statement}))
            .await;
        let question = story.question();
        assert!(question.contains(rows), "{table}: {question}");
    }
}
