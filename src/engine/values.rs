//! Reading arguments and answers.

use serde_json::{Map, Value};

/// An argument that is a text.
pub(in crate::engine) fn text<'a>(arguments: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

/// The items of a list; none of what isn't one.
pub(in crate::engine) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
