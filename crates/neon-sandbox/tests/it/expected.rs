//! What the API reference says of answers: Neon's OpenAPI file where `NEON_OPENAPI_FILE` names it, else the `operations.json` that
//! `NEON_API_REFERENCE` names.

use std::sync::LazyLock;

use neon_openapi::Document;
use reqwest::Method;
use serde_json::{Value, json};

use super::Answer;
use super::templates::fits;

/// Facts that are newer than Neon's OpenAPI file, from the package `@neon/sdk` 6.1.2: where in the file, and what is there now.
fn newer_facts() -> [(&'static str, Value); 4] {
    [
        (
            "/components/schemas/ProjectPermissionLevel/enum",
            json!(["VIEWER", "EDITOR", "ADMIN"]),
        ),
        (
            "/components/schemas/Snapshot/properties/slug",
            json!({ "type": "string" }),
        ),
        (
            "/components/schemas/Snapshot/properties/expires_at/nullable",
            json!(true),
        ),
        (
            "/components/schemas/ProjectPermission/properties/revoked_at/nullable",
            json!(true),
        ),
    ]
}

/// Puts newer facts into the file; what it says itself is no newer fact.
fn bring_up_to_date(file: &mut Value) {
    for (pointer, fact) in newer_facts() {
        assert_ne!(file.pointer(pointer), Some(&fact), "{pointer} is in the file now");
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        file.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}"))[name] = fact;
    }
}

/// An operation of the reference.
pub struct Operation {
    pub id: String,
    method: String,
    path: String,
    answers: Vec<Expected>,
    /// The reference doesn't have it yet.
    pub newer: bool,
}

/// An answer that the reference describes.
pub struct Expected {
    /// Any other error without one.
    status: Option<u16>,
    pub body: Option<Body>,
    /// The reference says whether there is a body, and of what media type.
    media: bool,
}

/// The body of an answer.
pub struct Body {
    media: String,
    schema: Value,
    validator: jsonschema::Validator,
}

pub static REFERENCE: LazyLock<Option<Vec<Operation>>> = LazyLock::new(|| {
    let read = |name: &str| {
        let path = std::env::var_os(name)?;
        Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name} {path:?}: {error}")))
    };
    if let Some(text) = read("NEON_OPENAPI_FILE") {
        return Some(of_openapi(&text));
    }
    let reference: Value = serde_json::from_str(&read("NEON_API_REFERENCE")?).unwrap();
    let operations = reference["operations"].as_array().unwrap();
    Some(operations.iter().map(of_entry).collect())
});

/// The declarations of the operations, beside this package.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools");

/// Operations of a list in `drift.json`: those that are `newer` than the file, or `left_out`.
fn operations_of(list: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{TOOLS}/drift.json")).unwrap();
    let drift: Value = serde_json::from_str(&text).unwrap();
    let entries = drift[list].as_array().unwrap().iter();
    entries
        .map(|entry| entry["operation"].as_str().unwrap().to_owned())
        .collect()
}

/// Operations that the file doesn't have yet.
pub fn newer() -> Vec<String> {
    operations_of("newer")
}

/// Operations that aren't for the public, or deprecated.
pub fn left_out() -> Vec<String> {
    operations_of("left_out")
}

/// The method and the path of an operation, as it is declared.
fn declared(operation: &str) -> (String, String) {
    for entry in std::fs::read_dir(TOOLS).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let area: Value = serde_json::from_str(&text).unwrap();
        let tools = area["tools"].as_array().into_iter().flatten();
        if let Some(tool) = tools.into_iter().find(|tool| tool["operation"] == operation) {
            let text = |name: &str| tool["request"][name].as_str().unwrap().to_owned();
            return (text("method"), text("path"));
        }
    }
    panic!("{operation} isn't declared");
}

