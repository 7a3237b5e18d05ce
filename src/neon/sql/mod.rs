//! SQL over HTTP, the protocol of Neon's proxy: statements out, rows in.
//!
//! Two ways lead out, as for the API: [`Reads`], which Postgres itself keeps from changing anything (a batch that is
//! READ ONLY), and [`Statements`] that the guard has let through.

mod address;
mod answer;

use std::fmt;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

pub use address::{InvalidConnection, InvalidSuffix, SqlAddress, SqlHosts};
pub use answer::{Column, ResultSet, SqlError};

use super::client::{Client, Context};
use crate::guard::Permitted;

/// The largest answer that is read, in bytes. Neon's proxy itself refuses larger ones than 10 MiB.
pub const MOST_ANSWER: usize = 11 * 1024 * 1024;

/// The largest request that is sent, in bytes: Neon's proxy refuses larger ones.
pub const MOST_REQUEST: usize = 10 * 1024 * 1024;

const CONNECTION: HeaderName = HeaderName::from_static("neon-connection-string");
const ARRAY_MODE: HeaderName = HeaderName::from_static("neon-array-mode");
const READ_ONLY: HeaderName = HeaderName::from_static("neon-batch-read-only");
const ISOLATION: HeaderName = HeaderName::from_static("neon-batch-isolation-level");

/// One statement and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The statement, without parameters in it.
    pub sql: String,
    /// What `$1`, `$2`, … stand for.
    pub parameters: Vec<Value>,
}

impl Query {
    /// A statement without parameters.
    pub fn plain(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            parameters: Vec::new(),
        }
    }

    /// A statement with parameters.
    pub fn new(sql: impl Into<String>, parameters: Vec<Value>) -> Self {
        Self {
            sql: sql.into(),
            parameters,
        }
    }
}

/// Statements that only read. They are sent as a batch that is READ ONLY, in which Postgres refuses to write.
///
/// That isn't enough by itself: a statement such as `COMMIT` ends the transaction. So there are two ways to make one: from
/// statements of this program's own, and from a script that was parsed and found to hold a single reading statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Reads {
    queries: Vec<Query>,
}

impl Reads {
    /// A statement of this program's own, with parameters from wherever.
    #[must_use]
    pub fn own(sql: &'static str, parameters: Vec<Value>) -> Self {
        Self {
            queries: vec![Query::new(sql, parameters)],
        }
    }

    /// Several of them, in one transaction.
    #[must_use]
    pub fn own_batch(queries: Vec<(&'static str, Vec<Value>)>) -> Self {
        Self {
            queries: queries
                .into_iter()
                .map(|(sql, parameters)| Query::new(sql, parameters))
                .collect(),
        }
    }

    /// Statements that a parser has found to read, in one transaction.
    #[must_use]
    pub fn proven_batch(statements: Vec<crate::sql::Reading>) -> Self {
        Self {
            queries: statements
                .into_iter()
                .map(|statement| Query::plain(statement.into_text()))
                .collect(),
        }
    }

    /// The same statements so many times, one after another.
    #[must_use]
    pub fn repeated(self, times: usize) -> Self {
        Self {
            queries: std::iter::repeat_n(self.queries, times).flatten().collect(),
        }
    }

    /// A statement that a parser has found to read.
    #[must_use]
    pub fn proven(statement: crate::sql::Reading, parameters: Vec<Value>) -> Self {
        Self {
            queries: vec![Query::new(statement.into_text(), parameters)],
        }
    }
}

/// How the statements of a batch see others' changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    #[default]
    ReadCommitted,
    /// All see the same.
    RepeatableRead,
    /// As if no other transaction ran beside it.
    Serializable,
}

impl Isolation {
    fn name(self) -> &'static str {
        match self {
            Self::ReadCommitted => "ReadCommitted",
            Self::RepeatableRead => "RepeatableRead",
            Self::Serializable => "Serializable",
        }
    }
}

/// Statements that may change something. They are sent only as a [`Permitted`].
#[derive(Clone, Debug, PartialEq)]
pub struct Statements {
    queries: Vec<Query>,
    isolation: Isolation,
    /// One statement that can't run inside a transaction.
    alone: bool,
}

impl Statements {
    /// Statements in one transaction: all of them, or none.
    #[must_use]
    pub fn together(queries: Vec<Query>, isolation: Isolation) -> Self {
        Self {
            queries,
            isolation,
            alone: false,
        }
    }

    /// One statement outside of any transaction, as `CREATE INDEX CONCURRENTLY` wants it.
    #[must_use]
    pub fn alone(query: Query) -> Self {
        Self {
            queries: vec![query],
            isolation: Isolation::default(),
            alone: true,
        }
    }
}

