//! What is there under nearly the name that isn't.
//!
//! The name that is missing is read from the text at the place that Postgres tells, else from its message: there it is only something to
//! look for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::WorkflowContext;
use crate::neon::sql::{Connection, Reads, ResultSet, SqlError};
use crate::sql::{Statement, name_at};

/// How long looking for names may take.
const LOOKING: Duration = Duration::from_secs(5);

/// The most names that are told.
const MAX_NAMES: usize = 5;

/// The most labels of an enum that are told.
const MAX_LABELS: usize = 50;

/// How like a name another one must be, by Jaro and Winkler (1 is the same).
const LIKE_ENOUGH: f64 = 0.8;

/// What could be meant, by the code.
const RELATIONS: &str = "SELECT n.nspname AS place, c.relname AS name, NULL AS more FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_(toast|temp)' AND ($1::text IS NOT NULL OR true) LIMIT 5000";
const COLUMNS: &str = "SELECT c.relname AS place, a.attname AS name, NULL AS more FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped \
 AND c.relname IN (SELECT json_array_elements_text($1::json)) LIMIT 5000";
const FUNCTIONS: &str = "SELECT n.nspname AS place, p.proname AS name, pg_get_function_identity_arguments(p.oid) AS more \
 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
 WHERE p.prorettype <> 'internal'::regtype AND ($1::text IS NOT NULL OR true) ORDER BY n.nspname = 'pg_catalog' LIMIT 8000";
const SCHEMAS: &str = "SELECT NULL AS place, nspname AS name, NULL AS more FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)' AND ($1::text IS NOT NULL OR true) LIMIT 2000";
const OBJECTS: &str = "SELECT n.nspname AS place, t.typname AS name, 'type' AS more FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
  WHERE t.typname !~ '^_' AND t.typtype <> 'c' AND n.nspname !~ '^pg_(toast|temp)' AND ($1::text IS NOT NULL OR true) \
 UNION ALL SELECT NULL, rolname, 'role' FROM pg_roles \
 UNION ALL (SELECT n.nspname, c.relname, 'index' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
  WHERE c.relkind IN ('i', 'I') AND n.nspname !~ '^pg_' LIMIT 3000) \
 UNION ALL (SELECT conrelid::regclass::text, conname, 'constraint' FROM pg_constraint WHERE conrelid <> 0 AND connamespace <> 'pg_catalog'::regnamespace LIMIT 3000) \
 UNION ALL (SELECT tgrelid::regclass::text, tgname, 'trigger' FROM pg_trigger WHERE NOT tgisinternal LIMIT 1000) \
 UNION ALL SELECT NULL, extname, 'extension' FROM pg_extension \
 UNION ALL SELECT NULL, name, 'setting' FROM pg_settings";

/// Names that are there and nearly are the one that isn't, the nearest first.
pub(super) async fn nearest(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    error: &SqlError,
    code: &str,
    statements: &[&Statement],
    position: Option<usize>,
) -> Vec<String> {
    let question = match code {
        "42P01" => RELATIONS,
        "42703" => COLUMNS,
        "42883" => FUNCTIONS,
        "3F000" => SCHEMAS,
        "42704" => OBJECTS,
        _ => return Vec::new(),
    };
    let said = error.said().unwrap_or_default();
    let written = match (statements, position) {
        ([only], Some(position)) => name_at(&only.text, position),
        _ => Vec::new(),
    };
    let Some(missing) = missing(code, &written, said) else {
        return Vec::new();
    };
    let identifiers: Vec<String> = statements
        .iter()
        .flat_map(|statement| statement.mentions().identifiers)
        .take(1_000)
        .collect();
    let reads = Reads::own(question, vec![json!(identifiers).to_string().into()]).pinned();
    let Ok(results) = flow.query(connection, reads, LOOKING).await else {
        return Vec::new();
    };
    let mut rows = results.first().map(ResultSet::objects).unwrap_or_default();
    if code == "42704" {
        let settings = statements.iter().any(|statement| is_about_setting(&statement.text));
        let sets = statements
            .iter()
            .any(|statement| statement.text.to_ascii_lowercase().contains("set"));
        rows.retain(|row| match row.get("more").and_then(Value::as_str) {
            Some("setting") => sets || settings,
            _ => !settings,
        });
    }
    ranked(&missing, &rows)
}

/// The schemas whose name is like that one, the nearest first.
pub(in crate::workflows) async fn nearest_schemas(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    name: &str,
) -> Vec<String> {
    let reads = Reads::own(SCHEMAS, vec!["[]".into()]).pinned();
    match flow.query(connection, reads, LOOKING).await {
        Ok(results) => ranked(name, &results.first().map(ResultSet::objects).unwrap_or_default()),
        Err(_) => Vec::new(),
    }
}

/// The relations whose name is like that one, the nearest first.
pub(in crate::workflows) async fn nearest_relations(
    flow: &WorkflowContext<'_, '_>,
    connection: &Connection,
    name: &str,
) -> Vec<String> {
    let reads = Reads::own(RELATIONS, vec!["[]".into()]).pinned();
    match flow.query(connection, reads, LOOKING).await {
        Ok(results) => ranked(name, &results.first().map(ResultSet::objects).unwrap_or_default()),
        Err(_) => Vec::new(),
    }
}

