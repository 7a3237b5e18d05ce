//! `get_database_tables`: the tables of a database.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown::{COUNTED, PATIENCE, abouts, lines, quoted_list};
use crate::engine::{Failure, WorkflowCall, WorkflowContext, WorkflowOutput};
use crate::neon::sql::{Connection, Reads};
use crate::neon::text::trimmed;
use crate::workflows::sql::failing;
use crate::workflows::sql::statements::Place;

/// The most tables that are listed at once.
const MAX_TABLES: u64 = 200;

/// The relations, a JSON object each.
const TABLES: &str = include_str!("tables.sql");

/// What `get_database_tables` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct GetDatabaseTables {
    #[serde(flatten)]
    at: Place,
    schema: Option<String>,
    partitions_of: Option<String>,
    offset: Option<u64>,
}

impl WorkflowCall for GetDatabaseTables {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        tables(flow, self).boxed()
    }
}

/// `get_database_tables`
async fn tables(flow: &WorkflowContext<'_, '_>, input: &GetDatabaseTables) -> Result<WorkflowOutput, Failure> {
    let connection = input.at.target().connect(flow).await?;
    let offset = input.offset.unwrap_or(0);
    let in_schema = input.schema.as_deref();
    let parent = match input
        .partitions_of
        .as_deref()
        .map(trimmed)
        .filter(|given| !given.is_empty())
    {
        Some(given) => Some(parent(given)?),
        None => None,
    };
    let narrowed = parent.is_some() || in_schema.is_some() || offset > 0;
    let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let (schema, name) = parent.map_or((None, None), |(schema, name)| (schema, Some(name)));
    let parameters = vec![
        in_schema.map_or(Value::Null, Value::from),
        (MAX_TABLES + 1).to_string().into(),
        offset.to_string().into(),
        text(schema),
        text(name),
    ];
    let results = flow
        .query(&connection, Reads::own(TABLES, parameters).pinned(), PATIENCE)
        .await?;
    let mut found = abouts(&results);
    let more = found.len() as u64 > MAX_TABLES;
    found.truncate(MAX_TABLES as usize);
    let has_partitions = found.iter().any(|table| table.get("partitions").is_some());
    let fence = flow.fence();
    let mut ended = WorkflowOutput::with(json!({
        "database": connection.database,
        "returned": found.len(),
        "tables": fence.around(&lines(&found)),
    }));
    if found.is_empty() && narrowed {
        let mut note = match input
            .partitions_of
            .as_deref()
            .map(trimmed)
            .filter(|given| !given.is_empty())
        {
            _ if offset > 0 => format!("There are {offset} or fewer of them: begin again without offset."),
            Some(given) if is_there(flow, &connection, given).await => {
                "That table has no partitions, and nothing inherits from it: describe_table_schema shows the table itself.".to_owned()
            }
            Some(_) => "There is no table of that name to have partitions: without partitions_of all tables are listed.".to_owned(),
            None => "There is none under that schema: without it all tables are listed.".to_owned(),
        };
        if let Some(schema) = in_schema {
            let near = failing::nearest_schemas(flow, &connection, schema).await;
            if near.first().is_some_and(|near| near != schema) {
                note.push_str(&format!(" Schemas named like it: {}.", quoted_list(flow, &near)));
            }
        }
        ended = ended.note(note);
    }
    if more {
        let next = offset + MAX_TABLES;
        ended = ended.next_offset(next).note(format!(
            "There are more: call again with offset {next}, or give schema."
        ));
    }
    if has_partitions {
        ended = ended.note("Partitions count with their table; partitions_of lists them.");
    }
    Ok(ended.note(COUNTED))
}

/// Whether there is a relation of that name.
async fn is_there(flow: &WorkflowContext<'_, '_>, connection: &Connection, given: &str) -> bool {
    const THERE: &str = "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relname = $2 AND ($1::text IS NULL OR n.nspname = $1)) AS there";
    let Ok((schema, name)) = parent(given) else {
        return false;
    };
    let parameters = vec![schema.map_or(Value::Null, Value::from), name.into()];
    let found = flow
        .query(connection, Reads::own(THERE, parameters).pinned(), PATIENCE)
        .await;
    found.is_ok_and(|found| found.first().and_then(|result| result.first("there")) == Some(Value::Bool(true)))
}

/// The schema, where one is given, and the name of a table whose children are listed.
fn parent(given: &str) -> Result<(Option<String>, String), Failure> {
    let mut parts = crate::sql::dotted(given).unwrap_or_else(|| vec![given.to_owned()]);
    let name = parts.pop().unwrap_or_default();
    match parts.as_slice() {
        [] => Ok((None, name)),
        [.., schema] => Ok((Some(schema.clone()), name)),
    }
}
