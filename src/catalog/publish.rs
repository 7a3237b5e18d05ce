//! Schemas as they are published: a subset of JSON Schema that every model's API takes, since one tool that an API refuses
//! fails the whole request. Calls are checked against what the declarations say, which is stricter.
//!
//! - What an API refuses is left out: `uniqueItems`, `contentMediaType`, `writeOnly`, most formats.
//! - An `enum` has its `type`.
//! - A map of texts is a list of `{name, value}`: strict modes close every object, and a closed map takes nothing.
//! - A list of anything is one of texts: a value of any type can be written as one.
//! - A time has no `format`: a day or `2d` is taken, too.
//! - A `null` that means something has a word ([`UNSET`]): strict clients send null for whatever they leave out.
//!
//! [`declared`] takes arguments back to what the declaration says.

use serde_json::{Map, Value, json};

/// The keyword of a declaration that gives the word for null: `"x-unset": "never"`.
pub(super) const UNSET: &str = "x-unset";

/// The keyword of a declaration that says which way a duration counts where a time is taken: `"x-time": "past"`.
pub(super) const TIME: &str = "x-time";

/// Which way a duration counts from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// `2d` is two days ago: a point in history.
    Past,
    /// `2d` is in two days: an end.
    Future,
}

impl Tense {
    /// Which way it is for an argument that takes a time; `None` for every other one.
    #[must_use]
    pub fn of(schema: &Map<String, Value>) -> Option<Self> {
        match schema.get(TIME)?.as_str()? {
            "past" => Some(Self::Past),
            "future" => Some(Self::Future),
            _ => None,
        }
    }
}

/// The formats that OpenAI's strict mode and Gemini both take.
const FORMATS: [&str; 4] = ["date-time", "date", "uuid", "email"];

/// The form that ids have: calls are checked against it.
const ID_PATTERN: &str = "^[a-z0-9-]{1,60}$";

/// What no published schema has, with why not.
const REFUSED: [(&str, &str); 24] = [
    ("uniqueItems", "OpenAI's strict mode refuses it"),
    ("contentMediaType", "OpenAI's strict mode refuses it"),
    ("contentEncoding", "OpenAI's strict mode refuses it"),
    ("contentSchema", "OpenAI's strict mode refuses it"),
    ("writeOnly", "Gemini refuses it"),
    ("readOnly", "Gemini refuses it"),
    ("$ref", "Gemini refuses it"),
    ("$defs", "Gemini refuses it"),
    ("definitions", "Gemini refuses it"),
    ("$schema", "it is none of an argument's keywords"),
    ("oneOf", "OpenAI's strict mode refuses it"),
    ("allOf", "OpenAI's strict mode refuses it"),
    ("anyOf", "a property has one type"),
    ("not", "OpenAI's strict mode refuses it"),
    ("if", "OpenAI's strict mode refuses it"),
    ("then", "OpenAI's strict mode refuses it"),
    ("else", "OpenAI's strict mode refuses it"),
    ("const", "Gemini refuses it: write an enum"),
    ("prefixItems", "OpenAI's strict mode refuses it"),
    ("patternProperties", "OpenAI's strict mode refuses it"),
    ("propertyNames", "OpenAI's strict mode refuses it"),
    ("dependentRequired", "OpenAI's strict mode refuses it"),
    (UNSET, "it is for declarations"),
    (TIME, "it is for declarations"),
];

