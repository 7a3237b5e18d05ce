//! An OpenAPI file as the comparison needs it: its operations, with every reference followed.
//!
//! ```
//! use neon_openapi::Document;
//! use serde_json::json;
//!
//! let file = json!({
//!     "openapi": "3.0.3",
//!     "paths": {"/projects/{project_id}": {"get": {
//!         "operationId": "getProject",
//!         "parameters": [{"name": "project_id", "in": "path", "required": true, "schema": {"type": "string"}}],
//!         "responses": {"200": {"description": "The project", "content": {"application/json": {"schema": {"type": "object"}}}}},
//!     }}},
//! });
//! let document = Document::read(&file)?;
//! let operation = document.operation("getProject").unwrap();
//! assert_eq!((operation.method.as_str(), operation.path.as_str()), ("GET", "/projects/{project_id}"));
//! assert_eq!(operation.successes().count(), 1);
//! # Ok::<(), neon_openapi::DocumentError>(())
//! ```

use serde_json::{Map, Value, json};
use thiserror::Error;

/// The operations of an OpenAPI file.
#[derive(Debug, Clone)]
pub struct Document {
    /// In the order of the file.
    pub operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its `operationId`.
    pub id: String,
    /// The method, in capitals.
    pub method: String,
    /// The path below the API's base.
    pub path: String,
    /// The file says that it is deprecated.
    pub deprecated: bool,
    /// The file says that it is not for the public (`x-internal`).
    pub internal: bool,
    /// What goes into the path, the query and the headers.
    pub parameters: Vec<Parameter>,
    /// What the request carries.
    pub body: Option<Body>,
    /// What may come back.
    pub answers: Vec<Answer>,
}

/// One parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// `path`, `query`, `header` or `cookie`.
    pub place: String,
    /// A request without it is refused.
    pub required: bool,
    /// The file says that it is deprecated.
    pub deprecated: bool,
    /// A list is repeated, where it isn't joined by commas.
    pub repeats: bool,
    /// What it may be, as a JSON Schema 2020-12.
    pub schema: Value,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub struct Body {
    /// A request without it is refused.
    pub required: bool,
    /// Its media type.
    pub content_type: String,
    /// What it may be, as a JSON Schema 2020-12.
    pub schema: Value,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status, or `default`.
    pub status: String,
    /// Its media type and what it may be (a JSON Schema 2020-12), where it has a body.
    pub content: Option<(String, Value)>,
}

/// A file that can't be compared with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// It has no `paths`.
    #[error("this is no OpenAPI 3 file: it has no `openapi: 3…` with `paths`")]
    NotOpenApi,
    /// An operation that has no name to claim it by.
    #[error("{method} {path} has no operationId")]
    NoId {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// A `$ref` that leads nowhere.
    #[error("`{0}` leads nowhere in this file")]
    Reference(String),
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

impl Document {
    /// Reads an OpenAPI 3 file.
    ///
    /// # Errors
    /// When it is none, or refers to something that it doesn't have.
    pub fn read(root: &Value) -> Result<Self, DocumentError> {
        let is_3 = text(root, "openapi").is_some_and(|version| version.starts_with("3."));
        let paths = root.get("paths").and_then(Value::as_object).filter(|_| is_3);
        let paths = paths.ok_or(DocumentError::NotOpenApi)?;
        let reader = Reader { root };
        let mut operations = Vec::new();
        for (path, item) in paths {
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    operations.push(reader.operation(method, path, item, operation)?);
                }
            }
        }
        Ok(Self { operations })
    }

    /// The operation of that id.
    #[must_use]
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }
}

impl Operation {
    /// The schemas of the bodies that come with success.
    pub fn successes(&self) -> impl Iterator<Item = &Value> {
        self.answers
            .iter()
            .filter(|answer| answer.status.starts_with('2'))
            .filter_map(|answer| answer.content.as_ref())
            .map(|(_, schema)| schema)
    }

