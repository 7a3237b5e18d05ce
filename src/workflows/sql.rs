//! Running SQL: one statement, or several in one transaction.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::rows;
use crate::call::{ArgumentProblem, Ended, Failure, Flow};
use crate::catalog::Tool;
use crate::guard::{Assessed, Effect, Line};
use crate::neon::sql::{Connection, Isolation, Query, Reads, Statements};
use crate::sql::{Reading, Script, StatementEffect, Transaction};

/// How long a statement may run when the caller doesn't say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a list of statements may be that a plan shows whole, in bytes.
const SHOWN_WHOLE: usize = 1_500;

/// The most tables of which a plan shows the size.
const MOST_TABLES: usize = 20;

/// The argument with a call's statements: the prepared ones, where it completes something.
fn argument(tool: &Tool) -> Option<&str> {
    match tool.declaration.completes {
        Some(_) => Some("statements"),
        None => tool.declaration.statements.as_deref(),
    }
}

/// The scripts of a call: those that a text holds, or each of a list.
fn scripts(tool: &Tool, arguments: &Map<String, Value>) -> Option<Vec<Script>> {
    Some(match arguments.get(argument(tool)?)? {
        Value::String(text) => vec![crate::sql::parse(text)],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(crate::sql::parse).collect(),
        _ => return None,
    })
}

/// What the statements of a call do; nothing where the tool takes none.
///
/// # Errors
/// When they can't be sent as they are, whatever they do.
pub(crate) fn assess(tool: &Tool, arguments: &Map<String, Value>) -> Result<Option<Assessed>, Failure> {
    if tool.declaration.completes.is_some() {
        // They were checked when they were prepared. Completing changes something in any case: at least a branch goes.
        let mut assessed = assessed(&scripts(tool, arguments).unwrap_or_default());
        assessed.effect = assessed.effect.max(Effect::Write);
        return Ok(Some(assessed));
    }
    let (Some(argument), Some(scripts)) = (argument(tool), scripts(tool, arguments)) else {
        return Ok(None);
    };
    let problem = |message: String| {
        Failure::Arguments(vec![ArgumentProblem {
            argument: argument.to_owned(),
            message,
        }])
    };
    let several = matches!(arguments.get(argument), Some(Value::Array(_)));
    for (index, script) in scripts.iter().enumerate() {
        let which = if several {
            format!("statement {}", index + 1)
        } else {
            "it".to_owned()
        };
        match script.statements.as_slice() {
            [] => return Err(problem(format!("{which} holds no statement."))),
            [one] if one.transaction == Transaction::Control => {
                return Err(problem(format!(
                    "{which} is transaction control ({}), which this server does itself: run_sql_transaction runs several statements in one transaction.",
                    one.kind
                )));
            }
            [one] if several && one.transaction == Transaction::Outside => {
                return Err(problem(format!(
                    "{which} ({}) can't run inside a transaction: run it with run_sql.",
                    one.kind
                )));
            }
            [_] => {}
            more => {
                return Err(problem(format!(
                    "{which} holds {} statements, and one is sent at a time: give them as a list to run_sql_transaction.",
                    more.len()
                )));
            }
        }
    }
    Ok(Some(assessed(&scripts)))
}

/// What scripts do.
fn assessed(scripts: &[Script]) -> Assessed {
    let statements = || scripts.iter().flat_map(|script| &script.statements);
    let effect = statements().map(|statement| statement.effect).max();
    let mut reasons: Vec<String> = Vec::new();
    for reason in statements().flat_map(|statement| &statement.reasons) {
        if !reasons.contains(reason) && reasons.len() < 20 {
            reasons.push(reason.clone());
        }
    }
    Assessed {
        effect: match effect {
            Some(StatementEffect::Read) | None => Effect::Read,
            Some(StatementEffect::Write) => Effect::Write,
            Some(StatementEffect::Destructive) => Effect::Destructive,
        },
        leaves: scripts.iter().any(Script::leaves),
        reasons,
    }
}

