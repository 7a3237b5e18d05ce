//! The measured commit: statements run in one transaction between statements of ours, so that Postgres itself refuses to commit more
//! than was judged or approved.
//!
//! ```text
//!  pin.sql       settings that a text's meaning depends on; names are Postgres' own for the next statement
//!  before.sql    whom we talk to (identity.sql); the baseline (counters.sql, and ledger.sql where definitions may change)
//!  … the caller's statements, with again.sql between them, and where roles are bounded with role.sql around each …
//!  SET CONSTRAINTS ALL IMMEDIATE      deferred triggers run now
//!  DISCARD TEMP  what is temporary goes now, with all that depends on it, and not at the commit
//!  settle.sql    role and search path set back; how much was changed so far
//!  SET CONSTRAINTS ALL IMMEDIATE      a second time: nothing may be left to run
//!  again_pinned.sql   role and search path once more, for what ran just now
//!  compare.sql   what was lost (losses.sql); an error of ours, which rolls all of it back, where that is too much
//! ```
//!
//! What the caller's statements could do to it: they can't know the secret under which the baseline is sealed (it is a parameter of
//! our own statements, which nothing in the database shows), can't put their own names in front of Postgres' (the search path is
//! set by a statement whose every name is qualified), can't leave work for the commit (constraints are made immediate twice, with
//! the number of changed rows compared, and cursors that outlive the transaction are refused), and can't end the transaction (that
//! is refused by the parser, and by Postgres inside of functions). What can't be read or verified stops it.
//!
//! Statements that change rows alone take a light baseline: Postgres' counters, those of the catalogue among them. Where the
//! catalogue was touched after all, they are rolled back and run once more with the whole one.

mod measured;
mod reach;

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::query::{Connection, Query};

pub use measured::{Allowance, Loss, Measured, TableImpact, Unasked, large_share};
pub(in crate::neon) use reach::Catalogues;
pub(super) use reach::Look;
pub use reach::{Grade, Reaching};

/// The words that our errors begin with.
const OURS: &str = "neon-mcp ";

/// The longest error of ours that is read, in bytes.
pub(super) const LONGEST: usize = 4 * 1024 * 1024;

const PIN: &str = include_str!("pin.sql");
const AGAIN: &str = include_str!("again.sql");
const SETTLE: &str = include_str!("settle.sql");
const PINNED_AGAIN: &str = include_str!("again_pinned.sql");
/// Whether the session still acts for the connection's role, where it may act for no other.
const ROLE: &str = include_str!("role.sql");
const DEFERRED: &str = "SET CONSTRAINTS ALL IMMEDIATE";
const TEMPORARY: &str = "DISCARD TEMP";

static IDENTIFY: LazyLock<String> =
    LazyLock::new(|| include_str!("identify.sql").replace("/*{identity}*/", include_str!("identity.sql")));

/// What statements call an object of the ledger by, as far as they tell it from others: relations and types share their names.
const CALLED: &str = "CASE WHEN f.facets ? 'schema' THEN pg_catalog.concat_ws(' ', CASE WHEN f.key ~ '^(relation|type) ' THEN 'relation' \
                      ELSE pg_catalog.regexp_replace(f.key, ' [0-9]+$', '') END, f.facets #>> '{schema,0}', f.facets #>> '{schema,2}') \
                      ELSE pg_catalog.concat_ws(' ', pg_catalog.split_part(f.key, ' ', 1), f.name) END";

static BEFORE_ROWS: LazyLock<String> = LazyLock::new(|| before("SELECT c.counters FROM (/*{counters}*/) c"));

static BEFORE_ALL: LazyLock<String> = LazyLock::new(|| {
    let whole = include_str!("whole.sql").replace("/*{ledger}*/", include_str!("ledger.sql"));
    before(&format!("SELECT c.counters || {whole} FROM (/*{{counters}}*/) c"))
});

static COMPARE_ROWS: LazyLock<String> = LazyLock::new(|| compare("", ""));