/// The schema that is published of one that calls are checked against.
#[must_use]
pub fn published_schema(declared: &Map<String, Value>) -> Map<String, Value> {
    let worded = declared.contains_key(UNSET);
    // A client that knows the format would refuse the other forms that a time may have.
    let loose = worded || declared.contains_key(TIME);
    let map = values_of_map(declared).is_some();
    let mut schema = Map::new();
    if !declared.contains_key("type")
        && let Some(kind) = kind_of_all(declared)
    {
        schema.insert("type".to_owned(), kind.into());
    }
    for (key, value) in declared {
        let value = match (key.as_str(), value) {
            ("uniqueItems" | "contentMediaType" | "writeOnly", _) => continue,
            (UNSET | TIME, _) => continue,
            ("format", Value::String(format)) if loose || !FORMATS.contains(&format.as_str()) => continue,
            // What every text and every id has says nothing to a model, which reads it in each tool.
            ("minLength", Value::Number(least)) if least.as_u64() == Some(1) => continue,
            ("pattern", Value::String(pattern)) if pattern == ID_PATTERN => continue,
            // The word wouldn't fit them.
            ("pattern" | "minLength", _) if worded => continue,
            ("type", Value::Array(kinds)) => {
                let kind = kinds.iter().find(|kind| *kind != "null");
                kind.cloned().unwrap_or_else(|| value.clone())
            }
            ("type", _) if map => "array".into(),
            ("additionalProperties", Value::Object(values)) if map => {
                schema.insert("items".to_owned(), pair(values));
                continue;
            }
            ("maxProperties", _) if map => {
                schema.insert("maxItems".to_owned(), value.clone());
                continue;
            }
            ("minProperties", _) if map => {
                schema.insert("minItems".to_owned(), value.clone());
                continue;
            }
            ("properties", Value::Object(properties)) => properties
                .iter()
                .map(|(name, schema)| (name.clone(), published_value(schema)))
                .collect::<Map<_, _>>()
                .into(),
            ("items", Value::Object(items)) if items.is_empty() => text(),
            ("items", schema) => published_value(schema),
            _ => value.clone(),
        };
        schema.insert(key.clone(), value);
    }
    if schema.get("type").is_some_and(|kind| kind == "array") && !schema.contains_key("items") {
        schema.insert("items".to_owned(), text());
    }
    schema
}

/// What every value of JSON can be written as.
fn text() -> Value {
    json!({"type": "string"})
}

fn published_value(schema: &Value) -> Value {
    schema
        .as_object()
        .map_or_else(|| schema.clone(), |schema| published_schema(schema).into())
}

/// The values' schema, where a schema is that of a map: an object with any names.
fn values_of_map(schema: &Map<String, Value>) -> Option<&Map<String, Value>> {
    if schema.contains_key("properties") {
        return None;
    }
    schema.get("additionalProperties")?.as_object()
}

fn pair(values: &Map<String, Value>) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "value"],
        "properties": {"name": {"type": "string"}, "value": published_schema(values)},
    })
}

/// The type that all values of an enum have.
fn kind_of_all(schema: &Map<String, Value>) -> Option<&'static str> {
    let values = schema.get("enum")?.as_array()?;
    let all = |is: fn(&Value) -> bool| !values.is_empty() && values.iter().all(is);
    [
        ("string", all(Value::is_string)),
        ("integer", all(|value| value.is_i64() || value.is_u64())),
        ("boolean", all(Value::is_boolean)),
    ]
    .into_iter()
    .find_map(|(kind, all)| all.then_some(kind))
}

/// Takes arguments in a published form back to what the declaration says: a null that stands for what is left out goes, the word
/// for null becomes one, a list of `{name, value}` becomes a map where each name stands in it once. What is in the declared form
/// already stays, and what is in neither, too: the check that follows says what is wrong with it.
pub fn declared(schema: &Map<String, Value>, arguments: &mut Map<String, Value>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    arguments.retain(|name, value| !value.is_null() || !properties.contains_key(name) || is_required(name));
    for (name, value) in arguments {
        if let Some(schema) = properties.get(name).and_then(Value::as_object) {
            declared_value(schema, value);
        }
    }
}

fn declared_value(schema: &Map<String, Value>, value: &mut Value) {
    match value {
        Value::String(text) if schema.get(UNSET).and_then(Value::as_str) == Some(text) => *value = Value::Null,
        Value::Object(fields) => declared(schema, fields),
        Value::Array(items) => {
            if values_of_map(schema).is_some() {
                if let Some(map) = map_of(items) {
                    *value = map.into();
                }
            } else if let Some(schema) = schema.get("items").and_then(Value::as_object) {
                items.iter_mut().for_each(|item| declared_value(schema, item));
            }
        }
        _ => {}
    }
}

/// The map that a list of pairs is.
fn map_of(pairs: &[Value]) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    for pair in pairs {
        let fields = pair.as_object().filter(|fields| fields.len() == 2)?;
        let (name, value) = (fields.get("name")?.as_str()?, fields.get("value")?);
        if map.insert(name.to_owned(), value.clone()).is_some() {
            return None;
        }
    }
    Some(map)
}

/// Whether an argument is a map, which is published as a list of pairs.
#[must_use]
pub fn is_map(schema: &Map<String, Value>) -> bool {
    values_of_map(schema).is_some()
}

/// The word that stands for null in an argument.
#[must_use]
pub fn word_for_null(schema: &Map<String, Value>) -> Option<&str> {
    schema.get(UNSET)?.as_str()
}