/// The arguments as a plan shows them. Of a long list the statements that nobody would have to be asked about stand there by
/// their kind alone, so that those that destroy can be read; the yes is bound to all of them.
pub(crate) fn shown<'a>(tool: &Tool, arguments: &'a Map<String, Value>) -> Cow<'a, Map<String, Value>> {
    let statements = arguments
        .get("statements")
        .filter(|_| argument(tool) == Some("statements"));
    let Some(short) = statements.and_then(shortened) else {
        return Cow::Borrowed(arguments);
    };
    let mut arguments = arguments.clone();
    arguments.insert("statements".to_owned(), short);
    Cow::Owned(arguments)
}

/// A list of statements as a plan shows it, where it is too long to be shown whole.
pub(super) fn shortened(statements: &Value) -> Option<Value> {
    if statements.to_string().len() <= SHOWN_WHOLE {
        return None;
    }
    let short = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        let script = crate::sql::parse(text);
        match script.only() {
            Some(statement) if statement.effect != StatementEffect::Destructive => Value::from(format!(
                "({}, {} characters, sha256 {})",
                statement.kind,
                text.chars().count(),
                crate::guard::digest(&text.into()).get(..8).unwrap_or_default()
            )),
            _ => text.into(),
        }
    };
    Some(statements.as_array().into_iter().flatten().map(short).collect())
}

/// What a plan shows of the statements: what each is, and how many rows the tables that it changes have.
pub(crate) async fn seen(flow: &Flow<'_, '_>, tool: &Tool) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    if tool.declaration.completes.is_some() {
        let changes = flow.prepared()?.get("changes").and_then(Value::as_array);
        let changes = changes.into_iter().flatten().filter_map(Value::as_str);
        lines.push(Line::fact("schema changes", changes.map(crate::guard::told)));
    }
    let scripts = match scripts(tool, flow.arguments()) {
        Some(scripts) => scripts,
        // Where what was prepared is given up, none of it runs.
        None if tool.declaration.completes.is_some() => Vec::new(),
        None => return Ok(lines),
    };
    let statements: Vec<_> = scripts.iter().flat_map(|script| &script.statements).collect();
    let kinds = statements.iter().map(|statement| statement.kind.clone());
    lines.push(Line::fact("statements", kinds));
    let mut tables: Vec<(Option<String>, String)> = Vec::new();
    for table in statements.iter().flat_map(|statement| &statement.tables) {
        let table = (table.schema.clone(), table.name.clone());
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    if tables.is_empty() {
        return Ok(lines);
    }
    let connection = connect(flow).await?;
    let names: Vec<Value> = tables
        .iter()
        .take(MOST_TABLES)
        .map(|(schema, name)| json!({"schema": schema, "name": name}))
        .collect();
    let reads = Reads::own(
        "SELECT coalesce(n.nspname, asked.schema, '') AS schema, asked.name, c.reltuples::int8 AS rows, \
         pg_total_relation_size(c.oid) AS bytes \
         FROM json_to_recordset($1::json) AS asked(schema text, name text) \
         LEFT JOIN pg_class c ON c.oid = to_regclass(CASE WHEN asked.schema IS NULL THEN quote_ident(asked.name) \
         ELSE quote_ident(asked.schema) || '.' || quote_ident(asked.name) END) \
         LEFT JOIN pg_namespace n ON n.oid = c.relnamespace",
        vec![Value::Array(names).to_string().into()],
    );
    let shown: Vec<String> = match flow.query(&connection, reads, Duration::from_secs(10)).await {
        Ok(results) => results.first().map(|result| result.objects()).unwrap_or_default(),
        // What can't be looked at is said, and doesn't keep a human from deciding.
        Err(_) => {
            lines.push(Line::circumstance("tables", ["can't be looked at".to_owned()]));
            return Ok(lines);
        }
    }
    .iter()
    .map(|row| {
        let text = |field: &str| match row.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let name = match text("schema") {
            schema if schema.is_empty() => crate::guard::told(&text("name")),
            schema => crate::guard::told(&format!("{schema}.{}", text("name"))),
        };
        match text("rows") {
            rows if rows.is_empty() => format!("{name}: not there"),
            // Postgres has counted none yet.
            rows if rows.starts_with('-') => format!("{name}: {} bytes, rows not counted yet", text("bytes")),
            rows => format!("{name}: about {rows} rows, {} bytes", text("bytes")),
        }
    })
    .collect();
    lines.push(Line::circumstance("tables", shown));
    Ok(lines)
}

