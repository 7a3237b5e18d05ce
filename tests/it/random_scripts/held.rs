//! A runner over the measured commit: the statements run between the product's own, as a batch over HTTP would run them.

use std::time::Duration;

use neon_mcp::neon::api_base;
use neon_mcp::neon::sql::{
    Allowance, Baseline, Batch, CommitRule, Connection, Identity, Isolation, Query, SqlAddress, SqlHosts, Statements,
    Stop,
};
use neon_mcp::sql::{Mentions, Script, Statement, StatementEffect, Transaction, parse};
use tokio::sync::Mutex;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::bench::{Access, DATABASE, OWNER, connect};
use super::runner::{Outcome, Runner};

/// How long a statement may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Whose judgement decides whether a script is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The parser's: what it takes for destructive isn't run.
    ByText,
    /// Nobody's: whatever fits into a transaction is run, and the measured commit alone holds it.
    NotAtAll,
}

/// The measured commit, with the bounds of what runs unasked.
pub struct MeasuredCommit {
    access: Access,
    judged: Judged,
    client: Mutex<Option<Client>>,
}

impl MeasuredCommit {
    pub fn new(access: &Access, judged: Judged) -> Self {
        Self {
            access: access.clone(),
            judged,
            client: Mutex::new(None),
        }
    }

    fn refusal(&self, scripts: &[Script]) -> Option<String> {
        for script in scripts {
            let Some(statement) = script.only() else {
                return Some("it isn't one statement".to_owned());
            };
            if statement.transaction != Transaction::Inside {
                return Some("it can't run in a transaction".to_owned());
            }
            if self.judged == Judged::ByText && statement.effect == StatementEffect::Destructive {
                return Some(format!("it {}", statement.reasons.join(", ")));
            }
        }
        None
    }
}

pub fn connection() -> Connection {
    let base = api_base("http://127.0.0.1:9/api/v2").unwrap();
    let string = format!("postgresql://{OWNER}:x@127.0.0.1/{DATABASE}");
    Connection {
        address: SqlAddress::of(&string, &base, &SqlHosts::default()).unwrap(),
        string: string.into(),
        database: DATABASE.to_owned(),
        role: OWNER.to_owned(),
        identity: Identity {
            project: "quiet-forest-12345678".parse().unwrap(),
            branch: "br-quiet-forest-a1b2c3d4".parse().unwrap(),
            endpoint: Some("ep-quiet-forest-a1b2c3d4".parse().unwrap()),
        },
        holds_role: false,
        fresh: false,
    }
}

pub async fn send(client: &Client, batch: &Batch) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("BEGIN").await?;
    for query in batch.queries() {
        let texts: Vec<&str> = query.parameters.iter().filter_map(|value| value.as_str()).collect();
        let typed: Vec<(&(dyn ToSql + Sync), Type)> = texts
            .iter()
            .map(|text| (text as &(dyn ToSql + Sync), Type::TEXT))
            .collect();
        client.query_typed(&query.sql, &typed).await?;
    }
    client.batch_execute("COMMIT").await
}

impl Runner for MeasuredCommit {
    async fn run(&self, statements: &[String]) -> Outcome {
        let scripts: Vec<Script> = statements.iter().map(|statement| parse(statement)).collect();
        if let Some(reason) = self.refusal(&scripts) {
            return Outcome::Refused(reason);
        }
        let all: Vec<&Statement> = scripts.iter().flat_map(|script| &script.statements).collect();
        let names = all.iter().flat_map(|statement| &statement.tables);
        let queries = all.iter().map(|statement| Query::plain(statement.text.clone()));
        let defines = all.iter().any(|statement| statement.defines());
        let sent = Statements::together(queries.collect(), Isolation::ReadCommitted).about(
            Mentions::default(),
            names.map(|table| table.name.clone()).collect(),
            defines,
        );
        let mut kept = self.client.lock().await;
        let client = match kept.take() {
            Some(client) if !client.is_closed() => client,
            _ => connect(&self.access.owner, DATABASE).await,
        };
        let (allowance, connection) = (Allowance::unasked(100), connection());
        let mut baseline = sent.baseline();
        let outcome = loop {
            let batch = sent.batch_with(&connection, baseline, CommitRule::Enforce(&allowance), TIMEOUT);
            match tokio::time::timeout(TIMEOUT * 4, send(&client, &batch)).await {
                Ok(Ok(())) => break Outcome::Committed,
                Ok(Err(error)) => {
                    let message = error.as_db_error().map(|error| error.message().to_owned());
                    let message = message.unwrap_or_else(|| error.to_string());
                    match batch.stop(&message) {
                        Some(Stop::Catalogue) if baseline == Baseline::Rows => {
                            client.batch_execute("ROLLBACK").await.unwrap();
                            baseline = Baseline::All;
                        }
                        Some(stop) => {
                            let name = format!("{stop:?}");
                            let name = name.split(['(', ' ']).next().unwrap_or_default().to_owned();
                            break Outcome::Stopped(format!("measured: {name}"));
                        }
                        None => break Outcome::Stopped(message),
                    }
                }
                Err(_) => return Outcome::Stopped("it took too long".to_owned()),
            }
        };
        // Each script has a session as new as the first one's.
        let cleaned = client
            .batch_execute("ROLLBACK; SET SESSION AUTHORIZATION DEFAULT; RESET ALL")
            .await;
        if cleaned.is_ok() && client.batch_execute("DISCARD ALL").await.is_ok() {
            *kept = Some(client);
        }
        outcome
    }

    async fn restored(&self) {
        *self.client.lock().await = None;
    }
}
