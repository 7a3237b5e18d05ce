//! Rows as an agent gets them: inside a fence, as data that nobody vouches for, and no more of them than fit.

use serde_json::{Map, Value, json};

use crate::call::Fence;
use crate::neon::sql::ResultSet;
use crate::neon::text::one_line;

/// The most rows of a result that are shown.
pub(crate) const MOST_ROWS: usize = 1_000;

/// Results in at most so many bytes: columns, rows in a fence, and what was left out.
pub(crate) fn shown(results: &[ResultSet], fence: &Fence, most_bytes: usize, notes: &mut Vec<String>) -> Vec<Value> {
    let mut room = most_bytes;
    results
        .iter()
        .enumerate()
        .map(|(index, result)| {
            let (value, used) = one(result, fence, room, index, results.len() > 1, notes);
            room = room.saturating_sub(used);
            value
        })
        .collect()
}

fn one(
    result: &ResultSet,
    fence: &Fence,
    room: usize,
    index: usize,
    several: bool,
    notes: &mut Vec<String>,
) -> (Value, usize) {
    let mut shown = Map::new();
    shown.insert("command".into(), one_line(&result.command, 60).into());
    if let Some(count) = result.row_count {
        shown.insert("row_count".into(), count.into());
    }
    let mut used = 60;
    if !result.columns.is_empty() {
        let mut lines = String::new();
        let names: Vec<&str> = result.columns.iter().map(|column| column.name.as_str()).collect();
        lines.push_str(&json!(names).to_string());
        let mut count = 0;
        for row in result.rows.iter().take(MOST_ROWS) {
            let line = Value::from(row.clone()).to_string();
            // In the result's own JSON, quotes and backslashes take two bytes.
            let bytes = line.len() + line.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count() + 2;
            if used + lines.len() + bytes > room {
                break;
            }
            used += bytes - line.len();
            lines.push('\n');
            lines.push_str(&line);
            count += 1;
        }
        used += lines.len();
        if count < result.rows.len() {
            let which = if several {
                format!(" of result {}", index + 1)
            } else {
                String::new()
            };
            notes.push(format!(
                "Shown are {count} of {} rows{which}: for the rest, select fewer columns, or add WHERE, LIMIT and OFFSET.",
                result.rows.len()
            ));
        }
        // The first line holds the names of the columns; they are whoever's made the table, so they stand inside too.
        shown.insert("rows".into(), fence.around(&format!("\n{lines}\n")).into());
    }
    (Value::Object(shown), used)
}