/// What is wrong with the published schema of a tool's arguments: each with a JSON pointer into it.
#[must_use]
pub fn published_problems(schema: &Map<String, Value>) -> Vec<(String, String)> {
    problems_of(schema, Role::Arguments)
}

/// The same for the schema of results, which is open: Neon may add fields, and no model has to fill it in.
#[must_use]
pub fn published_output_problems(schema: &Map<String, Value>) -> Vec<(String, String)> {
    problems_of(schema, Role::Results)
}

/// What a schema is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Arguments,
    Results,
}

fn problems_of(schema: &Map<String, Value>, role: Role) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        problems.push((String::new(), "is no object: every API wants one".to_owned()));
    }
    within(schema, "", true, role, &mut problems);
    problems
}

fn within(schema: &Map<String, Value>, at: &str, root: bool, role: Role, problems: &mut Vec<(String, String)>) {
    let mut wrong = |below: &str, message: &str| problems.push((format!("{at}{below}"), message.to_owned()));
    for (key, why) in REFUSED {
        if schema.contains_key(key) {
            wrong(&format!("/{key}"), why);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(_) => {
            wrong("/type", "a type is one word: Gemini refuses a list");
            ""
        }
        None => {
            wrong("", "has no type, which Gemini wants of everything, an enum too");
            ""
        }
    };
    if let Some(format) = schema.get("format")
        && !format.as_str().is_some_and(|format| FORMATS.contains(&format))
    {
        wrong(
            "/format",
            "OpenAI's strict mode and Gemini take date-time, date, uuid and email alone",
        );
    }
    if let Some(values) = schema.get("enum") {
        let texts = values.as_array().is_some_and(|values| {
            !values.is_empty()
                && values
                    .iter()
                    .all(|value| value.as_str().is_some_and(|text| !text.is_empty()))
        });
        if kind != "string" || !texts {
            wrong("/enum", "Gemini takes an enum of texts alone, none of them empty");
        }
    }
    let empty = Map::new();
    let properties = match schema.get("properties") {
        Some(Value::Object(properties)) => properties,
        Some(_) => {
            wrong("/properties", "is no object");
            &empty
        }
        None => &empty,
    };
    if kind == "object" && role == Role::Arguments {
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            wrong(
                "/additionalProperties",
                "must be false: strict modes close every object, and what isn't declared is lost",
            );
        }
        if properties.is_empty() && !root {
            wrong(
                "/properties",
                "an object without properties: Gemini refuses it, and strict modes lose what it holds",
            );
        }
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !name.as_str().is_some_and(|name| properties.contains_key(name)) {
            wrong("/required", &format!("{name} is no property"));
        }
    }
    match schema.get("items") {
        Some(Value::Object(_)) if kind == "array" => {}
        None if kind != "array" => {}
        _ => wrong(
            "/items",
            "an array, and nothing else, has items, which are one schema with a type",
        ),
    }
    for name in properties.keys() {
        if !is_key(name) {
            wrong(&format!("/properties/{name}"), "a name is ^[a-zA-Z0-9_.-]{1,64}$");
        }
    }
    for (name, schema) in properties {
        let at = format!("{at}/properties/{name}");
        match schema {
            Value::Object(schema) if !schema.is_empty() => within(schema, &at, false, role, problems),
            _ => problems.push((at, "is no schema with something in it".to_owned())),
        }
    }
    if let Some(Value::Object(items)) = schema.get("items") {
        within(items, &format!("{at}/items"), false, role, problems);
    }
}

