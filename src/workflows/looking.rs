//! Looking at a database: its tables, one table whole, the plan of a statement, what is slow and why.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::failing::{self, Sent};
use super::parameters;
use super::statements::Target;
use crate::engine::{
    Analyze, ArgumentProblem, CallSql, Explained, Explains, Failure, WorkflowCall, WorkflowContext, WorkflowOutput,
};
use crate::neon::sql::{Connection, Reads, ResultSet};
use crate::neon::text::{one_line, trimmed};
use crate::neon::{BranchId, ProjectId};
use crate::sql::Reading;

/// How long our own questions may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most tables that are listed at once.
const MAX_TABLES: u64 = 200;

/// The relations, a JSON object each.
const TABLES: &str = include_str!("looking/tables.sql");

/// One relation whole, as a JSON object.
const TABLE: &str = include_str!("looking/table.sql");

/// Said beside sizes.
const COUNTED: &str = "Rows are what ANALYZE last counted; bytes hold indexes and TOAST. Both hold all partitions and inheriting tables; own_… \
                       are of the table alone.";

/// What `get_database_tables` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetDatabaseTables {
    project_id: ProjectId,
    branch_id: BranchId,
    schema: Option<String>,
    partitions_of: Option<String>,
    offset: Option<u64>,
    database_name: Option<String>,
    role_name: Option<String>,
}

impl GetDatabaseTables {
    fn target(&self) -> Target<'_> {
        let at = (&self.project_id, &self.branch_id);
        Target::new(at, self.database_name.as_ref(), self.role_name.as_ref())
    }
}

impl WorkflowCall for GetDatabaseTables {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        tables(flow, self).boxed()
    }
}

/// `get_database_tables`
async fn tables(flow: &WorkflowContext<'_, '_>, input: &GetDatabaseTables) -> Result<WorkflowOutput, Failure> {
    let connection = input.target().connect(flow).await?;
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

/// What `describe_table_schema` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DescribeTableSchema {
    project_id: ProjectId,
    branch_id: BranchId,
    table: String,
    offset: Option<u64>,
    database_name: Option<String>,
    role_name: Option<String>,
}

impl DescribeTableSchema {
    fn target(&self) -> Target<'_> {
        let at = (&self.project_id, &self.branch_id);
        Target::new(at, self.database_name.as_ref(), self.role_name.as_ref())
    }
}

impl WorkflowCall for DescribeTableSchema {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        table(flow, self).boxed()
    }
}

/// `describe_table_schema`
async fn table(flow: &WorkflowContext<'_, '_>, input: &DescribeTableSchema) -> Result<WorkflowOutput, Failure> {
    let connection = input.target().connect(flow).await?;
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
    let near = super::failing::nearest_relations(flow, connection, name.as_deref().unwrap_or(given)).await;
    if near.is_empty() {
        return String::new();
    }
    format!("; names like it: {}", quoted_list(flow, &near))
}

/// Names of the database's for a sentence.
fn quoted_list(flow: &WorkflowContext<'_, '_>, names: &[String]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| flow.fence().quote(&one_line(name, 100)))
        .collect();
    names.join(", ")
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

/// The statements of what is explained, as the caller sent them.
fn sent(explained: &Explained) -> Vec<Sent<'_>> {
    let (script, source) = (&explained.script, &explained.source);
    Sent::all(std::slice::from_ref(script), std::slice::from_ref(source))
}

/// Why a text that has no plan is refused: where it isn't SQL, that is told as Postgres tells it.
pub(super) async fn without_plan(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    explained: &Explained,
    failure: Failure,
) -> Failure {
    let statements = &explained.script.statements;
    let refused = statements.iter().any(|statement| statement.refusal.is_some());
    if refused || statements.iter().all(crate::sql::Statement::is_read) {
        return failure;
    }
    let Ok(connection) = target.connect(flow).await else {
        return failure;
    };
    let readable = failing::readable(flow, &connection, &sent(explained)).await;
    readable.err().unwrap_or(failure)
}

/// What `explain_sql_statement` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainSqlStatement {
    project_id: ProjectId,
    branch_id: BranchId,
    sql: String,
    params: Option<Vec<Value>>,
    #[serde(default)]
    analyze: bool,
    timeout_seconds: Option<u64>,
    database_name: Option<String>,
    role_name: Option<String>,
}

impl ExplainSqlStatement {
    fn target(&self) -> Target<'_> {
        let at = (&self.project_id, &self.branch_id);
        Target::new(at, self.database_name.as_ref(), self.role_name.as_ref()).within(self.timeout_seconds)
    }
}

