//! What the planner and the types of a database run at a read, unnamed: it is looked for before.

use serde_json::json;

use super::{rows, shop};
use harness::human::Manner;
use harness::sandbox_process::{connect, execute, execute_as_superuser};

/// Reads that would run `evil`, or reach another server or a file.
const REACHING: [&str; 37] = [
    "SELECT * FROM t1 WHERE id = 1",
    "SELECT * FROM t1p WHERE id = 1",
    "SELECT * FROM t2",
    "SELECT * FROM p6 WHERE id < -2000",
    "SELECT * FROM c6 WHERE id < -2000",
    "SELECT * FROM p7 WHERE id < -2000",
    "SELECT * FROM own_check WHERE id < -2000",
    "SELECT * FROM keyed WHERE id = 3",
    "SELECT * FROM keyed_part WHERE id = 3",
    "SELECT * FROM listed WHERE k < -2000",
    "SELECT \"a\"\"b\"()",
    "SELECT quoted()",
    "SELECT quoted_view()",
    "SELECT * FROM \"v\"\"x\"",
    "SELECT cut()",
    "SELECT zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzYYY()",
    "SELECT capital()",
    "SELECT by_keyword()",
    "SELECT '(5)'::tab3",
    "SELECT '{\"(5)\"}'::_tab3",
    "SELECT '{\"(5)\"}'::tab3[]",
    "SELECT '{\"(5)\"}'::_ct",
    "SELECT '(5)'::dd",
    "SELECT ft('(5)')",
    "SELECT array_of()",
    "SELECT y FROM jsonb_populate_record(null::t9, '{\"y\": {\"x\": 5}}')",
    "SELECT domain_in('5'::cstring, to_regtype('d'||'3')::oid, -1)",
    "SELECT array_in('{5}'::cstring, to_regtype('d'||'3')::oid, -1)",
    "SELECT record_in('(5)'::cstring, (SELECT reltype FROM pg_class WHERE relname = 'ta'||'b3'), -1)",
    "SELECT range_in('[1,2]'::cstring, to_regtype('int4'||'range')::oid, -1)",
    "SELECT multirange_in('{}'::cstring, to_regtype('int4'||'multirange')::oid, -1)",
    "SELECT pg_input_is_valid('5', 'd'||'3')",
    "SELECT * FROM far",
    "SELECT * FROM over_far",
    "SELECT * FROM near",
    "SELECT copies()",
    "SELECT runs()",
];

/// What only a superuser makes; and nothing but a call evaluates what is planted.
const PREPARED: [&str; 4] = [
    "CREATE FOREIGN DATA WRAPPER nothing",
    "GRANT USAGE ON FOREIGN DATA WRAPPER nothing TO PUBLIC",
    "ALTER SYSTEM SET autovacuum = off",
    "SELECT pg_reload_conf()",
];

/// Reads of tables with what everyday tables have.
const EVERYDAY: [&str; 8] = [
    "SELECT * FROM people WHERE lower(email) = 'a@b.c'",
    "SELECT slug(name), of_person(p) FROM people p WHERE age > 3",
    "SELECT '(1,a@b.c,A,4,{x})'::people",
    "SELECT * FROM jsonb_populate_record(null::people, '{\"id\": 1}')",
    "SELECT count(*) FROM logs WHERE at > '2024-02-01'",
    "SELECT * FROM hashed WHERE id = 2",
    "SELECT '{1,2}'::positive[]",
    "SELECT relname FROM pg_class WHERE starts_with(relname, 'peo')",
];

#[tokio::test]
async fn read_ends_no_session_by_what_the_planner_and_types_evaluate() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute_as_superuser(&uri, &PREPARED).await;
    execute(&uri, include_str!("reached.sql")).await;
    let separator = if uri.contains('?') { '&' } else { '?' };
    let victim = connect(&format!("{uri}{separator}application_name=victim"))
        .await
        .expect("a connection");
    let branch = story.branch_id("main").await;
    story.human().changes_to(Manner::Declines);
    let mut ran = Vec::new();
    for sql in REACHING {
        for tool in ["query_database", "explain_sql_statement", "run_sql"] {
            let asked = story.human().count();
            let call = json!({"project_id": "shop", "branch_id": branch, "sql": sql});
            let (value, is_error) = story.answer(tool, call).await;
            let kind = value["error"]["kind"].as_str().unwrap_or_default().to_owned();
            let asks = story.human().count() > asked;
            let held = match tool {
                "query_database" => kind == "not_a_read" && !asks,
                // Asked about, and declined; what Postgres can't do anyway is refused before.
                "run_sql" => ["rejected", "sql_failed", "would_fail"].contains(&kind.as_str()),
                _ => is_error,
            };
            let alive = victim.simple_query("SELECT 1").await.is_ok();
            if !held || !alive {
                ran.push(format!("{tool}: {sql}: alive {alive}, asked {asks}, {value}"));
            }
            assert!(alive, "{ran:#?}");
        }
    }
    assert!(ran.is_empty(), "{} ran: {ran:#?}", ran.len());
    // What types a literal has is found out by its type's code, too.
    let listed = json!({"branch_id": branch, "sql": "SELECT $1::int[], '(5)'::tab3", "params": [[1, 2]]});
    let refused = story.shop_fails("run_sql", listed).await;
    assert!(victim.simple_query("SELECT 1").await.is_ok(), "{refused}");
    for sql in EVERYDAY {
        let call = json!({"project_id": "shop", "branch_id": branch, "sql": sql});
        let (value, is_error) = story.answer("query_database", call).await;
        assert!(!is_error, "{sql}: {value}");
    }
}

#[tokio::test]
async fn what_came_after_a_look_is_looked_for_again() {
    let story = shop().await;
    let uri = story.uri("main").await;
    execute_as_superuser(&uri, &PREPARED).await;
    execute(
        &uri,
        "create function f() returns int language sql immutable as 'select count(pg_notify(''x'', ''''))::int';
         create table a (id int); create table b (id int); create view v as select f() as x",
    )
    .await;
    let branch = story.branch_id("main").await;
    let reads = async |sql: &str| {
        let call = json!({"project_id": "shop", "branch_id": branch, "sql": sql});
        let (value, is_error) = story.answer("query_database", call).await;
        let kind = value["error"]["kind"].as_str().unwrap_or_default().to_owned();
        assert!(
            !is_error || kind == "not_a_read" || kind == "sql_failed",
            "{sql}: {value}"
        );
        kind
    };
    for (change, sql) in [
        ("create statistics s on (f()), id from a", "SELECT * FROM a"),
        ("create index on b ((f()))", "SELECT * FROM b"),
        ("alter view v rename to w", "SELECT * FROM w"),
        (
            "create server n foreign data wrapper nothing; create foreign table c (id int) server n",
            "SELECT * FROM c",
        ),
    ] {
        assert_ne!(reads(sql).await, "not_a_read", "{sql}");
        execute(&uri, change).await;
        assert_eq!(reads(sql).await, "not_a_read", "{change}");
    }
    let rest = story.shop("query_database", json!({"sql": "SELECT 1"})).await;
    assert_eq!(rows(&rest), [json!([1])]);
}
