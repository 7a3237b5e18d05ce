//! The arguments of a call as people and the audit log are shown them: without their secrets, whole or not at all.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::mask::{self, MASK};
use super::shown::hex;
use crate::catalog::Tool;
use crate::sql::{Redacted, Unshowable, redact};
use crate::text::escaped;

/// How much of a value that the call sends is shown, in characters.
pub(super) const MAX_SENT: usize = 2_000;

/// The arguments of a call that hold SQL, whatever their tool.
const SQL: [&str; 3] = ["sql", "statements", "changes"];

/// Whether an argument holds SQL.
pub(super) fn holds_sql(tool: Option<&Tool>, name: &str) -> bool {
    SQL.contains(&name) || tool.is_some_and(|tool| tool.declaration.statements() == Some(name))
}

/// The SQL in an argument, each statement without its secrets.
fn redacted(value: &Value) -> Vec<Redacted> {
    match value {
        Value::String(text) => vec![redact(text)],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(redact).collect(),
        _ => Vec::new(),
    }
}

/// The value of an argument without its secrets.
pub(super) fn without_secrets(tool: &Tool, name: &str, value: &Value, arguments: &Map<String, Value>) -> Value {
    if tool.is_write_only(name) && !value.is_null() {
        return MASK.into();
    }
    if holds_sql(Some(tool), name) {
        return match value {
            Value::String(text) => redact(text).text().into(),
            Value::Array(items) => items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.clone(), |text| redact(text).text().into())
                })
                .collect(),
            other => other.clone(),
        };
    }
    let mut field = match value {
        Value::Object(map) if holds_secrets(tool, name) => json!({ name: masked(map) }),
        // In another form than a map's, nothing tells the names from the values.
        value if holds_secrets(tool, name) && !value.is_null() => return MASK.into(),
        value => json!({ name: value }),
    };
    mask::mask(&mut field, &[], &[]);
    let mut value = field.get_mut(name).map(Value::take).unwrap_or_default();
    if let (Some(values), "params") = (value.as_array_mut(), name) {
        let secret = arguments.iter().filter(|(name, _)| holds_sql(Some(tool), name));
        let secret: Vec<Redacted> = secret.flat_map(|(_, sql)| redacted(sql)).collect();
        for (at, value) in values.iter_mut().enumerate() {
            // What a statement that can't be read does with its parameters isn't known.
            if secret
                .iter()
                .any(|sql| sql.parameters().contains(&(at + 1)) || sql.unshowable().is_some())
            {
                *value = MASK.into();
            }
        }
    }
    value
}

/// Why a human can't be shown what a call sends, if so; the end of a sentence that begins "it".
pub(super) fn unshowable(tool: &Tool, arguments: &Map<String, Value>) -> Option<&'static str> {
    let sql: Vec<Redacted> = arguments
        .iter()
        .filter(|(name, _)| holds_sql(Some(tool), name))
        .flat_map(|(_, sql)| redacted(sql))
        .collect();
    if let Some(why) = sql.iter().find_map(Redacted::unshowable) {
        return Some(why.reason());
    }
    // What one statement stores another one may run.
    if sql.iter().any(Redacted::hides) && sql.iter().any(Redacted::runs_text) {
        return Some(Unshowable::Secret.reason());
    }
    let others = || {
        arguments
            .iter()
            .filter(|(name, _)| !holds_sql(Some(tool), name) && !tool.is_write_only(name) && !is_file(tool, name))
    };
    if others().any(|(_, value)| mask::hides_more_than_a_password(value)) {
        return Some("holds a URI whose password can't be told from the rest of it, so it can't be masked");
    }
    let cut = arguments
        .iter()
        .any(|(name, value)| is_cut(tool, name, value, arguments));
    cut.then_some("sends more than a human can be shown in one question (make it in smaller steps)")
}

/// Whether an argument is a file in base64.
pub(super) fn is_file(tool: &Tool, name: &str) -> bool {
    tool.declaration
        .request
        .body
        .files()
        .any(|(_, file)| file.base64 == name)
}

/// Whether an argument is a map whose values are only ever written.
fn holds_secrets(tool: &Tool, name: &str) -> bool {
    let values = tool
        .property(name)
        .and_then(|schema| schema.get("additionalProperties"));
    values.and_then(|values| values.get("writeOnly")) == Some(&Value::Bool(true))
}

/// Of a map of secrets the names are shown.
fn masked(map: &Map<String, Value>) -> Value {
    map.keys()
        .map(|name| (name.clone(), MASK.into()))
        .collect::<Map<_, _>>()
        .into()
}

/// Whether a plan shows a value whole. A call that sends one that it doesn't isn't asked about.
#[must_use]
pub(crate) fn can_be_shown(value: &Value) -> bool {
    escaped(&value.to_string()).chars().count() <= MAX_SENT
}

/// Whether a human would see a part only of something that can be read. Of a file, which
/// nobody reads in base64, the plan has the size and the digest.
fn is_cut(tool: &Tool, name: &str, value: &Value, arguments: &Map<String, Value>) -> bool {
    let encoded = tool
        .property(name)
        .is_some_and(|schema| schema.contains_key("contentEncoding"));
    !encoded && !tool.is_write_only(name) && !can_be_shown(&without_secrets(tool, name, value, arguments))
}

/// A file in a few words: its size, and what tells it from any other.
#[must_use]
pub fn file_in_short(bytes: &[u8]) -> String {
    format!("{} bytes, sha256 {}", bytes.len(), hex(&Sha256::digest(bytes)))
}
