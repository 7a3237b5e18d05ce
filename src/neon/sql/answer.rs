//! Answers of SQL over HTTP: rows with their columns, and what Postgres says when it refuses.

use serde::Deserialize;
use serde_json::Value;

use super::measure::{self, Stop};
use super::value;
use crate::neon::Changed;
use crate::neon::text::one_line;
use crate::sql::Place;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the statement gave it.
    pub name: String,
    /// The OID of its type.
    pub type_oid: u32,
}

/// What one statement gave.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultSet {
    /// The columns, in order; names may come more than once.
    pub columns: Vec<Column>,
    /// The rows: for each column what Postgres printed, a string or null.
    pub rows: Vec<Vec<Value>>,
    /// What was done, such as `SELECT` or `INSERT`.
    pub command: String,
    /// How many rows were read or changed, where the command counts them.
    pub row_count: Option<u64>,
}

impl ResultSet {
    /// The value of the first row in the column of that name.
    #[must_use]
    pub fn first(&self, column: &str) -> Option<Value> {
        let place = self.columns.iter().position(|known| known.name == column)?;
        let type_oid = self.columns.get(place)?.type_oid;
        Some(value::plain(type_oid, self.rows.first()?.get(place)?))
    }

    /// A value as it is handed on, of which nothing is lost: what JSON has no value for stays the text that Postgres printed. The
    /// second of the pair says whether that is a document whose numbers or names a reader of JSON would lose.
    #[must_use]
    pub fn exact(&self, row: usize, column: usize) -> Option<(Value, bool)> {
        let given = self.rows.get(row)?.get(column)?;
        Some(value::exact(self.columns.get(column)?.type_oid, given))
    }

    /// Each row as an object, for statements of this program's own. Where a name comes more than once, the last value stays.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        self.rows
            .iter()
            .map(|row| {
                self.columns
                    .iter()
                    .zip(row)
                    .map(|(column, given)| (column.name.clone(), value::plain(column.type_oid, given)))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            })
            .collect()
    }
}

/// Why statements gave no rows. `Display` is a sentence that stands alone and holds nothing of the database's; Postgres' own
/// words, cleaned and bounded, are apart: they are untrusted text, for they may quote rows.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{summary}")]
pub struct SqlError {
    summary: String,
    changed: Changed,
    /// Neon's proxy didn't let us in.
    refused_login: bool,
    words: Box<Words>,
    /// Why a statement of our own failed on purpose, where it is that.
    stop: Option<Stop>,
    /// How it came to that.
    end: SqlEnd,
    /// The result is over a limit.
    too_large: bool,
    /// What was found out afterwards.
    found: Box<Found>,
}

/// How SQL came to no rows: what Postgres refused is one thing, and what never reached it, or whose answer didn't come, is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlEnd {
    /// Postgres, or Neon in front of it, said no; or this server didn't send it.
    Refused,
    /// It couldn't be reached.
    Unreached,
    /// The call was cancelled, before or while it ran.
    Cancelled,
    /// The call's time was over while it ran.
    OutOfTime,
    /// Its answer was lost.
    Lost,
}

/// What was found out about a failure once it was there: by looking at the texts and into the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Which of the caller's statements failed, from 1, and its kind; nothing where there is but one.
    pub statement: Option<(usize, String)>,
    /// Nothing of the caller's own failed, but what was put off until the end of the transaction.
    pub at_end: bool,
    /// Where, in the text as the caller sent it.
    pub place: Option<Place>,
    /// Where in the statement, counted in characters from 1, where its text holds others, too.
    pub in_statement: Option<usize>,
    /// What is there under nearly the name that isn't.
    pub nearest: Vec<String>,
    /// How that statement begins, without its secrets, where it is one of several.
    pub beginning: Option<String>,
    /// The labels of the enum that doesn't have the one that was given.
    pub labels: Vec<String>,
    /// What to do, where more is known than the code says: a sentence of ours.
    pub next: Option<String>,
}

