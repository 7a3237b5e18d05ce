//! How what is found in a database is shown: one JSON object a line, with long texts cut.

use std::time::Duration;

use serde_json::Value;

use crate::engine::WorkflowContext;
use crate::neon::sql::ResultSet;
use crate::neon::text::one_line;

/// How long our own questions may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Said beside sizes.
pub(super) const COUNTED: &str = "Rows are what ANALYZE last counted; bytes hold indexes and TOAST. Both hold all partitions and inheriting tables; own_… \
                       are of the table alone.";

/// The rows of one of several results, as objects. Counts are numbers.
pub(super) fn objects(results: &[ResultSet], index: usize) -> Vec<Value> {
    results.get(index).map(counted).unwrap_or_default()
}

/// Rows as objects, with numbers as numbers: over HTTP, `int8` and `numeric` come as text.
fn counted(result: &ResultSet) -> Vec<Value> {
    /// `int8`, `numeric` (PostgreSQL, `pg_type.dat`).
    const WIDE: [u32; 2] = [20, 1700];
    let wide: Vec<&str> = result
        .columns
        .iter()
        .filter(|column| WIDE.contains(&column.type_oid))
        .map(|column| column.name.as_str())
        .collect();
    let mut rows = result.objects();
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        for name in &wide {
            if let Some(value) = row.get_mut(*name)
                && let Some(number) = value.as_str().and_then(|text| text.parse::<serde_json::Number>().ok())
            {
                *value = Value::Number(number);
            }
        }
    }
    rows
}

/// The JSON objects of a result of a single column.
pub(super) fn abouts(results: &[ResultSet]) -> Vec<Value> {
    let rows = results.first().into_iter().flat_map(|result| &result.rows);
    rows.filter_map(|row| match row.first() {
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        other => other.cloned(),
    })
    .map(|mut about: Value| {
        about.as_object_mut().into_iter().flatten().for_each(|(name, value)| {
            // A view's own text is cut where the description is.
            if name != "definition" {
                shorten_all(value);
            }
        });
        about
    })
    .collect()
}

/// Shortens every text in a value.
fn shorten_all(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(shorten_all),
        Value::Object(fields) => fields.values_mut().for_each(shorten_all),
        other => shorten(other),
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(mut object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(shorten);
            Value::Object(object)
        }
        other => other,
    }
}

/// The longest text of an item that is shown whole, in characters: one long comment must not hide the other items.
const MAX_TEXT: usize = 2_000;

fn shorten(value: &mut Value) {
    let Value::String(text) = value else { return };
    let characters = text.chars().count();
    if characters > MAX_TEXT {
        *text = text.chars().take(MAX_TEXT / 2).collect();
        text.push_str(&format!("… ({characters} characters)"));
    }
}

/// One object a line, without what is null.
pub(super) fn lines(items: &[Value]) -> String {
    let mut text = String::from("\n");
    for item in items {
        text.push_str(&without_nulls(item.clone()).to_string());
        text.push('\n');
    }
    text
}

/// Names of the database's for a sentence.
pub(super) fn quoted_list(flow: &WorkflowContext<'_, '_>, names: &[String]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| flow.fence().quote(&one_line(name, 100)))
        .collect();
    names.join(", ")
}
