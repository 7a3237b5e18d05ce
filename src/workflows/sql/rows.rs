//! Rows as an agent gets them: inside a fence, as data that nobody vouches for, and no more of them than fit.
//!
//! One large value must not hide the others: where not everything fits, the longest values are cut first, and only then rows are
//! left out. Of each value that is cut the result says how long it is, its digest, and how to read the rest.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::engine::Fence;
use crate::guard::hex;
use crate::neon::sql::ResultSet;
use crate::neon::text::one_line;

/// The most rows of a result that are shown.
pub(crate) const MAX_ROWS: usize = 1_000;

/// To what values are cut where not everything fits, in bytes of their text: the first of these with which all rows fit.
const CUTS: [usize; 8] = [32_000, 16_000, 8_000, 4_000, 2_000, 1_000, 500, 200];

/// What is left of the longest values where rows are left out as well, as long as at least one fits.
const CUT_BESIDE_ROWS: usize = 1_000;

/// To what the values of a row are cut that is too wide by itself.
const SMALLEST_CUTS: [usize; 3] = [100, 40, 10];

/// The most values that are cut of which the length and digest are told.
const MAX_TOLD: usize = 20;

/// About how many bytes telling of one takes.
const TOLD_BYTES: usize = 200;

/// Results in at most so many bytes: columns, rows in a fence, and what was left out.
pub(crate) fn shown(results: &[ResultSet], fence: &Fence, most_bytes: usize, notes: &mut Vec<String>) -> Vec<Value> {
    let mut room = most_bytes;
    // What a result doesn't need of its share is there for those behind it.
    let mut wanted: Vec<usize> = results.iter().map(wanted).collect();
    wanted.reverse();
    results
        .iter()
        .enumerate()
        .map(|(index, result)| {
            wanted.pop();
            let (value, used) = one(result, fence, share(room, &wanted), index, results.len() > 1, notes);
            room = room.saturating_sub(used);
            value
        })
        .collect()
}

/// About how many bytes a result takes that is shown whole.
fn wanted(result: &ResultSet) -> usize {
    const BESIDE: usize = 200;
    let rows = result.rows.iter().take(MAX_ROWS);
    let values = rows.flatten().map(|value| match value {
        Value::String(text) => escaped_len(text) + 5,
        other => other.to_string().len() + 1,
    });
    BESIDE + result.columns.len() * 20 + values.sum::<usize>()
}

/// The room of a result before others: all that they don't want, and no less than an equal part.
fn share(room: usize, others: &[usize]) -> usize {
    let mut others = others.to_vec();
    others.sort_unstable();
    let (mut left, mut sharing) = (room, others.len() + 1);
    for wanted in others {
        let equal = left / sharing.max(1);
        // The smallest first: who wants more than an equal part gets that.
        left -= wanted.min(equal);
        sharing -= 1;
    }
    left
}

/// A value on its way into a line.
struct Cell {
    value: Value,
    /// The JSON of it is as long as this in the result's own JSON, where quotes and backslashes take two bytes.
    bytes: usize,
    /// A document that stands as text.
    as_text: bool,
    /// The document `null`, which looks as NULL does.
    json_null: bool,
}

/// Where a value was cut.
struct Cut {
    row: usize,
    column: usize,
    /// How many characters of it are shown.
    shown: usize,
}

