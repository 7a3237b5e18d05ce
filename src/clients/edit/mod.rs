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

    /// The text, or an empty file of the kind where it has nothing but that key, and nothing under it.
    pub(super) fn without_empty(self, text: String, key: &str) -> String {
        let (bom, inner) = without_bom(&text);
        let bare: String = inner.split_whitespace().collect();
        let (is_empty, rest) = match self {
            Self::Json => (bare == format!("{{\"{key}\":{{}}}}"), "{}"),
            Self::Yaml => (bare == format!("{key}:{{}}") || bare == format!("{key}:"), ""),
            Self::Toml => (bare == format!("[{key}]"), ""),
        };
        if !is_empty {
            return text;
        }
        let end = match inner.ends_with('\n') && !rest.is_empty() {
            true if inner.ends_with("\r\n") => "\r\n",
            true => "\n",
            false => "",
        };
        format!("{bom}{rest}{end}")
    }

    /// What a file holds that has nothing else: for who writes it by hand.
    pub(super) fn alone(self, put: &Put<'_>) -> Result<String, NotEdited> {
        self.put("", put)
    }
}

/// What the entry shall hold, beside what its user put there: fields that aren't ours, variables of their own, and a key that they
/// wrote themselves, which nobody could bring back.
fn beside(there: Option<&Entry>, put: &Put<'_>) -> Map<String, Value> {
    let Some(there) = there.filter(|_| !put.anew) else {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Values as files hold them, with texts that look like syntax.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z{}\\[\\],:/*\" \n\\\\é]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z/*,\"]{1,5}", inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn entry_that_is_put_and_taken_out_leaves_the_file_as_it_was(
            mut file in prop::collection::vec(("[a-z]{1,6}", values()), 0..4),
            others in prop::collection::vec(("[a-m]{1,6}", values()), 0..4),
            at in 0_usize..4,
            pretty in any::<bool>(),
            windows in any::<bool>(),
        ) {
            let servers = others.into_iter().map(|(name, value)| (name, json!({ "command": value })));
            file.insert(at.min(file.len()), ("servers".to_owned(), Value::Object(servers.collect())));
            let file: Map<String, Value> = file.into_iter().collect();
            prop_assume!(file.get("servers").is_some_and(Value::is_object));
            let text = if pretty { serde_json::to_string_pretty(&file) } else { serde_json::to_string(&file) }.unwrap();
            let text = if windows { text.replace('\n', "\r\n") } else { text };
            let spot = Spot { key: "servers", name: "neon" };
            let fields = json!({"command": "x", "args": ["1", "2"], "env": {"A": "b"}});
            let fields = fields.as_object().unwrap().clone();
            let put = Put { spot, fields: &fields, owned: vec!["command", "args", "env"], anew: false, input: None };
            let with = Format::Json.put(&text, &put).unwrap();
            let read: Value = serde_json::from_str(&with).unwrap();
            prop_assert_eq!(read.pointer("/servers/neon"), Some(&Value::Object(fields.clone())));
            prop_assert_eq!(&Format::Json.put(&with, &put).unwrap(), &with);
            prop_assert_eq!(Format::Json.take(&with, spot).unwrap().unwrap(), text);
        }
    }
}