static COMPARE_ALL: LazyLock<String> = LazyLock::new(|| {
    let now = |facet: &str| include_str!("now.sql").replace("/*{facet}*/", facet);
    let losses = include_str!("losses.sql")
        .replace("/*{ledger}*/", include_str!("ledger.sql"))
        .replace("/*{now of o.key}*/", &now("o.key"))
        .replace("/*{now of n.key}*/", &now("n.key"))
        .replace("/*{called of f}*/", CALLED);
    compare(&losses, "SELECT * FROM lines UNION ALL ")
});

fn before(baseline: &str) -> String {
    include_str!("before.sql")
        .replace("/*{identity}*/", include_str!("identity.sql"))
        .replace("/*{baseline}*/", baseline)
        .replace("/*{counters}*/", include_str!("counters.sql"))
}

/// What the allowance says of a table of which earlier parts of a migration lost some.
fn former(place: u8) -> String {
    format!("(v.allowed #>> ARRAY['former', n.oid::pg_catalog.text, '{place}'])::bigint")
}

fn compare(losses: &str, lines: &str) -> String {
    include_str!("compare.sql")
        .replace("/*{losses}*/", losses)
        .replace("/*{lines}*/", lines)
        .replace("/*{large share}*/", &measured::large_share("s.lost", "s.held"))
        .replace(
            "/*{large share of the parts}*/",
            &measured::large_share(&format!("(n.lost + {})", former(1)), &former(0)),
        )
        .replace("/*{counters}*/", include_str!("counters.sql"))
}

/// The lock of what changes definitions, until it is committed: many have it at once. A transaction whose answer was lost, or that
/// another process began, has it, too.
const SHARED_TURN: &str =
    "SELECT pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('neon-mcp definitions', 0))";

/// The same lock alone, for the look before a statement outside of a transaction: it waits for what isn't committed yet and can't be
/// seen by that look.
pub(super) const OWN_TURN: &str =
    "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('neon-mcp definitions', 0))";

/// When statements that may change something are committed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CommitRule<'a> {
    /// Whom we talk to is checked, and nothing is measured: on a throwaway branch, or where the operator's policy allows all.
    Identity,
    /// What they lose is measured and told, and they are committed: on a branch that is there to try them.
    Report,
    /// They are committed only if they lose no more than this.
    Enforce(&'a Allowance),
}

/// How far a baseline reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Rows; whatever changes the catalogue stops it.
    Rows,
    /// Rows and definitions.
    All,
}

/// What the comparison does with what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Enforce,
    Measure,
    Report,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Measure => "measure",
            Self::Report => "report",
        }
    }
}

/// Why our own statements stopped a batch. All of it was rolled back, and nothing was changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// The database isn't the one that the caller means: what it says of itself where that differs, by the settings' names.
    Identity(Value),
    /// The baseline isn't the one that was kept: the statements changed it.
    Tampered,
    /// Deferred triggers go on making work for the commit.
    Unsettled,
    /// A cursor would outlive the transaction, and is filled when it is committed.
    Cursor,
    /// The catalogue was changed by statements that were taken for changing rows alone.
    Catalogue,
    /// The statements mention something that reaches a listed function under another name.
    Reaches(Reaching),
    /// The catalogue isn't the one in which nothing was found any more.
    Stale,
    /// A setting that a text's meaning depends on is another one outside of transactions: its name.
    Lexical(String),
    /// The session came to act for another role than the connection's, where that is bounded.
    Role,
    /// Building indexes would call code of the database's own.
    CallsCode,
    /// What they would lose: they were only measured.
    Measured(Box<Measured>),
    /// They lose more than is allowed: what they would lose.
    Exceeded(Box<Measured>),
}

/// A batch as it is sent: our statements around the caller's. By itself it sends nothing.
#[derive(Debug)]
pub struct Batch {
    pub(super) queries: Vec<Query>,
    /// Which results are the caller's, in order.
    pub(super) own: Vec<usize>,
    /// Which result says when it began.
    pub(super) head: usize,
    /// Which result holds what was measured.
    pub(super) measured: Option<usize>,
    /// Which result holds what was found in the catalogue.
    pub(super) catalogue: Option<usize>,
    mark: String,
}

