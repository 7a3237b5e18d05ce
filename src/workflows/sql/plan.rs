//! What a plan shows of statements: their texts, as far as they can be shown, what they would lose, and the tables that they name.

use std::time::Duration;

use serde_json::{Value, json};

use super::losses::{lost_when_tried, unmeasured};
use super::statements::Target;
use crate::engine::{Failure, WorkflowContext};
use crate::guard::Line;
use crate::neon::sql::{Measured, Reads};
use crate::sql::{Script, StatementEffect, TableName};

/// How long a list of statements may be that a plan shows whole, in bytes.
const SHOWN_WHOLE: usize = 1_500;

/// The most kinds of statements that stand for those that a plan doesn't show whole.
const MAX_KINDS: usize = 6;

/// The most tables of which a plan shows the size.
const MAX_TABLES: usize = 20;

/// A list of statements as a plan shows it, where it is too long to be shown whole. Those that nobody would have to be asked about
/// stand there by their kind alone, so that those that destroy can be read; the approval is bound to all of them.
pub(in crate::workflows) fn shortened(statements: &Value, scripts: &[Script]) -> Option<Value> {
    if statements.to_string().len() <= SHOWN_WHOLE {
        return None;
    }
    let destroys = |index: usize| {
        let statement = scripts.get(index).and_then(Script::only);
        statement.is_none_or(|statement| statement.effect == StatementEffect::Destructive)
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all: Vec<&Value> = statements.as_array().into_iter().flatten().collect();
    let short = |(index, value): (usize, &&Value)| match scripts.get(index).and_then(Script::only) {
        Some(statement) if !destroys(index) => Value::from(format!(
            "({}, {} characters, sha256 {})",
            statement.kind,
            text(value).chars().count(),
            crate::guard::digest(value).get(..8).unwrap_or_default()
        )),
        _ => (*value).clone(),
    };
    let each: Value = all.iter().enumerate().map(short).collect();
    if crate::guard::can_be_shown(&each) {
        return Some(each);
    }
    // Neighbours that nobody would be asked about stand together, by their kinds and one digest.
    let mut shown: Vec<Value> = Vec::new();
    let mut at = 0;
    while let Some(value) = all.get(at) {
        let together = (at..all.len()).take_while(|index| !destroys(*index)).count();
        if together < 2 {
            shown.extend(each.get(at).cloned().or_else(|| Some((*value).clone())));
            at += 1;
            continue;
        }
        let run: Vec<Value> = all
            .iter()
            .skip(at)
            .take(together)
            .map(|value| (*value).clone())
            .collect();
        let mut kinds: Vec<&str> = Vec::new();
        for statement in scripts.iter().skip(at).take(together).filter_map(Script::only) {
            if !kinds.contains(&statement.kind.as_str()) {
                kinds.push(&statement.kind);
            }
        }
        let more = kinds.len().saturating_sub(MAX_KINDS);
        kinds.truncate(MAX_KINDS);
        shown.push(
            format!(
                "({together} statements, {}{}, {} characters, sha256 {})",
                kinds.join(", "),
                if more > 0 {
                    format!(" and {more} more kinds")
                } else {
                    String::new()
                },
                run.iter().map(|value| text(value).chars().count()).sum::<usize>(),
                crate::guard::digest(&Value::Array(run)).get(..16).unwrap_or_default()
            )
            .into(),
        );
        at += together;
    }
    Some(shown.into())
}

/// What a plan shows of what was prepared: the schema's changes, and what the statements lost where they were tried.
pub(in crate::workflows) fn prepared(flow: &WorkflowContext<'_, '_>, discards: bool) -> Result<Vec<Line>, Failure> {
    let changes = flow.prepared()?.get("changes").and_then(Value::as_array);
    let changes = changes.into_iter().flatten().filter_map(Value::as_str);
    let mut lines = vec![Line::fact("schema changes", changes.map(crate::guard::told))];
    if !discards {
        let measured = lost_when_tried(flow.prepared()?).unwrap_or_default();
        let unmeasured = unmeasured(flow.scripts().iter().flat_map(|script| &script.statements));
        // Of what nobody could measure it isn't said that nothing is lost.
        if unmeasured.is_empty() || measured.exceeds(0) {
            lines.extend(crate::guard::impact_lines(&measured));
        }
        if !unmeasured.is_empty() {
            lines.push(Line::fact("not measured", unmeasured));
        }
    }
    Ok(lines)
}

/// What each statement is.
pub(in crate::workflows) fn kinds(scripts: &[Script]) -> Vec<Line> {
    let statements = scripts.iter().flat_map(|script| &script.statements);
    vec![Line::fact(
        "statements",
        statements.map(|statement| statement.kind.clone()),
    )]
}

/// What statements would lose.
pub(in crate::workflows) fn measured(measured: Option<&Measured>) -> Vec<Line> {
    match measured {
        Some(measured) => crate::guard::impact_lines(measured),
        None => vec![Line::fact(
            "measured",
            ["no: what they lose can't be tried beforehand, so nothing bounds it".to_owned()],
        )],
    }
}

/// The tables that statements name, and how many rows they have.
pub(in crate::workflows) async fn tables(
    flow: &WorkflowContext<'_, '_>,
    target: &Target<'_>,
) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let statements: Vec<_> = flow.scripts().iter().flat_map(|script| &script.statements).collect();
    let mut tables: Vec<(TableName, bool)> = Vec::new();
    for statement in &statements {
        for table in &statement.tables {
            let times = statement.tables.iter().filter(|other| *other == table).count();
            let only = crate::sql::is_only(&statement.text, table, times);
            if !tables.iter().any(|(known, _)| known == table) {
                tables.push((table.clone(), only));
            } else if !only && let Some((_, known)) = tables.iter_mut().find(|(known, _)| known == table) {
                *known = false;
            }
        }
    }
    if tables.is_empty() {
        return Ok(lines);
    }
    let connection = target.connect(flow).await?;
    let names: Vec<Value> = tables
        .iter()
        .take(MAX_TABLES)
        .map(|(table, only)| json!({"schema": table.schema, "name": table.name, "only": only}))
        .collect();
    let left = tables.len().saturating_sub(MAX_TABLES);
    let reads = Reads::own(include_str!("seen.sql"), vec![Value::Array(names).to_string().into()]);
    let mut shown: Vec<String> = match flow.query(&connection, reads, Duration::from_secs(10)).await {
        Ok(results) => results.first().map(|result| result.objects()).unwrap_or_default(),
        // What can't be looked at is said, and doesn't keep a human from deciding.
        Err(_) => {
            lines.push(Line::circumstance("tables", ["can't be looked at".to_owned()]));
            return Ok(lines);
        }
    }
    .iter()
    .map(size)
    .collect();
    if left > 0 {
        shown.push(format!("and {left} more, which aren't shown"));
    }
    lines.push(Line::circumstance("tables", shown));
    Ok(lines)
}

