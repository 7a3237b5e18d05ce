//! One tool, for who wants to call it by hand.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::overview::asks;
use super::reference::kind;
use crate::catalog::{Said, SelectedTool, Undo};

/// What a tool does, what it takes, what of it asks a human, how it is undone: plain text, of which no line is folded.
#[must_use]
pub fn tool_page(selected: &SelectedTool) -> String {
    let declaration = &selected.tool.declaration;
    let mut text = format!(
        "{}  (toolset {}, effect {})\n\n{}. {}\n",
        declaration.name,
        selected.tool.toolset,
        selected.effect().name(),
        declaration.title.trim_end_matches('.'),
        selected.description()
    );
    let properties = selected.tool.input.get("properties").and_then(Value::as_object);
    let offered: Vec<&str> = selected.arguments().collect();
    let arguments = properties.into_iter().flatten();
    let arguments: Vec<_> = arguments.filter(|(name, _)| offered.contains(&name.as_str())).collect();
    text.push_str(if arguments.is_empty() {
        "\nIt takes no arguments.\n"
    } else {
        "\nArguments:\n"
    });
    for (name, schema) in arguments {
        let kind = schema.as_object().map(kind).unwrap_or_default().replace('`', "");
        let mark = if is_required(selected, name) { ", required" } else { "" };
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(text, "  {name}: {kind}{mark}. {}", about.replace('\n', " "));
    }
    let asks = asks(selected);
    text.push_str(if asks.is_empty() {
        "\nIt asks nobody, unless the operator's policy says so.\n"
    } else {
        "\nIt asks a human:\n"
    });
    for ask in &asks {
        let word = |name: &str| ask.get(name).and_then(Value::as_str).unwrap_or_default();
        let when = if ask.get("always") == Some(&Value::Bool(true)) {
            "always"
        } else {
            "where"
        };
        let _ = writeln!(text, "  {when}: {} ({})", word("because"), word("effect"));
    }
    match &declaration.safety.undo {
        Some(Undo::Never(never)) => {
            let _ = writeln!(text, "\nUndo: none. {}", never.never);
        }
        Some(Undo::Way(way)) => {
            let _ = writeln!(
                text,
                "\nUndo: {}. {}",
                way.tool,
                way.note.iter().flat_map(Said::texts).collect::<Vec<_>>().join(" ")
            );
        }
        None => {}
    }
    text
}

/// A call as it can be written, with values that are examples.
#[must_use]
pub fn example_arguments(selected: &SelectedTool) -> Value {
    let properties = selected.tool.input.get("properties").and_then(Value::as_object);
    let offered: Vec<&str> = selected.arguments().collect();
    let arguments = properties
        .into_iter()
        .flatten()
        .filter(|(name, _)| offered.contains(&name.as_str()) && is_required(selected, name))
        .map(|(name, schema)| (name.clone(), example(name, schema)));
    Value::Object(arguments.collect())
}

fn is_required(selected: &SelectedTool, name: &str) -> bool {
    let names = selected.tool.input.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|one| one == name))
}

fn example(name: &str, schema: &Value) -> Value {
    let given = schema.pointer("/examples/0").or_else(|| schema.pointer("/enum/0"));
    if let Some(given) = given {
        return given.clone();
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match (name, kind.unwrap_or("string")) {
        ("project_id", _) => "quiet-sun-12345678".into(),
        ("branch_id", _) => "main".into(),
        ("sql", _) => "SELECT 1".into(),
        (_, "integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        (_, "boolean") => true.into(),
        (_, "array") => {
            let items = schema.get("items").cloned().unwrap_or_default();
            let item = if name == "statements" {
                "SELECT 1".into()
            } else {
                example("", &items)
            };
            Value::Array(vec![item])
        }
        (_, "object") => Value::Object(Map::new()),
        _ => "…".into(),
    }
}