/// A word that nobody can know beforehand.
fn secret() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// The caller's statements, and what they run under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    /// The lock of this batch's turn, before all others.
    pub(super) turn: Option<&'static str>,
    /// Statements of this program's own that run first, where every name is Postgres' own.
    pub(super) first: &'a [Query],
    /// The look at what the statements mention, behind those.
    pub(super) look: Option<&'a Look>,
    /// The caller's.
    pub(super) statements: &'a [Query],
    /// The names in them.
    pub(super) names: &'a [String],
    /// The statement timeout in milliseconds.
    pub(super) timeout_ms: &'a str,
    /// The lock timeout in milliseconds, 0 for none.
    pub(super) lock_ms: &'a str,
}

impl Body<'_> {
    fn times(&self) -> Vec<Value> {
        vec![self.timeout_ms.into(), self.lock_ms.into()]
    }
}

impl Batch {
    /// The pins, then what runs first, then what checks the identity, then the caller's statements.
    fn begin(connection: &Connection, body: Body<'_>, head: Query, mark: String) -> Self {
        let mut queries = vec![Query::new(PIN, body.times())];
        queries.extend(body.turn.map(Query::plain));
        queries.extend_from_slice(body.first);
        let mut catalogue = None;
        if let Some(look) = body.look {
            catalogue = matches!(look, Look::Search { .. }).then_some(queries.len());
            queries.push(look.query(&mark));
        }
        let at_head = queries.len();
        queries.push(head);
        let role = role(connection, &mark);
        queries.extend(role.clone());
        let mut own = Vec::new();
        for (index, statement) in body.statements.iter().enumerate() {
            if index > 0 {
                queries.push(Query::new(AGAIN, body.times()));
            }
            own.push(queries.len());
            queries.push(statement.clone());
            queries.extend(role.clone());
        }
        Self {
            queries,
            own,
            head: at_head,
            measured: None,
            catalogue,
            mark,
        }
    }

    /// Statements that only the identity is checked for.
    pub(super) fn identified(connection: &Connection, body: Body<'_>) -> Self {
        let mark = secret();
        let parameters = head("", &mark, connection);
        Self::begin(connection, body, Query::new(IDENTIFY.as_str(), parameters), mark)
    }

    /// Statements that are measured, and committed as far as the rule lets them.
    pub(super) fn committed_by(connection: &Connection, body: Body<'_>, reach: Baseline, rule: CommitRule<'_>) -> Self {
        // What is compared with rows alone changes no definitions: it would be stopped.
        let defines = reach == Baseline::All || matches!(rule, CommitRule::Identity);
        let body = Body {
            turn: defines.then_some(SHARED_TURN),
            ..body
        };
        match rule {
            CommitRule::Identity => Self::identified(connection, body),
            CommitRule::Report => Self::compared(connection, body, reach, Mode::Report, &Allowance::anything()),
            CommitRule::Enforce(allowance) => Self::compared(connection, body, reach, Mode::Enforce, allowance),
        }
    }

    /// Statements that are measured and never committed: the last of our own always fails.
    pub(super) fn measuring(connection: &Connection, body: Body<'_>, reach: Baseline) -> Self {
        Self::compared(connection, body, reach, Mode::Measure, &Allowance::anything())
    }

    fn compared(connection: &Connection, body: Body<'_>, reach: Baseline, mode: Mode, allowance: &Allowance) -> Self {
        let (secret, mark) = (secret(), secret());
        let mut parameters = head(&secret, &mark, connection);
        let (before, compare) = match reach {
            Baseline::Rows => (BEFORE_ROWS.as_str(), COMPARE_ROWS.as_str()),
            Baseline::All => {
                parameters.push(json!(body.names).to_string().into());
                (BEFORE_ALL.as_str(), COMPARE_ALL.as_str())
            }
        };
        let mut batch = Self::begin(connection, body, Query::new(before, parameters), mark.clone());
        let role = role(connection, &mark);
        batch.queries.push(Query::plain(DEFERRED));
        batch.queries.push(Query::plain(TEMPORARY));
        // Before the role is set back.
        batch.queries.extend(role.clone());
        batch.queries.push(Query::new(SETTLE, vec![secret.as_str().into()]));
        batch.queries.push(Query::plain(DEFERRED));
        batch.queries.extend(role);
        batch.queries.push(Query::plain(PINNED_AGAIN));
        batch.measured = Some(batch.queries.len());
        let allowed = allowance.to_json().to_string();
        let parameters = vec![secret.into(), mark.into(), mode.name().into(), allowed.into()];
        batch.queries.push(Query::new(compare, parameters));
        batch
    }