impl WorkflowCall for ExplainSqlStatement {
    fn sql<'s>(&'s self, _: Option<&'s Value>) -> CallSql<'s> {
        let analyze = match self.analyze {
            true => Analyze::Always,
            false => Analyze::Never,
        };
        CallSql {
            runs: Vec::new(),
            explains: Some(Explains {
                text: &self.sql,
                analyze,
            }),
        }
    }

    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        explain(flow, self).boxed()
    }
}

/// `explain_sql_statement`
async fn explain(flow: &WorkflowContext<'_, '_>, input: &ExplainSqlStatement) -> Result<WorkflowOutput, Failure> {
    let target = input.target();
    let problem = |message: &str| {
        Failure::Arguments(vec![ArgumentProblem {
            argument: "sql".to_owned(),
            message: message.to_owned(),
        }])
    };
    let analyze = input.analyze;
    let text = input.sql.as_str();
    let explained = flow.explained()?;
    let only = explained.script.only();
    let statement = only.ok_or_else(|| problem("give one statement"))?;
    let Some(reading) = &explained.reading else {
        let explains = crate::sql::name_at(text.trim_start(), 1) == ["explain"];
        let refused = problem(if explains {
            "give the statement without EXPLAIN, which this tool puts before it; analyze runs it"
        } else if analyze {
            "ANALYZE runs the statement, and this one isn't proven to read: leave analyze out, or try it on a throwaway branch with run_sql"
        } else {
            "this statement has no plan: EXPLAIN takes SELECT, INSERT, UPDATE, DELETE, MERGE and VALUES"
        });
        return Err(without_plan(flow, &target, explained, refused).await);
    };
    // What stands before the statement is ours.
    let ours = Reading::explaining_words(analyze).chars().count();
    let connection = target.connect(flow).await?;
    let given = input.params.as_deref().unwrap_or_default();
    let parameters = parameters::encoded(flow, (&target, &connection), statement, given).await?;
    let results = match flow
        .query(
            &connection,
            Reads::proven(reading.clone(), parameters),
            target.timeout(),
        )
        .await
    {
        Ok(results) => results,
        Err(failure) => {
            let failure = parameters::explained(flow, (&target, &connection), statement, given, failure).await;
            let sent: Vec<Sent<'_>> = sent(explained).into_iter().map(|one| one.behind(ours)).collect();
            return Err(failing::explained(flow, (&target, &connection), failure, &sent).await);
        }
    };
    let lines: Vec<String> = results
        .first()
        .into_iter()
        .flat_map(|result| &result.rows)
        .filter_map(|row| row.first().and_then(Value::as_str).map(str::to_owned))
        .collect();
    let fence = flow.fence();
    Ok(WorkflowOutput::with(json!({
        "database": connection.database,
        "analyzed": analyze,
        "plan": fence.around(&format!("\n{}\n", lines.join("\n"))),
    })))
}

/// The extension's own view, with its schema: a view of that name elsewhere is somebody's.
const EXTENSION: &str = "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS view \
 FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid \
  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e' JOIN pg_catalog.pg_class c ON c.oid = d.objid \
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE e.extname = 'pg_stat_statements' AND c.relname = 'pg_stat_statements' AND c.relkind = 'v'";

/// `VIEW` stands for the view.
const SLOW: &str = "\
SELECT queryid::text AS id, calls, round(total_exec_time::numeric, 1) AS total_ms, round(mean_exec_time::numeric, 2) AS mean_ms, \
 rows, CASE WHEN shared_blks_hit + shared_blks_read > 0 \
  THEN round(100.0 * shared_blks_hit / (shared_blks_hit + shared_blks_read), 1) END AS cache_hit_percent, \
 left(query, 2000) AS query \
FROM VIEW WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
 AND mean_exec_time >= $1::float8 ORDER BY total_exec_time DESC LIMIT $2::int8";

/// What `list_slow_queries` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListSlowQueries {
    project_id: ProjectId,
    branch_id: BranchId,
    count: Option<u64>,
    min_mean_ms: Option<u64>,
    database_name: Option<String>,
    role_name: Option<String>,
}

impl ListSlowQueries {
    fn target(&self) -> Target<'_> {
        let at = (&self.project_id, &self.branch_id);
        Target::new(at, self.database_name.as_ref(), self.role_name.as_ref())
    }
}

impl WorkflowCall for ListSlowQueries {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        slow(flow, self).boxed()
    }
}

