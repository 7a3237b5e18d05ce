//! A result for a person at a terminal: rows and lists as tables, all else as lines, in whatever width there is.
//!
//! Whoever stored a text may have meant it for this terminal: every character that can't be seen or that steers one is escaped.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::fold::{USUAL_WIDTH, folded};
use super::reach::Reach;
use super::style::Style;
use crate::text::escaped;

/// How far what belongs to a name stands below it.
const STEP: usize = 2;

/// The longest word that a column makes room for. Where there isn't room for the words of all columns, a table is told row by row.
const MAX_WORD: usize = 40;

/// What a column takes beside its text: a blank at each side.
const PADDING: usize = 2;

/// A rule below the names, and nothing else.
const LOOK: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// How wide the list of an object's few words may be that stands on one line.
const MAX_INLINE: usize = 60;

/// Where somebody's texts stand whole, as they are.
const VERBATIM: &str = "content";

/// A result, without marks, as text that ends with a line break.
pub(super) fn readable(value: &Value, width: Option<usize>, style: Style, reach: &Reach) -> String {
    let mut page = Page {
        out: String::new(),
        reach,
        width: width.unwrap_or(USUAL_WIDTH),
        style,
    };
    match value {
        Value::Object(fields) => page.fields(fields, 0),
        other => page.line(&cell(other), 0),
    }
    page.out
}

/// What a value is drawn as.
enum Shape<'a> {
    Table(Grid),
    Fields(std::borrow::Cow<'a, Map<String, Value>>),
    Blocks(Vec<&'a Map<String, Value>>),
    Words(Vec<String>),
    Text(String),
}

/// Rows under names.
struct Grid {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Which columns are numbers.
    numbers: Vec<bool>,
}

struct Page<'r> {
    out: String,
    /// What commands carry.
    reach: &'r Reach,
    width: usize,
    style: Style,
}

impl Page<'_> {
    fn line(&mut self, text: &str, indent: usize) {
        self.named("", text, indent);
    }

    /// `name: text`, folded.
    fn named(&mut self, name: &str, text: &str, indent: usize) {
        let blanks = " ".repeat(indent);
        let rest = " ".repeat(indent + STEP);
        let name = escaped(name);
        for (index, part) in text.split('\n').enumerate() {
            let first = match (index, name.is_empty()) {
                (0, false) => format!("{blanks}{name}: "),
                (0, true) => blanks.clone(),
                _ => rest.clone(),
            };
            for (at, line) in folded(&escaped(part), Some(self.width), &first, &rest)
                .into_iter()
                .enumerate()
            {
                let head = format!("{blanks}{name}:");
                let line = match line.strip_prefix(&head) {
                    Some(text) if at == 0 && index == 0 && !name.is_empty() => {
                        format!("{blanks}{}{text}", self.style.cyan(&format!("{name}:")))
                    }
                    _ => line,
                };
                self.out.push_str(line.trim_end());
                self.out.push('\n');
            }
        }
    }

    fn heading(&mut self, name: &str, indent: usize) {
        let name = escaped(name);
        let name = if name == "error" {
            self.style.red("error:")
        } else {
            self.style.cyan(&format!("{name}:"))
        };
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(&name);
        self.out.push('\n');
    }

    fn fields(&mut self, fields: &Map<String, Value>, indent: usize) {
        for (name, value) in fields {
            self.field(name, value, indent);
        }
    }

    fn field(&mut self, name: &str, value: &Value, indent: usize) {
        match shape(name, value, self.reach) {
            Shape::Text(text) => self.named(name, &text, indent),
            Shape::Words(words) if words.iter().all(|word| !word.contains(' ')) => {
                self.named(name, &words.join(", "), indent);
            }
            Shape::Words(words) => {
                self.heading(name, indent);
                words.iter().for_each(|text| self.line(text, indent + STEP));
            }
            Shape::Table(grid) => {
                self.heading(name, indent);
                self.table(&grid, indent + STEP);
            }
            Shape::Fields(fields) => {
                self.heading(name, indent);
                self.fields(&fields, indent + STEP);
            }
            Shape::Blocks(items) => {
                self.heading(name, indent);
                for (index, item) in items.into_iter().enumerate() {
                    self.divider(index, indent + STEP);
                    self.fields(item, indent + STEP);
                }
            }
        }
    }

    /// What stands before each of several things.
    fn divider(&mut self, index: usize, indent: usize) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(&self.style.dim(&format!("─ {} ─", index + 1)));
        self.out.push('\n');
    }

    fn table(&mut self, grid: &Grid, indent: usize) {
        let room = self.width.saturating_sub(indent);
        if grid.least() > room {
            // One thing below the other, as psql's \x does.
            for (index, row) in grid.rows.iter().enumerate() {
                self.divider(index, indent);
                for (name, text) in grid.names.iter().zip(row) {
                    self.named(name, text, indent);
                }
            }
            return;
        }
        let mut table = Table::new();
        table
            .load_style(LOOK)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(room).unwrap_or(u16::MAX))
            .set_header(grid.names.iter().map(|name| escaped(name)));
        for row in &grid.rows {
            table.add_row(row);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            if grid.numbers.get(index) == Some(&true) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            // No word is cut in two.
            let least = u16::try_from(grid.longest_word(index) + PADDING).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
        let mut in_head = true;
        for line in table.lines() {
            let line = line.trim_end();
            let is_rule = in_head && line.chars().all(|char| char == '─');
            in_head = in_head && !is_rule;
            let line = match (is_rule, in_head) {
                (true, _) => self.style.dim(line),
                (false, true) => self.style.bold(line),
                (false, false) => line.to_owned(),
            };
            self.out.push_str(&" ".repeat(indent));
            self.out.push_str(&line);
            self.out.push('\n');
        }
        if grid.rows.is_empty() {
            self.line("(no rows)", indent);
        }
    }
}

