//! What a request asks for: its headers besides the connection, and its JSON body.

use http::HeaderMap;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{MAX_BYTES, error::SqlError};

const RAW_TEXT_OUTPUT: &str = "neon-raw-text-output";
const ARRAY_MODE: &str = "neon-array-mode";
const ISOLATION_LEVEL: &str = "neon-batch-isolation-level";
const READ_ONLY: &str = "neon-batch-read-only";
const DEFERRABLE: &str = "neon-batch-deferrable";

/// The isolation levels: the name in the header, and in SQL.
const ISOLATION_LEVELS: [(&str, &str); 4] = [
    ("ReadUncommitted", "READ UNCOMMITTED"),
    ("ReadCommitted", "READ COMMITTED"),
    ("RepeatableRead", "REPEATABLE READ"),
    ("Serializable", "SERIALIZABLE"),
];

/// What the headers say of the answer's form, and of a batch's transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Every value stays the text that Postgres sent.
    pub(super) raw_text: bool,
    /// Rows are arrays, where a query doesn't say otherwise itself.
    array_mode: bool,
    isolation: Option<(&'static str, &'static str)>,
    read_only: bool,
    deferrable: bool,
}

impl Options {
    /// Reads the headers. Only the exact text `true` counts as true.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, SqlError> {
        let is_true = |name: &str| headers.get(name).is_some_and(|value| value == "true");
        let isolation = match headers.get(ISOLATION_LEVEL) {
            None => None,
            Some(value) => {
                let level = ISOLATION_LEVELS.into_iter().find(|(name, _)| value == name);
                Some(level.ok_or_else(|| SqlError::bad_request("invalid isolation level"))?)
            }
        };
        Ok(Self {
            raw_text: is_true(RAW_TEXT_OUTPUT),
            array_mode: is_true(ARRAY_MODE),
            isolation,
            read_only: is_true(READ_ONLY),
            deferrable: is_true(DEFERRABLE),
        })
    }

    /// The headers that the answer to a batch repeats.
    pub(super) fn echo(&self) -> Vec<(&'static str, &'static str)> {
        let isolation = self.isolation.map(|(name, _)| (ISOLATION_LEVEL, name));
        let read_only = self.read_only.then_some((READ_ONLY, "true"));
        let deferrable = self.deferrable.then_some((DEFERRABLE, "true"));
        [isolation, read_only, deferrable].into_iter().flatten().collect()
    }

    /// The statement that begins a batch's transaction.
    pub(super) fn begin(&self) -> String {
        let mut modes = Vec::new();
        if let Some((_, level)) = self.isolation {
            modes.push(format!("ISOLATION LEVEL {level}"));
        }
        if self.read_only {
            modes.push("READ ONLY".to_owned());
        }
        if self.deferrable {
            modes.push("DEFERRABLE".to_owned());
        }
        format!("BEGIN {}", modes.join(", "))
    }

    /// Whether the rows of this query are arrays.
    pub(super) fn row_as_array(&self, query: &Query) -> bool {
        query.array_mode.unwrap_or(self.array_mode)
    }
}

/// One statement and its parameters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Query {
    pub(super) query: String,
    #[serde(default, deserialize_with = "texts")]
    pub(super) params: Vec<Option<String>>,
    #[serde(default)]
    array_mode: Option<bool>,
}

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Payload {
    /// One statement, in a transaction of its own.
    Single(Query),
    /// Statements of one transaction.
    Batch {
        /// They run in this order.
        queries: Vec<Query>,
    },
}

impl Payload {
    /// Reads the body.
    pub(super) fn read(body: &[u8]) -> Result<Self, SqlError> {
        if body.len() > MAX_BYTES {
            return Err(SqlError::request_too_large(MAX_BYTES));
        }
        serde_json::from_slice(body)
            .map_err(|error| SqlError::bad_request(format!("could not parse the HTTP request body: {error}")))
    }
}

/// The parameters, as Postgres reads them.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Option<String>>, D::Error> {
    let values = Vec::<Value>::deserialize(deserializer)?;
    Ok(values.into_iter().map(text).collect())
}

/// A parameter's text; none is NULL. A string is the text itself, because Postgres converts it to whatever is wanted.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Array(items) => Some(array(&items)),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// A JSON array as a literal of a Postgres array. Whether its items fit the type is for Postgres to say.
fn array(items: &[Value]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| match item {
            Value::Null => "NULL".to_owned(),
            Value::Array(items) => array(items),
            Value::Bool(_) | Value::Number(_) => item.to_string(),
            Value::String(text) => quoted(text),
            Value::Object(_) => quoted(&item.to_string()),
        })
        .collect();
    format!("{{{}}}", items.join(","))
}

/// An item of an array literal: there, a backslash takes the next character as it is.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
