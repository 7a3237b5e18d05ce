//! A JSON Schema over the arguments of a call: when something applies.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use jsonschema::Validator;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON Schema (2020-12) that arguments fit or don't. Compiled when it is first asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Condition {
    schema: Map<String, Value>,
    compiled: Arc<OnceLock<Option<Validator>>>,
}

impl Condition {
    /// Whether arguments fit; nothing when the schema can't be compiled, which the lints see to. Where one is missing that the schema
    /// requires, that is known without: every start of a server asks most conditions of calls that give them nothing.
    #[must_use]
    pub fn fits(&self, arguments: &Map<String, Value>) -> Option<bool> {
        let required = self.schema.get("required").and_then(Value::as_array);
        let mut names = required.into_iter().flatten().filter_map(Value::as_str);
        if names.any(|name| !arguments.contains_key(name)) {
            return Some(false);
        }
        self.fits_value(&Value::Object(arguments.clone()))
    }

    /// The names of the arguments that it is about.
    pub(crate) fn properties(&self) -> Vec<&str> {
        let mut found = Vec::new();
        add_properties(&self.schema, &mut found);
        found
    }

    /// Whether a value fits; nothing when the schema can't be compiled.
    #[must_use]
    pub fn fits_value(&self, value: &Value) -> Option<bool> {
        let compile = || jsonschema::draft202012::new(&Value::Object(self.schema.clone())).ok();
        let validator = self.compiled.get_or_init(compile).as_ref()?;
        Some(validator.is_valid(value))
    }
}

/// The properties that a schema over an object names, at its own level.
fn add_properties<'s>(schema: &'s Map<String, Value>, found: &mut Vec<&'s str>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    found.extend(properties.into_iter().flat_map(Map::keys).map(String::as_str));
    let required = schema.get("required").and_then(Value::as_array);
    found.extend(required.into_iter().flatten().filter_map(Value::as_str));
    for name in ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"] {
        let schemas = match schema.get(name) {
            Some(Value::Array(schemas)) => schemas.as_slice(),
            Some(schema) => std::slice::from_ref(schema),
            None => &[],
        };
        for schema in schemas.iter().filter_map(Value::as_object) {
            add_properties(schema, found);
        }
    }
}

impl Deref for Condition {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.schema
    }
}

impl From<Map<String, Value>> for Condition {
    fn from(schema: Map<String, Value>) -> Self {
        Self {
            schema,
            compiled: Arc::default(),
        }
    }
}

impl From<Condition> for Map<String, Value> {
    fn from(condition: Condition) -> Self {
        condition.schema
    }
}

impl JsonSchema for Condition {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Map::<String, Value>::json_schema(generator)
    }
}
