//! SQL over HTTP, the protocol of Neon's proxy: statements out, rows in.
//!
//! Two ways lead out, as for the API: [`Reads`], which Postgres itself keeps from changing anything (a batch that is
//! READ ONLY), and [`Statements`] that the guard has let through.

mod address;
mod alone;
mod answer;
mod guard;
mod parameters;
mod turns;
mod value;

use std::fmt;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

pub use address::{InvalidConnection, InvalidSuffix, SqlAddress, SqlHosts};
pub use answer::{Column, Found, ResultSet, SqlError};
pub(super) use guard::Catalogues;
pub use guard::{Allowance, Baseline, Batch, Grade, Guard, INDEX_CODE, Loss, Measured, Reaching, Stop, TableImpact};
pub(super) use turns::Databases;

pub use parameters::{Expected, depend_on_types, is_array_literal, texts};

use super::client::Client;
use super::context::Context;
use crate::guard::Permitted;
use crate::neon::Changed;
use crate::sql::Mentions;
use guard::{Body, Look};
use turns::Turns;

/// The largest answer that is read, in bytes. Neon's proxy itself refuses larger ones than 10 MiB.
pub const MOST_ANSWER: usize = 11 * 1024 * 1024;

/// The largest request that is sent, in bytes: Neon's proxy refuses larger ones.
pub const MOST_REQUEST: usize = 10 * 1024 * 1024;

/// What is put behind a text that is only to be read. It holds nothing that could end a string, a comment or a bracket.
const BEHIND: &str = ";SELECT 1;SELECT 1";

/// Two statements of our own, which a query mustn't hold.
const OWN_TWO: &str = "SELECT 1;SELECT 1";

/// SQLSTATE of what the grammar refuses, and of several statements in one query.
const SYNTAX_ERROR: &str = "42601";

const CONNECTION: HeaderName = HeaderName::from_static("neon-connection-string");
const ARRAY_MODE: HeaderName = HeaderName::from_static("neon-array-mode");
const RAW_TEXT: HeaderName = HeaderName::from_static("neon-raw-text-output");
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
    /// They run where every name is Postgres' own.
    pinned: bool,
    /// What they mention; nothing for statements of this program's own.
    mentions: Option<Mentions>,
}

impl Reads {
    /// A statement of this program's own, with parameters from wherever.
    #[must_use]
    pub fn own(sql: &'static str, parameters: Vec<Value>) -> Self {
        Self::own_batch(vec![(sql, parameters)])
    }

    /// One that reads a table or view whose place isn't known beforehand: `place` in the text stands for its name, with its
    /// schema's, as Postgres' own `quote_ident` wrote them.
    #[must_use]
    pub fn own_of(sql: &'static str, place: &'static str, quoted: &str, parameters: Vec<Value>) -> Self {
        let query = Query::new(sql.replace(place, quoted), parameters);
        Self {
            queries: vec![query],
            ..Self::own_batch(Vec::new())
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
            pinned: false,
            mentions: None,
        }
    }

