//! What a search found, as a person would read it: a schema as a line for each argument takes little more than half of
//! what it takes as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// What `search_tools` gives, as text. It holds all that a caller needs; the schemas as they are stand in the structured content.
pub(super) fn written(found: &Value) -> String {
    let mut out = String::new();
    for tool in found.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| tool.get(name).and_then(Value::as_str);
        let caller = text("caller").map(|caller| format!(", call through {caller}"));
        let said = text("description").or_else(|| text("title")).unwrap_or_default();
        let (name, effect) = (text("name").unwrap_or_default(), text("effect").unwrap_or_default());
        let _ = writeln!(out, "{name} ({effect}{}): {said}", caller.unwrap_or_default());
        if let Some(flag) = text("turned_on_by") {
            let _ = writeln!(out, " turned_on_by: {flag}");
        }
        if let Some(not_offered) = tool.get("not_offered") {
            let _ = writeln!(out, " not_offered: {not_offered}");
        }
        if let Some(schema) = tool.get("input_schema").and_then(Value::as_object) {
            arguments(&mut out, schema, 1);
        }
    }
    for (name, value) in found.as_object().into_iter().flatten() {
        match value {
            _ if name == "tools" => {}
            Value::String(text) => drop(writeln!(out, "{name}: {text}")),
            other => drop(writeln!(out, "{name}: {other}")),
        }
    }
    out.trim_end().to_owned()
}

/// The arguments of an object, a line each: `branch_id (required): Branch id or exact name`. A text is said to be nothing else.
fn arguments(out: &mut String, schema: &Map<String, Value>, depth: usize) {
    let properties = schema.get("properties").and_then(Value::as_object);
    if properties.is_none_or(Map::is_empty) && depth == 1 {
        let _ = writeln!(out, " no arguments");
    }
    let required = schema.get("required").and_then(Value::as_array);
    for (name, argument) in properties.into_iter().flatten() {
        let is_required = required.is_some_and(|required| required.iter().any(|one| one == name.as_str()));
        let mut about: Vec<String> = is_required.then(|| "required".to_owned()).into_iter().collect();
        about.extend(kind(argument));
        let about = match about.is_empty() {
            true => String::new(),
            false => format!(" ({})", about.join(", ")),
        };
        let description = argument.get("description").and_then(Value::as_str);
        let description = description.map(|text| format!(": {text}")).unwrap_or_default();
        let _ = writeln!(out, "{:depth$}{name}{about}{description}", "");
        let inner = argument.get("items").unwrap_or(argument);
        if let Some(inner) = inner.as_object().filter(|inner| inner.contains_key("properties")) {
            arguments(out, inner, depth + 1);
        }
    }
}

/// What a value is and how far it goes; nothing of any text.
fn kind(schema: &Value) -> Vec<String> {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    let mut about = Vec::new();
    match (schema.get("enum").and_then(Value::as_array), text("type")) {
        (Some(values), _) => {
            let values = values
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            about.push(values.collect::<Vec<_>>().join("|"));
        }
        (None, Some("array")) => {
            let of = schema.get("items").map(kind).filter(|of| !of.is_empty());
            about.push(of.map_or_else(|| "list".to_owned(), |of| format!("list of {}", of.join(", "))));
        }
        (None, Some("string")) | (None, None) => about.extend(text("format").map(str::to_owned)),
        (None, Some(kind)) => about.push(kind.to_owned()),
    }
    about.extend(text("pattern").map(|pattern| format!("matches {pattern}")));
    for (least, most, of) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ] {
        // That a text isn't empty, and that a name isn't longer than names are, needn't be said.
        let bound = |name: &str| {
            schema
                .get(name)
                .filter(|bound| of.is_empty() || bound.as_u64().is_none_or(|bound| (2..256).contains(&bound)))
        };
        match (bound(least), bound(most)) {
            (Some(least), Some(most)) => about.push(format!("{least} to {most}{of}")),
            (Some(least), None) => about.push(format!("at least {least}{of}")),
            (None, Some(most)) => about.push(format!("at most {most}{of}")),
            (None, None) => {}
        }
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        let of = kind(values);
        about.push(match of.is_empty() {
            true => "any names".to_owned(),
            false => format!("any names, each {}", of.join(", ")),
        });
    }
    about
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::{Catalog, Selection, SelectionOptions};
    use crate::guard::Policy;

    #[test]
    fn every_argument_of_every_tool_is_told_with_what_is_said_of_it() {
        let all = SelectionOptions {
            discovery: true,
            ..SelectionOptions::default()
        };
        let selection = Selection::new(Catalog::embedded().unwrap(), &all, &Policy::default()).unwrap();
        let (mut bytes, mut before) = (0, 0);
        for selected in selection.tools() {
            let schema = Value::Object(selected.published());
            let found = json!({"tools": [{"name": selected.tool.name(), "effect": "read", "input_schema": schema}]});
            let text = written(&found);
            let lines: Vec<&str> = text.lines().skip(1).map(str::trim_start).collect();
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (name, argument) in schema["properties"].as_object().into_iter().flatten() {
                let line = lines
                    .iter()
                    .find(|line| line.split([' ', ':']).next() == Some(name))
                    .unwrap();
                assert_eq!(
                    line.contains("(required"),
                    required.contains(&name.as_str().into()),
                    "{line}"
                );
                if let Some(description) = argument["description"].as_str() {
                    assert!(line.ends_with(description), "{line}");
                }
                for value in argument["enum"].as_array().into_iter().flatten() {
                    assert!(line.contains(value.as_str().unwrap()), "{line}");
                }
            }
            bytes += text.len();
            before += schema.to_string().len();
        }
        assert!(bytes * 10 < before * 6, "{bytes} of {before}");
    }

    #[test]
    fn nested_things_stand_below_what_holds_them() {
        let schema = json!({"required": ["rules"], "properties": {
            "rules": {"type": "array", "maxItems": 9, "description": "What is masked", "items": {
                "type": "object", "required": ["column"], "properties": {
                    "column": {"type": "string", "description": "Column"},
                    "at": {"type": "string", "format": "date-time"},
                    "size": {"type": "number", "minimum": 0.25, "maximum": 8}
                }
            }},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "wait": {"type": "boolean", "description": "false: don't wait"}
        }});
        let found = json!({"tools": [{"name": "t", "effect": "write", "caller": "c", "description": "Mask.", "input_schema": schema}], "next": "Call it."});
        harness::assert_worded!("search", "arguments in lines", written(&found));
    }
}
