//! Several statements in one transaction.

use serde_json::{Value, json};

use super::Sql;

const SETTINGS: &str = "SELECT current_setting('transaction_isolation') AS level, \
    current_setting('transaction_read_only') AS ro, current_setting('transaction_deferrable') AS later";

fn batch(queries: &[&str]) -> Value {
    let queries: Vec<_> = queries.iter().map(|query| json!({ "query": query })).collect();
    json!({ "queries": queries })
}

#[tokio::test]
async fn headers_make_the_transaction_and_come_back() {
    let sql = Sql::start().await;
    let isolation = "neon-batch-isolation-level";
    type Case<'a> = (&'a [(&'a str, &'a str)], [&'a str; 3], usize);
    let cases: &[Case] = &[
        (&[], ["read committed", "off", "off"], 0),
        (&[(isolation, "ReadUncommitted")], ["read uncommitted", "off", "off"], 1),
        (&[(isolation, "ReadCommitted")], ["read committed", "off", "off"], 1),
        (&[(isolation, "RepeatableRead")], ["repeatable read", "off", "off"], 1),
        (&[(isolation, "Serializable")], ["serializable", "off", "off"], 1),
        (&[("neon-batch-read-only", "true")], ["read committed", "on", "off"], 1),
        (&[("neon-batch-read-only", "TRUE")], ["read committed", "off", "off"], 0),
        (
            &[("neon-batch-read-only", "false")],
            ["read committed", "off", "off"],
            0,
        ),
        (&[("neon-batch-deferrable", "true")], ["read committed", "off", "on"], 1),
        (
            &[
                (isolation, "Serializable"),
                ("neon-batch-read-only", "true"),
                ("neon-batch-deferrable", "true"),
            ],
            ["serializable", "on", "on"],
            3,
        ),
    ];
    for (headers, [level, read_only, deferrable], echoed) in cases {
        let answer = sql.post(headers, batch(&[SETTINGS])).await;
        let expected = json!([{"level": level, "ro": read_only, "later": deferrable}]);
        assert_eq!(answer.body["results"][0]["rows"], expected, "{headers:?}");
        let echo: Vec<_> = answer
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with("neon-batch"))
            .collect();
        assert_eq!(echo.len(), *echoed, "{headers:?}");
        for name in echo {
            let sent = headers.iter().find(|(sent, _)| name.as_str() == *sent).unwrap();
            assert_eq!(answer.headers[name], sent.1);
        }
    }
}

#[tokio::test]
async fn a_single_query_ignores_the_headers_of_batches() {
    let sql = Sql::start().await;
    sql.run("CREATE TABLE t (id int4)").await;
    let headers = [
        ("Neon-Batch-Read-Only", "true"),
        ("Neon-Batch-Isolation-Level", "Serializable"),
    ];
    let answer = sql.post(&headers, json!({"query": "INSERT INTO t VALUES (1)"})).await;
    assert_eq!(answer.body["rowCount"], 1);
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("neon-batch"))
    );
    let answer = sql.post(&headers, json!({"query": SETTINGS})).await;
    assert_eq!(
        answer.body["rows"],
        json!([{"level": "read committed", "ro": "off", "later": "off"}])
    );
}

#[tokio::test]
async fn everything_is_done_or_nothing() {
    let sql = Sql::start().await;
    sql.run("CREATE TABLE t (id int4 PRIMARY KEY, up int4 REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
        .await;
    let answer = sql
        .post(
            &[],
            batch(&["INSERT INTO t VALUES (1)", "SELECT count(*)::int4 AS n FROM t"]),
        )
        .await;
    assert_eq!(answer.body["results"][0]["command"], "INSERT");
    assert_eq!(answer.body["results"][1]["rows"], json!([{"n": 1}]));
    assert_eq!(answer.body.as_object().unwrap().len(), 1);
    // Refused when parsed, when run, when one more is in it, and at COMMIT.
    let cases: &[(&str, &str)] = &[
        ("SELEC 1", "42601"),
        ("INSERT INTO t VALUES (2)", "23505"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT 1; SELECT 2", "42601"),
        ("INSERT INTO t VALUES (3, 99)", "23503"),
        ("VACUUM t", "25001"),
    ];
    for raw in ["true", "false"] {
        for (query, code) in cases {
            let queries = batch(&["INSERT INTO t VALUES (2)", query, "SELECT 1 AS after"]);
            let answer = sql.post(&[("Neon-Raw-Text-Output", raw)], queries).await;
            assert_eq!(answer.status, 400, "{query}: {}", answer.body);
            assert_eq!(answer.body["code"], *code, "{query}");
            assert_eq!(
                sql.run("SELECT count(*)::int4 AS n FROM t").await["rows"],
                json!([{"n": 1}]),
                "{query}"
            );
        }
    }
    let answer = sql
        .post(
            &[("Neon-Batch-Read-Only", "true")],
            batch(&["INSERT INTO t VALUES (2)"]),
        )
        .await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("25006")));
    let answer = sql.post(&[], batch(&[])).await;
    assert_eq!((answer.status, answer.body), (200, json!({"results": []})));
}

#[tokio::test]
async fn a_read_only_batch_can_be_left_as_at_neon() {
    let sql = Sql::start().await;
    sql.run("CREATE TABLE t (id int4)").await;
    for escape in ["COMMIT", "SET TRANSACTION READ WRITE"] {
        let answer = sql
            .post(
                &[("Neon-Batch-Read-Only", "true")],
                batch(&[escape, "INSERT INTO t VALUES (1)"]),
            )
            .await;
        assert_eq!(answer.status, 200, "{escape}: {}", answer.body);
    }
    assert_eq!(
        sql.run("SELECT count(*)::int4 AS n FROM t").await["rows"],
        json!([{"n": 2}])
    );
}

#[tokio::test]
async fn each_query_of_a_batch_has_parameters_and_a_form() {
    let sql = Sql::start().await;
    let queries = json!({"queries": [
        {"query": "CREATE TYPE mood AS ENUM ('fine')"},
        {"query": "SELECT $1::int4 + 1 AS n, ARRAY['fine']::mood[] AS moods", "params": [1], "arrayMode": true},
        {"query": "SELECT $1::text AS t, ARRAY['fine']::mood[] AS moods", "params": ["x"], "arrayMode": false},
        {"query": "SELECT ARRAY[1] AS a"},
    ]});
    let answer = sql.post(&[("Neon-Array-Mode", "true")], queries).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let rows: Vec<_> = answer.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["rows"])
        .collect();
    let expected = [
        json!([]),
        json!([[2, ["fine"]]]),
        json!([{"t": "x", "moods": ["fine"]}]),
        json!([[[1]]]),
    ];
    assert_eq!(rows, expected.iter().collect::<Vec<_>>());
}
