//! The tables against a real PostgreSQL: what we call a read runs in a READ ONLY transaction, and what it takes for SQL
//! we do, too.

use super::{rows, statements};
use harness::postgres::Postgres;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// A database of its own, with the schema that the queries are about.
async fn database(name: &str) -> Client {
    let client = Postgres::database(name).await;
    client.batch_execute(harness::sql::SCHEMA).await.unwrap();
    client.batch_execute("set statement_timeout = '30s'").await.unwrap();
    client
}

#[tokio::test]
async fn reads_run_in_a_read_only_transaction() {
    let client = database("classified_reads").await;
    let mut refused = Vec::new();
    // `CYCLE` and multiranges came with 14, the oldest that Neon runs.
    for query in [harness::sql::written(), harness::sql::made()].concat() {
        client.batch_execute("begin read only").await.unwrap();
        let run = if query.contains("$1") {
            client.prepare(&query).await.map(drop)
        } else {
            client.simple_query(&query).await.map(drop)
        };
        if let Err(error) = run {
            refused.push(format!("{query}\n    {}", error.as_db_error().unwrap().message()));
        }
        client.batch_execute("rollback").await.unwrap();
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[tokio::test]
async fn no_read_of_the_table_is_refused_for_writing() {
    let client = database("classified_statements").await;
    for row in rows(statements::STATEMENTS) {
        let [effect, _, kind, text] = statements::fields(row);
        if effect != "read" || kind == "UNKNOWN" || text.contains("$1") {
            continue;
        }
        client.batch_execute("begin read only").await.unwrap();
        let run = client.simple_query(text).await;
        client.batch_execute("rollback").await.unwrap();
        // That a relation isn't there is no matter here.
        if let Err(error) = run {
            let code = error.code().unwrap();
            assert_ne!(code, &SqlState::READ_ONLY_SQL_TRANSACTION, "{text}");
            assert_ne!(code, &SqlState::SYNTAX_ERROR, "{text}");
        }
    }
}

#[tokio::test]
async fn what_is_parsed_here_parses_there_and_the_other_way_round() {
    // Of newer versions than the one that Debian has.
    const NEWER: [&str; 2] = [
        "when not matched by source",
        "merge into t using s on true when matched then delete returning",
    ];
    let client = database("classified_syntax").await;
    for row in rows(statements::STATEMENTS) {
        let [_, _, kind, text] = statements::fields(row);
        if NEWER.iter().any(|newer| text.contains(newer)) {
            continue;
        }
        let code = client.prepare(text).await.err().and_then(|error| error.code().cloned());
        let syntax = code == Some(SqlState::SYNTAX_ERROR);
        assert_eq!(syntax, kind == "UNKNOWN", "{text}: {code:?}");
    }
}

#[tokio::test]
async fn only_what_stands_outside_is_refused_inside_a_transaction() {
    let client = database("classified_places").await;
    let mut outside = 0;
    for row in rows(statements::STATEMENTS) {
        let [_, transaction, kind, text] = statements::fields(row);
        // Queries are tried above; these others reach beyond the database or end the transaction.
        let skipped = ["SELECT", "COPY", "LOAD", "CHECKPOINT", "UNKNOWN", "CREATE SUBSCRIPTION"];
        if transaction == "control" || skipped.contains(&kind) {
            continue;
        }
        client.batch_execute("begin").await.unwrap();
        let code = client
            .simple_query(text)
            .await
            .err()
            .and_then(|error| error.code().cloned());
        client.batch_execute("rollback").await.unwrap();
        if code == Some(SqlState::ACTIVE_SQL_TRANSACTION) {
            assert_eq!(transaction, "outside", "{text}");
            outside += 1;
        }
    }
    assert!(outside >= 10, "only {outside} were refused");
}
