//! A file that is written: its path, and its text.

use serde_json::Value;

/// A file of JSON.
pub(super) fn json(path: &str, value: &Value) -> (String, String) {
    (path.to_owned(), format!("{value:#}\n"))
}
