//! The answer's JSON, written while the rows come in, so that one that grows too large ends early.

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{DataRowBody, Field, RowDescriptionBody};
use serde::Serialize;

use super::{MAX_BYTES, error::SqlError, types::Kind, value};

/// A column of a result.
#[derive(Debug, Serialize)]
pub(super) struct Column {
    name: String,
    #[serde(rename = "dataTypeID")]
    pub(super) type_id: u32,
    #[serde(rename = "tableID")]
    table_id: u32,
    #[serde(rename = "columnID")]
    column_id: i16,
    #[serde(rename = "dataTypeSize")]
    type_size: i16,
    #[serde(rename = "dataTypeModifier")]
    type_modifier: i32,
    format: &'static str,
}

impl Column {
    /// The columns that Postgres describes.
    pub(super) fn all(body: &RowDescriptionBody) -> Result<Vec<Self>, SqlError> {
        let column = |field: Field<'_>| {
            Ok(Self {
                name: field.name().to_owned(),
                type_id: field.type_oid(),
                table_id: field.table_oid(),
                column_id: field.column_id(),
                type_size: field.type_size(),
                type_modifier: field.type_modifier(),
                format: "text",
            })
        };
        body.fields().map(column).collect().map_err(|_| SqlError::unreadable())
    }
}

/// How the rows of one statement are written.
pub(super) struct Form {
    /// The kinds of the columns; none: every value stays the text that it is.
    pub(super) kinds: Option<Vec<Kind>>,
    /// Arrays instead of objects.
    pub(super) row_as_array: bool,
}

/// The JSON so far.
#[derive(Default)]
pub(super) struct Output {
    json: Vec<u8>,
}

impl Output {
    /// Writes a piece of JSON that is the same in every answer.
    pub(super) fn literal(&mut self, json: &str) {
        self.json.extend_from_slice(json.as_bytes());
    }

    /// Begins a result: everything in front of its rows.
    pub(super) fn begin(&mut self, columns: &[Column], form: &Form) -> Result<(), SqlError> {
        self.literal("{\"fields\":");
        value::json(&mut self.json, columns)?;
        self.literal(",\"rowAsArray\":");
        value::json(&mut self.json, &form.row_as_array)?;
        self.literal(",\"rows\":[");
        Ok(())
    }

    /// Writes a row, which is the first or not.
    pub(super) fn row(
        &mut self,
        columns: &[Column],
        form: &Form,
        body: &DataRowBody,
        first: bool,
    ) -> Result<(), SqlError> {
        let (open, close) = if form.row_as_array { ("[", "]") } else { ("{", "}") };
        self.literal(if first { "" } else { "," });
        self.literal(open);
        let mut ranges = body.ranges();
        for (index, column) in columns.iter().enumerate() {
            let range = ranges
                .next()
                .map_err(|_| SqlError::unreadable())?
                .ok_or_else(SqlError::unreadable)?;
            self.literal(if index == 0 { "" } else { "," });
            if !form.row_as_array {
                value::json(&mut self.json, &column.name)?;
                self.literal(":");
            }
            let Some(range) = range else {
                self.literal("null");
                continue;
            };
            // Only a database that doesn't care for encodings (SQL_ASCII) sends anything but UTF-8.
            let bytes = body.buffer().get(range).ok_or_else(SqlError::unreadable)?;
            let text = std::str::from_utf8(bytes).map_err(|_| SqlError::unreadable())?;
            match form.kinds.as_ref().and_then(|kinds| kinds.get(index)) {
                Some(kind) => value::write(&mut self.json, text, kind)?,
                None => value::json(&mut self.json, text)?,
            }
        }
        self.literal(close);
        if self.json.len() > MAX_BYTES {
            return Err(SqlError::response_too_large(MAX_BYTES));
        }
        Ok(())
    }

    /// Ends a result with the command that it is of. The tag is empty for an empty query.
    pub(super) fn end(&mut self, tag: &str) -> Result<(), SqlError> {
        let (command, count) = command(tag);
        self.literal("],\"command\":");
        value::json(&mut self.json, command)?;
        self.literal(",\"rowCount\":");
        value::json(&mut self.json, &count)?;
        self.literal("}");
        Ok(())
    }

    /// The whole.
    pub(super) fn finish(self) -> Vec<u8> {
        self.json
    }
}

/// The first word of a command's tag, and its count: the second number of an INSERT, behind the OID that rows had once.
/// A tag of several words (`CREATE TABLE`) has no count, and the proxy gives its first word only.
fn command(tag: &str) -> (&str, Option<i64>) {
    let (command, rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let count = match command {
        "INSERT" => rest.split_once(' ').map_or("", |(_, count)| count),
        _ => rest,
    };
    (command, count.parse().ok())
}
