//! What is too large, too slow, or goes away in the middle.

use harness::assert_worded;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};

use super::{Sql, serve};

/// The largest request, and the largest answer.
const LIMIT: usize = 10 * 1024 * 1024;

/// Waits for a query to say `true`.
async fn until(sql: &Sql, query: &str) {
    let started = Instant::now();
    while sql.value("false", query, json!([])).await != Value::Bool(true) {
        assert!(started.elapsed() < Duration::from_secs(5), "not in time: {query}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_not_run() {
    let sql = Sql::start().await;
    let empty = json!({"query": "SELECT length($1)", "params": [""]}).to_string().len();
    for (size, status) in [(LIMIT, 200), (LIMIT + 1, 413), (3 * LIMIT, 413)] {
        let body = json!({"query": "SELECT length($1)", "params": ["x".repeat(size - empty)]});
        let answer = sql.post(&[], body).await;
        assert_eq!(answer.status, status, "{size}");
        match status {
            200 => assert_eq!(answer.body["rows"], json!([{"length": LIMIT - empty}])),
            _ => assert_eq!(answer.body["message"], "request is too large (max is 10485760 bytes)"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_ends_early() {
    let sql = Sql::start().await;
    sql.run("CREATE TABLE t (n int4)").await;
    let cases = [
        // Rows without end, one value that is too large, and results that are too large together only.
        json!({"query": "SELECT repeat('x', 1000), generate_series(1, 1000000000)"}),
        json!({"query": "SELECT repeat('x', 200 * 1024 * 1024)"}),
        json!({"queries": [
            {"query": "INSERT INTO t VALUES (1)"},
            {"query": "SELECT repeat('x', 6 * 1024 * 1024)"},
            {"query": "SELECT repeat('x', 6 * 1024 * 1024)"},
        ]}),
    ];
    for body in cases {
        for raw in ["true", "false"] {
            let started = Instant::now();
            let answer = sql.post(&[("Neon-Raw-Text-Output", raw)], body.clone()).await;
            assert_eq!(answer.status, 507, "{body}");
            assert_eq!(answer.body["message"], "response is too large (max is 10485760 bytes)");
            assert!(started.elapsed() < Duration::from_secs(30));
        }
    }
    // Nothing runs on, and nothing of the batch was done.
    until(
        &sql,
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    assert_eq!(
        sql.run("SELECT count(*)::int4 AS n FROM t").await["rows"],
        json!([{"n": 0}])
    );
    let nearly = sql.run("SELECT repeat('x', 10 * 1024 * 1024 - 1000) AS x").await;
    assert_eq!(nearly["rows"][0]["x"].as_str().unwrap().len(), LIMIT - 1000);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_statement_along() {
    let sql = Sql::start().await;
    sql.run("CREATE TABLE t (n int4)").await;
    for raw in ["true", "false"] {
        for body in [
            json!({"query": "SELECT pg_sleep(600)"}),
            json!({"queries": [{"query": "INSERT INTO t VALUES (1)"}, {"query": "SELECT pg_sleep(600)"}]}),
        ] {
            let request = sql.request(&body).header("Neon-Raw-Text-Output", raw).send();
            let running = "SELECT count(*) = 1 FROM pg_stat_activity \
                WHERE datname = current_database() AND state = 'active' AND wait_event = 'PgSleep'";
            tokio::select! {
                response = request => panic!("answered: {response:?}"),
                () = until(&sql, running) => {}
            }
            until(&sql, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").await;
        }
    }
    assert_eq!(
        sql.run("SELECT count(*)::int4 AS n FROM t").await["rows"],
        json!([{"n": 0}])
    );
}

#[tokio::test]
async fn a_statement_that_is_cancelled_or_times_out_says_so() {
    let sql = Sql::start().await;
    let queries =
        json!({"queries": [{"query": "SET LOCAL statement_timeout = 50"}, {"query": "SELECT pg_sleep(600)"}]});
    let answer = sql.post(&[], queries).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("57014")));
    let waiting = sql.error("SELECT pg_sleep(600)");
    let cancel = async {
        until(
            &sql,
            "SELECT count(pg_cancel_backend(pid)) = 1 FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event = 'PgSleep'",
        )
        .await;
    };
    let (body, ()) = tokio::join!(waiting, cancel);
    assert_eq!(body["code"], "57014");
}

/// What a server that isn't Postgres says, message by message of its client.
async fn fake(says: &'static [&'static [u8]]) -> (TempDir, Sql, tokio::task::JoinHandle<Vec<u8>>) {
    let place = TempDir::new().unwrap();
    let socket = place.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let heard = tokio::spawn(async move {
        let (mut stream, _): (UnixStream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        for message in says {
            stream.read_buf(&mut heard).await.unwrap();
            stream.write_all(message).await.unwrap();
        }
        // Listens a little longer, then goes away without a word.
        let _silence: Result<_, _> = timeout(Duration::from_millis(200), stream.read_to_end(&mut heard)).await;
        heard
    });
    let sql = Sql::at(serve(&socket).await, "postgres");
    (place, sql, heard)
}

/// `AuthenticationOk`, `BackendKeyData`, `ReadyForQuery`.
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";

#[tokio::test]
async fn a_server_that_goes_away_is_an_error_and_not_a_wait() {
    let cases: [(&'static [&'static [u8]], &str); 7] = [
        (&[], "the connection to Postgres was lost"),
        (&[WELCOME], "the connection to Postgres was lost"),
        // ParseComplete, and half of the next message.
        (&[WELCOME, b"1\0\0\0\x04t\0\0"], "the connection to Postgres was lost"),
        (&[WELCOME, b"HTTP/1.1 400 Bad Request\r\n\r\n"], "response is too large"),
        (
            &[WELCOME, b"2\0\0\0\x04"],
            "Postgres answered with a message that doesn't belong there",
        ),
        (
            &[b"R\0\0\0\x08\0\0\0\x03"],
            "Postgres asks for a password without SCRAM-SHA-256",
        ),
        (
            &[b"R\0\0\0\x0c\0\0\0\x05salt"],
            "Postgres asks for a password without SCRAM-SHA-256",
        ),
    ];
    for (says, expected) in cases {
        let (_place, sql, heard) = fake(says).await;
        let answer = timeout(Duration::from_secs(5), sql.post(&[], json!({"query": "SELECT 1"})))
            .await
            .unwrap();
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.starts_with(expected), "{says:?}: {message}");
        assert_eq!(
            answer.status,
            if expected.starts_with("response") { 507 } else { 500 },
            "{message}"
        );
        let heard = heard.await.unwrap();
        let password = super::PASSWORD.as_bytes();
        assert!(
            !heard.windows(password.len()).any(|part| part == password),
            "the password was sent"
        );
    }
}

#[tokio::test]
async fn a_socket_that_nobody_serves_or_answers_is_given_up() {
    let place = TempDir::new().unwrap();
    let sql = Sql::at(serve(&place.path().join("none")).await, "postgres");
    let answer = sql.post(&[], json!({"query": "SELECT 1"})).await;
    assert_eq!(answer.status, 500);
    let message = answer.body["message"].as_str().unwrap();
    let (what, _) = message.split_once(": ").unwrap_or((message, ""));
    assert_worded!("proxy", "Postgres that is not there", what);

    let socket = place.path().join("silent");
    let _silent = UnixListener::bind(&socket).unwrap();
    let sql = Sql::at(serve(&socket).await, "postgres");
    let started = Instant::now();
    let answer = sql.post(&[], json!({"query": "SELECT 1"})).await;
    assert_eq!(
        (answer.status, answer.body["message"].as_str().unwrap()),
        (500, "Postgres did not accept the connection within 10 s")
    );
    assert!((9..15).contains(&started.elapsed().as_secs()));
}
