//! `describe_table_schema`: one table whole.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shown::{COUNTED, PATIENCE, abouts, quoted_list};
use crate::engine::{ArgumentProblem, Failure, WorkflowCall, WorkflowContext, WorkflowOutput};
use crate::neon::sql::{Connection, Reads};
use crate::neon::text::trimmed;
use crate::workflows::sql::failing;
use crate::workflows::sql::statements::Place;

/// One relation whole, as a JSON object.
const TABLE: &str = include_str!("table.sql");

/// What `describe_table_schema` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct DescribeTableSchema {
    #[serde(flatten)]
    at: Place,
    table: String,
    offset: Option<u64>,
}

impl WorkflowCall for DescribeTableSchema {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        table(flow, self).boxed()
    }
}

/// `describe_table_schema`
async fn table(flow: &WorkflowContext<'_, '_>, input: &DescribeTableSchema) -> Result<WorkflowOutput, Failure> {
    let connection = input.at.target().connect(flow).await?;
    let names = readings_of(trimmed(&input.table), &connection.database);
    let reads = Reads::own(TABLE, vec![json!(names).to_string().into()]);
    let results = flow.query(&connection, reads, PATIENCE).await?;
    let Some(mut about) = abouts(&results).into_iter().next() else {
        return Err(Failure::Arguments(vec![ArgumentProblem {
            argument: "table".to_owned(),
            message: format!(
                "there is no such table or view: get_database_tables lists them; write schema.table, or the table alone where it is on the search path{}",
                like(flow, &connection, &input.table).await
            ),
        }]));
    };
    let sized = about.get("total_bytes").is_some();
    let offset = input.offset.unwrap_or(0);
    let room = flow.most_bytes().saturating_sub(ROOM_BESIDE);
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let next = about.as_object_mut().and_then(|about| page(about, offset, room));
    let fence = flow.fence();
    let text = about.to_string();
    let mut ended = WorkflowOutput::with(json!({
        "database": connection.database,
        "table": fence.around(&text),
    }));
    if sized {
        ended = ended.note(COUNTED);
    }
    Ok(match next {
        Some(next) => ended.next_offset(next).note(format!(
            "There is more (columns, constraints, indexes and so on, in this order): call again with offset {next}."
        )),
        None => ended,
    })
}

/// Room in a result beside the description of a table, in bytes.
const ROOM_BESIDE: usize = 2_000;

/// The most of a view's definition that is shown, in characters.
const MAX_DEFINITION: usize = 8_000;

/// Leaves of a description's lists what fits into so many bytes of the result, from an item on, counted over all of them; at least
/// one item. Where there are more, the item that comes next.
fn page(about: &mut Map<String, Value>, offset: usize, room: usize) -> Option<usize> {
    let escaped = |value: &Value| {
        let text = value.to_string();
        text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count() + 1
    };
    if let Some(Value::String(definition)) = about.get_mut("definition")
        && definition.chars().count() > MAX_DEFINITION
    {
        *definition = definition.chars().take(MAX_DEFINITION).collect();
        definition.push_str("… (the rest: SELECT substr(pg_get_viewdef('…'::regclass), 8001))");
    }
    let facts: usize = about.values().filter(|value| !value.is_array()).map(escaped).sum();
    let mut left = room.saturating_sub(facts + about.len() * 32);
    let (mut at, mut kept, mut next) = (0, 0, None);
    for list in about.values_mut().filter_map(Value::as_array_mut) {
        list.retain(|item| {
            let place = at;
            at += 1;
            if place < offset || next.is_some() {
                return false;
            }
            let bytes = escaped(item);
            if bytes > left && kept > 0 {
                next = Some(place);
                return false;
            }
            left = left.saturating_sub(bytes);
            kept += 1;
            true
        });
    }
    if offset > 0 || next.is_some() {
        about.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    }
    next
}

/// Tables that are called nearly so, as the end of a sentence.
async fn like(flow: &WorkflowContext<'_, '_>, connection: &Connection, given: &str) -> String {
    let name = crate::sql::dotted(given).and_then(|mut parts| parts.pop());
    let near = failing::nearest_relations(flow, connection, name.as_deref().unwrap_or(given)).await;
    if near.is_empty() {
        return String::new();
    }
    format!("; names like it: {}", quoted_list(flow, &near))
}

/// The ways to read a relation's name, as `to_regclass` takes them: as SQL reads it, else with its capitals, else as one name with
/// dots in it.
fn readings_of(given: &str, database: &str) -> Vec<String> {
    let quoted = |parts: &[String]| {
        let parts: Vec<String> = parts
            .iter()
            .map(|part| format!("\"{}\"", part.replace('"', "\"\"")))
            .collect();
        parts.join(".")
    };
    let mut readings: Vec<Vec<String>> = Vec::new();
    readings.extend(crate::sql::dotted(given));
    if !given.contains('"') {
        readings.push(given.split('.').map(|part| part.trim().to_owned()).collect());
        readings.push(vec![given.trim().to_owned()]);
    }
    let mut names: Vec<String> = Vec::new();
    for mut parts in readings {
        if parts.len() == 3 && parts.first().is_some_and(|first| first == database) {
            parts.remove(0);
        }
        // Others are another database's, or none.
        if parts.len() <= 2 && parts.iter().all(|part| !part.is_empty()) {
            let name = quoted(&parts);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}
