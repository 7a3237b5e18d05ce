//! Checking arguments: everything that is wrong, at once, before any request.

use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use super::failure::ArgumentProblem;
use crate::catalog::{SelectedTool, nearest};
use crate::neon::text::one_line;

/// The arguments of a call, complete: checked against the published schema and the declaration's rules, with
/// what the operator fixed filled in.
///
/// A `null` counts as "not given" unless the schema knows null: many clients send null for what they leave out.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn check(
    selected: &SelectedTool,
    mut given: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<ArgumentProblem>> {
    given.retain(|name, value| !value.is_null() || takes_null(selected, name));
    let validator = selected.validator().map_err(|error| {
        vec![ArgumentProblem {
            argument: String::new(),
            message: format!("the tool's own schema is broken: {error}"),
        }]
    })?;
    let value = Value::Object(given);
    let mut problems: Vec<ArgumentProblem> = validator
        .iter_errors(&value)
        .flat_map(|error| describe(selected, &error))
        .collect();
    let Value::Object(mut complete) = value else {
        return Err(problems);
    };
    complete.extend(selected.fixed.clone());
    if problems.is_empty() {
        for rule in &selected.tool.declaration.rules {
            if rule.schema.fits(&complete) != Some(true) {
                problems.push(ArgumentProblem {
                    argument: String::new(),
                    message: rule.message.clone(),
                });
            }
        }
    }
    if problems.is_empty() {
        Ok(complete)
    } else {
        Err(problems)
    }
}

fn takes_null(selected: &SelectedTool, name: &str) -> bool {
    let Some(schema) = selected
        .input
        .get("properties")
        .and_then(|properties| properties.get(name))
    else {
        return true;
    };
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "null",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "null"),
        _ => schema
            .get("enum")
            .and_then(Value::as_array)
            .is_some_and(|values| values.contains(&Value::Null)),
    }
}

fn describe(selected: &SelectedTool, error: &jsonschema::ValidationError<'_>) -> Vec<ArgumentProblem> {
    let at = error.instance_path().to_string();
    let at = at.trim_start_matches('/').to_owned();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| {
                let known = selected.arguments();
                let advanced = at.is_empty() && selected.left_out.contains(name);
                let message = match (at.is_empty(), nearest(name, known)) {
                    _ if advanced => format!(
                        "the argument `{name}` exists, but isn't offered by default: the operator enables it with --toolsets {}",
                        selected.tool.toolset
                    ),
                    (true, Some(nearest)) => format!("there is no argument `{name}`: did you mean `{nearest}`?"),
                    (true, None) => format!("there is no argument `{name}`: there are {}", names(selected)),
                    (false, _) => format!("there is no field `{name}`"),
                };
                let argument = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
                ArgumentProblem { argument, message }
            })
            .collect(),
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let argument = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
            vec![ArgumentProblem { argument, message: "is required".to_owned() }]
        }
        _ => {
            let secret = at
                .split('/')
                .next()
                .and_then(|name| selected.tool.property(name))
                // Of a map of secrets, the values are.
                .and_then(|schema| {
                    let of_map = || schema.get("additionalProperties")?.get("writeOnly");
                    schema.get("writeOnly").or_else(of_map)
                })
                == Some(&Value::Bool(true));
            let message = if secret { error.masked().to_string() } else { error.to_string() };
            vec![ArgumentProblem { argument: at, message: one_line(&message, 300) }]
        }
    }
}

fn names(selected: &SelectedTool) -> String {
    let names: Vec<String> = selected.arguments().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
