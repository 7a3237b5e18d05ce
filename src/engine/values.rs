//! Reading arguments and answers.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::engine::error::Failure;
use crate::neon::InvalidId;

/// An argument that is a text.
pub(in crate::engine) fn text<'a>(arguments: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

/// An argument that is an id; `None` where it isn't given.
///
/// # Errors
/// Where it is none: names were replaced by ids before anything asks for one.
pub(in crate::engine) fn id<T: FromStr<Err = InvalidId>>(
    arguments: &Map<String, Value>,
    name: &str,
) -> Result<Option<T>, Failure> {
    let parsed = text(arguments, name).map(str::parse).transpose();
    parsed.map_err(|error: InvalidId| Failure::Internal(format!("`{name}` is {error}")))
}

/// The items of a list; none of what isn't one.
pub(in crate::engine) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
