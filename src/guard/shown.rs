//! What is shown of texts and values from outside, and the digest of a value.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::untrusted::{CLOSES, OPENS, marked};
use crate::text::{escaped, one_line};

/// How much of one value of a circumstance is shown, in characters.
const MAX_VALUE: usize = 400;

/// How many values of a circumstance are shown; the rest is counted.
const MAX_VALUES: usize = 8;

/// How long the values of a circumstance may be, in characters; those that don't fit are counted.
const MAX_LINE: usize = 300;

/// What a line is called that says what was measured.
pub(super) const MEASURED: &str = "measured";

/// What a line is called that says which objects are lost.
pub(super) const LOST: &str = "what is lost or weakened";

/// One thing that a plan says about the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub(super) label: String,
    pub(super) values: Vec<String>,
    pub(super) binds: bool,
    /// Whether it is shown: an id that says nothing to a human is bound to all the same.
    pub(super) is_shown: bool,
}

impl Line {
    /// What the approval is bound to beside what is shown: an id of what a shown line names.
    #[must_use]
    pub fn identity(label: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self {
            is_shown: false,
            ..Self::new(label, values, true)
        }
    }

    /// A fact that the approval is bound to: when it changes, the plan is another one.
    #[must_use]
    pub fn fact(label: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self::new(label, values, true)
    }

    /// A circumstance that changes by itself (a size, the last activity): shown, but not bound to.
    #[must_use]
    pub fn circumstance(label: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self::new(label, values, false)
    }

    fn new(label: &str, values: impl IntoIterator<Item = String>, binds: bool) -> Self {
        Self {
            label: one_line(label, 60),
            values: values
                .into_iter()
                .map(|value| {
                    if binds {
                        escaped(&value)
                    } else {
                        one_line(&escaped(&value), MAX_VALUE)
                    }
                })
                .collect(),
            binds,
            is_shown: true,
        }
    }

    /// Whether it says what would be lost, which whoever is asked reads first.
    pub(super) fn is_a_loss(&self) -> bool {
        matches!(self.label.as_str(), MEASURED | LOST)
    }

    /// Whether it says what something is called, and nothing more of it.
    pub(super) fn is_a_name(&self) -> bool {
        let names = [
            "project",
            "branch",
            "compute",
            "other branch",
            "organization name",
            "organization id",
        ];
        names.contains(&self.label.as_str())
    }

    /// The line for people.
    pub(super) fn sentence(&self) -> String {
        format!("{}: {}", upper(&self.label), self.shown())
    }

    /// What is shown of it: of what the approval is about all, of a circumstance the first values and the count of the others.
    pub(super) fn shown(&self) -> String {
        if self.values.is_empty() {
            return "none".to_owned();
        }
        if self.binds {
            return self.values.join(", ");
        }
        let mut shown = String::new();
        let mut count = 0;
        for value in self.values.iter().take(MAX_VALUES) {
            if count > 0 && shown.chars().count() + value.chars().count() > MAX_LINE {
                break;
            }
            if count > 0 {
                shown.push_str(", ");
            }
            shown.push_str(value);
            count += 1;
        }
        if self.values.len() > count {
            shown.push_str(&format!(" and {} more", self.values.len() - count));
        }
        shown
    }
}

/// A text from outside, whole: what can't be seen, and the marks that are ours, are escaped.
pub(super) fn shown(text: &str) -> String {
    let mut out = escaped(text);
    for mark in [OPENS, CLOSES] {
        if out.contains(mark) {
            out = out.replace(mark, &mark.escape_unicode().to_string());
        }
    }
    out
}

/// A name from outside, whole and in quotes: quotes in it, characters that can't be seen, and blanks that can't be counted are
/// escaped.
#[must_use]
pub fn quoted(name: &str) -> String {
    let json = shown(&Value::from(name).to_string());
    let mut out = String::with_capacity(json.len());
    let mut characters = json.chars().peekable();
    let mut last = None;
    while let Some(character) = characters.next() {
        let at_an_end = out.len() == 1 || (characters.peek() == Some(&'"') && last != Some('\\'));
        if character == ' ' && (at_an_end || last == Some(' ')) {
            out.push_str("\\u{20}");
        } else {
            out.push(character);
        }
        last = Some(character);
    }
    out
}

/// A name from outside in quotes, marked for the fence that an agent gets it in.
pub(crate) fn told(name: &str) -> String {
    marked(name, &quoted(name))
}

/// A value from outside without quotes, marked for the fence that an agent gets it in.
pub(crate) fn told_plain(value: &str) -> String {
    marked(value, &shown(value))
}

/// SHA-256 of a value, in hexadecimal. Objects are taken in the order of their keys, whatever order they have.
///
/// Not by RFC 8785: it has all numbers as doubles, so that 9007199254740993 would count as 9007199254740992.
#[must_use]
pub fn digest(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    hex(&Sha256::digest(sorted.to_string()))
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

pub(super) fn upper(label: &str) -> String {
    let mut letters = label.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