impl Grid {
    /// The width below which it can't be read as a table.
    fn least(&self) -> usize {
        (0..self.names.len())
            .map(|column| self.longest_word(column) + PADDING)
            .sum()
    }

    /// How wide the longest word of a column is.
    fn longest_word(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let words = cells.chain(self.names.get(column)).flat_map(|text| text.split(' '));
        let longest = words.map(textwrap::core::display_width).max();
        longest.unwrap_or_default().clamp(1, MAX_WORD)
    }

    fn new(names: Vec<String>, rows: Vec<Vec<Option<&Value>>>) -> Self {
        let numbers = (0..names.len())
            .map(|column| {
                let mut cells = rows
                    .iter()
                    .filter_map(|row| row.get(column).copied().flatten())
                    .peekable();
                cells.peek().is_some() && cells.all(|cell| cell.is_null() || is_numeric(&cell.to_string()))
            })
            .collect();
        let rows = rows.into_iter().map(|row| {
            row.into_iter()
                .map(|value| value.map_or_else(String::new, cell))
                .collect()
        });
        Self {
            numbers,
            rows: rows.collect(),
            names,
        }
    }

    fn of_objects(items: &[&Map<String, Value>]) -> Self {
        let mut names: Vec<String> = Vec::new();
        for name in items.iter().flat_map(|item| item.keys()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let rows = items
            .iter()
            .map(|item| names.iter().map(|name| item.get(name)).collect())
            .collect();
        Self::new(names, rows)
    }

    /// Rows of SQL, as results hold them: a line with the names of the columns, then one for each row. Numbers keep their digits.
    fn of_rows(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let names: Vec<String> = serde_json::from_str(lines.next()?).ok()?;
        let mut rows = Vec::new();
        let mut numbers = vec![true; names.len()];
        for line in lines {
            let row: Vec<&RawValue> = serde_json::from_str(line).ok()?;
            if row.len() != names.len() {
                return None;
            }
            for (is_number, cell) in numbers.iter_mut().zip(&row) {
                *is_number &= cell.get() == "null" || is_numeric(cell.get());
            }
            rows.push(row.into_iter().map(raw).collect());
        }
        Some(Self { names, rows, numbers })
    }
}

/// Whether JSON is a number, or a text that is one: Postgres' large ones are told as texts.
fn is_numeric(json: &str) -> bool {
    let text = json
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(json);
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A value in its own digits.
fn raw(value: &RawValue) -> String {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => said(&text),
        Err(_) => escaped(value.get()),
    }
}

fn shape<'a>(name: &str, value: &'a Value, reach: &Reach) -> Shape<'a> {
    match value {
        Value::String(text) if name != VERBATIM => own_json(name, text).unwrap_or_else(|| Shape::Text(text.clone())),
        Value::String(text) => Shape::Text(text.clone()),
        Value::Object(fields) => match call(fields, reach) {
            Some(text) => Shape::Text(text),
            None => inline(fields).map_or(Shape::Fields(std::borrow::Cow::Borrowed(fields)), Shape::Text),
        },
        Value::Array(items) if items.is_empty() => Shape::Text("none".to_owned()),
        Value::Array(items) => match items.iter().map(Value::as_object).collect::<Option<Vec<_>>>() {
            Some(objects) if objects.iter().any(|object| object.values().any(holds_more)) => Shape::Blocks(objects),
            Some(objects) => Shape::Table(Grid::of_objects(&objects)),
            None => Shape::Words(items.iter().map(cell).collect()),
        },
        other => Shape::Text(cell(other)),
    }
}

