//! What a client is told of a result, as text and by the schema of results: both must say what the structured content says.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use rmcp::RoleClient;
use rmcp::service::Peer;
use serde_json::Value;

use crate::fence;

/// The schemas of results, by tool: what is true of a tool's results is so whatever else a server offers.
static SCHEMAS: LazyLock<Mutex<HashMap<String, Validator>>> = LazyLock::new(Mutex::default);

/// Panics where the text lacks something of the value, or lets out what is delimited in it.
#[track_caller]
pub fn is_complete(value: &Value, text: &str) {
    if serde_json::from_str::<Value>(text).is_ok_and(|read| read == *value) {
        return;
    }
    let outside = fence::outside(text);
    // What the caller sent itself is repeated as it is.
    let outside_value = fence::outside(&value.to_string());
    let bare = fence::bare(text);
    each(value, &mut |name, leaf| {
        if let Some(name) = name {
            assert!(
                holds(&bare, &fence::bare(name)),
                "the text lacks the key {name}:\n{text}"
            );
        }
        let Some(leaf) = leaf else { return };
        match leaf {
            Value::String(leaf) => {
                let inside = fence::bare(leaf);
                assert!(holds(&bare, &inside), "the text lacks {leaf}:\n{text}");
                let delimited =
                    leaf.starts_with("<untrusted-data-") && inside.trim().contains(' ') && inside.len() > 20;
                let escaped = Value::from(inside.trim()).to_string();
                let is_sent = outside_value.contains(escaped.trim_matches('"'));
                assert!(
                    !delimited || is_sent || !outside.contains(inside.trim()),
                    "not delimited: {leaf}:\n{text}"
                );
            }
            leaf => assert!(bare.contains(&leaf.to_string()), "the text lacks {leaf}:\n{text}"),
        }
    });
}

/// Panics where the text of a search lacks something of what it found: a schema is told as a line for each argument.
#[track_caller]
pub fn search_is_complete(value: &Value, text: &str) {
    let Some(tools) = value.get("tools").and_then(Value::as_array) else {
        return is_complete(value, text);
    };
    let lacks = |part: &str| assert!(text.contains(part), "the text lacks {part}:\n{text}");
    for tool in tools {
        let fields = tool.as_object().expect("a tool");
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("title", _) if fields.contains_key("description") => {}
                ("input_schema", schema) => schema_is_told(schema, &lacks),
                ("not_offered", value) => lacks(&value.to_string()),
                // What can't be seen of a toolset is its flag, which names it.
                ("toolset", _) => {}
                (_, value) => lacks(value.as_str().expect("a text")),
            }
        }
    }
    lacks(value["next"].as_str().expect("what comes next"));
}

fn schema_is_told(schema: &Value, lacks: &dyn Fn(&str)) {
    for (name, argument) in schema["properties"].as_object().into_iter().flatten() {
        lacks(name);
        if let Some(description) = argument["description"].as_str() {
            lacks(description);
        }
        let values = argument["enum"].as_array().into_iter().flatten();
        values.filter_map(Value::as_str).for_each(lacks);
        schema_is_told(argument, lacks);
        schema_is_told(&argument["items"], lacks);
    }
}

/// Whether a text holds another: as it is, as JSON, line by line, or where it is JSON itself, all that is in it.
fn holds(text: &str, part: &str) -> bool {
    let escaped = Value::from(part).to_string();
    let in_cell = escaped.replace('|', "\\u007c");
    let inner = |escaped: &str| text.contains(escaped.trim_matches('"'));
    if text.contains(part) || inner(&escaped) || inner(&in_cell) {
        return true;
    }
    part.lines()
        .filter(|line| !line.is_empty())
        .all(|line| match serde_json::from_str::<Value>(line) {
            Ok(read @ (Value::Object(_) | Value::Array(_))) if !text.contains(line) => {
                let mut all = true;
                each(&read, &mut |name, leaf| {
                    all &= name.is_none_or(|name| holds(text, name));
                    all &= match leaf {
                        Some(Value::String(leaf)) => holds(text, leaf),
                        Some(leaf) => text.contains(&leaf.to_string()),
                        None => true,
                    };
                });
                all
            }
            _ => text.contains(line),
        })
}

/// Each key, and each value that holds no other.
fn each(value: &Value, then: &mut dyn FnMut(Option<&str>, Option<&Value>)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| each(item, then)),
        Value::Object(fields) => {
            let is_call = fields.contains_key("tool") && fields.get("arguments").is_some_and(Value::is_object);
            for (name, value) in fields {
                // A call is written as one.
                let told = !is_call || !matches!(name.as_str(), "tool" | "arguments");
                then(told.then_some(name), None);
                each(value, then);
            }
        }
        leaf => then(None, Some(leaf)),
    }
}

/// Panics where a result isn't what its tool's schema of results says.
pub async fn fits_schema(client: &Peer<RoleClient>, tool: &str, value: &Value) {
    if !SCHEMAS.lock().expect("a lock").contains_key(tool) {
        let tools = client.list_all_tools().await.expect("a list");
        let mut schemas = SCHEMAS.lock().expect("a lock");
        for tool in tools {
            let schema = tool
                .output_schema
                .unwrap_or_else(|| panic!("{}: no outputSchema", tool.name));
            let schema = Value::Object((*schema).clone());
            let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{}: {error}", tool.name));
            schemas.insert(tool.name.to_string(), validator);
        }
    }
    if let Some(validator) = SCHEMAS.lock().expect("a lock").get(tool) {
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            errors.is_empty(),
            "{tool}: not what its outputSchema says: {errors:?}: {value}"
        );
    }
}
