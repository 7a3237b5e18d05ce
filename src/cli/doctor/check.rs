//! One thing that was looked at.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::guard::mask_text;
use crate::neon::text::one_line;

/// The longest text of a check.
const LONGEST: usize = 600;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and could be better or safer.
    Warning,
    /// It must be mended.
    Problem,
    /// It wasn't looked at.
    Skipped,
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at. Its texts are masked: they may come of messages that repeat what was given.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What.
    pub(super) check: &'static str,
    pub(super) state: State,
    /// What was found.
    pub(super) message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    /// What was found, for programs.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) found: Map<String, Value>,
}

impl Check {
    fn new(check: &'static str, state: State, message: impl AsRef<str>, next: Option<&str>) -> Self {
        let clean = |text: &str| one_line(&mask_text(text), LONGEST);
        Self {
            check,
            state,
            message: clean(message.as_ref()),
            next: next.map(clean),
            found: Map::new(),
        }
    }

    pub(super) fn ok(check: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(check, State::Ok, message, None)
    }

    pub(super) fn skipped(check: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(check, State::Skipped, message, None)
    }

    pub(super) fn warning(check: &'static str, message: impl AsRef<str>, next: impl AsRef<str>) -> Self {
        Self::new(check, State::Warning, message, Some(next.as_ref()))
    }

    pub(super) fn problem(check: &'static str, message: impl AsRef<str>, next: impl AsRef<str>) -> Self {
        Self::new(check, State::Problem, message, Some(next.as_ref()))
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.found.insert(name.to_owned(), value.into());
        self
    }
}
