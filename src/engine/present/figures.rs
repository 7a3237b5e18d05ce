//! Figures over time, as rows: when each begins, and each figure by its name, which holds its unit. What is zero is left out, and so
//! is when each ends: the call says how long they are.

use serde_json::{Map, Value};

/// When a row ends: where the next one may begin.
const END: &str = "timeframe_end";

/// What the rows of an item are called.
const ROWS: &str = "usage";

/// The items of a list, each with its figures as rows in place of where they stood. `place` is a JSON pointer from the item to
/// them, `*` for every item of a list.
pub(in crate::engine) fn as_rows(items: &mut Value, place: &str) {
    let steps: Vec<&str> = place.split('/').skip(1).collect();
    let Some((first, _)) = steps.split_first() else { return };
    for item in items.as_array_mut().into_iter().flatten() {
        let mut rows = Vec::new();
        gather(item, &steps, &mut rows);
        if let Some(fields) = item.as_object_mut() {
            fields.shift_remove(*first);
            fields.insert(ROWS.to_owned(), rows.into());
        }
    }
}

fn gather(value: &Value, steps: &[&str], rows: &mut Vec<Value>) {
    let Some((step, rest)) = steps.split_first() else {
        rows.extend(row(value));
        return;
    };
    match value {
        Value::Array(items) if *step == "*" => items.iter().for_each(|item| gather(item, rest, rows)),
        Value::Object(fields) => fields
            .get(*step)
            .into_iter()
            .for_each(|value| gather(value, rest, rows)),
        _ => {}
    }
}

/// One row; nothing where every figure is zero.
fn row(frame: &Value) -> Option<Value> {
    let mut row = Map::new();
    let mut is_used = false;
    let mut put = |name: &str, value: &Value| {
        if value.as_f64() != Some(0.0) {
            is_used |= value.is_number();
            row.insert(name.to_owned(), value.clone());
        }
    };
    for (name, value) in frame.as_object()? {
        match value {
            _ if name == END => {}
            Value::Array(figures) => {
                for figure in figures {
                    let fields = || figure.as_object().into_iter().flat_map(Map::values);
                    if let (Some(name), Some(value)) = (
                        fields().find_map(Value::as_str),
                        fields().find(|value| value.is_number()),
                    ) {
                        put(name, value);
                    }
                }
            }
            value => put(name, value),
        }
    }
    is_used.then(|| row.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_rows_without_what_is_zero() {
        let frame = |hour: u8, compute: u64, storage: u64| {
            json!({"timeframe_start": format!("2026-01-01T0{hour}:00:00Z"), "timeframe_end": "later", "metrics": [
                {"metric_name": "compute_unit_seconds", "value": compute},
                {"metric_name": "root_branch_bytes_month", "value": storage}
            ]})
        };
        let mut items = json!([
            {"project_id": "a", "periods": [{"period_id": "p", "consumption": [frame(0, 5, 0), frame(1, 0, 0)]}, {"consumption": [frame(2, 1, 2)]}]},
            {"project_id": "b", "periods": [{"consumption": [{"timeframe_start": "2026-01-01T00:00:00Z", "active_time_seconds": 0}]}]}
        ]);
        as_rows(&mut items, "/periods/*/consumption/*");
        assert_eq!(
            items,
            json!([
                {"project_id": "a", "usage": [
                    {"timeframe_start": "2026-01-01T00:00:00Z", "compute_unit_seconds": 5},
                    {"timeframe_start": "2026-01-01T02:00:00Z", "compute_unit_seconds": 1, "root_branch_bytes_month": 2}
                ]},
                {"project_id": "b", "usage": []}
            ])
        );
    }
}