    /// The statements, in order.
    #[must_use]
    pub fn queries(&self) -> &[Query] {
        &self.queries
    }

    /// Why our own statements stopped the batch, if the error that Postgres gave is one of theirs.
    #[must_use]
    pub fn stop(&self, message: &str) -> Option<Stop> {
        let (_, rest) = message.split_once(&format!("{OURS}{} ", self.mark))?;
        let (kind, rest) = rest.split_once(' ')?;
        // Postgres puts what it can't read in quotes.
        let text = rest.trim_end().trim_end_matches(['"', '»', '“', '”', '\'']);
        let measured = || Measured::read(text).map(Box::new);
        Some(match kind {
            "identity" => Stop::Identity(serde_json::from_str(text).unwrap_or_default()),
            "unsettled" => Stop::Unsettled,
            "cursor" => Stop::Cursor,
            "reaches" => Stop::Reaches(Reaching::read(text)),
            "stale" => Stop::Stale,
            "catalogue" => Stop::Catalogue,
            "role" => Stop::Role,
            "lexical" => Stop::Lexical(text.to_owned()),
            "calls" => Stop::CallsCode,
            "measured" => Stop::Measured(measured()?),
            "stopped" => Stop::Exceeded(measured()?),
            // What isn't known is what was changed.
            _ => Stop::Tampered,
        })
    }
}

/// What stops a batch whose session acts for another role than the connection's, where that is bounded.
fn role(connection: &Connection, mark: &str) -> Option<Query> {
    let parameters = || vec![mark.into(), connection.role.as_str().into()];
    connection.holds_role.then(|| Query::new(ROLE, parameters()))
}

/// The parameters of the first statement behind the pins.
fn head(secret: &str, mark: &str, connection: &Connection) -> Vec<Value> {
    let identity = &connection.identity;
    let expected = json!({
        "neon.project_id": identity.project,
        "neon.branch_id": identity.branch,
        "neon.endpoint_id": identity.endpoint,
    });
    vec![
        secret.into(),
        mark.into(),
        expected.to_string().into(),
        if connection.fresh { "fresh" } else { "kept" }.into(),
        connection.database.as_str().into(),
        connection.role.as_str().into(),
    ]
}

/// Whether a message is one of our own errors': those are read whole.
pub(super) fn is_ours(message: &str) -> bool {
    message.contains(OURS)
}

/// Whether building indexes would call code of the database's own. Its parameters: what the statements mention, as JSON; whether they
/// bring expressions; a mark with which it fails where that is so, empty where it is only to be told.
pub const INDEX_CODE: &str = include_str!("index_code.sql");

/// Before a statement that runs in no transaction: checks whom we talk to, and that the session's own settings read a text as the
/// parser does, since nothing can pin them there; and that no index calls code of the database's own, where only such a one may run.
pub(super) fn before_alone(connection: &Connection, body: Body<'_>, plain: Option<(String, bool)>) -> Batch {
    const LEXICAL: &str = include_str!("lexical.sql");
    let mut batch = Batch::identified(connection, body);
    let mark = batch.mark.clone();
    batch.queries.push(Query::new(LEXICAL, vec![mark.as_str().into()]));
    if let Some((mentioned, brings)) = plain {
        let parameters = vec![mentioned.into(), brings.to_string().into(), mark.into()];
        batch.queries.push(Query::new(INDEX_CODE, parameters));
    }
    batch
}
