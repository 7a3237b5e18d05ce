//! Entries, and what holds for their places in every format.

use serde_json::{Map, Value};

use crate::clients::variables::{KEY_VARIABLE, TOKEN_VARIABLE};

/// Why a text isn't changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEdited {
    /// It can't be read as what it is.
    #[error("it can't be read: {0}")]
    Broken(String),
    /// It can be read, and isn't as such files are.
    #[error("{0}")]
    Unusual(String),
}

/// One entry of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What stands in it.
    pub fields: Map<String, Value>,
}

/// The place of an entry in a file.
#[derive(Debug, Clone, Copy)]
pub(in crate::clients) struct Spot<'a> {
    /// The key under which servers are.
    pub(in crate::clients) key: &'a str,
    /// The name of ours.
    pub(in crate::clients) name: &'a str,
}

/// An entry to be written.
#[derive(Debug)]
pub(in crate::clients) struct Put<'a> {
    pub(in crate::clients) spot: Spot<'a>,
    /// What stands in it.
    pub(in crate::clients) fields: &'a Map<String, Value>,
    /// The fields that are ours: others in an entry that is there are its user's, and stay.
    pub(in crate::clients) owned: Vec<&'a str>,
    /// Nothing that an entry has which is there stays: all of it is written anew.
    pub(in crate::clients) anew: bool,
    /// What the client shall ask its user for.
    pub(in crate::clients) input: Option<&'a Value>,
}

/// The same value without the entry, and without inputs of ours: what must not change.
fn rest(mut value: Value, spot: Spot<'_>) -> Value {
    if let Some(servers) = value.get_mut(spot.key).and_then(Value::as_object_mut) {
        servers.shift_remove(spot.name);
        if servers.is_empty()
            && let Some(root) = value.as_object_mut()
        {
            root.shift_remove(spot.key);
        }
    }
    if let Some(inputs) = value.get_mut("inputs").and_then(Value::as_array_mut) {
        inputs.retain(|input| !is_our_input(input));
        if inputs.is_empty()
            && let Some(root) = value.as_object_mut()
        {
            root.shift_remove("inputs");
        }
    }
    if value.is_null() {
        Value::Object(Map::new())
    } else {
        value
    }
}

/// Whether an input is one that we write.
pub(super) fn is_our_input(input: &Value) -> bool {
    let id = input.get("id").and_then(Value::as_str).unwrap_or_default();
    [KEY_VARIABLE, TOKEN_VARIABLE]
        .iter()
        .any(|name| name.to_lowercase() == id)
}

/// Gives the text back if it says what it said, but for the entry.
pub(super) fn checked(before: Value, after: Value, spot: Spot<'_>, text: String) -> Result<String, NotEdited> {
    if rest(before, spot) == rest(after, spot) {
        Ok(text)
    } else {
        Err(NotEdited::Unusual(
            "it is written in a way in which more than our entry would change".to_owned(),
        ))
    }
}

/// The end of lines that a text has.
pub(super) fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
