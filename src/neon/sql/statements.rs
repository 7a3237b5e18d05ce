//! What is sent together: statements that only read, and statements that may change something.

use std::time::Duration;

use serde_json::Value;

use super::answer::{ResultSet, SqlError};
use super::measure::{Baseline, Batch, Body, CommitRule, Look, Measured};
use super::parameters;
use super::query::{Connection, Isolation, Query, milliseconds, milliseconds_or_none};
use crate::sql::Mentions;

/// Statements that only read. They are sent as a batch that is READ ONLY, in which Postgres refuses to write.
///
/// That isn't enough by itself: a statement such as `COMMIT` ends the transaction. So there are two ways to make one: from
/// statements of this program's own, and from a script that was parsed and found to hold a single reading statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Reads {
    pub(in crate::neon::sql) queries: Vec<Query>,
    /// They run where every name is Postgres' own.
    pub(in crate::neon::sql) pinned: bool,
    /// What they mention; nothing for statements of this program's own.
    pub(in crate::neon::sql) mentions: Option<Mentions>,
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
            // A literal of a type is read by that type's code when its statement is parsed.
            mentions: Some(statement.mentions()),
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
pub(super) fn preparing(name: &str) -> String {
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
    pub(in crate::neon::sql) fn new() -> Self {
        Self {
            mark: format!("nr{}", uuid::Uuid::new_v4().simple()),
        }
    }

    pub(in crate::neon::sql) fn all(&self, queries: &[Query]) -> Vec<Query> {
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

/// What building indexes evaluates that a statement brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Builds {
    /// Nothing: the indexes that are there, or one over columns.
    AsTheyAre,
    /// An expression or a predicate, in which a cast can stand unnamed.
    Expressions,
}

/// Statements that may change something. They are committed only as a [`crate::permit::Permitted`].
#[derive(Clone, Debug, PartialEq)]
pub struct Statements {
    /// Those of this program's own that run first: they look, and may fail.
    pub(in crate::neon::sql) first: Vec<Query>,
    pub(in crate::neon::sql) queries: Vec<Query>,
    pub(in crate::neon::sql) isolation: Isolation,
    /// One statement that can't run inside a transaction.
    pub(in crate::neon::sql) alone: bool,
    /// The tables that they name.
    pub(in crate::neon::sql) names: Vec<String>,
    /// What they mention.
    pub(in crate::neon::sql) mentions: Option<Mentions>,
    /// They change more than rows, as far as their text tells.
    pub(in crate::neon::sql) defines: bool,
    /// They build indexes outside of a transaction.
    pub(in crate::neon::sql) builds: Option<Builds>,
    /// They run only if no index calls code of the database's own.
    pub(in crate::neon::sql) only_plain_indexes: bool,
    pub(in crate::neon::sql) lock_timeout: Duration,
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

    /// The batch that these statements are sent as, under a rule of when they are committed.
    #[must_use]
    pub fn batch(&self, connection: &Connection, rule: CommitRule<'_>, timeout: Duration) -> Batch {
        self.batch_of(connection, self.baseline(), None, rule, timeout)
    }

    /// The same with a baseline of that reach.
    #[must_use]
    pub fn batch_with(
        &self,
        connection: &Connection,
        baseline: Baseline,
        rule: CommitRule<'_>,
        timeout: Duration,
    ) -> Batch {
        self.batch_of(connection, baseline, None, rule, timeout)
    }

    pub(in crate::neon::sql) fn batch_of(
        &self,
        connection: &Connection,
        baseline: Baseline,
        look: Option<&Look>,
        rule: CommitRule<'_>,
        timeout: Duration,
    ) -> Batch {
        let (timeout_ms, lock_ms) = (milliseconds(timeout), milliseconds_or_none(self.lock_timeout));
        Batch::committed_by(connection, self.body(&timeout_ms, &lock_ms, look), baseline, rule)
    }

    /// How far the baseline reaches that the texts call for.
    #[must_use]
    pub fn baseline(&self) -> Baseline {
        if self.defines { Baseline::All } else { Baseline::Rows }
    }

    pub(in crate::neon::sql) fn body<'b>(
        &'b self,
        timeout_ms: &'b str,
        lock_ms: &'b str,
        look: Option<&'b Look>,
    ) -> Body<'b> {
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
    /// Right before they began, by the database's clock (RFC 3339, to the microsecond): what was committed by then is there, and nothing
    /// of theirs.
    pub moment: Option<String>,
    /// What they lost; nothing where that wasn't measured.
    pub measured: Option<Measured>,
}
