//! `inspect_database`: checks of what makes a database slow.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::shown::{PATIENCE, lines, objects};
use crate::engine::{Failure, WorkflowCall, WorkflowContext, WorkflowOutput};
use crate::neon::sql::Reads;
use crate::workflows::sql::statements::Place;

/// A check of `inspect_database`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::workflows) enum Check {
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
          sum(pg_total_relation_size(t.oid))::int8 AS bytes, \
          CASE WHEN bool_or(k.relkind IN ('r', 'm') AND pg_stat_get_live_tuples(t.oid) = 0 AND k.reltuples <= 0 \
           AND pg_relation_size(t.oid) > 0) THEN NULL \
           ELSE coalesce(sum(CASE WHEN k.relkind <> 'p' THEN greatest(pg_stat_get_live_tuples(t.oid), k.reltuples::int8) END), 0)::int8 \
           END AS rows, \
          nullif(count(*) - 1, 0) AS partitions_and_inheriting_tables \
         FROM tree t JOIN pg_class r ON r.oid = t.root JOIN pg_class k ON k.oid = t.oid JOIN pg_namespace n ON n.oid = r.relnamespace \
         GROUP BY n.nspname, r.relname, r.relkind ORDER BY 4 DESC LIMIT 10",
    ),
];

/// What `inspect_database` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct InspectDatabase {
    #[serde(flatten)]
    at: Place,
    checks: Option<Vec<Check>>,
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
    let connection = input.at.target().connect(flow).await?;
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
