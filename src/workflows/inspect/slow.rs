//! `list_slow_queries`: the statements that took the most time.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown::{PATIENCE, lines, objects};
use crate::engine::{Failure, WorkflowCall, WorkflowContext, WorkflowOutput};
use crate::neon::sql::Reads;
use crate::workflows::sql::statements::Place;

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

/// On Neon any role that the API made may create the extension.
const NOT_INSTALLED: &str = "The extension pg_stat_statements isn't there: run_sql with CREATE EXTENSION pg_stat_statements adds it, and \
                             it counts from then on (and since the compute's last start).";

/// The sandbox's PostgreSQL doesn't load the extension, and lets nobody create it.
const NOT_IN_SANDBOX: &str = "The sandbox doesn't count statements: on Neon, the extension pg_stat_statements does. \
                              explain_sql_statement and prepare_query_tuning measure single queries here, too.";

/// What `list_slow_queries` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::workflows) struct ListSlowQueries {
    #[serde(flatten)]
    at: Place,
    count: Option<u64>,
    min_mean_ms: Option<u64>,
}

impl WorkflowCall for ListSlowQueries {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        slow(flow, self).boxed()
    }
}

/// `list_slow_queries`
async fn slow(flow: &WorkflowContext<'_, '_>, input: &ListSlowQueries) -> Result<WorkflowOutput, Failure> {
    let connection = input.at.target().connect(flow).await?;
    let there = flow
        .query(&connection, Reads::own(EXTENSION, Vec::new()).pinned(), PATIENCE)
        .await?;
    let view = there.first().and_then(|result| result.first("view"));
    let Some(view) = view.as_ref().and_then(Value::as_str) else {
        let note = if flow.is_sandbox() {
            NOT_IN_SANDBOX
        } else {
            NOT_INSTALLED
        };
        let value = json!({"database": connection.database, "queries": Value::Null});
        return Ok(WorkflowOutput::with(value).note(note));
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
