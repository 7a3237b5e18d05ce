//! Fields of an answer, each read as what it should be or not at all.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::neon::ids::InvalidId;

/// An answer that doesn't say what a rule must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OddAnswer {
    /// It lacks a text that it must have: its place, as a JSON pointer.
    #[error("lacks {0}")]
    Lacks(&'static str),
    /// What stands there is no id.
    #[error("has no valid id at {0}")]
    NoId(&'static str),
}

static NOTHING: Value = Value::Null;

/// The fields of one object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'v>(&'v Value);

impl<'v> Fields<'v> {
    /// Those of an item of a list.
    pub(super) fn of(value: &'v Value) -> Self {
        Self(value)
    }

    /// Those of what an answer holds under a key; none where it holds nothing there.
    pub(super) fn inside(answer: &'v Value, key: &str) -> Self {
        Self(answer.get(key).unwrap_or(&NOTHING))
    }

    /// What stands there: null where nothing does.
    pub(super) fn raw(self, name: &str) -> &'v Value {
        self.0.get(name).unwrap_or(&NOTHING)
    }

    pub(super) fn is_object(self) -> bool {
        self.0.is_object()
    }

    pub(super) fn text(self, name: &str) -> Option<&'v str> {
        self.raw(name).as_str()
    }

    pub(super) fn time(self, name: &str) -> Option<DateTime<Utc>> {
        let time = DateTime::parse_from_rfc3339(self.text(name)?);
        time.ok().map(|time| time.to_utc())
    }

    /// The id that stands there; `pointer` says in the error where that is.
    pub(super) fn id<T: FromStr<Err = InvalidId>>(self, name: &str, pointer: &'static str) -> Result<T, OddAnswer> {
        let text = self.text(name).ok_or(OddAnswer::Lacks(pointer))?;
        text.parse().map_err(|_| OddAnswer::NoId(pointer))
    }
}