    /// The media types that come with success.
    pub fn media(&self) -> impl Iterator<Item = &str> {
        self.answers
            .iter()
            .filter(|answer| answer.status.starts_with('2'))
            .filter_map(|answer| answer.content.as_ref())
            .map(|(media, _)| media.as_str())
    }
}

struct Reader<'a> {
    root: &'a Value,
}

impl<'a> Reader<'a> {
    fn operation(
        &self,
        method: &str,
        path: &str,
        item: &'a Value,
        operation: &'a Value,
    ) -> Result<Operation, DocumentError> {
        let id = text(operation, "operationId").ok_or_else(|| DocumentError::NoId {
            method: method.to_uppercase(),
            path: path.to_owned(),
        })?;
        let mut parameters: Vec<Parameter> = Vec::new();
        // An operation's own parameter replaces the path's of the same name and place.
        for parameter in list(item, "parameters").chain(list(operation, "parameters")) {
            let parameter = self.parameter(self.follow(parameter)?)?;
            parameters.retain(|other| (&other.name, &other.place) != (&parameter.name, &parameter.place));
            parameters.push(parameter);
        }
        let body = match operation.get("requestBody") {
            Some(body) => self.body(self.follow(body)?)?,
            None => None,
        };
        let mut answers = Vec::new();
        for (status, answer) in operation
            .get("responses")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            answers.push(Answer {
                status: status.clone(),
                content: self.content(self.follow(answer)?)?,
            });
        }
        Ok(Operation {
            id: id.to_owned(),
            method: method.to_uppercase(),
            path: path.to_owned(),
            deprecated: is_set(operation, "deprecated"),
            internal: is_set(operation, "x-internal"),
            parameters,
            body,
            answers,
        })
    }

    fn parameter(&self, parameter: &Value) -> Result<Parameter, DocumentError> {
        let schema = self.schema(parameter.get("schema").unwrap_or(&Value::Null), &mut Vec::new())?;
        Ok(Parameter {
            name: text(parameter, "name").unwrap_or_default().to_owned(),
            place: text(parameter, "in").unwrap_or_default().to_owned(),
            required: is_set(parameter, "required"),
            deprecated: is_set(parameter, "deprecated") || is_set(&schema, "deprecated"),
            // What `style: form` does where nothing else is said.
            repeats: parameter.get("explode") != Some(&Value::Bool(false)),
            schema,
        })
    }

    fn body(&self, body: &Value) -> Result<Option<Body>, DocumentError> {
        let content = self.content(body)?;
        Ok(content.map(|(content_type, schema)| Body {
            required: is_set(body, "required"),
            content_type,
            schema,
        }))
    }

    /// The first media type of a body, and its schema.
    fn content(&self, body: &Value) -> Result<Option<(String, Value)>, DocumentError> {
        let content = body.get("content").and_then(Value::as_object);
        let Some((media, content)) = content.and_then(|content| content.iter().next()) else {
            return Ok(None);
        };
        let schema = self.schema(content.get("schema").unwrap_or(&Value::Null), &mut Vec::new())?;
        Ok(Some((media.clone(), schema)))
    }

    fn lookup(&self, reference: &str) -> Result<&'a Value, DocumentError> {
        reference
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(pointer))
            .ok_or_else(|| DocumentError::Reference(reference.to_owned()))
    }

    fn follow(&self, value: &'a Value) -> Result<&'a Value, DocumentError> {
        match text(value, "$ref") {
            Some(reference) => self.follow(self.lookup(reference)?),
            None => Ok(value),
        }
    }

    /// A schema of OpenAPI as one of JSON Schema 2020-12, with references followed and `allOf` put together.
    fn schema(&self, schema: &Value, trail: &mut Vec<String>) -> Result<Value, DocumentError> {
        let Some(fields) = schema.as_object() else {
            return Ok(Value::Object(Map::new()));
        };
        if let Some(reference) = text(schema, "$ref") {
            // Within itself it may be anything: nothing is told there, and nothing compared.
            if trail.iter().any(|outer| outer == reference) {
                return Ok(Value::Object(Map::new()));
            }
            trail.push(reference.to_owned());
            let target = self.schema(self.lookup(reference)?, trail);
            trail.pop();
            return target;
        }
        let mut result = Map::new();
        for (key, value) in fields {
            let value = match (key.as_str(), value) {
                ("allOf" | "nullable" | "exclusiveMinimum" | "exclusiveMaximum", _) => continue,
                ("properties", Value::Object(properties)) => {
                    let mut resolved = Map::new();
                    for (name, property) in properties {
                        resolved.insert(name.clone(), self.schema(property, trail)?);
                    }
                    Value::Object(resolved)
                }
                ("items" | "additionalProperties", Value::Object(_)) => self.schema(value, trail)?,
                ("oneOf" | "anyOf", Value::Array(variants)) => {
                    let resolve = |variant: &Value| {
                        let mut resolved = self.schema(variant, &mut trail.clone())?;
                        discriminated(schema, text(variant, "$ref"), &mut resolved);
                        Ok(resolved)
                    };
                    let variants: Result<Vec<_>, _> = variants.iter().map(resolve).collect();
                    Value::Array(variants?)
                }
                _ => value.clone(),
            };
            result.insert(key.clone(), value);
        }
        for part in list(schema, "allOf") {
            if let Value::Object(part) = self.schema(part, trail)? {
                merge(&mut result, part);
            }
        }
        exclusive(fields, &mut result, "minimum", "exclusiveMinimum");
        exclusive(fields, &mut result, "maximum", "exclusiveMaximum");
        if is_set(schema, "nullable") {
            nullable(&mut result);
        }
        Ok(Value::Object(result))
    }
}