/// What Postgres says of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Words {
    /// The whole message, where it may be one of our own statements'.
    whole: Option<String>,
    /// The message.
    said: Option<String>,
    /// SQLSTATE.
    code: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
    /// In which function and at which of its lines, the innermost first.
    context: Vec<String>,
    /// Where in the statement, counted in characters from 1.
    position: Option<String>,
    /// The constraint, and what it is of, where Postgres names them apart from its message.
    constraint: Option<String>,
    schema: Option<String>,
    table: Option<String>,
    column: Option<String>,
}

impl SqlError {
    fn new(summary: impl Into<String>, changed: Changed) -> Self {
        Self {
            summary: summary.into(),
            changed,
            refused_login: false,
            words: Box::default(),
            stop: None,
            end: SqlEnd::Refused,
            too_large: false,
            found: Box::default(),
        }
    }

    /// How it came to that.
    #[must_use]
    pub fn end(&self) -> SqlEnd {
        self.end
    }

    /// The same failure, which came so.
    fn by(self, end: SqlEnd) -> Self {
        Self { end, ..self }
    }

    /// The same failure, once it is known whether a statement of our own failed on purpose. Then all was rolled back.
    pub(super) fn stopped_by(self, read: impl FnOnce(&str) -> Option<Stop>) -> Self {
        let Some(stop) = self.words.whole.as_deref().and_then(read) else {
            return self;
        };
        Self {
            stop: Some(stop),
            ..Self::new("The statements were stopped, and nothing was changed.", Changed::No)
        }
    }

    /// Why a statement of our own stopped the batch.
    #[must_use]
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    pub(super) fn not_sent(why: &str) -> Self {
        Self::new(format!("The SQL was not sent: {why}."), Changed::No)
    }

    /// The same about a text that was sent with something of ours behind it: nothing of that is told.
    pub(super) fn within(mut self, text: &str, behind: &str) -> Self {
        self.words.context.clear();
        let end = text.chars().count() + 1;
        let position = self.words.position.as_deref().and_then(|at| at.parse::<usize>().ok());
        if position.is_some_and(|at| at > end) {
            self.words.position = Some(end.to_string());
            self.words.said = Some("syntax error at end of input".to_owned());
        } else if let Some(said) = &mut self.words.said {
            *said = said.replace(behind, "");
        }
        self
    }

    pub(super) fn too_large_request(bytes: usize) -> Self {
        Self::new(
            format!("The SQL is too large to be sent: {bytes} bytes, and 10 MiB is the most."),
            Changed::No,
        )
    }

    pub(super) fn lost(why: &str) -> Self {
        Self::new(format!("The answer to the SQL was lost: {why}."), Changed::Unknown).by(SqlEnd::Lost)
    }

    /// The call was cancelled while the answer was waited for.
    pub(super) fn cancelled() -> Self {
        Self::lost("the call was cancelled").by(SqlEnd::Cancelled)
    }

    /// The call was cancelled before it was sent.
    pub(super) fn cancelled_before() -> Self {
        Self::not_sent("the call was cancelled").by(SqlEnd::Cancelled)
    }

    /// The call's time was over while the answer was waited for.
    pub(super) fn out_of_time() -> Self {
        Self::lost("the time ran out").by(SqlEnd::OutOfTime)
    }

    /// The call's time was over before it was sent.
    pub(super) fn out_of_time_before() -> Self {
        Self::not_sent("the call's time was over").by(SqlEnd::OutOfTime)
    }

    /// The endpoint couldn't be reached.
    pub(super) fn unreached() -> Self {
        Self::not_sent("the SQL endpoint can't be reached").by(SqlEnd::Unreached)
    }

    pub(super) fn malformed(why: &str) -> Self {
        Self::new(
            format!("The answer to the SQL isn't one of Neon's: {why}."),
            Changed::Unknown,
        )
    }

    fn too_large() -> Self {
        Self {
            too_large: true,
            ..Self::new(
                format!(
                    "The result is larger than this server reads ({} MiB).",
                    super::query::MAX_ANSWER / (1024 * 1024)
                ),
                Changed::Unknown,
            )
        }
    }

