//! What a JSON parameter is to Postgres.

use serde_json::{Value, json};

use super::Sql;

#[tokio::test]
async fn a_parameter_of_any_json_type_reaches_postgres_as_text() {
    let sql = Sql::start().await;
    let cases: &[(&str, Value, Value)] = &[
        ("SELECT $1::text", json!("it's"), json!("it's")),
        ("SELECT $1::text", json!(""), json!("")),
        ("SELECT $1::text", Value::Null, Value::Null),
        ("SELECT $1::text", json!("NULL"), json!("NULL")),
        ("SELECT $1::int4", json!(42), json!("42")),
        ("SELECT $1::int4", json!("42"), json!("42")),
        (
            "SELECT $1::int8",
            json!(9_007_199_254_740_993_i64),
            json!("9007199254740993"),
        ),
        (
            "SELECT $1::numeric",
            json!("0.10000000000000000001"),
            json!("0.10000000000000000001"),
        ),
        ("SELECT $1::float8", json!(1.5), json!("1.5")),
        ("SELECT $1::bool", json!(true), json!("t")),
        ("SELECT $1::bool", json!("no"), json!("f")),
        ("SELECT $1::text", json!(false), json!("false")),
        (
            "SELECT $1::jsonb",
            json!({"a": ["ü", null]}),
            json!("{\"a\": [\"ü\", null]}"),
        ),
        ("SELECT $1::json", json!("\"s\""), json!("\"s\"")),
        ("SELECT $1::text", json!({"a": 1}), json!("{\"a\":1}")),
        ("SELECT $1::int4[]", json!([1, null, 3]), json!("{1,NULL,3}")),
        ("SELECT $1::int4[]", json!([]), json!("{}")),
        ("SELECT $1::int4[]", json!([[1, 2], [3, 4]]), json!("{{1,2},{3,4}}")),
        ("SELECT $1::int4[]", json!("{5,6}"), json!("{5,6}")),
        ("SELECT $1::bool[]", json!([true, false]), json!("{t,f}")),
        (
            "SELECT ($1::text[])[1]",
            json!(["a \"b\" \\ {c}, ü"]),
            json!("a \"b\" \\ {c}, ü"),
        ),
        ("SELECT ($1::text[])[1]", json!(["line\nbreak"]), json!("line\nbreak")),
        ("SELECT ($1::text[])[1]", json!(["NULL"]), json!("NULL")),
        ("SELECT ($1::text[])[1]", json!([null]), Value::Null),
        ("SELECT ($1::jsonb[])[1]->>'k'", json!([{"k": "v\""}]), json!("v\"")),
        ("SELECT $1::bytea", json!("\\x00ff"), json!("\\x00ff")),
        (
            "SELECT $1::timestamptz",
            json!("2026-01-01T00:00:00.000Z"),
            json!("2026-01-01 00:00:00+00"),
        ),
    ];
    for (query, param, expected) in cases {
        let value = sql.value("true", query, json!([param])).await;
        assert_eq!(value, *expected, "{query} with {param}");
    }
    assert_eq!(
        sql.value("true", "SELECT $2::text || $1::text", json!(["b", "a"]))
            .await,
        "ab"
    );
    // The driver sends no list where there are no parameters in some of its versions.
    let answer = sql.post(&[], json!({"query": "SELECT 1 AS one"})).await;
    assert_eq!(answer.body["rows"], json!([{"one": 1}]));
}

#[tokio::test]
async fn what_does_not_fit_a_parameter_is_refused() {
    let sql = Sql::start().await;
    let cases = [
        (
            "SELECT $1::int4",
            json!(["x"]),
            "22P02",
            "invalid input syntax for type integer",
        ),
        ("SELECT $1::text", json!(["a\u{0}b"]), "22021", "invalid byte sequence"),
        (
            "SELECT $1::int4",
            json!([]),
            "08P01",
            "bind message supplies 0 parameters",
        ),
        ("SELECT 1", json!([1, 2]), "08P01", "bind message supplies 2 parameters"),
        ("SELECT $1", json!([[1]]), "", ""),
        ("SELECT 1\u{0}", json!([]), "", "error encoding message to server"),
        (
            "SELECT 1",
            json!(vec![0; 70_000]),
            "",
            "error encoding message to server",
        ),
    ];
    for (query, params, code, message) in cases {
        let answer = sql.post(&[], json!({"query": query, "params": params})).await;
        if code.is_empty() && message.is_empty() {
            // A parameter without a type is text, and so is its array.
            assert_eq!(answer.body["rows"], json!([{"?column?": "{1}"}]));
            continue;
        }
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        assert_eq!(answer.body["code"], code, "{query}");
        let said = answer.body["message"].as_str().unwrap();
        assert!(said.contains(message), "{query}: {said}");
    }
}