/// Whether Claude's API takes it as the name of a property.
fn is_key(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn example() -> Map<String, Value> {
        object(json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["title"],
            "properties": {
                "kind": {"enum": ["a", "b"]},
                "title": {"type": ["string", "null"], "minLength": 1, "x-unset": ""},
                "until": {"type": ["string", "null"], "format": "date-time", "x-unset": "never"},
                "labels": {"type": "object", "maxProperties": 3, "additionalProperties": {"type": "string", "writeOnly": true}},
                "link": {"type": "string", "format": "uri"},
                "checks": {"type": "array", "uniqueItems": true, "items": {"type": "string", "contentMediaType": "text/plain"}},
                "rules": {"type": "array", "items": {
                    "type": "object", "additionalProperties": false, "required": ["column"],
                    "properties": {"column": {"type": "string"}, "value": {"type": "string"}}
                }},
                "params": {"type": "array", "items": {}},
                "more": {"type": "array"}
            }
        }))
    }

    #[test]
    fn schema_is_published_as_every_api_takes_it() {
        let published = published_schema(&example());
        assert_eq!(
            Value::Object(published.clone()),
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["title"],
                "properties": {
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "title": {"type": "string"},
                    "until": {"type": "string"},
                    "labels": {"type": "array", "maxItems": 3, "items": {
                        "type": "object", "additionalProperties": false, "required": ["name", "value"],
                        "properties": {"name": {"type": "string"}, "value": {"type": "string"}}
                    }},
                    "link": {"type": "string"},
                    "checks": {"type": "array", "items": {"type": "string"}},
                    "rules": {"type": "array", "items": {
                        "type": "object", "additionalProperties": false, "required": ["column"],
                        "properties": {"column": {"type": "string"}, "value": {"type": "string"}}
                    }},
                    "params": {"type": "array", "items": {"type": "string"}},
                    "more": {"type": "array", "items": {"type": "string"}}
                }
            })
        );
        assert_eq!(published_problems(&published), []);
    }

    #[test]
    fn arguments_in_a_published_form_become_the_declared_ones() {
        for (given, declared_form) in [
            (
                json!({"title": "", "until": "never"}),
                json!({"title": null, "until": null}),
            ),
            (json!({"title": null, "until": null}), json!({"title": null})),
            (
                json!({"labels": [{"name": "a", "value": "1"}, {"value": "2", "name": "b"}]}),
                json!({"labels": {"a": "1", "b": "2"}}),
            ),
            (json!({"labels": []}), json!({"labels": {}})),
            (json!({"labels": {"a": "1"}}), json!({"labels": {"a": "1"}})),
            (
                json!({"rules": [{"column": "c", "value": null}]}),
                json!({"rules": [{"column": "c"}]}),
            ),
            // In neither form: the check says so.
            (json!({"no": null}), json!({"no": null})),
            (
                json!({"labels": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}),
                json!({"labels": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}),
            ),
            (
                json!({"params": [null, "", 1, {"a": null}]}),
                json!({"params": [null, "", 1, {"a": null}]}),
            ),
            (json!({"labels": [{"name": "a"}]}), json!({"labels": [{"name": "a"}]})),
        ] {
            let mut arguments = object(given);
            declared(&example(), &mut arguments);
            assert_eq!(Value::Object(arguments), declared_form);
        }
    }

    #[test]
    fn schema_that_an_api_refuses_is_found() {
        for (property, at) in [
            (json!({"type": "array"}), "/items"),
            (json!({"type": "array", "items": {}}), "/items"),
            (json!({"type": "array", "items": true}), "/items"),
            (json!({"enum": ["a"]}), ""),
            (json!({"type": "integer", "enum": [1]}), "/enum"),
            (json!({"type": "string", "enum": ["", "a"]}), "/enum"),
            (json!({"type": ["string", "null"]}), "/type"),
            (
                json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
                "/uniqueItems",
            ),
            (
                json!({"type": "string", "contentMediaType": "text/plain"}),
                "/contentMediaType",
            ),
            (json!({"type": "string", "writeOnly": true}), "/writeOnly"),
            (json!({"type": "string", "format": "uri"}), "/format"),
            (json!({"$ref": "#/$defs/a"}), "/$ref"),
            (json!({"anyOf": [{"type": "string"}]}), "/anyOf"),
            (json!(true), ""),
            (json!({}), ""),
            (json!({"type": "object"}), "/additionalProperties"),
            (json!({"type": "object", "additionalProperties": false}), "/properties"),
            (
                json!({"type": "object", "additionalProperties": {"type": "string"}, "properties": {"a": {"type": "string"}}}),
                "/additionalProperties",
            ),
        ] {
            let schema = object(json!({
                "type": "object", "additionalProperties": false, "properties": {"it": property}
            }));
            let problems = published_problems(&schema);
            let wanted = format!("/properties/it{at}");
            assert!(
                problems.iter().any(|(pointer, _)| *pointer == wanted),
                "{property}: {problems:?}"
            );
        }
        for schema in [
            json!({"type": "object", "additionalProperties": false, "oneOf": []}),
            json!({"type": "object", "additionalProperties": false, "required": ["a"]}),
            json!({"type": "object", "additionalProperties": false, "properties": {"a b": {"type": "string"}}}),
            json!({"type": "string"}),
        ] {
            assert!(!published_problems(&object(schema.clone())).is_empty(), "{schema}");
        }
    }
}