/// `list_slow_queries`
async fn slow(flow: &WorkflowContext<'_, '_>, input: &ListSlowQueries) -> Result<WorkflowOutput, Failure> {
    let connection = input.target().connect(flow).await?;
    let there = flow
        .query(&connection, Reads::own(EXTENSION, Vec::new()).pinned(), PATIENCE)
        .await?;
    let view = there.first().and_then(|result| result.first("view"));
    let Some(view) = view.as_ref().and_then(Value::as_str) else {
        return Ok(WorkflowOutput::with(json!({
            "database": connection.database,
            "queries": Value::Null,
        }))
        .note("The extension pg_stat_statements isn't there: run_sql with CREATE EXTENSION pg_stat_statements adds it, and it counts from then on (and since the compute's last start)."));
    };
    let parameters = vec![
        input.min_mean_ms.unwrap_or(0).to_string().into(),
        input.count.unwrap_or(10).to_string().into(),
    ];
    let slow = Reads::own_of(SLOW, "VIEW", view, parameters).pinned();
    let results = flow.query(&connection, slow, PATIENCE).await?;
    let found = objects(&results, 0);
    let fence = flow.fence();
    Ok(WorkflowOutput::with(json!({
        "database": connection.database,
        "returned": found.len(),
        "queries": fence.around(&lines(&found)),
    }))
    .note("Counted since the compute last started or the statistics were reset; ordered by total time."))
}

/// A check of `inspect_database`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Check {
    LongRunning,
    Blocked,
    Connections,
    Cache,
    MissingIndexes,
    UnindexedForeignKeys,
    UnusedIndexes,
    InvalidIndexes,
    Bloat,
    NeverAnalyzed,
    Largest,
}

impl Check {
    /// Its name in arguments and results.
    fn name(self) -> String {
        json!(self).as_str().unwrap_or_default().to_owned()
    }
}

/// The checks: what the rows of each mean, and the question.
const CHECKS: &[(Check, &str, &str)] = &[
    (
        Check::LongRunning,
        "statements and open transactions older than 5 seconds; idle in transaction keeps rows and locks",
        "SELECT pid, usename AS role, state, wait_event_type, wait_event, \
          extract(epoch FROM now() - xact_start)::int AS transaction_seconds, \
          extract(epoch FROM now() - query_start)::int AS statement_seconds, left(query, 500) AS query \
         FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' \
          AND (now() - xact_start > interval '5 seconds' OR now() - query_start > interval '5 seconds') \
         ORDER BY xact_start NULLS LAST LIMIT 20",
    ),
    (
        Check::Blocked,
        "statements that wait for a lock, and who holds it",
        "SELECT a.pid, pg_blocking_pids(a.pid)::text AS blocked_by, extract(epoch FROM now() - a.query_start)::int AS waited_seconds, \
          left(a.query, 500) AS query FROM pg_stat_activity a \
         WHERE a.datname = current_database() AND cardinality(pg_blocking_pids(a.pid)) > 0 LIMIT 20",
    ),
    (
        Check::Connections,
        "connections by state, of so many allowed",
        "SELECT coalesce(state, 'background') AS state, count(*) AS count, current_setting('max_connections')::int AS max_connections \
         FROM pg_stat_activity GROUP BY 1 ORDER BY 2 DESC",
    ),
    (
        Check::Cache,
        "share of block reads that the buffer cache answered; below 99 percent, a larger compute may help",
        "SELECT sum(heap_blks_hit)::int8 AS hit, sum(heap_blks_read)::int8 AS read, \
          CASE WHEN sum(heap_blks_hit + heap_blks_read) > 0 \
           THEN round(100.0 * sum(heap_blks_hit) / sum(heap_blks_hit + heap_blks_read), 2) END AS hit_percent \
         FROM pg_statio_user_tables",
    ),
    (
        Check::MissingIndexes,
        "larger tables, each partition by itself, that are mostly read from end to end: an index on what their queries filter by may be missing; bytes hold indexes and TOAST",
        "SELECT schemaname AS schema, relname AS table, seq_scan AS sequential_scans, coalesce(idx_scan, 0) AS index_scans, \
          n_live_tup AS rows, pg_total_relation_size(relid) AS bytes FROM pg_stat_user_tables \
         WHERE n_live_tup > 10000 AND seq_scan > 10 AND seq_scan > coalesce(idx_scan, 0) \
         ORDER BY seq_tup_read DESC LIMIT 20",
    ),
    (
        Check::UnindexedForeignKeys,
        "foreign keys without an index on their columns: deletes and joins on the other side are slow",
        "SELECT c.conrelid::regclass::text AS table, c.conname AS constraint, pg_get_constraintdef(c.oid) AS definition \
         FROM pg_constraint c WHERE c.contype = 'f' AND c.conparentid = 0 AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid \
          AND (string_to_array(i.indkey::text, ' ')::int2[])[1:cardinality(c.conkey)] @> c.conkey) LIMIT 20",
    ),
    (
        Check::UnusedIndexes,
        "indexes that no query used since the statistics began: they cost writes and space",
        "SELECT s.schemaname AS schema, s.relname AS table, s.indexrelname AS index, pg_relation_size(s.indexrelid) AS bytes \
         FROM pg_stat_user_indexes s JOIN pg_index i ON i.indexrelid = s.indexrelid \
         WHERE s.idx_scan = 0 AND NOT i.indisunique AND pg_relation_size(s.indexrelid) > 1048576 \
         ORDER BY pg_relation_size(s.indexrelid) DESC LIMIT 20",
    ),
    (
        Check::InvalidIndexes,
        "indexes that failed to build: drop and build them again",
        "SELECT x.indexrelid::regclass::text AS index, x.indrelid::regclass::text AS table FROM pg_index x WHERE NOT x.indisvalid LIMIT 20",
    ),
    (
        Check::Bloat,
        "tables with many dead rows: autovacuum can't keep up, or an old transaction keeps it from cleaning",
        "SELECT schemaname AS schema, relname AS table, n_live_tup AS live_rows, n_dead_tup AS dead_rows, \
          round(100.0 * n_dead_tup / greatest(n_live_tup + n_dead_tup, 1), 1) AS dead_percent, last_autovacuum \
         FROM pg_stat_user_tables WHERE n_dead_tup > 1000 AND n_dead_tup > 0.1 * n_live_tup ORDER BY n_dead_tup DESC LIMIT 20",
    ),
    (
        Check::NeverAnalyzed,
        "tables that the planner knows nothing of: ANALYZE them",
        "SELECT schemaname AS schema, relname AS table, n_live_tup AS rows FROM pg_stat_user_tables \
         WHERE last_analyze IS NULL AND last_autoanalyze IS NULL AND n_live_tup > 1000 ORDER BY n_live_tup DESC LIMIT 20",
    ),
    (
        Check::Largest,
        "the largest tables, with their partitions and inheriting tables, indexes and TOAST",
        "WITH RECURSIVE tree(root, oid) AS (SELECT c.oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
           WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
            AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) \
          UNION SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid) \
         SELECT n.nspname AS schema, r.relname AS table, \
          CASE r.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' ELSE 'materialized view' END AS kind, \
          sum(pg_total_relation_size(t.oid))::int8 AS bytes, coalesce(sum(pg_stat_get_live_tuples(t.oid)), 0)::int8 AS rows, \
          nullif(count(*) - 1, 0) AS partitions_and_inheriting_tables \
         FROM tree t JOIN pg_class r ON r.oid = t.root JOIN pg_namespace n ON n.oid = r.relnamespace \
         GROUP BY n.nspname, r.relname, r.relkind ORDER BY 4 DESC LIMIT 10",
    ),
];