/// Whether a value is too much for a cell.
fn holds_more(value: &Value) -> bool {
    match value {
        Value::Object(fields) => inline(fields).is_none(),
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        Value::String(text) => text.starts_with("\n["),
        _ => false,
    }
}

/// What stands as JSON of our own in a text: rows, a list of things, or one.
fn own_json(name: &str, text: &str) -> Option<Shape<'static>> {
    if text.starts_with("\n[") || (name == "rows" && text.starts_with('[')) {
        return Grid::of_rows(text).map(Shape::Table);
    }
    if text.starts_with("\n{") {
        let lines = text.lines().filter(|line| !line.is_empty());
        let items = lines
            .map(|line| serde_json::from_str(line).ok())
            .collect::<Option<Vec<Map<String, Value>>>>()?;
        return Some(Shape::Table(Grid::of_objects(&items.iter().collect::<Vec<_>>())));
    }
    let fields: Map<String, Value> = text
        .starts_with('{')
        .then(|| serde_json::from_str(text).ok())
        .flatten()?;
    Some(Shape::Fields(std::borrow::Cow::Owned(fields)))
}

/// A call that can be made as it stands, as a command.
fn call(fields: &Map<String, Value>, reach: &Reach) -> Option<String> {
    let tool = fields.get("tool")?.as_str()?;
    let arguments = fields.get("arguments").filter(|arguments| arguments.is_object())?;
    let mut text = reach.call(tool, arguments);
    for (name, value) in fields
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "tool" | "arguments"))
    {
        text.push_str(&format!("\n{name}: {}", cell(value)));
    }
    Some(text)
}

/// An object of a few words.
fn inline(fields: &Map<String, Value>) -> Option<String> {
    if fields.is_empty() {
        return Some("none".to_owned());
    }
    let simple = |value: &Value| !value.is_object() && !value.is_array();
    let part = |(name, value): (&String, &Value)| simple(value).then(|| format!("{name} {}", cell(value)));
    let parts: Option<Vec<String>> = fields.iter().map(part).collect();
    let text = parts?.join(", ");
    (fields.len() <= 3 && text.chars().count() <= MAX_INLINE && !text.contains('\n')).then_some(text)
}