    /// The same statements, run where every name is Postgres' own: for those that look at the catalogue alone.
    #[must_use]
    pub fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }

    /// Statements that a parser has found to read, in one transaction.
    #[must_use]
    pub fn proven_batch(statements: Vec<crate::sql::Reading>) -> Self {
        Self {
            mentions: Some(Mentions::all(statements.iter().map(crate::sql::Reading::mentions))),
            queries: statements
                .into_iter()
                .map(|statement| Query::plain(statement.into_text()))
                .collect(),
            pinned: false,
        }
    }

    /// The same statements so many times, one after another.
    #[must_use]
    pub fn repeated(self, times: usize) -> Self {
        Self {
            queries: std::iter::repeat_n(self.queries, times).flatten().collect(),
            ..self
        }
    }

    /// What tells which types a statement expects in the place of its parameters. Postgres parses the statement and doesn't run
    /// it. `None` for a kind of statement that it prepares by this way not.
    #[must_use]
    pub fn expecting(statement: &crate::sql::Statement) -> Option<Self> {
        let text = statement.preparable()?;
        let name = format!("neon_mcp_{}", uuid::Uuid::new_v4().simple());
        Some(Self {
            queries: vec![
                Query::plain(format!("{}{text}", preparing(&name))),
                Query::new(parameters::TYPES, vec![name.as_str().into()]),
                Query::plain(format!("DEALLOCATE {name}")),
            ],
            ..Self::own_batch(Vec::new())
        })
    }

    /// The same statements, each of which says its number where it fails: for a second run that shows which one did.
    #[must_use]
    pub fn numbered(self) -> (Self, Numbers) {
        let numbers = Numbers::new();
        let queries = numbers.all(&self.queries);
        (Self { queries, ..self }, numbers)
    }

    /// A statement that a parser has found to read.
    #[must_use]
    pub fn proven(statement: crate::sql::Reading, parameters: Vec<Value>) -> Self {
        Self {
            mentions: Some(statement.mentions()),
            queries: vec![Query::new(statement.into_text(), parameters)],
            pinned: false,
        }
    }
}

/// What stands in front of a statement to prepare it under a name.
fn preparing(name: &str) -> String {
    format!("PREPARE {name} AS ")
}

/// The numbers of statements, as an error of theirs tells them. Neon's proxy doesn't say which statement of a batch failed, so they
/// are run once more, each inside of a block that adds its number to its error: in a transaction that is never committed, or that
/// is READ ONLY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    mark: String,
}

impl Numbers {
    fn new() -> Self {
        Self {
            mark: format!("nr{}", uuid::Uuid::new_v4().simple()),
        }
    }

    fn all(&self, queries: &[Query]) -> Vec<Query> {
        let mark = &self.mark;
        let block = |(index, query): (usize, &Query)| {
            Query::plain(format!(
                "DO ${mark}$ BEGIN EXECUTE ${mark}_$\n{}\n${mark}_$; EXCEPTION WHEN OTHERS OR query_canceled THEN \
                 RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = '{mark} {} '; END ${mark}$",
                query.sql,
                index + 1
            ))
        };
        queries.iter().enumerate().map(block).collect()
    }

    /// The number of the statement that gave this error, from 1.
    #[must_use]
    pub fn of(&self, error: &SqlError) -> Option<usize> {
        let rest = error.said()?.strip_prefix(&self.mark)?;
        rest.trim().parse().ok()
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

/// What building indexes evaluates that a statement brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Builds {
    /// Nothing: the indexes that are there, or one over columns.
    AsTheyAre,
    /// An expression or a predicate, in which a cast can stand unnamed.
    Expressions,
}

/// Statements that may change something. They are committed only as a [`Permitted`].
#[derive(Clone, Debug, PartialEq)]
pub struct Statements {
    /// Those of this program's own that run first: they look, and may fail.
    first: Vec<Query>,
    queries: Vec<Query>,
    isolation: Isolation,
    /// One statement that can't run inside a transaction.
    alone: bool,
    /// The tables that they name.
    names: Vec<String>,
    /// What they mention.
    mentions: Option<Mentions>,
    /// They change more than rows, as far as their text tells.
    defines: bool,
    /// They build indexes outside of a transaction.
    builds: Option<Builds>,
    /// They run only if no index calls code of the database's own.
    only_plain_indexes: bool,
    lock_timeout: Duration,
}

impl Statements {
    /// Statements in one transaction: all of them, or none.
    #[must_use]
    pub fn together(queries: Vec<Query>, isolation: Isolation) -> Self {
        Self {
            first: Vec::new(),
            queries,
            isolation,
            alone: false,
            names: Vec::new(),
            mentions: None,
            defines: true,
            builds: None,
            only_plain_indexes: false,
            lock_timeout: Duration::ZERO,
        }
    }