fn escaped_len(json: &str) -> usize {
    json.len() + json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

fn cell(result: &ResultSet, row: usize, column: usize) -> Cell {
    let (value, as_text) = result.exact(row, column).unwrap_or_default();
    let given = result.rows.get(row).and_then(|row| row.get(column));
    Cell {
        bytes: escaped_len(&value.to_string()),
        json_null: value.is_null() && given.is_some_and(|given| !given.is_null()),
        value,
        as_text,
    }
}

/// What Postgres printed of a value.
fn text(result: &ResultSet, row: usize, column: usize) -> String {
    match result.rows.get(row).and_then(|row| row.get(column)) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// The start of a text, up to so many bytes of its JSON, and how many characters that are.
fn start_of(text: &str, most: usize) -> (String, usize) {
    let mut start = String::new();
    let (mut bytes, mut characters) = (0, 0);
    for character in text.chars() {
        bytes += match character {
            // An escape, whose backslash is escaped once more.
            '"' | '\\' => 4,
            '\n' | '\r' | '\t' => 3,
            other if other.is_control() => 7,
            other => other.len_utf8(),
        };
        if bytes > most {
            break;
        }
        start.push(character);
        characters += 1;
    }
    start.push('…');
    (start, characters)
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
    if result.columns.is_empty() {
        return (Value::Object(shown), used);
    }
    let which = if several {
        format!(" of result {}", index + 1)
    } else {
        String::new()
    };
    let names: Vec<&str> = result.columns.iter().map(|column| column.name.as_str()).collect();
    let head = json!(names).to_string();
    let width = result.columns.len();
    let cells: Vec<Vec<Cell>> = (0..result.rows.len().min(MAX_ROWS))
        .map(|row| (0..width).map(|column| cell(result, row, column)).collect())
        .collect();
    let available = room.saturating_sub(used + escaped_len(&head) + 2);
    let most = largest_cut(&cells, available);

    let mut lines = head;
    used += escaped_len(&lines) - lines.len();
    let mut cuts: Vec<Cut> = Vec::new();
    let mut documents = vec![false; width];
    let mut nulls: Vec<(usize, usize)> = Vec::new();
    let mut count = 0;
    for (row, cells) in cells.into_iter().enumerate() {
        let mut cut = Vec::new();
        let mut as_text = Vec::new();
        let mut null = Vec::new();
        let values: Vec<Value> = cells
            .into_iter()
            .enumerate()
            .map(|(column, cell)| {
                if cell.as_text {
                    as_text.push(column);
                }
                if cell.json_null {
                    null.push((row + 1, column + 1));
                }
                match most {
                    Some(most) if cell.bytes > most + 40 => {
                        let (start, characters) = start_of(&text(result, row, column), most);
                        cut.push(Cut {
                            row,
                            column,
                            shown: characters,
                        });
                        start.into()
                    }
                    _ => cell.value,
                }
            })
            .collect();
        let line = Value::from(values).to_string();
        let bytes = escaped_len(&line) + 2;
        let told = (cuts.len() + cut.len()).min(MAX_TOLD) * TOLD_BYTES;
        if used + lines.len() + bytes + told > room {
            break;
        }
        used += bytes - line.len();
        lines.push('\n');
        lines.push_str(&line);
        cuts.extend(cut);
        nulls.extend(null);
        for column in as_text {
            if let Some(document) = documents.get_mut(column) {
                *document = true;
            }
        }
        count += 1;
    }
    used += lines.len() + cuts.len().min(MAX_TOLD) * TOLD_BYTES;
    if count < result.rows.len() {
        // Before the rows: whoever reads them knows that they aren't all.
        shown.insert("rows_shown".into(), count.into());
        notes.push(format!(
            "Shown are {count} of {} rows{which}: for the rest, select fewer columns, or add WHERE, LIMIT and OFFSET.",
            result.rows.len()
        ));
    }
    let documents: Vec<String> = (1..=width)
        .zip(documents)
        .filter(|(_, document)| *document)
        .map(|(place, _)| place.to_string())
        .collect();
    if !documents.is_empty() {
        notes.push(format!(
            "In column {}{which} are documents that stand as the text that Postgres printed, in quotes: a reader of JSON would lose \
             digits, names that stand twice, or all of them.",
            documents.join(", ")
        ));
    }
    if !nulls.is_empty() {
        let places: Vec<String> = nulls
            .iter()
            .take(MAX_TOLD)
            .map(|(row, column)| format!("row {row} column {column}"))
            .collect();
        let more = match nulls.len().saturating_sub(MAX_TOLD) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        notes.push(format!(
            "Here{which} null is the JSON document null, which IS NOT NULL: {}{more}. Every other null is NULL.",
            places.join(", ")
        ));
    }
    if !cuts.is_empty() {
        notes.push(rest(result, &cuts, &which, room));
        let told = cuts.iter().take(MAX_TOLD).map(|cut| told(result, cut)).collect();
        shown.insert("cut_values".into(), told);
    }
    // The first line holds the names of the columns; they are whoever's made the table, so they stand inside too.
    shown.insert("rows".into(), fence.around(&format!("\n{lines}\n")).into());
    (Value::Object(shown), used)
}

/// To what values are cut so that the rows fit; nothing where they fit as they are.
fn largest_cut(cells: &[Vec<Cell>], available: usize) -> Option<usize> {
    let size_of = |row: &Vec<Cell>, most: usize| {
        let values = row.iter().map(|cell| cell.bytes.min(most + 40) + 1).sum::<usize>();
        let cuts = row.iter().filter(|cell| cell.bytes > most + 40).count();
        (values + 4, cuts)
    };
    let fits = |rows: &[Vec<Cell>], most: usize| {
        let sizes = rows.iter().map(|row| size_of(row, most));
        let (bytes, cuts) = sizes.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        bytes + cuts.min(MAX_TOLD) * TOLD_BYTES <= available
    };
    const WHOLE: usize = usize::MAX / 2;
    if fits(cells, WHOLE) {
        return None;
    }
    if let Some(most) = CUTS.into_iter().find(|most| fits(cells, *most)) {
        return Some(most);
    }
    // There are too many rows, whatever is cut of them: those that are shown are to be readable.
    let first = cells.get(..1).unwrap_or_default();
    let smaller = CUTS.into_iter().filter(|most| *most <= CUT_BESIDE_ROWS);
    smaller
        .chain(SMALLEST_CUTS)
        .find(|most| fits(first, *most))
        .or(SMALLEST_CUTS.last().copied())
}

/// What is told of a value that was cut.
fn told(result: &ResultSet, cut: &Cut) -> Value {
    let text = text(result, cut.row, cut.column);
    json!({
        "row": cut.row + 1,
        "column": cut.column + 1,
        "shown_characters": cut.shown,
        "from_character": cut.shown + 1,
        "characters": text.chars().count(),
        "sha256": hex(&Sha256::digest(text.as_bytes())),
    })
}

/// The most characters of a value that are read on at once.
const MAX_STEP: usize = 8_000;

/// The fewest.
const MIN_STEP: usize = 50;

/// How many characters of a text fit into a result that holds nothing else, whatever they are: a whole number of hundreds, where it is
/// more than one.
fn step(text: &str, room: usize) -> usize {
    let characters = text.chars().count().max(1);
    let widest = escaped_len(&Value::from(text).to_string()).div_ceil(characters).max(1);
    let fitting = (room / 2 / widest).clamp(MIN_STEP, MAX_STEP);
    if fitting > 100 { fitting / 100 * 100 } else { fitting }
}

/// How to read what was cut.
fn rest(result: &ResultSet, cuts: &[Cut], which: &str, room: usize) -> String {
    const DOCUMENTS: [u32; 2] = [114, 3802];
    let number = match cuts {
        [_] => "One value was".to_owned(),
        all => format!("{} values were", all.len()),
    };
    let step = cuts
        .iter()
        .map(|cut| step(&text(result, cut.row, cut.column), room))
        .min();
    let step = step.unwrap_or(MIN_STEP);
    let of_document = cuts
        .iter()
        .filter_map(|cut| result.columns.get(cut.column))
        .any(|column| DOCUMENTS.contains(&column.type_oid));
    format!(
        "{number}{which} cut to the first characters, so that the other values fit: cut_values says which, by row and column, with \
         the length in characters and the SHA-256 of the whole text (in Postgres: sha256(convert_to(c::text, 'UTF8'))). For the rest of \
         each, select that column of that row alone, by its key: substr(c::text, from_character, {step}), with from_character as it says \
         there, and {step} more for each next part{}.",
        if of_document {
            ", or a part of the document (c -> 'key', jsonb_object_keys(c))"
        } else {
            ""
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neon::sql::Column;

    fn result(rows: Vec<Vec<Value>>) -> ResultSet {
        let column = |name: &str, type_oid| Column {
            name: name.to_owned(),
            type_oid,
        };
        ResultSet {
            columns: vec![column("id", 23), column("doc", 3802)],
            rows,
            command: "SELECT".to_owned(),
            row_count: None,
        }
    }

    fn lines(value: &Value) -> Vec<Value> {
        let text = value["rows"].as_str().unwrap();
        let lines = text.lines().filter(|line| line.starts_with('['));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn one_large_value_leaves_the_others() {
        let large = format!("{{\"a\": \"{}\"}}", "\"é\\n".replace('"', "\\\"").repeat(10_000));
        let rows = ["{}", &large, "{\"b\": 2}"];
        let rows = rows
            .iter()
            .enumerate()
            .map(|(id, doc)| vec![id.to_string().into(), (*doc).into()]);
        let mut notes = Vec::new();
        let shown = shown(&[result(rows.collect())], &Fence::default(), 8_000, &mut notes);
        assert!(shown[0].to_string().len() <= 8_000, "{}", shown[0].to_string().len());
        let lines = lines(&shown[0]);
        assert_eq!((&lines[1], &lines[3]), (&json!([0, {}]), &json!([2, {"b": 2}])));
        let cut = &shown[0]["cut_values"][0];
        assert_eq!((&cut["row"], &cut["column"]), (&json!(2), &json!(2)));
        assert_eq!(cut["characters"], large.chars().count());
        let part = lines[2][1].as_str().unwrap().trim_end_matches('…');
        assert!(
            large.starts_with(part) && part.chars().count() == cut["shown_characters"],
            "{part}"
        );
        assert!(part.len() > 500, "much of it is shown: {}", part.len());
        assert!(notes[0].contains("substr(c::text, "), "{notes:?}");
    }

    #[test]
    fn document_null_is_told_from_null() {
        let rows = [json!("null"), Value::Null, json!("\"null\""), json!("{}")];
        let rows = rows.into_iter().map(|doc| vec!["1".into(), doc]).collect();
        let mut notes = Vec::new();
        let shown = shown(&[result(rows)], &Fence::default(), 8_000, &mut notes);
        assert_eq!(lines(&shown[0])[1..3], [json!([1, null]), json!([1, null])]);
        harness::assert_worded!("notes", "document that is null", notes[0]);
    }

    #[test]
    fn each_cut_value_says_where_it_goes_on_by_a_step_that_fits() {
        for wide in ["x", "é", "\\", "\u{1}"] {
            let texts = [wide.repeat(9_000), wide.repeat(5_000)];
            let rows = texts
                .iter()
                .map(|text| vec!["1".into(), json!(text).to_string().into()])
                .collect();
            let mut notes = Vec::new();
            let cut = shown(&[result(rows)], &Fence::default(), 3_000, &mut notes);
            assert_eq!(cut[0]["cut_values"].as_array().unwrap().len(), 2);
            let (_, step) = notes[0].split_once("from_character, ").unwrap();
            let step: usize = step.split(')').next().unwrap().parse().unwrap();
            for (value, text) in cut[0]["cut_values"].as_array().unwrap().iter().zip(&texts) {
                let from = value["from_character"].as_u64().unwrap();
                assert_eq!(from, value["shown_characters"].as_u64().unwrap() + 1);
                // Where text was printed as a document, its text is what is cut.
                let printed = json!(text).to_string();
                let part: String = printed
                    .chars()
                    .skip(usize::try_from(from).unwrap() - 1)
                    .take(step)
                    .collect();
                let mut alone = result(vec![vec![part.clone().into()]]);
                alone.columns = vec![Column {
                    name: "part".to_owned(),
                    type_oid: 25,
                }];
                let whole = shown(&[alone], &Fence::default(), 3_000, &mut notes);
                assert_eq!(lines(&whole[0])[1], json!([part]), "{wide:?}");
            }
        }
    }

    #[test]
    fn many_rows_are_left_out_and_their_values_stay() {
        let rows = (0..500).map(|id| vec![id.to_string().into(), format!("\"{}\"", "x".repeat(300)).into()]);
        let mut notes = Vec::new();
        let shown = shown(&[result(rows.collect())], &Fence::default(), 9_000, &mut notes);
        assert!(shown[0].to_string().len() <= 9_000);
        let lines = lines(&shown[0]);
        assert!(lines.len() > 20, "{}", lines.len());
        assert_eq!(lines[1][1].as_str().unwrap().len(), 300);
        assert!(shown[0].get("cut_values").is_none());
        assert_eq!(shown[0]["rows_shown"], lines.len() - 1);
        let fields: Vec<&String> = shown[0].as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            ["command", "rows_shown", "rows"],
            "that they aren't all is said before them"
        );
        assert!(notes[0].contains("500 rows"), "{notes:?}");
    }
}
