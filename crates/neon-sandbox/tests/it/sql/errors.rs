//! Refusals: what Postgres says of a statement or a connection, and what is wrong with a request before that.

use harness::assert_worded;
use serde_json::{Value, json};

use super::{PASSWORD, ROLE, Sql, answer, uri};

/// Every key of an error's body.
const KEYS: [&str; 17] = [
    "message",
    "code",
    "detail",
    "hint",
    "position",
    "internalPosition",
    "internalQuery",
    "severity",
    "where",
    "table",
    "column",
    "schema",
    "dataType",
    "constraint",
    "file",
    "line",
    "routine",
];

fn keys(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn an_error_says_all_that_postgres_says() {
    let sql = Sql::start().await;
    sql.run("CREATE TABLE t (id int4 CONSTRAINT one PRIMARY KEY, n int4 NOT NULL CONSTRAINT small CHECK (n < 9))")
        .await;
    sql.run("INSERT INTO t VALUES (1, 1)").await;
    sql.run("CREATE DOMAIN even AS int4 CONSTRAINT halves CHECK (VALUE % 2 = 0)")
        .await;
    sql.run("CREATE FUNCTION wrong() RETURNS int4 LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT nope FROM t); END'")
        .await;
    sql.run(
        "CREATE FUNCTION told() RETURNS int4 LANGUAGE plpgsql AS $$ BEGIN \
        RAISE EXCEPTION 'told so' USING ERRCODE = 'P0042', DETAIL = 'a detail', HINT = 'a hint'; END $$",
    )
    .await;
    let cases = [
        (
            "SELECT nope",
            json!({"code": "42703", "position": "8", "severity": "ERROR", "message": "column \"nope\" does not exist"}),
        ),
        ("SELECT 1 FORM t", json!({"code": "42601", "position": "15"})),
        ("SELECT 'ünï', nope", json!({"code": "42703", "position": "15"})),
        (
            "SELECT idd FROM t",
            json!({"code": "42703", "hint": "Perhaps you meant to reference the column \"t.id\"."}),
        ),
        (
            "INSERT INTO t VALUES (1, 1)",
            json!({
                "code": "23505", "constraint": "one", "table": "t", "schema": "public", "column": null, "position": null,
                "detail": "Key (id)=(1) already exists.",
            }),
        ),
        (
            "INSERT INTO t VALUES (2, NULL)",
            json!({"code": "23502", "column": "n", "table": "t"}),
        ),
        (
            "INSERT INTO t VALUES (2, 9)",
            json!({"code": "23514", "constraint": "small"}),
        ),
        (
            "SELECT 3::even",
            json!({"code": "23514", "constraint": "halves", "dataType": "even", "schema": "public"}),
        ),
        (
            "SELECT wrong()",
            json!({
                "code": "42703", "position": null, "internalPosition": "9", "internalQuery": "(SELECT nope FROM t)",
                "where": "PL/pgSQL function wrong() line 1 at RETURN",
            }),
        ),
        (
            "SELECT told()",
            json!({"code": "P0042", "message": "told so", "detail": "a detail", "hint": "a hint"}),
        ),
        (
            "SELECT 1; SELECT 2",
            json!({"code": "42601", "message": "cannot insert multiple commands into a prepared statement"}),
        ),
        (
            "SELECT * FROM generate_series(1, 9) n WHERE 1 / (n - 5) >= 0",
            json!({"code": "22012", "message": "division by zero"}),
        ),
        (
            "SELECT pg_terminate_backend(pg_backend_pid())",
            json!({"code": "57P01", "severity": "FATAL"}),
        ),
        (
            "COPY t TO STDOUT",
            json!({"code": "", "message": "unexpected message from server"}),
        ),
        (
            "COPY t FROM STDIN",
            json!({"code": "", "message": "unexpected message from server"}),
        ),
    ];
    for (query, expected) in cases {
        for raw in ["true", "false"] {
            let answer = sql
                .post(&[("Neon-Raw-Text-Output", raw)], json!({"query": query}))
                .await;
            assert_eq!(answer.status, 400, "{query}: {}", answer.body);
            assert_eq!(keys(&answer.body), KEYS, "{query}");
            for (key, value) in expected.as_object().unwrap() {
                assert_eq!(answer.body[key], *value, "{query}: {key}");
            }
        }
    }
    let body = sql.error("SELECT nope").await;
    for key in ["file", "line", "routine"] {
        assert!(body[key].is_string(), "{key}: {}", body[key]);
    }
}

#[tokio::test]
async fn who_may_not_connect_is_told_why() {
    let mut sql = Sql::start().await;
    sql.run("CREATE ROLE sql_errors_idle PASSWORD 'x' NOLOGIN").await;
    let cases = [
        (
            uri(ROLE, "wrong", "postgres"),
            400,
            "28P01",
            "password authentication failed for user \"owner\"",
        ),
        (
            uri("nobody", "x", "postgres"),
            400,
            "28P01",
            "password authentication failed for user \"nobody\"",
        ),
        (
            uri("sql_errors_idle", "x", "postgres"),
            400,
            "28000",
            "role \"sql_errors_idle\" is not permitted to log in",
        ),
        // The proxy takes whatever else Postgres refuses at the start for its own trouble.
        (
            uri(ROLE, PASSWORD, "no such"),
            500,
            "3D000",
            "database \"no such\" does not exist",
        ),
    ];
    for (uri, status, code, message) in cases {
        sql.uri = uri;
        let answer = sql.post(&[], json!({"query": "SELECT 1"})).await;
        assert_eq!(keys(&answer.body), KEYS);
        assert_eq!(answer.status, status, "{message}: {}", answer.body);
        assert_eq!(answer.body["code"], code, "{message}");
        assert_eq!(answer.body["severity"], "FATAL");
        assert_eq!(answer.body["message"], message);
        assert!(!answer.body.to_string().contains("wrong"));
    }
}

#[tokio::test]
async fn a_connection_string_that_is_none_is_refused() {
    let mut sql = Sql::start().await;
    let cases = [
        ("", "invalid connection string: relative URL without a base"),
        ("nonsense", "invalid connection string: relative URL without a base"),
        ("mysql://u:p@h/d", "incorrect scheme"),
        ("postgresql://u:p@h", "missing database name"),
        ("postgresql://u:p@h/", "missing database name"),
        ("postgres:u", "missing database name"),
        ("postgresql://u:p@h/%ff", "invalid database name"),
        ("postgresql://h/d", "missing username"),
        ("postgresql://%ff:p@h/d", "invalid username"),
        ("postgresql:///d", "missing username"),
        (
            "postgresql://u:@h/d",
            "missing authentication credentials: required password",
        ),
        (
            "postgresql://u@h/d",
            "missing authentication credentials: required password",
        ),
    ];
    for (uri, message) in cases {
        uri.clone_into(&mut sql.uri);
        let answer = sql.post(&[], json!({"query": "SELECT 1"})).await;
        assert_eq!(
            (answer.status, &answer.body["message"]),
            (400, &json!(message)),
            "{uri}"
        );
        assert_eq!(
            (&answer.body["code"], keys(&answer.body)),
            (&json!(""), KEYS.to_vec()),
            "{uri}"
        );
    }
    let without = answer(sql.http.post(&sql.url).body("{}")).await;
    assert_eq!(without.body["message"], "invalid header: neon-connection-string");
    sql.uri = uri(ROLE, PASSWORD, "postgres");
    let jwt = sql
        .post(&[("Authorization", "Bearer x")], json!({"query": "SELECT 1"}))
        .await;
    assert_eq!(
        jwt.body["message"],
        "missing authentication credentials: required password"
    );
}

#[tokio::test]
async fn a_body_or_header_that_makes_no_sense_is_refused() {
    let sql = Sql::start().await;
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "{\"query\": 1}",
        "{\"query\": \"SELECT 1\"",
        "{\"query\": \"SELECT 1\", \"params\": 1}",
        "{\"query\": \"SELECT 1\", \"params\": null}",
        "{\"queries\": {}}",
        "{\"queries\": [{}]}",
        "{\"query\": \"SELECT 1\", \"arrayMode\": \"true\"}",
        "\"SELECT 1\"",
    ];
    for body in bodies {
        let answer = answer(sql.request(&Value::Null).body(body)).await;
        assert_eq!(answer.status, 400, "{body}");
        let message = answer.body["message"].as_str().unwrap();
        let (what, _) = message.split_once(": ").unwrap_or((message, ""));
        assert_worded!("proxy", "body that can't be parsed", what);
    }
    for level in ["serializable", "SERIALIZABLE", "Read Committed", ""] {
        for body in [
            json!({"query": "SELECT 1"}),
            json!({"queries": [{"query": "SELECT 1"}]}),
        ] {
            let answer = sql.post(&[("Neon-Batch-Isolation-Level", level)], body).await;
            assert_eq!(
                (answer.status, &answer.body["message"]),
                (400, &json!("invalid isolation level")),
                "{level}"
            );
        }
    }
}