    /// Whether there is a result, and it is larger than Neon sends or this server reads.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// The same failure of statements that were rolled back, but for what these functions did.
    #[must_use]
    pub fn outlived_by(self, functions: &[&'static str]) -> Self {
        let summary = format!(
            "{} The statements were rolled back, but no rollback takes back what {} did, if it ran by then.",
            self.summary,
            functions.join(", ")
        );
        Self {
            summary,
            changed: Changed::Unknown,
            ..self
        }
    }

    /// The same failure of statements that Postgres kept from changing anything.
    pub(super) fn changed_nothing(self) -> Self {
        Self {
            changed: Changed::No,
            ..self
        }
    }

    /// The same failure of a statement in front of which so many characters of our own stood.
    pub(super) fn behind(mut self, characters: usize) -> Self {
        let shift = |position: String| {
            let given = position.parse::<usize>().ok()?;
            Some(given.checked_sub(characters).filter(|at| *at > 0)?.to_string())
        };
        self.words.position = self.words.position.take().and_then(shift);
        self
    }

    /// The same failure, with what was found out about it.
    #[must_use]
    pub fn with(self, found: Found) -> Self {
        Self {
            found: Box::new(found),
            ..self
        }
    }

    /// What was found out about it.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Whether anything was changed.
    #[must_use]
    pub fn changed(&self) -> Changed {
        self.changed
    }

    /// Postgres' message: untrusted text, for it may quote rows.
    #[must_use]
    pub fn said(&self) -> Option<&str> {
        self.words.said.as_deref()
    }

    /// Whether a sandbox answered that runs no PostgreSQL: it says so by a code that Postgres doesn't have.
    #[must_use]
    pub fn is_without_postgres(&self) -> bool {
        self.code() == Some("SB000")
    }

    /// Postgres' SQLSTATE, five characters.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.words.code.as_deref()
    }

    /// Postgres' detail.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.words.detail.as_deref()
    }

    /// Postgres' hint.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.words.hint.as_deref()
    }

    /// In which function and at which of its lines it failed, the innermost first: untrusted text, for it may quote statements.
    #[must_use]
    pub fn context(&self) -> &[String] {
        &self.words.context
    }

    /// The same failure, of which Postgres says no more than these words of its own.
    #[must_use]
    pub fn saying_only(self, words: &'static str) -> Self {
        let mut error = self.unsaid();
        error.words.said = Some(words.to_owned());
        error
    }

    /// The same failure without what Postgres says of it, which may name a secret of the statement.
    #[must_use]
    pub fn unsaid(mut self) -> Self {
        self.words.whole = None;
        self.words.said = None;
        self.words.detail = None;
        self.words.hint = None;
        self.words.context.clear();
        self
    }

    /// The constraint that refused, by its name.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.words.constraint.as_deref()
    }

    /// The schema and the name of the table that it is about.
    #[must_use]
    pub fn table(&self) -> Option<(Option<&str>, &str)> {
        Some((self.words.schema.as_deref(), self.words.table.as_deref()?))
    }

    /// The column that it is about.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.words.column.as_deref()
    }

    /// Where in the statement, counted in characters from 1.
    #[must_use]
    pub fn position(&self) -> Option<&str> {
        self.words.position.as_deref()
    }

    /// Whether role, password, database or compute are not (or no longer) as the connection string says.
    #[must_use]
    pub fn refused_login(&self) -> bool {
        self.refused_login
    }

    /// Whether the role or its password was refused, so that no statement can have run.
    #[must_use]
    pub fn refused_password(&self) -> bool {
        self.refused_login
            && (matches!(self.code(), Some("28P01" | "28000"))
                || self
                    .said()
                    .is_some_and(|said| said.contains("password authentication failed")))
    }
}

/// What the proxy says when it refuses.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    position: Option<String>,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    constraint: Option<String>,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    table: Option<String>,
    #[serde(default)]
    column: Option<String>,
    #[serde(default, rename = "where")]
    context: Option<String>,
}

/// The most lines of a context that are kept.
const MAX_CONTEXT: usize = 4;