fn of_openapi(text: &str) -> Vec<Operation> {
    let mut file: Value = yaml_serde::from_str(text).unwrap();
    bring_up_to_date(&mut file);
    let document = Document::read(&file).unwrap();
    let known = document.operations.iter().map(|operation| Operation {
        id: operation.id.clone(),
        method: operation.method.clone(),
        path: operation.path.clone(),
        answers: operation
            .answers
            .iter()
            .map(|answer| Expected {
                status: answer.status.parse().ok(),
                body: answer.content.as_ref().map(|(media, schema)| Body::new(media, schema)),
                media: true,
            })
            .collect(),
        newer: false,
    });
    let not_yet = newer().into_iter().map(|id| {
        let (method, path) = declared(&id);
        Operation {
            id,
            method,
            path,
            answers: Vec::new(),
            newer: true,
        }
    });
    known.chain(not_yet).collect()
}

fn of_entry(entry: &Value) -> Operation {
    let text = |name: &str| entry[name].as_str().unwrap().to_owned();
    let schema = &entry["response_schema"];
    let statuses = entry["success_status"].as_array().unwrap();
    let answers = statuses.iter().map(|status| {
        let status = u16::try_from(status.as_u64().unwrap()).unwrap();
        Expected {
            status: Some(status),
            body: (status != 204 && !schema.is_null()).then(|| Body::new("", schema)),
            media: false,
        }
    });
    Operation {
        id: text("operationId"),
        method: text("method"),
        path: text("path"),
        answers: answers.collect(),
        newer: false,
    }
}

impl Operation {
    /// What the reference says of an answer with this status.
    pub fn expected(&self, status: u16) -> Option<&Expected> {
        let is = |wanted: Option<u16>| self.answers.iter().find(move |answer| answer.status == wanted);
        is(Some(status)).or_else(|| is(None).filter(|_| status >= 400))
    }
}

impl Body {
    fn new(media: &str, schema: &Value) -> Self {
        let mut schema = schema.clone();
        // What the file calls binary is read as text here, whatever it is.
        if media == "application/octet-stream" {
            schema = Value::Object(serde_json::Map::new());
        }
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        Self {
            media: media.to_owned(),
            schema,
            validator,
        }
    }
}

impl Expected {
    /// Checks an answer.
    pub fn check(&self, operation: &str, answer: &Answer) {
        let media = answer.headers.get("content-type").map(|media| media.to_str().unwrap());
        let Some(body) = &self.body else {
            if self.media {
                assert_eq!(answer.body, Value::from(""), "{operation}: no body is documented");
            }
            return;
        };
        if self.media {
            let media = media.unwrap_or_default();
            assert!(
                media.starts_with(&body.media),
                "{operation}: {media} is no {}",
                body.media
            );
        }
        let problems: Vec<String> = body
            .validator
            .iter_errors(&answer.body)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{operation}: {problems:#?}\n{}", answer.body);
        check_known(operation, &body.schema, &answer.body);
    }
}

/// Refuses fields that the reference doesn't know.
fn check_known(place: &str, schema: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            let variants = ["oneOf", "anyOf"]
                .iter()
                .filter_map(|key| schema[key].as_array())
                .flatten();
            let known: Vec<_> = std::iter::once(schema)
                .chain(variants)
                .filter_map(|schema| schema["properties"].as_object())
                .collect();
            if known.is_empty() {
                return;
            }
            for (name, value) in fields {
                let place = format!("{place}.{name}");
                match known.iter().find_map(|properties| properties.get(name)) {
                    Some(schema) => check_known(&place, schema, value),
                    None => assert!(
                        !schema["additionalProperties"].is_null(),
                        "{place} is not in the reference"
                    ),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                check_known(place, &schema["items"], item);
            }
        }
        _ => {}
    }
}

/// The operation that a request is; the template with the fewest parameters wins.
pub fn find<'a>(operations: &'a [Operation], method: &Method, path: &str) -> Option<&'a Operation> {
    let path = path.split('?').next().unwrap();
    operations
        .iter()
        .filter(|operation| operation.method == method.as_str() && fits(&operation.path, path))
        .min_by_key(|operation| operation.path.matches('{').count())
}
