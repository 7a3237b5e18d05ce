//! Where an argument goes in a request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an argument goes: `query:/name`, `query-comma:/name` (a list joined by commas),
/// `body:/pointer`, or `local` (used here, not sent).
///
/// Without one, a placeholder goes into the path, an argument of a GET or DELETE into the query, and
/// one of another method into the body, as a field of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A query parameter; a list is repeated.
    Query(String),
    /// A query parameter; a list is joined by commas.
    QueryComma(String),
    /// A JSON pointer into the body; a number is an index of an array. Empty is the whole body.
    Body(String),
    /// Not sent.
    Local,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no place: write query:/name, query-comma:/name, body:/pointer or local");
        if text == "local" {
            return Ok(Self::Local);
        }
        let (kind, pointer) = text.split_once(':').ok_or_else(wrong)?;
        let name = || {
            pointer
                .strip_prefix('/')
                .filter(|name| !name.is_empty() && !name.contains('/'))
                .map(str::to_owned)
                .ok_or_else(wrong)
        };
        match kind {
            "query" => Ok(Self::Query(name()?)),
            "query-comma" => Ok(Self::QueryComma(name()?)),
            "body" if pointer.is_empty() || pointer.starts_with('/') => Ok(Self::Body(pointer.to_owned())),
            _ => Err(wrong()),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Query(name) => write!(formatter, "query:/{name}"),
            Self::QueryComma(name) => write!(formatter, "query-comma:/{name}"),
            Self::Body(pointer) => write!(formatter, "body:{pointer}"),
            Self::Local => formatter.write_str("local"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Place {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Place".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Where an argument goes: query:/name, query-comma:/name (a list joined by commas), body:/pointer, or local (used here, not sent).",
            "type": "string",
            "pattern": "^(local|query(-comma)?:/[^/]+|body:(/.*)?)$"
        })
    }
}