/// Reads an answer, up to a size.
pub(super) async fn read(mut response: reqwest::Response, most: usize) -> Result<Value, SqlError> {
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len().saturating_add(chunk.len()) > most => return Err(SqlError::too_large()),
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return Err(SqlError::lost("it was cut")),
        }
    }
    if (200..300).contains(&status) {
        return serde_json::from_slice(&bytes).map_err(|_| SqlError::malformed("it is no JSON"));
    }
    let refusal: Option<Refusal> = serde_json::from_slice(&bytes).ok();
    Err(refused(status, refusal))
}

fn refused(status: u16, refusal: Option<Refusal>) -> SqlError {
    // By 4xx, the statement failed and its transaction was rolled back.
    let changed = if (400..500).contains(&status) {
        Changed::No
    } else {
        Changed::Unknown
    };
    // Neon's proxy refuses a result over its limit with 507 (10 MiB, later 64 MiB).
    if status == 507 {
        return SqlError {
            too_large: true,
            ..SqlError::new("The result is larger than Neon sends over HTTP.", changed)
        };
    }
    let clean = |text: Option<String>| text.map(|text| one_line(&text, 500)).filter(|text| !text.is_empty());
    let Some(refusal) = refusal else {
        return SqlError::new(format!("The SQL endpoint answered {status}."), changed);
    };
    let whole = refusal
        .message
        .clone()
        .filter(|message| message.len() <= measure::LONGEST && measure::is_ours(message));
    let message = clean(refusal.message).unwrap_or_else(|| format!("status {status}"));
    // Five letters or digits, or it is somebody's text, and no code (SQL standard, 24.1).
    let is_code = |code: &String| {
        code.len() == 5
            && code
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    };
    let code = clean(refusal.code).filter(is_code);
    // A statement's own error is of severity ERROR, and its message may hold any word: there the code alone tells. What ends the
    // session is FATAL, and where there is no code, Neon's proxy speaks.
    let of_statement = code.is_some() && refusal.severity.as_deref() == Some("ERROR");
    let login = !of_statement
        && (matches!(code.as_deref(), Some("28P01" | "28000" | "3D000" | "08P01" | "XX000"))
            || code.is_none() && (message.contains("password authentication failed") || message.contains("endpoint"))
            || status == 401
            || status == 404);
    let sqlstate = code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
    SqlError {
        refused_login: login,
        words: Box::new(Words {
            whole,
            said: Some(message),
            code,
            detail: clean(refusal.detail),
            hint: clean(refusal.hint),
            context: refusal
                .context
                .iter()
                .flat_map(|context| context.lines())
                .map(|line| one_line(line, 300))
                .filter(|line| !line.is_empty())
                .take(MAX_CONTEXT)
                .collect(),
            position: clean(refusal.position),
            constraint: clean(refusal.constraint),
            schema: clean(refusal.schema),
            table: clean(refusal.table),
            column: clean(refusal.column),
        }),
        ..SqlError::new(format!("Postgres refused the SQL{sqlstate}."), changed)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    name: String,
    #[serde(rename = "dataTypeID")]
    type_oid: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
    #[serde(default)]
    command: String,
    #[serde(default)]
    row_count: Option<u64>,
}

#[derive(Deserialize)]
struct Many {
    results: Vec<One>,
}

impl From<One> for ResultSet {
    fn from(one: One) -> Self {
        Self {
            columns: one
                .fields
                .into_iter()
                .map(|field| Column {
                    name: field.name,
                    type_oid: field.type_oid,
                })
                .collect(),
            rows: one.rows,
            command: one.command,
            row_count: one.row_count,
        }
    }
}

/// The result of a statement by itself.
pub(super) fn one(answer: Value) -> Result<ResultSet, SqlError> {
    serde_json::from_value::<One>(answer)
        .map(ResultSet::from)
        .map_err(|_| SqlError::malformed("its rows can't be read"))
}

/// The results of a batch.
pub(super) fn many(answer: Value) -> Result<Vec<ResultSet>, SqlError> {
    serde_json::from_value::<Many>(answer)
        .map(|many| many.results.into_iter().map(ResultSet::from).collect())
        .map_err(|_| SqlError::malformed("its rows can't be read"))
}
