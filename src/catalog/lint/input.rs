//! Lints of the arguments that a tool takes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Linter, is_name};
use crate::catalog::publish::{TIME, Tense};
use crate::catalog::tool::{INJECTED, Tool};

impl Linter {
    pub(super) fn input(&mut self, tool: &Tool) {
        let input = &*tool.input;
        self.require(
            input.get("type") == Some(&Value::from("object")),
            "/input/type",
            "the arguments are an object",
        );
        self.require(
            input.get("additionalProperties") == Some(&Value::Bool(false)),
            "/input/additionalProperties",
            "must be false: unknown arguments are errors",
        );
        for key in ["anyOf", "oneOf", "allOf", "not", "if"] {
            self.require(
                !input.contains_key(key),
                &format!("/input/{key}"),
                "whole clients fail on this at the root: write a rule",
            );
        }
        let empty = Map::new();
        let properties = tool
            .input
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        for (name, schema) in properties {
            let pointer = format!("/input/properties/{name}");
            let described = schema
                .get("description")
                .and_then(Value::as_str)
                .is_some_and(|text| !text.is_empty());
            self.require(described, &pointer, "an argument has a description");
            let is_time = matches!(schema.get("format").and_then(Value::as_str), Some("date-time" | "date"));
            let tense = schema.as_object().and_then(Tense::of);
            self.require(
                is_time == tense.is_some() && (is_time || schema.get(TIME).is_none()),
                &format!("{pointer}/{TIME}"),
                "what takes a time says whether a duration is meant in the past or the future, and nothing else does",
            );
            self.require(is_name(name), &pointer, "an argument is ^[a-z][a-z0-9_]*$");
            let injected = INJECTED.contains(&name.as_str()) && tool.declares(name);
            self.require(!injected, &pointer, "the loader adds this argument");
        }
        let required: Vec<&str> = tool
            .input
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for name in &required {
            self.require(
                properties.contains_key(*name),
                "/input/required",
                format!("`{name}` is no property"),
            );
        }
        for segment in tool
            .declaration
            .request
            .path
            .split('/')
            .filter(|segment| segment.contains(['{', '}']))
        {
            let whole = segment.starts_with('{') && segment.ends_with('}');
            self.require(
                whole,
                "/request/path",
                format!("`{segment}`: a placeholder is a whole segment"),
            );
        }
        let mut seen = BTreeSet::new();
        for name in &tool.placeholders {
            self.require(
                seen.insert(name),
                "/request/path",
                format!("`{name}` stands in the path twice"),
            );
            self.require(
                properties.contains_key(name),
                "/request/path",
                format!("`{name}` is no argument"),
            );
            self.require(
                required.contains(&name.as_str()) || tool.declaration.request.fills_in(name),
                "/input/required",
                format!("`{name}` is in the path"),
            );
        }
    }
}
