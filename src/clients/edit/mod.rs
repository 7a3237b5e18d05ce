//! Changing one entry of a client's file, and nothing else: what stood beside it stays byte for byte.
//!
//! Every change is checked before it is given back: read anew, the text says what it said, but for the entry.

mod entry;
mod json;
mod toml;
mod yaml;

use serde_json::{Map, Value};

pub use entry::{Entry, NotEdited};
pub(super) use entry::{Put, Spot};

use super::format::Format;
use super::variables::{KEY_VARIABLE, TOKEN_VARIABLE};

impl Format {
    /// The entries of a file.
    pub(super) fn read(self, text: &str, key: &str) -> Result<Vec<Entry>, NotEdited> {
        let text = without_bom(text).1;
        match self {
            Self::Json => json::read(text, key),
            Self::Toml => toml::read(text, key),
            Self::Yaml => yaml::read(text, key),
        }
    }

    /// The text with the entry in it. The same text where it has it already.
    pub(super) fn put(self, text: &str, put: &Put<'_>) -> Result<String, NotEdited> {
        let (bom, text) = without_bom(text);
        let there = self.read(text, put.spot.key)?;
        let there = there.into_iter().find(|entry| entry.name == put.spot.name);
        let wanted = beside(there.as_ref(), put);
        let edited = match self {
            Self::Json => json::put(text, put, there.as_ref(), &wanted)?,
            Self::Toml => toml::put(text, put.spot, there.as_ref(), &wanted)?,
            Self::Yaml => yaml::put(text, put.spot, there.as_ref(), &wanted)?,
        };
        Ok(format!("{bom}{edited}"))
    }

    /// The text without the entry; none where it has none.
    pub(super) fn take(self, text: &str, spot: Spot<'_>) -> Result<Option<String>, NotEdited> {
        let (bom, text) = without_bom(text);
        if !self.read(text, spot.key)?.iter().any(|entry| entry.name == spot.name) {
            return Ok(None);
        }
        let edited = match self {
            Self::Json => json::take(text, spot)?,
            Self::Toml => toml::take(text, spot)?,
            Self::Yaml => yaml::take(text, spot)?,
        };
        Ok(Some(format!("{bom}{edited}")))
    }

    /// What a file holds that has nothing else: for who writes it by hand.
    pub(super) fn alone(self, put: &Put<'_>) -> Result<String, NotEdited> {
        self.put("", put)
    }
}

/// What the entry shall hold, beside what its user put there: fields that aren't ours, variables of their own, and a key that they
/// wrote themselves, which nobody could bring back.
fn beside(there: Option<&Entry>, put: &Put<'_>) -> Map<String, Value> {
    let Some(there) = there else {
        return put.fields.clone();
    };
    let mut wanted = Map::new();
    let starts_a_program =
        |fields: &Map<String, Value>| ["command", "cmd"].iter().any(|name| fields.contains_key(*name));
    let same_kind = starts_a_program(&there.fields) == starts_a_program(put.fields);
    for (name, value) in &there.fields {
        let ours = put.fields.get(name);
        let is_owned = put.owned.contains(&name.as_str());
        let kept = match (ours, value) {
            (None, _) if !is_owned => Some(value.clone()),
            (ours, Value::Object(fields)) if same_kind => merged(fields, ours),
            (ours, _) => ours.cloned(),
        };
        if let Some(kept) = kept {
            wanted.insert(name.clone(), kept);
        }
    }
    for (name, value) in put.fields {
        if !wanted.contains_key(name) {
            wanted.insert(name.clone(), value.clone());
        }
    }
    wanted
}

/// Variables or headers: ours over those that are there, but for literal keys; none where nothing is left.
fn merged(there: &Map<String, Value>, ours: Option<&Value>) -> Option<Value> {
    let is_reference = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.contains("${") || text.contains("{env:"))
    };
    let mut kept = there.clone();
    for name in [KEY_VARIABLE, "Authorization"] {
        // A reference is ours, and goes when it isn't wanted any more.
        if kept.get(name).is_some_and(is_reference) {
            kept.shift_remove(name);
        }
    }
    let was_empty = there.is_empty();
    for (name, value) in ours.and_then(Value::as_object).into_iter().flatten() {
        kept.entry(name.clone()).or_insert_with(|| value.clone());
    }
    // In the order in which they stood.
    let mut ordered: Map<String, Value> = Map::new();
    for name in there.keys().chain(kept.keys()) {
        if let Some(value) = kept.get(name) {
            ordered.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    (!ordered.is_empty() || was_empty && ours.is_some()).then_some(Value::Object(ordered))
}

/// Whether an entry holds a credential itself, in place of a reference.
pub(super) fn holds_a_key(entry: &Entry) -> bool {
    let variables = entry.fields.values().filter_map(Value::as_object).flatten();
    variables
        .filter(|(name, _)| [KEY_VARIABLE, "Authorization", TOKEN_VARIABLE].contains(&name.as_str()))
        .filter_map(|(_, value)| value.as_str())
        .any(|text| !text.is_empty() && !text.contains('$') && !text.contains("{env:"))
}

/// The mark with which some editors begin a text, and the text.
fn without_bom(text: &str) -> (&str, &str) {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    }
}