/// Who connects to which database where. `Debug` shows no password.
#[derive(Clone)]
pub struct Connection {
    /// Where the statements go.
    pub address: SqlAddress,
    /// The connection string, which holds the role's password.
    pub string: SecretString,
    /// The database.
    pub database: String,
    /// The role.
    pub role: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("address", &self.address)
            .field("database", &self.database)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Runs statements that only read, each with its rows.
    ///
    /// # Errors
    /// [`SqlError`]; nothing was changed.
    pub async fn query(
        &self,
        connection: &Connection,
        reads: Reads,
        timeout: Duration,
        context: &Context,
    ) -> Result<Vec<ResultSet>, SqlError> {
        let batch = Batch {
            queries: &reads.queries,
            isolation: Isolation::RepeatableRead,
            read_only: true,
            timeout,
        };
        self.batch(connection, &batch, context)
            .await
            .map_err(SqlError::changed_nothing)
    }

    /// Runs statements that the guard has let through.
    ///
    /// # Errors
    /// [`SqlError`]; it says whether anything was changed.
    pub async fn execute(
        &self,
        connection: &Connection,
        statements: Permitted<Statements>,
        timeout: Duration,
        context: &Context,
    ) -> Result<Vec<ResultSet>, SqlError> {
        let statements = statements.into_inner();
        if statements.alone {
            let Some(query) = statements.queries.first() else {
                return Ok(Vec::new());
            };
            let body = body(query);
            let answer = self.post(connection, &body, &[], context).await?;
            return Ok(vec![answer::one(answer)?]);
        }
        let batch = Batch {
            queries: &statements.queries,
            isolation: statements.isolation,
            read_only: false,
            timeout,
        };
        self.batch(connection, &batch, context).await
    }

    async fn batch(
        &self,
        connection: &Connection,
        batch: &Batch<'_>,
        context: &Context,
    ) -> Result<Vec<ResultSet>, SqlError> {
        // The first statement bounds the time of those after it, as long as the transaction lasts.
        let bound = Query::new(
            "SELECT set_config('statement_timeout', $1, true)",
            vec![batch.timeout.as_millis().max(1).to_string().into()],
        );
        let queries: Vec<Value> = std::iter::once(&bound).chain(batch.queries).map(body).collect();
        let mut headers = vec![(ISOLATION, batch.isolation.name())];
        if batch.read_only {
            headers.push((READ_ONLY, "true"));
        }
        let answer = self
            .post(connection, &json!({ "queries": queries }), &headers, context)
            .await?;
        let mut results = answer::many(answer)?;
        if results.is_empty() {
            return Err(SqlError::malformed("it has no result for any statement"));
        }
        results.remove(0);
        Ok(results)
    }

    /// One request on the wire. It is never sent twice.
    async fn post(
        &self,
        connection: &Connection,
        body: &Value,
        headers: &[(HeaderName, &'static str)],
        context: &Context,
    ) -> Result<Value, SqlError> {
        let text = body.to_string();
        if text.len() > MOST_REQUEST {
            return Err(SqlError::too_large_request(text.len()));
        }
        if context.cancel.is_cancelled() || context.left().is_zero() {
            return Err(SqlError::not_sent("the call was cancelled or out of time"));
        }
        let http = self.http().await.map_err(|error| SqlError::not_sent(error.summary()))?;
        let mut secret = HeaderValue::from_str(connection.string.expose_secret())
            .map_err(|_| SqlError::not_sent("the connection string can't stand in a header"))?;
        secret.set_sensitive(true);
        let mut request = http
            .post(connection.address.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, secret)
            .header(ARRAY_MODE, "true")
            .body(text);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let exchange = async {
            let response = request.send().await.map_err(|error| {
                if error.is_connect() || error.is_builder() {
                    SqlError::not_sent("the SQL endpoint can't be reached")
                } else {
                    SqlError::lost("the connection broke")
                }
            })?;
            answer::read(response, MOST_ANSWER).await
        };
        tokio::select! {
            biased;
            answered = exchange => answered,
            () = context.cancel.cancelled() => Err(SqlError::lost("the call was cancelled")),
            () = tokio::time::sleep_until(context.deadline) => Err(SqlError::lost("the time ran out")),
        }
    }
}

/// Statements in one transaction.
struct Batch<'a> {
    queries: &'a [Query],
    isolation: Isolation,
    read_only: bool,
    timeout: Duration,
}

fn body(query: &Query) -> Value {
    let mut body = Map::new();
    body.insert("query".into(), query.sql.as_str().into());
    body.insert("params".into(), query.parameters.clone().into());
    Value::Object(body)
}