    /// One statement outside of any transaction, as `CREATE INDEX CONCURRENTLY` wants it.
    #[must_use]
    pub fn alone(query: Query) -> Self {
        Self {
            alone: true,
            ..Self::together(vec![query], Isolation::default())
        }
    }

    /// The same, of which it is known what they mention, which tables they name, and whether they change more than rows.
    #[must_use]
    pub fn about(self, mentions: Mentions, names: Vec<String>, defines: bool) -> Self {
        Self {
            mentions: Some(mentions),
            names,
            defines,
            ..self
        }
    }

    /// The same, which build indexes.
    #[must_use]
    pub fn building(self, builds: Option<Builds>) -> Self {
        Self { builds, ..self }
    }

    /// The same, which are run only if no index of the database calls code of its own: nobody approved that. Statements in a
    /// transaction are held anyway.
    #[must_use]
    pub fn only_plain_indexes(self) -> Self {
        Self {
            only_plain_indexes: self.alone && self.builds.is_some(),
            ..self
        }
    }

    /// The same behind statements of this program's own, which see no names but Postgres' own.
    #[must_use]
    pub fn behind(self, first: Vec<(&'static str, Vec<Value>)>) -> Self {
        let first = first.into_iter().map(|(sql, parameters)| Query::new(sql, parameters));
        Self {
            first: first.collect(),
            ..self
        }
    }

    /// The same, waiting for a lock no longer than that.
    #[must_use]
    pub fn waiting_for_locks(self, lock_timeout: Duration) -> Self {
        Self { lock_timeout, ..self }
    }

    /// The same statements, each of which says its number where it fails. They can be measured, never committed: they aren't those
    /// that were judged.
    #[must_use]
    pub fn numbered(self) -> (Self, Numbers) {
        let numbers = Numbers::new();
        let queries = numbers.all(&self.queries);
        (Self { queries, ..self }, numbers)
    }

    /// The batch that these statements are sent as, held by a guard.
    #[must_use]
    pub fn batch(&self, connection: &Connection, guard: Guard<'_>, timeout: Duration) -> Batch {
        self.batch_of(connection, self.baseline(), None, guard, timeout)
    }

    /// The same with a baseline of that reach.
    #[must_use]
    pub fn batch_with(
        &self,
        connection: &Connection,
        baseline: Baseline,
        guard: Guard<'_>,
        timeout: Duration,
    ) -> Batch {
        self.batch_of(connection, baseline, None, guard, timeout)
    }

    fn batch_of(
        &self,
        connection: &Connection,
        baseline: Baseline,
        look: Option<&Look>,
        guard: Guard<'_>,
        timeout: Duration,
    ) -> Batch {
        let (timeout_ms, lock_ms) = (milliseconds(timeout), milliseconds_or_none(self.lock_timeout));
        Batch::guarded(connection, self.body(&timeout_ms, &lock_ms, look), baseline, guard)
    }

    /// How far the baseline reaches that the texts call for.
    #[must_use]
    pub fn baseline(&self) -> Baseline {
        if self.defines { Baseline::All } else { Baseline::Rows }
    }

    fn body<'b>(&'b self, timeout_ms: &'b str, lock_ms: &'b str, look: Option<&'b Look>) -> Body<'b> {
        Body {
            turn: None,
            first: &self.first,
            look,
            statements: &self.queries,
            names: &self.names,
            timeout_ms,
            lock_ms,
        }
    }

    /// The texts of the caller's statements, as they are sent.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().map(|query| query.sql.as_str())
    }
}

/// What statements gave that were committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Executed {
    /// The result of each.
    pub results: Vec<ResultSet>,
    /// What they lost; nothing where that wasn't measured.
    pub measured: Option<Measured>,
}