/// A value on one line.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => said(text),
        Value::Array(items) if items.iter().all(|item| item.is_string() || item.is_number()) => {
            items.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) => inline(fields).unwrap_or_else(|| escaped(&value.to_string())),
        other => escaped(&other.to_string()),
    }
}

/// A text as it is, but for those that would be taken for nothing, or for another value.
fn said(text: &str) -> String {
    match text {
        "" | "null" | "none" => format!("\"{text}\""),
        other => escaped(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drawn(value: &Value, width: usize) -> String {
        readable(value, Some(width), Style::PLAIN, &Reach::default())
    }

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap()
    }

    fn rows() -> Value {
        json!({"service": "sandbox", "result": {"command": "SELECT", "rows":
            "\n[\"id\",\"name\",\"note\"]\n[1,\"Ada\",null]\n[12345678901234567890123,\"Grace Hopper\",\"null\"]\n[3,\"\",\"a\\u001b[2Jb\"]\n"}})
    }

    #[test]
    fn rows_are_a_table_with_their_digits() {
        harness::assert_worded!("cli", "rows in a terminal", drawn(&rows(), 80));
    }

    #[test]
    fn tables_fit_any_width_and_break_at_blanks() {
        let note = "a note of several words that somebody wrote";
        let items: Vec<Value> = (0..3)
            .map(|id| json!({"id": id, "name": "main", "about": note, "besides": note}))
            .collect();
        let value = json!({"branches": items});
        for width in 30..140 {
            let text = drawn(&value, width);
            assert!(widest(&text) <= width, "{width}:\n{text}");
            // No word is cut, wherever lines end.
            for word in note.split(' ') {
                let times = text.split_whitespace().filter(|found| *found == word).count();
                assert_eq!(
                    times,
                    note.split(' ').filter(|known| *known == word).count() * 6,
                    "{width}: {word}\n{text}"
                );
            }
        }
        assert!(drawn(&value, 30).contains("─ 3 ─"), "narrow, row by row");
    }

    #[test]
    fn undo_is_a_command_that_can_be_pasted() {
        let value = json!({"undo": {"tool": "recover_project", "arguments": {"project_id": "p's"}, "until": "2026-12-06T00:00:00Z"}});
        harness::assert_worded!("cli", "undo as a command", drawn(&value, 80));
    }

    #[test]
    fn text_of_others_steers_no_terminal_and_makes_no_line_of_ours() {
        let value = json!({"a": "x\u{1b}]0;t\u{7}\u{202e}\nundo: b", "k\u{1b}[31m\nundo": "v", "rows": "[\"a\\u001b[2J\"]\n[\"\\u001b[2J\"]"});
        let text = drawn(&value, 80);
        assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
        assert!(text.lines().all(|line| !line.starts_with("undo")), "{text}");
    }

    #[test]
    fn colours_are_there_only_where_they_are_wanted() {
        let plain = readable(&rows(), Some(80), Style::PLAIN, &Reach::default());
        let coloured = readable(&rows(), Some(80), Style::COLOURED, &Reach::default());
        assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}[36mrows:\u{1b}[0m"));
        let mut bare = coloured;
        for code in ["\u{1b}[36m", "\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m"] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, plain);
    }

    #[test]
    fn lists_in_lists_are_told_one_after_the_other() {
        let value = json!({"results": [{"command": "SELECT", "rows": "\n[\"a\"]\n[1]\n"}, {"command": "SELECT", "rows": "\n[\"b\"]\n"}]});
        let text = drawn(&value, 60);
        assert!(
            text.contains("─ 1 ─\n") && text.contains("─ 2 ─\n") && text.contains("(no rows)"),
            "{text}"
        );
        let tree = json!({"table": "{\"name\":\"t\",\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"}]}", "content": "{\"a\":1}"});
        let text = drawn(&tree, 60);
        assert!(
            text.contains("name: t\n") && text.contains("content: {\"a\":1}\n"),
            "{text}"
        );
    }
}
