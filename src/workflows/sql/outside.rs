//! Statements that failed: what they may have left, and how to see and remove that.
//!
//! Nothing rolls a statement back that runs outside of a transaction. A `CREATE INDEX CONCURRENTLY` that fails leaves an index that is invalid, a block that
//! commits keeps what it committed.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::statements::Target;
use crate::engine::{Failure, Kind, WorkflowContext, WorkflowError, postgres_says};
use crate::neon::Changed;
use crate::neon::sql::{Connection, Reads, ResultSet, SqlError};
use crate::sql::{Mentions, Statement};

/// Indexes that Postgres doesn't use: their ids and names, as SQL writes them.
const INVALID: &str = "SELECT i.indexrelid::pg_catalog.text AS id, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name \
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'i' AND NOT (i.indisvalid AND i.indisready) ORDER BY 1 LIMIT 1000";

/// The invalid indexes before a statement.
pub(in crate::workflows) struct Before(BTreeSet<String>);

/// Looks which indexes are invalid already. Nothing where that can't be seen: the statement itself will say why.
pub(in crate::workflows) async fn before(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    connection: &Connection,
) -> Option<Before> {
    let found = invalid(flow, target, connection).await.ok()?;
    Some(Before(found.into_iter().map(|(id, _)| id).collect()))
}

async fn invalid(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
    connection: &Connection,
) -> Result<Vec<(String, String)>, Failure> {
    let reads = Reads::own(INVALID, Vec::new()).pinned();
    let results = flow.query(connection, reads, target.timeout()).await?;
    let text = |row: &Value, field: &str| {
        let value = row.get(field).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let rows = results.first().map(ResultSet::objects).unwrap_or_default();
    Ok(rows.iter().map(|row| (text(row, "id"), text(row, "name"))).collect())
}

/// Said of indexes that a statement was to make or build anew and that are invalid after it: Postgres says so in a notice alone, which
/// SQL over HTTP doesn't hand on.
pub(in crate::workflows) async fn still_invalid(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    statements: &[&Statement],
) -> Option<String> {
    const STILL: &str = "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name \
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        JOIN pg_catalog.pg_class t ON t.oid = i.indrelid WHERE c.relkind = 'i' AND NOT (i.indisvalid AND i.indisready) \
        AND EXISTS (SELECT FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb) w WHERE w = c.relname OR w = t.relname AND $2::pg_catalog.bool) ORDER BY 1 LIMIT 5";
    let meant = |statement: &&&Statement| {
        let skips = statement.text.to_ascii_lowercase().contains("exists");
        statement.kind.starts_with("REINDEX") || statement.kind.starts_with("CREATE INDEX") && skips
    };
    let mut building = statements.iter().filter(meant).peekable();
    building.peek()?;
    // A rebuilt table leaves out its invalid indexes; one that is made by name is meant by that.
    let rebuilds = statements.iter().any(|statement| statement.kind.starts_with("REINDEX"));
    let mentions = Mentions::all(building.map(|statement| statement.mentions()));
    let reads = Reads::own(
        STILL,
        vec![
            json!(mentions.identifiers).to_string().into(),
            rebuilds.to_string().into(),
        ],
    )
    .pinned();
    let found = flow.query(connection, reads, LOOK).await.ok()?;
    let rows = found.first().map(ResultSet::objects).unwrap_or_default();
    let names: Vec<String> = rows
        .iter()
        .filter_map(|row| row.get("name").and_then(Value::as_str))
        .map(|name| flow.fence().quote(&crate::neon::text::one_line(name, 140)))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "Invalid, and used by no query: {}. The statement left it so, as it was there before: drop it with DROP INDEX CONCURRENTLY, mend \
             why it couldn't be built, then create it again.",
            names.join(", ")
        )
    })
}

/// What a failed building of indexes may leave, how to see it, and how to remove it.
const INDEX: (&str, &str) = (
    "an index that is invalid, which takes room and slows writes",
    "inspect_database (invalid_indexes) shows what is invalid; remove each with DROP INDEX CONCURRENTLY, mend the cause, then run it \
     again.",
);

/// Whether Postgres refused the statement before it began: a name that isn't there, a right that is missing (class 42). Code of the
/// database's own may raise these, too.
fn was_not_begun(kind: &str, code: &str) -> bool {
    let own_code = ["DO", "CALL"].contains(&kind.split(' ').next().unwrap_or_default());
    let by_name_or_right = code.starts_with("42") && !own_code && !leaves_indexes_alone(kind);
    by_name_or_right || is_checked_first(kind, code)
}

