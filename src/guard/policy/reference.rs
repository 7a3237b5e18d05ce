//! The schema of policy files, and the reference for people that is made from it.

use std::fmt::Write as _;

use serde_json::Value;

use super::file::PolicyFile;

/// What stands above the keys.
const INTRO: &str = include_str!("reference/intro.md");

/// What stands below them.
const EXAMPLES: &str = include_str!("reference/examples.md");

/// The JSON schema of a policy file.
#[must_use]
pub fn policy_schema() -> Value {
    schema()
}

/// The reference of policy files, as Markdown.
#[must_use]
pub fn policy_reference() -> String {
    let schema = schema();
    let mut text = INTRO.trim_end().to_owned();
    text.push_str("\n\n## Keys\n");
    let mut tables = Vec::new();
    let _ = write!(text, "\n### Above the first table\n");
    for (name, property) in properties(&schema) {
        if resolved(&schema, property).get("type").and_then(Value::as_str) == Some("object") {
            tables.push((name, property));
        } else {
            text.push_str(&entry(&schema, name, property));
        }
    }
    for (name, property) in tables {
        let _ = write!(text, "\n### `[{name}]`\n\n{}\n", description(&schema, property));
        let table = resolved(&schema, property);
        let (lists, keys): (Vec<_>, Vec<_>) =
            properties(table).partition(|(_, property)| item(&schema, property).is_some());
        for (key, property) in keys {
            text.push_str(&entry(&schema, &format!("{name}.{key}"), property));
        }
        for (key, property) in lists {
            let about = description(&schema, property);
            let _ = write!(text, "\n#### `[[{name}.{key}]]`\n\n*list of tables*\n\n{about}\n");
            for (inner, property) in item(&schema, property).into_iter().flat_map(properties) {
                text.push_str(&entry(&schema, &format!("{name}.{key}.{inner}"), property));
            }
        }
        if let Some(values) = table.get("additionalProperties").filter(|values| values.is_object()) {
            text.push_str(&entry(&schema, &format!("{name}.NAME"), values));
        }
    }
    text.push('\n');
    text.push_str(EXAMPLES.trim_end());
    text
}

pub(super) fn schema() -> Value {
    schemars::schema_for!(PolicyFile).to_value()
}

/// Every key of the schema, dotted.
pub(super) fn keys(schema: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for (name, property) in properties(schema) {
        keys.push(name.to_owned());
        for (key, property) in properties(resolved(schema, property)) {
            keys.push(format!("{name}.{key}"));
            let inner = item(schema, property).into_iter().flat_map(properties);
            keys.extend(inner.map(|(inner, _)| format!("{name}.{key}.{inner}")));
        }
    }
    keys
}

fn properties(table: &Value) -> impl Iterator<Item = (&str, &Value)> {
    table
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, property)| (name.as_str(), property))
}

/// The table that the items of a list are, where they are tables.
fn item<'a>(whole: &'a Value, property: &'a Value) -> Option<&'a Value> {
    let item = resolved(whole, property.get("items")?);
    item.get("properties").map(|_| item)
}

/// What a schema refers to, or itself.
fn resolved<'a>(whole: &'a Value, schema: &'a Value) -> &'a Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| whole.pointer(reference.strip_prefix('#')?))
        .unwrap_or(schema)
}

fn entry(whole: &Value, key: &str, property: &Value) -> String {
    let mut about = vec![kind(whole, property)];
    about.extend(range(property));
    if let Some(default) = property.get("default").filter(|default| !default.is_null()) {
        about.push(format!("default `{default}`"));
    }
    let mut text = description(whole, property);
    if property.get("description").is_none() {
        let values = resolved(whole, property).get("oneOf").and_then(Value::as_array);
        for one in values.into_iter().flatten() {
            if let (Some(value), Some(about)) = (one.get("const"), one.get("description").and_then(Value::as_str)) {
                let _ = write!(text, "\n- `{value}`: {about}");
            }
        }
    }
    let text = if text.is_empty() {
        String::new()
    } else {
        format!("\n{text}\n")
    };
    format!("\n#### `{key}`\n\n*{}*\n{text}", about.join(", "))
}

fn description(whole: &Value, property: &Value) -> String {
    let of = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
    let text = of(property)
        .or_else(|| of(resolved(whole, property)))
        .unwrap_or_default();
    // A doc comment's lines are one paragraph.
    text.replace('\n', " ")
}

/// The type in words.
fn kind(whole: &Value, property: &Value) -> String {
    let schema = resolved(whole, property);
    let values = choices(schema);
    if !values.is_empty() {
        return values.join(" or ");
    }
    match schema.get("type").and_then(Value::as_str).unwrap_or_default() {
        "boolean" => "true or false".to_owned(),
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "array" => match schema.get("items").map(|items| kind(whole, items)) {
            Some(items) if items == "text" => "list of texts".to_owned(),
            Some(items) => format!("list of {items}"),
            None => "list".to_owned(),
        },
        other => other.to_owned(),
    }
}

/// The values that may stand at a path, where those are an enumeration.
pub(super) fn choices_at(schema: &Value, path: &[&str]) -> Vec<String> {
    choices(resolved(schema, &place_at(schema, path)))
}

/// What the number at a path may be, where one stands there, and one that is right.
pub(super) fn numbers_at(schema: &Value, path: &[&str]) -> Option<(String, String)> {
    let place = place_at(schema, path);
    let place = resolved(schema, &place);
    let least = place.get("minimum")?;
    Some((range(place)?, place.get("maximum").unwrap_or(least).to_string()))
}

/// The schema of what stands at a path.
fn place_at(schema: &Value, path: &[&str]) -> Value {
    let step = |place: &Value, step: &&str| {
        let place = resolved(schema, place).clone();
        let property = place.get("properties").and_then(|properties| properties.get(*step));
        let others = || place.get("additionalProperties").or_else(|| place.get("items"));
        property.or_else(others).cloned().unwrap_or_default()
    };
    path.iter().fold(schema.clone(), |place, name| step(&place, name))
}

/// The values of an enumeration.
fn choices(schema: &Value) -> Vec<String> {
    let alternatives = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let constants = alternatives.filter_map(|one| one.get("const"));
    listed.chain(constants).map(|value| format!("`{value}`")).collect()
}

fn range(property: &Value) -> Option<String> {
    let bound = |name: &str| property.get(name).map(ToString::to_string);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) => Some(format!("at least {least}")),
        (None, Some(most)) => Some(format!("at most {most}")),
        (None, None) if property.get("minLength").is_some() || property.get("minItems").is_some() => {
            Some("not empty".to_owned())
        }
        (None, None) => None,
    }
}
