//! Arguments as the log may hold them: on one line, masked, cut.

use serde_json::{Map, Value, json};

use crate::guard::arguments::holds_sql;
use crate::guard::mask;
use crate::sql::redact;
use crate::text::one_line;

/// The longest text among the arguments, in characters.
pub(super) const TEXT: usize = 200;

/// The longest name among the arguments, in characters.
const NAME: usize = 64;

/// Arguments that can stand in the log, whatever they were. SQL is masked by its tokens, never by a pattern over its text.
pub(super) fn tidy(arguments: Value) -> Value {
    let Value::Object(object) = arguments else {
        return tidied(arguments);
    };
    let mut tidy = Map::new();
    for (name, value) in object {
        if holds_sql(None, &name) {
            tidy.insert(name, redacted(value));
        } else if let Value::Object(field) = tidied(json!({ name: value })) {
            tidy.extend(field);
        }
    }
    tidy.into()
}

fn tidied(mut value: Value) -> Value {
    bound(&mut value, usize::MAX, usize::MAX);
    mask(&mut value, &[], &[]);
    bound(&mut value, NAME, TEXT);
    value
}

/// SQL as a line holds it: without its secrets, on one line, whole until the line is made.
fn redacted(value: Value) -> Value {
    match value {
        Value::String(text) => redact(&text).text().into(),
        Value::Array(items) => items.into_iter().map(redacted).collect(),
        other => tidied(other),
    }
}

/// Puts every name and text on one line, cut to so many characters.
fn bound(value: &mut Value, longest_name: usize, longest_text: usize) {
    match value {
        Value::String(text) => *text = one_line(text, longest_text),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| bound(item, longest_name, longest_text)),
        Value::Object(object) => {
            *object = std::mem::take(object)
                .into_iter()
                .map(|(name, mut value)| {
                    bound(&mut value, longest_name, longest_text);
                    (one_line(&name, longest_name), value)
                })
                .collect();
        }
        _ => {}
    }
}
