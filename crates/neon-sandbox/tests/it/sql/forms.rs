//! The form of an answer: fields, rows, command and count; and the path itself.

use reqwest::Method;
use serde_json::{Value, json};

use super::Sql;

#[tokio::test]
async fn a_command_comes_with_its_count_or_with_none() {
    let sql = Sql::start().await;
    let cases: &[(&str, &str, Value, Value)] = &[
        (
            "CREATE TABLE t (id int4 PRIMARY KEY, name text)",
            "CREATE",
            Value::Null,
            json!([]),
        ),
        (
            "INSERT INTO t SELECT n, 'n' FROM generate_series(1, 5) n",
            "INSERT",
            json!(5),
            json!([]),
        ),
        (
            "INSERT INTO t VALUES (1, 'x') ON CONFLICT DO NOTHING",
            "INSERT",
            json!(0),
            json!([]),
        ),
        (
            "INSERT INTO t VALUES (6, 'x') RETURNING id",
            "INSERT",
            json!(1),
            json!([{"id": 6}]),
        ),
        ("UPDATE t SET name = 'm' WHERE id > 3", "UPDATE", json!(3), json!([])),
        (
            "DELETE FROM t WHERE id = 6 RETURNING *",
            "DELETE",
            json!(1),
            json!([{"id": 6, "name": "m"}]),
        ),
        (
            "SELECT id FROM t WHERE id < 3 ORDER BY id",
            "SELECT",
            json!(2),
            json!([{"id": 1}, {"id": 2}]),
        ),
        ("SELECT id FROM t WHERE false", "SELECT", json!(0), json!([])),
        ("TABLE t LIMIT 1", "SELECT", json!(1), json!([{"id": 1, "name": "n"}])),
        (
            "VALUES (1), (2)",
            "SELECT",
            json!(2),
            json!([{"column1": 1}, {"column1": 2}]),
        ),
        ("CREATE TABLE c AS SELECT * FROM t", "SELECT", json!(5), json!([])),
        ("SELECT", "SELECT", json!(1), json!([{}])),
        (
            "SHOW server_encoding",
            "SHOW",
            Value::Null,
            json!([{"server_encoding": "UTF8"}]),
        ),
        (
            "EXPLAIN (COSTS off) SELECT 1",
            "EXPLAIN",
            Value::Null,
            json!([{"QUERY PLAN": "Result"}]),
        ),
        ("SET work_mem = '8MB'", "SET", Value::Null, json!([])),
        ("BEGIN", "BEGIN", Value::Null, json!([])),
        ("TRUNCATE c", "TRUNCATE", Value::Null, json!([])),
        ("VACUUM t", "VACUUM", Value::Null, json!([])),
        (
            "DO $$ BEGIN RAISE NOTICE 'not part of the answer'; END $$",
            "DO",
            Value::Null,
            json!([]),
        ),
        ("DROP TABLE c", "DROP", Value::Null, json!([])),
        ("", "", Value::Null, json!([])),
        (" -- nothing\n ; ", "", Value::Null, json!([])),
    ];
    for (query, command, count, rows) in cases {
        let body = sql.run(query).await;
        assert_eq!(body["command"], *command, "{query}");
        assert_eq!(body["rowCount"], *count, "{query}");
        assert_eq!(body["rows"], *rows, "{query}");
        assert_eq!(body["rowAsArray"], false, "{query}");
        assert_eq!(body.as_object().unwrap().len(), 5, "{query}");
    }
}