/// What a table holds, in words: with all that is below it, where that counts.
fn size(row: &Value) -> String {
    let text = |field: &str| match row.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let name = match text("schema") {
        schema if schema.is_empty() => crate::guard::told(&text("name")),
        schema => crate::guard::told(&format!("{schema}.{}", text("name"))),
    };
    let kind = text("kind");
    if kind.is_empty() {
        return format!("{name}: not there");
    }
    let below = match (text("partitions").as_str(), text("inheriting").as_str()) {
        ("" | "0", "" | "0") => String::new(),
        ("" | "0", inheriting) => format!(" with {inheriting} inheriting tables"),
        (partitions, _) => format!(" with {partitions} partitions"),
    };
    let about = match (text("over").as_str(), text("exact").as_str()) {
        ("true", _) => "at least ",
        (_, "true") => "",
        _ => "about ",
    };
    let rows = match (text("rows").as_str(), text("uncounted").as_str()) {
        // Postgres has counted none yet.
        ("", _) => "rows not counted yet".to_owned(),
        (rows, "" | "0") => format!("{about}{rows} rows"),
        (rows, uncounted) => format!("{about}{rows} rows, and those of {uncounted} tables that aren't counted yet"),
    };
    let rows = match (text("parent").as_str(), text("parent_rows").as_str()) {
        ("", _) => rows,
        (parent, all) => {
            let parent = crate::guard::told(&format!("{}.{parent}", text("parent_schema")));
            let all = if all.is_empty() {
                String::new()
            } else {
                format!(", which has about {all} in all")
            };
            format!("{rows} (a partition of {parent}{all})")
        }
    };
    match kind.as_str() {
        "table" if below.is_empty() => format!("{name}: {rows}, {} bytes", text("bytes")),
        "table" | "partitioned table" | "materialized view" | "foreign table" => {
            format!("{name} ({kind}{below}): {rows}, {} bytes", text("bytes"))
        }
        kind => format!("{name} ({kind})"),
    }
}
