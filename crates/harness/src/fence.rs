//! The fence around what others wrote: looked for, and taken away as an agent does that uses a value.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

static MARK: LazyLock<Regex> = LazyLock::new(|| Regex::new("</?untrusted-data-[0-9a-f]{12}>").expect("an expression"));

/// A text without marks.
pub fn bare(text: &str) -> String {
    MARK.replace_all(text, "").into_owned()
}

/// A value without marks.
pub fn bare_value(value: &Value) -> Value {
    match value {
        Value::String(text) => bare(text).into(),
        Value::Array(items) => items.iter().map(bare_value).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| (bare(name), bare_value(value)))
            .collect(),
        other => other.clone(),
    }
}

/// What of a text stands outside every fence. Marks must pair, and be of one result.
pub fn outside(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut ids = std::collections::BTreeSet::new();
    while let Some(at) = rest.find("<untrusted-data-") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from.find('>').expect("a mark");
        let id = &from["<untrusted-data-".len()..end];
        ids.insert(id.to_owned());
        let close = format!("</untrusted-data-{id}>");
        let closed = from
            .find(&close)
            .unwrap_or_else(|| panic!("a fence that isn't closed: {from}"));
        rest = &from[closed + close.len()..];
    }
    assert!(ids.len() <= 1, "a fence for each result: {ids:?}");
    out + rest
}

/// What stands inside the fence of a text that is fenced whole.
#[track_caller]
pub fn fenced(value: &Value) -> String {
    let text = value.as_str().unwrap_or_else(|| panic!("no text: {value}"));
    let (mark, rest) = text
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .expect("a fence");
    assert!(mark.starts_with("untrusted-data-"), "{text}");
    rest.strip_suffix(&format!("</{mark}>"))
        .expect("the fence's end")
        .trim()
        .to_owned()
}