/// The name that is missing: where it stands in the text, else as the message quotes it.
fn missing(code: &str, written: &[String], said: &str) -> Option<String> {
    match written {
        [] => {}
        // An alias that nothing has.
        [first, _, ..] if code == "42P01" && said.contains(&format!("\"{first}\"")) => return Some(first.clone()),
        [first, _, ..] if code == "3F000" => return Some(first.clone()),
        [.., last] => return Some(last.clone()),
    }
    let quoted = [("\"", "\""), ("«", "»"), ("„", "“"), ("“", "”")]
        .iter()
        .find_map(|(opens, closes)| {
            let (_, rest) = said.split_once(opens)?;
            let (name, _) = rest.split_once(closes)?;
            Some(name.rsplit('.').next().unwrap_or(name).to_owned())
        });
    let called = || {
        let (before, _) = said.split_once('(')?;
        let name = before.split_whitespace().next_back()?;
        Some(name.rsplit('.').next().unwrap_or(name).to_owned())
    };
    quoted
        .or_else(called)
        .filter(|name| !name.is_empty() && name.len() <= 63)
}

/// The names that are like the missing one, the most like first.
fn ranked(missing: &str, rows: &[Value]) -> Vec<String> {
    let text = |row: &Value, field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let plain = |name: &str| {
        name.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let wanted = plain(missing);
    let mut near: Vec<(f64, String)> = rows
        .iter()
        .filter_map(|row| {
            let name = text(row, "name");
            let like = match (name == missing, plain(&name) == wanted && !wanted.is_empty()) {
                (true, _) => 2.0,
                (_, true) => 1.5,
                _ => strsim::jaro_winkler(&plain(&name), &wanted),
            };
            if like < LIKE_ENOUGH {
                return None;
            }
            let place = match text(row, "place") {
                place if place.is_empty() => String::new(),
                place => format!("{}.", written(&place)),
            };
            let more = match row.get("more").and_then(Value::as_str) {
                Some(kind @ ("type" | "role" | "index" | "constraint" | "trigger" | "extension" | "setting")) => {
                    format!(" ({kind})")
                }
                Some(arguments) => format!("({arguments})"),
                None => String::new(),
            };
            Some((like, format!("{place}{}{more}", written(&name))))
        })
        .collect();
    near.sort_by(|(one, first), (other, second)| other.total_cmp(one).then_with(|| first.cmp(second)));
    near.dedup();
    near.into_iter().take(MAX_NAMES).map(|(_, name)| name).collect()
}

/// A name as SQL writes it.
fn written(name: &str) -> String {
    crate::sql::TableName {
        schema: None,
        name: name.to_owned(),
    }
    .to_string()
}

/// Whether a statement is about a setting of Postgres'.
pub(super) fn is_about_setting(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let first = name_at(text, 1);
    first
        .first()
        .is_some_and(|word| matches!(word.as_str(), "set" | "show" | "reset"))
        || lower.contains("current_setting")
        || lower.contains("set_config")
}

/// An enum that the message is about, with its labels: the name stands at the end of what is said before the value.
const LABELS: &str = "WITH said AS (SELECT CASE WHEN strpos($1, ': ') > 0 THEN left($1, strpos($1, ': ') - 1) ELSE $1 END AS head), \
 enums AS (SELECT DISTINCT ON (e.enumtypid) e.enumtypid AS oid, quote_ident(t.typname) AS name FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid), \
 one AS (SELECT oid FROM enums, said WHERE right(head, length(name)) = name ORDER BY length(name) DESC, oid LIMIT 1) \
 SELECT NULL AS place, e.enumlabel AS name, NULL AS more FROM pg_enum e WHERE e.enumtypid = (SELECT oid FROM one) ORDER BY e.enumsortorder LIMIT 50";

/// The labels of the enum that an error is about.
pub(super) async fn labels(flow: &WorkflowContext<'_, '_>, connection: &Connection, error: &SqlError) -> Vec<String> {
    let Some(said) = error.said() else { return Vec::new() };
    let reads = Reads::own(LABELS, vec![said.into()]).pinned();
    let Ok(results) = flow.query(connection, reads, LOOKING).await else {
        return Vec::new();
    };
    let rows = results.first().map(ResultSet::objects).unwrap_or_default();
    let labels = rows.iter().filter_map(|row| row.get("name").and_then(Value::as_str));
    labels.take(MAX_LABELS).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_name_is_read_from_the_text_before_the_message() {
        let parts = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        for (code, written, said, name) in [
            (
                "42P01",
                parts(&["crm", "deals"]),
                "relation \"crm.deals\" does not exist",
                "deals",
            ),
            (
                "42P01",
                parts(&["x", "id"]),
                "missing FROM-clause entry for table \"x\"",
                "x",
            ),
            ("42703", parts(&["t", "nmae"]), "column t.nmae does not exist", "nmae"),
            (
                "42703",
                Vec::new(),
                "column \"endpoint\" of relation \"t\" does not exist",
                "endpoint",
            ),
            ("42883", Vec::new(), "function s.foo(integer) does not exist", "foo"),
            ("3F000", parts(&["smth", "t"]), "schema \"smth\" does not exist", "smth"),
        ] {
            assert_eq!(missing(code, &written, said).as_deref(), Some(name), "{said}");
        }
    }

    #[test]
    fn nearest_names_come_first() {
        let row = |place: &str, name: &str| json!({"place": place, "name": name, "more": null});
        let rows = [
            row("public", "orders"),
            row("crm", "order"),
            row("public", "customers"),
            row("x", "Ordrs"),
        ];
        assert_eq!(ranked("ordrs", &rows)[0], "x.\"Ordrs\"");
        assert!(ranked("ordrs", &rows).contains(&"public.orders".to_owned()));
        assert!(!ranked("ordrs", &rows).contains(&"public.customers".to_owned()));
    }
}
