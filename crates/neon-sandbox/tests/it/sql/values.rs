//! Which JSON a value becomes, typed and raw.

use serde_json::{Value, json};

use super::Sql;

#[tokio::test]
async fn a_value_becomes_json_by_its_type_or_stays_text() {
    let sql = Sql::start().await;
    sql.run("CREATE TYPE mood AS ENUM ('so so', 'fine')").await;
    sql.run("CREATE DOMAIN percent AS int4 CHECK (VALUE BETWEEN 0 AND 100)")
        .await;
    sql.run("CREATE TYPE pair AS (a int4, b text)").await;
    let cases: &[(&str, &str, Value)] = &[
        ("true", "t", json!(true)),
        ("false", "f", json!(false)),
        ("(-32768)::int2", "-32768", json!(-32768)),
        ("2147483647::int4", "2147483647", json!(2_147_483_647)),
        ("9007199254740993::int8", "9007199254740993", json!("9007199254740993")),
        (
            "12345678901234567890.123456789::numeric",
            "12345678901234567890.123456789",
            json!("12345678901234567890.123456789"),
        ),
        ("'NaN'::numeric", "NaN", json!("NaN")),
        ("1.5::float4", "1.5", json!(1.5)),
        ("0.1::float8", "0.1", json!(0.1)),
        ("1e300::float8", "1e+300", json!(1e300)),
        ("2::float8", "2", json!(2.0)),
        ("'NaN'::float8", "NaN", json!("NaN")),
        ("'Infinity'::float8", "Infinity", json!("Infinity")),
        ("'-Infinity'::float4", "-Infinity", json!("-Infinity")),
        (
            "'a \"quoted\" ünïcode \\ text'",
            "a \"quoted\" ünïcode \\ text",
            json!("a \"quoted\" ünïcode \\ text"),
        ),
        ("E'line\\nbreak\\ttab'", "line\nbreak\ttab", json!("line\nbreak\ttab")),
        ("''", "", json!("")),
        ("'x'::char(3)", "x  ", json!("x  ")),
        ("'x'::varchar(3)", "x", json!("x")),
        ("'x'::name", "x", json!("x")),
        ("'x'::\"char\"", "x", json!("x")),
        ("'\\x00ff'::bytea", "\\x00ff", json!("\\x00ff")),
        (
            "'0198c9f0-0000-7000-8000-000000000001'::uuid",
            "0198c9f0-0000-7000-8000-000000000001",
            json!("0198c9f0-0000-7000-8000-000000000001"),
        ),
        ("DATE '2026-02-28'", "2026-02-28", json!("2026-02-28")),
        (
            "TIMESTAMP '2026-02-28 12:34:56.789'",
            "2026-02-28 12:34:56.789",
            json!("2026-02-28 12:34:56.789"),
        ),
        (
            "TIMESTAMPTZ '2026-02-28 12:00:00+02'",
            "2026-02-28 10:00:00+00",
            json!("2026-02-28 10:00:00+00"),
        ),
        ("TIMESTAMPTZ 'infinity'", "infinity", json!("infinity")),
        ("INTERVAL '1 day 2 hours'", "1 day 02:00:00", json!("1 day 02:00:00")),
        (
            "'{\"a\": [1, null]}'::json",
            "{\"a\": [1, null]}",
            json!({"a": [1, null]}),
        ),
        (
            "'{\"b\":1,\"a\":\"\\u00fc\"}'::jsonb",
            "{\"a\": \"ü\", \"b\": 1}",
            json!({"a": "ü", "b": 1}),
        ),
        ("'null'::jsonb", "null", json!(null)),
        ("'\"text\"'::jsonb", "\"text\"", json!("text")),
        ("ARRAY[1, NULL, 3]", "{1,NULL,3}", json!([1, null, 3])),
        (
            "ARRAY[[1, 2], [3, NULL]]",
            "{{1,2},{3,NULL}}",
            json!([[1, 2], [3, null]]),
        ),
        ("'{}'::int4[]", "{}", json!([])),
        ("'{}'::text[]", "{}", json!([])),
        ("'[0:2]={7,8,9}'::int4[]", "[0:2]={7,8,9}", json!([7, 8, 9])),
        ("ARRAY[1, 2]::int2[]", "{1,2}", json!([1, 2])),
        (
            "ARRAY[1, 9007199254740993]::int8[]",
            "{1,9007199254740993}",
            json!(["1", "9007199254740993"]),
        ),
        ("ARRAY[1.50, 2]::numeric[]", "{1.50,2}", json!(["1.50", "2"])),
        (
            "ARRAY[1.5, 'NaN', '-Infinity']::float8[]",
            "{1.5,NaN,-Infinity}",
            json!([1.5, "NaN", "-Infinity"]),
        ),
        ("ARRAY[true, false, NULL]", "{t,f,NULL}", json!([true, false, null])),
        (
            "ARRAY['a b', 'NULL', NULL, '', 'x,y', '{', 'q\"\\']",
            r#"{"a b","NULL",NULL,"","x,y","{","q\"\\"}"#,
            json!(["a b", "NULL", null, "", "x,y", "{", "q\"\\"]),
        ),
        (
            "ARRAY[['{\"a\":1}', 'null'], ['[]', '\"s\"']]::jsonb[]",
            r#"{{"{\"a\": 1}","null"},{[],"\"s\""}}"#,
            json!([[{"a": 1}, null], [[], "s"]]),
        ),
        ("ARRAY['{\"a\":1}']::json[]", r#"{"{\"a\":1}"}"#, json!([{"a": 1}])),
        ("ARRAY[DATE '2026-01-01']", "{2026-01-01}", json!(["2026-01-01"])),
        (
            "ARRAY[TIMESTAMPTZ '2026-01-01 00:00+00']",
            "{\"2026-01-01 00:00:00+00\"}",
            json!(["2026-01-01 00:00:00+00"]),
        ),
        ("ARRAY['\\x01'::bytea]", "{\"\\\\x01\"}", json!(["\\x01"])),
        (
            "ARRAY['(1,1),(0,0)'::box, '(2,2),(0,0)']",
            "{(1,1),(0,0);(2,2),(0,0)}",
            json!(["(1,1),(0,0)", "(2,2),(0,0)"]),
        ),
        ("'1 2'::int2vector", "1 2", json!("1 2")),
        (
            "ARRAY['so so', 'fine']::mood[]",
            "{\"so so\",fine}",
            json!(["so so", "fine"]),
        ),
        ("'fine'::mood", "fine", json!("fine")),
        ("50::percent", "50", json!(50)),
        ("ARRAY[50::percent]", "{50}", json!(["50"])),
        ("ROW(1, 'x y')::pair", "(1,\"x y\")", json!("(1,\"x y\")")),
        (
            "ARRAY[ROW(1, 'x y')::pair]",
            r#"{"(1,\"x y\")"}"#,
            json!(["(1,\"x y\")"]),
        ),
        ("int4range(1, 5)", "[1,5)", json!("[1,5)")),
        ("'pg_class'::regclass", "pg_class", json!("pg_class")),
        ("'10.0.0.0/8'::cidr", "10.0.0.0/8", json!("10.0.0.0/8")),
        ("12.5::money", "$12.50", json!("$12.50")),
    ];
    for (expression, text, typed) in cases {
        let query = format!("SELECT {expression}");
        assert_eq!(
            sql.value("true", &query, json!([])).await,
            json!(text),
            "raw: {expression}"
        );
        assert_eq!(
            sql.value("false", &query, json!([])).await,
            *typed,
            "typed: {expression}"
        );
    }
    for raw in ["true", "false"] {
        assert_eq!(sql.value(raw, "SELECT NULL::int4", json!([])).await, Value::Null);
        assert_eq!(sql.value(raw, "SELECT NULL::int4[]", json!([])).await, Value::Null);
    }
}

#[tokio::test]
async fn types_are_looked_up_whatever_the_search_path_says() {
    let sql = Sql::start().await;
    sql.run("CREATE SCHEMA evil").await;
    sql.run("CREATE FUNCTION evil.no(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false'")
        .await;
    sql.run("CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.no)")
        .await;
    let queries = json!({"queries": [
        {"query": "SET LOCAL search_path = evil, pg_catalog"},
        {"query": "SELECT '{1}'::int4[] AS a"},
        {"query": "SELECT '{t}'::bool[] AS a"},
    ]});
    let answer = sql.post(&[], queries).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["results"][1]["rows"], json!([{"a": [1]}]));
    assert_eq!(answer.body["results"][2]["rows"], json!([{"a": [true]}]));
}
