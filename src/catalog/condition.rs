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
    /// Whether arguments fit; nothing when the schema can't be compiled, which the lints see to.
    #[must_use]
    pub fn fits(&self, arguments: &Map<String, Value>) -> Option<bool> {
        self.fits_value(&Value::Object(arguments.clone()))
    }

    /// Whether a value fits; nothing when the schema can't be compiled.
    #[must_use]
    pub fn fits_value(&self, value: &Value) -> Option<bool> {
        let compile = || jsonschema::draft202012::new(&Value::Object(self.schema.clone())).ok();
        let validator = self.compiled.get_or_init(compile).as_ref()?;
        Some(validator.is_valid(value))
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