#[tokio::test]
async fn fields_say_where_a_column_comes_from() {
    let sql = Sql::start().await;
    sql.run("CREATE TABLE t (id int4, price numeric(10, 2), name varchar(20), tags text[])")
        .await;
    let table = sql.run("SELECT 't'::regclass::oid AS oid").await["rows"][0]["oid"].clone();
    let table: u32 = table.as_str().unwrap().parse().unwrap();
    let body = sql.run("SELECT name, price, tags, id + 1 AS next, id FROM t").await;
    let field = |name: &str, data_type: u32, table: u32, column: u32, size: i32, modifier: i32| {
        json!({
            "name": name, "dataTypeID": data_type, "tableID": table, "columnID": column,
            "dataTypeSize": size, "dataTypeModifier": modifier, "format": "text",
        })
    };
    let expected = [
        field("name", 1043, table, 3, -1, 24),
        field("price", 1700, table, 2, -1, 655_366),
        field("tags", 1009, table, 4, -1, -1),
        field("next", 23, 0, 0, 4, -1),
        field("id", 23, table, 1, 4, -1),
    ];
    assert_eq!(body["fields"], json!(expected));
}

#[tokio::test]
async fn rows_are_arrays_where_the_query_or_else_the_header_says_so() {
    let sql = Sql::start().await;
    let cases = [
        (None, None, false),
        (Some("true"), None, true),
        (Some("True"), None, false),
        (Some("1"), None, false),
        (Some("false"), Some(true), true),
        (Some("true"), Some(false), false),
        (None, Some(true), true),
    ];
    for (header, body, arrays) in cases {
        let headers: Vec<_> = header.map(|value| ("Neon-Array-Mode", value)).into_iter().collect();
        let query = json!({"query": "SELECT 1 AS a, 2 AS b, 3 AS a", "arrayMode": body});
        let answer = sql.post(&headers, query).await;
        // Two columns of a name are one key of an object: the last counts.
        let rows = if arrays {
            json!([[1, 2, 3]])
        } else {
            json!([{"a": 3, "b": 2}])
        };
        assert_eq!(answer.body["rows"], rows, "{header:?}, {body:?}");
        assert_eq!(answer.body["rowAsArray"], arrays, "{header:?}, {body:?}");
    }
}

#[tokio::test]
async fn only_the_exact_text_true_turns_raw_text_on() {
    let sql = Sql::start().await;
    for (header, expected) in [
        ("true", json!("1")),
        ("TRUE", json!(1)),
        ("yes", json!(1)),
        ("", json!(1)),
    ] {
        assert_eq!(sql.value(header, "SELECT 1", json!([])).await, expected, "{header}");
    }
}

#[tokio::test]
async fn every_request_has_a_session_of_its_own() {
    let sql = Sql::start().await;
    sql.run("SET application_name = 'left behind'").await;
    sql.run("CREATE TEMP TABLE gone (x int4)").await;
    let body = sql
        .run("SELECT current_setting('application_name') AS name, to_regclass('gone') AS t")
        .await;
    assert_eq!(body["rows"], json!([{"name": "", "t": null}]));
    // As at Neon, nothing in the URI's query reaches Postgres.
    let named = Sql {
        uri: format!("{}&application_name=me&options=-c%20work_mem%3D1MB", sql.uri),
        ..sql
    };
    let body = named
        .run("SELECT current_setting('application_name') AS name, current_setting('work_mem') AS mem")
        .await;
    assert_eq!(body["rows"], json!([{"name": "", "mem": "4MB"}]));
}

#[tokio::test]
async fn a_browser_may_ask_beforehand() {
    let sql = Sql::start().await;
    let response = sql.http.request(Method::OPTIONS, &sql.url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["allow"], "OPTIONS, POST");
    let allowed = response.headers()["access-control-allow-headers"].to_str().unwrap();
    let allowed: Vec<_> = allowed.split(", ").collect();
    for header in [
        "Neon-Connection-String",
        "Neon-Raw-Text-Output",
        "Neon-Array-Mode",
        "Neon-Batch-Isolation-Level",
        "Neon-Batch-Read-Only",
        "Neon-Batch-Deferrable",
    ] {
        assert!(allowed.contains(&header), "{header}");
    }
    let response = sql.http.get(&sql.url).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.text().await.unwrap(), "\"query is not supported\"");
}