/// The branch that statements are meant for: the database says whether it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The project's id.
    pub project: String,
    /// The branch's id.
    pub branch: String,
    /// The compute's id, where the host names one.
    pub endpoint: Option<String>,
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
    /// The branch that is meant.
    pub identity: Identity,
    /// Neon said so just now: what was kept for a while may lead elsewhere meanwhile.
    pub fresh: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("address", &self.address)
            .field("database", &self.database)
            .field("role", &self.role)
            .field("identity", &self.identity)
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
        let timeout_ms = milliseconds(timeout);
        let (first, statements): (&[Query], &[Query]) = if reads.pinned {
            (&reads.queries, &[])
        } else {
            (&[], &reads.queries)
        };
        let mentions = reads.mentions.as_ref();
        let mut look = mentions.map(|mentions| self.catalogues().look(connection, mentions, Grade::Changes));
        loop {
            let body = Body {
                turn: None,
                first,
                look: look.as_ref(),
                statements,
                names: &[],
                timeout_ms: &timeout_ms,
                lock_ms: "0",
            };
            let mut batch = Batch::identified(connection, body);
            if reads.pinned {
                // Behind the pins.
                batch.own = (1..=first.len()).collect();
            }
            let ran = self
                .batch(connection, &batch, Isolation::RepeatableRead, true, context)
                .await;
            match (ran, mentions) {
                (Err(error), Some(mentions)) if matches!(error.stop(), Some(Stop::Stale)) => {
                    look = Some(Look::search(mentions, Grade::Changes));
                }
                (ran, _) => return ran.map(|executed| executed.results).map_err(SqlError::changed_nothing),
            }
        }
    }

    /// Which types a statement expects in the place of its parameters, in their order; `None` where Postgres can't be asked.
    ///
    /// # Errors
    /// [`SqlError`], of a statement that wouldn't run either, with the position in its own text; nothing was changed.
    pub async fn expected(
        &self,
        connection: &Connection,
        statement: &crate::sql::Statement,
        timeout: Duration,
        context: &Context,
    ) -> Result<Option<Vec<Expected>>, SqlError> {
        let Some(reads) = Reads::expecting(statement) else {
            return Ok(None);
        };
        // A name is as long as any other.
        let before = preparing(&format!("neon_mcp_{}", uuid::Uuid::nil().simple()))
            .chars()
            .count();
        let skipped = statement
            .preparable()
            .map_or(0, |text| statement.text.len() - text.len());
        let skipped = statement.text.get(..skipped).unwrap_or_default().chars().count();
        let results = self
            .query(connection, reads, timeout, context)
            .await
            .map_err(|error| error.behind(before.saturating_sub(skipped)))?;
        Ok(results.get(1).map(Expected::all))
    }

    /// Runs statements that were permitted, held by a guard: they are committed only as far as it lets them.
    ///
    /// # Errors
    /// [`SqlError`]; it says whether anything was changed, and why the guard stopped it, if it did.
    pub async fn execute(
        &self,
        connection: &Connection,
        statements: Permitted<Statements>,
        guard: Guard<'_>,
        timeout: Duration,
        context: &Context,
    ) -> Result<Executed, SqlError> {
        // What is sent is what was judged.
        if !statements.covers(statements.get().texts()) {
            return Err(SqlError::not_sent("a statement isn't one that was judged"));
        }
        let statements = statements.into_inner();
        let least = match guard {
            // What was approved as it is, or is allowed to do anything.
            Guard::Identity => None,
            // Where it is only tried, nothing may leave the branch.
            Guard::Report => Some(Grade::Leaves),
            Guard::Enforce(_) => Some(Grade::Destroys),
        };
        if statements.alone {
            return self
                .execute_alone(connection, &statements, least, timeout, context)
                .await;
        }
        let turns = match guard {
            // Nothing compares, so nothing tells whether it changes definitions.
            Guard::Identity => Turns::Always(timeout),
            Guard::Report | Guard::Enforce(_) => Turns::ToDefine(timeout),
        };
        self.held(connection, &statements, least, turns, context, |baseline, look| {
            statements.batch_of(connection, baseline, look, guard, timeout)
        })
        .await
    }

    /// Runs statements to see what they would lose. They are never committed: the last statement of the batch is one of our own
    /// that fails, with what was measured.
    ///
    /// # Errors
    /// [`SqlError`]: of a statement that fails anyway. Nothing was changed.
    pub async fn measure(
        &self,
        connection: &Connection,
        statements: &Statements,
        timeout: Duration,
        context: &Context,
    ) -> Result<Measured, SqlError> {
        if statements.alone {
            return Err(SqlError::not_sent("what runs outside of a transaction can't be tried"));
        }
        if statements.mentions.as_ref().is_some_and(Mentions::outlive_rollback) {
            return Err(SqlError::not_sent("what outlives a rollback can't be tried"));
        }
        let (timeout_ms, lock_ms) = (milliseconds(timeout), milliseconds_or_none(statements.lock_timeout));
        let ran = self
            .held(
                connection,
                statements,
                Some(Grade::Destroys),
                Turns::None,
                context,
                |baseline, look| Batch::measuring(connection, statements.body(&timeout_ms, &lock_ms, look), baseline),
            )
            .await;
        match ran {
            Ok(_) => Err(SqlError::malformed("statements that were only measured were committed")),
            Err(error) => match error.stop() {
                Some(Stop::Measured(measured)) => Ok((**measured).clone()),
                _ => Err(error.changed_nothing()),
            },
        }
    }

    /// What Postgres objects to in the syntax of a text, which is never run: nothing where it can be read.
    ///
    /// It is sent with two statements behind it. Where a query comes by the extended protocol, as SQL over HTTP has it, Postgres
    /// first reads all of it by its grammar, and then refuses what holds more than one statement, before it looks at any of them
    /// (`exec_parse_message`). What stands behind the text can be swallowed by nothing: an open string, comment or bracket stays
    /// open to the end, which the grammar refuses. That the endpoint keeps to it is tried first, with statements of our own, and
    /// all of it goes in a batch that is READ ONLY.
    ///
    /// # Errors
    /// [`SqlError`] where that can't be found out; nothing was changed.
    pub async fn objection(
        &self,
        connection: &Connection,
        text: &str,
        context: &Context,
    ) -> Result<Option<SqlError>, SqlError> {
        if !matches!(self.read_only_grammar(connection, OWN_TWO, context).await, Ok(None)) {
            return Err(SqlError::not_sent("the endpoint may run what was only to be read"));
        }
        let sent = format!("{text}\n{BEHIND}");
        let objection = self.read_only_grammar(connection, &sent, context).await?;
        Ok(objection.map(|error| error.within(text, BEHIND)))
    }

    /// What the grammar objects to in a text that holds two statements at least.
    async fn read_only_grammar(
        &self,
        connection: &Connection,
        text: &str,
        context: &Context,
    ) -> Result<Option<SqlError>, SqlError> {
        let body = Body {
            turn: None,
            first: &[],
            look: None,
            statements: &[],
            names: &[],
            timeout_ms: "5000",
            lock_ms: "0",
        };
        let mut batch = Batch::identified(connection, body);
        batch.queries.push(Query::plain(text));
        let ran = self
            .batch(connection, &batch, Isolation::ReadCommitted, true, context)
            .await;
        match ran {
            Err(error) if error.code() == Some(SYNTAX_ERROR) => {
                // That there are several statements has no place in the text; what can't be read has.
                Ok(error.position().is_some().then(|| error.changed_nothing()))
            }
            Err(error) => Err(error.changed_nothing()),
            Ok(_) => Err(SqlError::malformed("it ran several statements as one")),
        }
    }

    /// Runs statements with the baseline that their text calls for; where they touch the catalogue after all, once more with the
    /// whole one. Before them, what they mention is looked up. An attempt that was stopped was rolled back.
    async fn held(
        &self,
        connection: &Connection,
        statements: &Statements,
        least: Option<Grade>,
        turns: Turns,
        context: &Context,
        batch: impl Fn(Baseline, Option<&Look>) -> Batch,
    ) -> Result<Executed, SqlError> {
        let mut baseline = statements.baseline();
        let looked_up = statements.mentions.as_ref().zip(least);
        let mut look = looked_up.map(|(mentions, least)| self.catalogues().look(connection, mentions, least));
        loop {
            let batch = batch(baseline, look.as_ref());
            let turn = match turns {
                Turns::Always(time) => Some(time),
                Turns::ToDefine(time) => (baseline == Baseline::All).then_some(time),
                Turns::None => None,
            };
            let turn = match turn {
                Some(time) => Some(self.turns().to_define(connection, time, context).await?),
                None => None,
            };
            let ran = self
                .batch(connection, &batch, statements.isolation, false, context)
                .await;
            if let Some(turn) = turn
                && ran
                    .as_ref()
                    .err()
                    .is_none_or(|error| error.changed() != Changed::Unknown)
            {
                turn.ended();
            }
            let Err(error) = &ran else { return ran };
            match (error.stop(), looked_up) {
                (Some(Stop::Catalogue), _) if baseline == Baseline::Rows => baseline = Baseline::All,
                (Some(Stop::Stale), Some((mentions, least))) => look = Some(Look::search(mentions, least)),
                _ => return ran,
            }
        }
    }

    async fn batch(
        &self,
        connection: &Connection,
        batch: &Batch,
        isolation: Isolation,
        read_only: bool,
        context: &Context,
    ) -> Result<Executed, SqlError> {
        let queries: Vec<Value> = batch.queries.iter().map(query_body).collect();
        let mut headers = vec![(ISOLATION, isolation.name())];
        if read_only {
            headers.push((READ_ONLY, "true"));
        }
        let answer = self
            .post(connection, &json!({ "queries": queries }), &headers, context)
            .await
            .map_err(|error| error.stopped_by(|message| batch.stop(message)))?;
        let mut results: Vec<Option<ResultSet>> = answer::many(answer)?.into_iter().map(Some).collect();
        if results.len() != batch.queries.len() {
            return Err(SqlError::malformed("it hasn't a result for every statement"));
        }
        if let Some(found) = batch.catalogue.and_then(|place| results.get(place)?.as_ref()) {
            self.catalogues().keep(connection, found);
        }
        let measured = batch.measured.and_then(|place| results.get_mut(place)?.take());
        let measured = measured.as_ref().and_then(|result| result.first("measured"));
        Ok(Executed {
            measured: measured.as_ref().and_then(Measured::of),
            results: batch
                .own
                .iter()
                .filter_map(|place| results.get_mut(*place)?.take())
                .collect(),
        })
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
            .header(RAW_TEXT, "true")
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
            let read = answer::read(response, MOST_ANSWER).await;
            self.hear();
            read
        };
        tokio::select! {
            biased;
            answered = exchange => answered,
            () = context.cancel.cancelled() => Err(SqlError::lost("the call was cancelled")),
            () = tokio::time::sleep_until(context.deadline) => Err(SqlError::lost("the time ran out")),
        }
    }
}

/// A time as Postgres' settings take it; at least a millisecond, since 0 means without end.
fn milliseconds(time: Duration) -> String {
    time.as_millis().max(1).to_string()
}

/// A time that may be none: 0.
fn milliseconds_or_none(time: Duration) -> String {
    time.as_millis().to_string()
}

fn query_body(query: &Query) -> Value {
    let mut body = Map::new();
    body.insert("query".into(), query.sql.as_str().into());
    body.insert("params".into(), query.parameters.clone().into());
    Value::Object(body)
}