/// What `inspect_database` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InspectDatabase {
    project_id: ProjectId,
    branch_id: BranchId,
    checks: Option<Vec<Check>>,
    database_name: Option<String>,
    role_name: Option<String>,
}

impl InspectDatabase {
    fn target(&self) -> Target<'_> {
        let at = (&self.project_id, &self.branch_id);
        Target::new(at, self.database_name.as_ref(), self.role_name.as_ref())
    }
}

impl WorkflowCall for InspectDatabase {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        inspect(flow, self).boxed()
    }
}

/// `inspect_database`
async fn inspect(flow: &WorkflowContext<'_, '_>, input: &InspectDatabase) -> Result<WorkflowOutput, Failure> {
    let checks: Vec<_> = CHECKS
        .iter()
        .filter(|(check, ..)| input.checks.as_ref().is_none_or(|wanted| wanted.contains(check)))
        .collect();
    let connection = input.target().connect(flow).await?;
    let questions = checks.iter().map(|(_, _, question)| (*question, Vec::new())).collect();
    let results = flow
        .query(&connection, Reads::own_batch(questions).pinned(), PATIENCE)
        .await?;
    let fence = flow.fence();
    let mut found = Map::new();
    let mut clear = Vec::new();
    for (index, (check, meaning, _)) in checks.iter().enumerate() {
        let items = objects(&results, index);
        if items.is_empty() {
            clear.push(*check);
        } else {
            found.insert(
                check.name(),
                json!({"description": meaning, "rows": fence.around(&lines(&items))}),
            );
        }
    }
    let mut ended = WorkflowOutput::with(json!({
        "database": connection.database,
        "checks": found,
        "clear_checks": clear,
    }));
    ended.ours = checks.iter().map(|(_, meaning, _)| (*meaning).to_owned()).collect();
    ended = ended.note("Statistics count from the compute's last start: right after one they say little.");
    Ok(ended)
}

/// The rows of one of several results, as objects. Counts are numbers.
fn objects(results: &[ResultSet], index: usize) -> Vec<Value> {
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
fn abouts(results: &[ResultSet]) -> Vec<Value> {
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
fn lines(items: &[Value]) -> String {
    let mut text = String::from("\n");
    for item in items {
        text.push_str(&without_nulls(item.clone()).to_string());
        text.push('\n');
    }
    text
}