/// Whether the statement runs no code of the database's own, and Postgres checks what this code tells before it does anything: that
/// the database is there and nobody uses it, that the index isn't partitioned, that nothing depends on it.
fn is_checked_first(kind: &str, code: &str) -> bool {
    let verb = kind.split(' ').next().unwrap_or_default();
    let of_database = matches!(verb, "CREATE" | "DROP" | "ALTER") && kind.contains("DATABASE");
    match code {
        // No such database or schema; not supported; inside of a transaction.
        "3D000" | "3F000" | "0A000" | "25001" => of_database || kind.starts_with("DROP INDEX"),
        // In use; an option that isn't taken.
        "55006" | "22023" => of_database,
        "2BP01" => kind.starts_with("DROP INDEX"),
        _ => false,
    }
}

/// What the statement may have left, by its kind: what, how to see it, and how to remove it.
fn traces(kind: &str) -> (&'static str, &'static str) {
    let first = kind.split(' ').next().unwrap_or_default();
    match first {
        "DO" | "CALL" => (
            "what it committed before it failed holds",
            "Look at the tables that it writes to before running it again: what it committed is done, the rest is not.",
        ),
        "VACUUM" | "ANALYZE" | "CLUSTER" => (
            "the tables that it was done with stay so",
            "Run it again for the tables that are left; pg_stat_user_tables shows when each was last vacuumed and analyzed.",
        ),
        "REINDEX" | "CREATE" | "DROP" | "ALTER" | "REFRESH" if kind.contains("DATABASE") => (
            "a database may be there in part",
            "list_databases shows what there is; delete_database removes one.",
        ),
        "REINDEX" | "REFRESH" => INDEX,
        "CREATE" | "DROP" if kind.contains("INDEX") => INDEX,
        "ALTER" => (
            "a part of what it does may hold, such as a partition that is being detached",
            "describe_table_schema shows what there is; ALTER TABLE … DETACH PARTITION … FINALIZE ends a detaching.",
        ),
        _ => (
            "a part of what it does may hold",
            "Look at the data and the schema before running it again.",
        ),
    }
}

/// Whether a failed statement can only have left an invalid index.
fn leaves_indexes_alone(kind: &str) -> bool {
    kind.starts_with("CREATE INDEX") || kind.starts_with("REINDEX")
}

/// What a statement outside of transactions left that failed.
#[derive(Debug)]
pub(in crate::workflows) struct Left {
    /// Whether it left anything.
    pub(in crate::workflows) changed: Changed,
    /// What it left, or may have left: the end of a sentence.
    what: String,
    /// How to see and remove it.
    next: &'static str,
    /// Each thing that is known, with the call that removes it: items of `left_behind`.
    items: Vec<Value>,
    /// It may have left what no look at the schema shows: rows, databases.
    pub(in crate::workflows) beyond_schema: bool,
}

impl Left {
    /// What it left, or may have left: the end of a sentence.
    pub(in crate::workflows) fn what(&self) -> &str {
        &self.what
    }

    /// How to see and remove it.
    pub(in crate::workflows) fn next(&self) -> &'static str {
        self.next
    }

    /// Adds what is known of it to the details of an error, in the shape of all that a call leaves behind.
    pub(in crate::workflows) fn tell(&self, more: &mut Map<String, Value>) {
        if !self.items.is_empty() {
            more.insert("left_behind".to_owned(), self.items.clone().into());
        }
    }
}