/// How to connect to the branch that a call is about.
pub(crate) async fn connect(flow: &Flow<'_, '_>) -> Result<Connection, Failure> {
    flow.connection(
        flow.required("project_id")?,
        flow.required("branch_id")?,
        flow.text("database_name"),
        flow.text("role_name"),
    )
    .await
}

/// How long the statements of a call may run.
pub(crate) fn timeout(flow: &Flow<'_, '_>) -> Duration {
    flow.number("timeout_seconds").map_or(TIMEOUT, Duration::from_secs)
}

/// `run_sql`
pub(super) async fn run_one(flow: &Flow<'_, '_>) -> Result<Ended, Failure> {
    let text = flow.required("sql")?;
    let parameters = parameters(flow.arguments().get("params"));
    let script = crate::sql::parse(text);
    let Some(statement) = script.statements.first() else {
        return Err(Failure::Internal("the statement is gone".to_owned()));
    };
    let connection = connect(flow).await?;
    let results = match Reading::prove(&statement.text) {
        Some(reading) => {
            let reads = Reads::proven(reading, parameters);
            flow.query(&connection, reads, timeout(flow)).await?
        }
        None => {
            let query = Query::new(statement.text.clone(), parameters);
            let statements = if statement.transaction == Transaction::Outside {
                Statements::alone(query)
            } else {
                Statements::together(vec![query], Isolation::ReadCommitted)
            };
            flow.execute(&connection, statements, timeout(flow)).await?
        }
    };
    Ok(ended(flow, &connection, &results))
}

/// `run_sql_transaction`
pub(super) async fn run_many(flow: &Flow<'_, '_>) -> Result<Ended, Failure> {
    let texts = flow.arguments().get("statements").and_then(Value::as_array);
    let scripts: Vec<Script> = texts
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(crate::sql::parse)
        .collect();
    let statements: Vec<_> = scripts.iter().filter_map(|script| script.statements.first()).collect();
    let connection = connect(flow).await?;
    let readings: Option<Vec<_>> = statements
        .iter()
        .map(|statement| Reading::prove(&statement.text))
        .collect();
    let results = match readings {
        Some(readings) => {
            flow.query(&connection, Reads::proven_batch(readings), timeout(flow))
                .await?
        }
        None => {
            let queries = statements
                .iter()
                .map(|statement| Query::plain(statement.text.clone()))
                .collect();
            let isolation = match flow.text("isolation") {
                Some("repeatable_read") => Isolation::RepeatableRead,
                Some("serializable") => Isolation::Serializable,
                _ => Isolation::ReadCommitted,
            };
            flow.execute(&connection, Statements::together(queries, isolation), timeout(flow))
                .await?
        }
    };
    Ok(ended(flow, &connection, &results))
}

fn parameters(given: Option<&Value>) -> Vec<Value> {
    given.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn ended(flow: &Flow<'_, '_>, connection: &Connection, results: &[crate::neon::sql::ResultSet]) -> Ended {
    let fence = flow.fence();
    let mut ended = Ended::default();
    let shown = rows::shown(
        results,
        fence,
        flow.most_bytes().saturating_sub(2_000),
        &mut ended.notes,
    );
    let mut result = Map::new();
    result.insert("database".into(), connection.database.as_str().into());
    result.insert("role".into(), connection.role.as_str().into());
    match <[Value; 1]>::try_from(shown) {
        Ok([Value::Object(one)]) => result.extend(one),
        Ok([other]) => {
            result.insert("result".into(), other);
        }
        Err(several) => {
            result.insert("results".into(), several.into());
        }
    }
    ended.result = Value::Object(result);
    ended
}