/// Adds the field that tells variants apart, with the values that mean this one: the file needn't say it there again.
fn discriminated(from: &Value, reference: Option<&str>, variant: &mut Value) {
    let Some(discriminator) = from.get("discriminator") else {
        return;
    };
    let mapping = discriminator.get("mapping").and_then(Value::as_object);
    if let (Some(name), Some(mapping)) = (text(discriminator, "propertyName"), mapping) {
        let this = mapping.iter().filter(|(_, target)| target.as_str() == reference);
        let values: Vec<&String> = this.map(|(value, _)| value).collect();
        let part = json!({ "properties": { name: { "type": "string", "enum": values } }, "required": [name] });
        if let (Value::Object(part), Value::Object(variant)) = (part, variant) {
            merge(variant, part);
        }
    }
}

/// OpenAPI 3.0 says by a flag that a bound is exclusive, 3.1 by its number.
fn exclusive(from: &Map<String, Value>, schema: &mut Map<String, Value>, bound: &str, key: &str) {
    match from.get(key) {
        Some(Value::Bool(true)) => {
            if let Some(number) = schema.remove(bound) {
                schema.insert(key.to_owned(), number);
            }
        }
        Some(number @ Value::Number(_)) => {
            schema.insert(key.to_owned(), number.clone());
        }
        _ => {}
    }
}

fn nullable(schema: &mut Map<String, Value>) {
    if let Some(kind @ Value::String(_)) = schema.get("type").cloned() {
        schema.insert("type".to_owned(), Value::Array(vec![kind, "null".into()]));
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

/// Puts a part of an `allOf` into a schema: what both say of a property is put together too.
fn merge(schema: &mut Map<String, Value>, part: Map<String, Value>) {
    for (key, value) in part {
        match (schema.get_mut(&key), value) {
            (None, value) => {
                schema.insert(key, value);
            }
            (Some(Value::Object(present)), Value::Object(more)) if key == "properties" => {
                for (name, property) in more {
                    match (present.get_mut(&name), property) {
                        (Some(Value::Object(present)), Value::Object(property)) => merge(present, property),
                        (_, property) => {
                            present.insert(name, property);
                        }
                    }
                }
            }
            (Some(Value::Array(present)), Value::Array(more)) if key == "required" => {
                let new = more.into_iter().filter(|name| !present.contains(name));
                let new: Vec<_> = new.collect();
                present.extend(new);
            }
            _ => {}
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn is_set(value: &Value, key: &str) -> bool {
    value.get(key) == Some(&Value::Bool(true))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