/// Looks what a failed statement left. Nothing where it left nothing.
pub(in crate::workflows) async fn left(
    flow: &WorkflowContext<'_, '_>,
    (target, connection): (&Target<'_>, &Connection),
    statement: &Statement,
    before: Option<Before>,
    error: &SqlError,
) -> Option<Left> {
    // A statement whose answer was lost may have been begun, and may even be under way; of what Postgres refused, it tells. With a
    // position it didn't understand the text, so the statement wasn't begun.
    let lost = error.changed() == Changed::Unknown;
    let refused = error.changed() == Changed::No && error.position().is_none();
    match error.code() {
        Some(code) if refused && !was_not_begun(&statement.kind, code) => {}
        _ if lost => {}
        _ => return None,
    }
    let (may_be_left, next) = traces(&statement.kind);
    let new = match before {
        Some(Before(known)) => invalid(flow, target, connection).await.ok().map(|found| {
            found
                .into_iter()
                .filter(|(id, _)| !known.contains(id))
                .collect::<Vec<_>>()
        }),
        None => None,
    };
    let changed = match &new {
        Some(new) if new.is_empty() && !lost && leaves_indexes_alone(&statement.kind) => return None,
        Some(new) if !new.is_empty() && !lost => Changed::Yes,
        _ => Changed::Unknown,
    };
    let new = new.unwrap_or_default();
    let what = match new.len() {
        0 => may_be_left.to_owned(),
        1 => "it left an index that Postgres doesn't use (it is invalid)".to_owned(),
        count => format!("it left {count} indexes that Postgres doesn't use (they are invalid)"),
    };
    let fence = flow.fence();
    let items = new.iter().map(|(_, name)| {
        let mut arguments = Map::new();
        arguments.insert("project_id".to_owned(), target.project_id.as_str().into());
        arguments.insert("branch_id".to_owned(), target.branch_id.as_str().into());
        let names = [("database_name", target.database_name), ("role_name", target.role_name)];
        arguments.extend(
            names
                .into_iter()
                .filter_map(|(name, given)| Some((name.to_owned(), given?.into()))),
        );
        let drop = fence.around(&format!("DROP INDEX CONCURRENTLY {name}"));
        arguments.insert("sql".to_owned(), drop.into());
        json!({"what": "index", "id": fence.around(name), "remove": {"tool": "run_sql", "arguments": arguments}})
    });
    let verb = statement.kind.split(' ').next().unwrap_or_default();
    let seen_in_schema = matches!(
        verb,
        "CREATE" | "DROP" | "ALTER" | "REINDEX" | "REFRESH" | "VACUUM" | "ANALYZE" | "CLUSTER"
    );
    Some(Left {
        changed,
        what,
        next,
        items: items.collect(),
        beyond_schema: !seen_in_schema
            || ["DATABASE", "SUBSCRIPTION"]
                .iter()
                .any(|word| statement.kind.contains(word)),
    })
}

/// The failure, with what the statement left.
pub(in crate::workflows) async fn failed(
    flow: &WorkflowContext<'_, '_>,
    at: (&Target<'_>, &Connection),
    statement: &Statement,
    before: Option<Before>,
    error: Box<SqlError>,
) -> Failure {
    // Where the answer was lost, that is what is told.
    let Some(code) = error.code().filter(|_| error.changed() == Changed::No) else {
        return Failure::Sql(error);
    };
    let cancelled = code == "57014";
    let message =
        format!("Postgres refused the SQL ({code}). It ran outside of a transaction, so nothing rolled it back: ");
    let Some(left) = left(flow, at, statement, before, &error).await else {
        return Failure::Sql(error);
    };
    let mut more = postgres_says(&error, flow.fence());
    left.tell(&mut more);
    Failure::WorkflowError(Box::new(WorkflowError {
        kind: Kind::SqlFailed,
        message: format!("{message}{}.", left.what),
        changed: left.changed,
        next: if cancelled {
            format!(
                "It was cancelled when timeout_seconds was over, or by somebody: give it more time, or wait for who holds its locks. {}",
                left.next
            )
        } else {
            left.next.to_owned()
        },
        more: Value::Object(more),
    }))
}

/// The failure of statements that were rolled back, with what isn't: sequences stay advanced, ended backends ended.
pub(in crate::workflows) async fn rolled_back(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    statements: &[&Statement],
    error: Box<SqlError>,
) -> Failure {
    // A single statement that Postgres didn't understand wasn't begun.
    let begun = error.code().is_some() && !(statements.len() == 1 && error.position().is_some());
    let mentions = Mentions::all(statements.iter().map(|statement| statement.mentions()));
    let outliving: Vec<&'static str> = mentions.outliving().collect();
    if error.changed() != Changed::No || !begun || outliving.is_empty() {
        return Failure::Sql(error);
    }
    if may_run_none(flow, connection, statements, &mentions).await {
        return Failure::Sql(error);
    }
    Failure::Sql(Box::new(error.outlived_by(&outliving)))
}

/// How long the look for rights takes at most.
const LOOK: std::time::Duration = std::time::Duration::from_secs(20);

/// Whether the role may execute none of the functions whose work outlives a rollback, by the catalogue: then none ran.
async fn may_run_none(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    statements: &[&Statement],
    mentions: &Mentions,
) -> bool {
    const MAY: &str = "SELECT pg_catalog.count(*)::pg_catalog.int4 AS may FROM pg_catalog.pg_proc p \
        WHERE p.proname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb)) \
        AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')";
    // Who becomes another role may do what that one may.
    let becomes = ["role", "authorization", "set_config"];
    let stays = becomes.iter().all(|word| !mentions.identifiers.contains(*word));
    let plain = |statement: &&Statement| !["DO", "CALL", "EXECUTE"].contains(&statement.kind.as_str());
    if !stays || !statements.iter().all(plain) {
        return false;
    }
    let names: Vec<&String> = mentions
        .identifiers
        .iter()
        .filter(|name| {
            let identifiers = BTreeSet::from([(*name).clone()]);
            let alone = Mentions {
                identifiers,
                ..Mentions::default()
            };
            alone.outlive_rollback()
        })
        .collect();
    let reads = Reads::own(MAY, vec![json!(names).to_string().into()]).pinned();
    match flow.query(connection, reads, LOOK).await {
        Ok(results) => results.first().and_then(|result| result.first("may")) == Some(json!(0)),
        Err(_) => false,
    }
}
