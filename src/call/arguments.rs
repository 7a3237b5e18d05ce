//! Checking arguments: everything that is wrong, at once, before any request.

use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use super::failure::ArgumentProblem;
use crate::catalog::{SelectedTool, is_map, nearest};
use crate::neon::text::one_line;

/// The longest text in an argument, in bytes: 4 MiB. A schema may want less.
const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// How deep an argument may be nested.
const MAX_DEPTH: usize = 64;

/// How many values an argument may hold in all.
const MAX_VALUES: usize = 100_000;

/// The largest whole number that every reader of JSON takes for what it is: 2^53 - 1 (RFC 8259, section 6).
const MAX_NUMBER: u64 = 9_007_199_254_740_991;

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
    let beyond: Vec<ArgumentProblem> = given
        .iter_mut()
        .filter_map(|(name, value)| {
            let message = beyond_bounds(value)?;
            let argument = one_line(name, 100);
            Some(ArgumentProblem { argument, message })
        })
        .collect();
    // Before anything looks at what they are: a schema is no measure for what can be taken at all.
    if !beyond.is_empty() {
        return Err(beyond);
    }
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

/// What is wrong with an argument whatever it is for: nobody could send it, show it or store it. A whole number that is written as
/// another (`5.0`, `1e3`) becomes what it is, since JSON Schema takes it for one.
fn beyond_bounds(argument: &mut Value) -> Option<String> {
    let mut left = vec![(argument, 0)];
    let mut values = 0;
    while let Some((value, depth)) = left.pop() {
        values += 1;
        if values > MAX_VALUES {
            return Some(format!("holds more than {MAX_VALUES} values"));
        }
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => match whole(number) {
                Ok(Some(is)) => *number = is.into(),
                Ok(None) => {}
                Err(()) => {
                    return Some(format!(
                        "holds a number beyond {MAX_NUMBER}, which can't be sent exactly"
                    ));
                }
            },
            Value::String(text) => {
                if let Some(wrong) = wrong_text(text) {
                    return Some(wrong);
                }
            }
            Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => {
                return Some(format!("is nested deeper than {MAX_DEPTH} levels"));
            }
            Value::Array(items) => left.extend(items.iter_mut().map(|item| (item, depth + 1))),
            Value::Object(fields) => {
                if let Some(wrong) = fields.keys().find_map(|name| wrong_text(name)) {
                    return Some(wrong);
                }
                left.extend(fields.iter_mut().map(|(_, field)| (field, depth + 1)));
            }
        }
    }
    None
}

fn wrong_text(text: &str) -> Option<String> {
    if text.len() > MAX_TEXT_BYTES {
        return Some(format!(
            "holds a text of {} bytes: {MAX_TEXT_BYTES} are taken",
            text.len()
        ));
    }
    // Postgres stores none, and nothing that is shown shows one.
    text.contains('\0')
        .then(|| "holds a NUL character (U+0000), which nothing here takes".to_owned())
}

/// The whole number that this one is, where it is written as another.
fn whole(number: &serde_json::Number) -> Result<Option<i64>, ()> {
    let magnitude = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
    if let Some(magnitude) = magnitude {
        return if magnitude <= MAX_NUMBER { Ok(None) } else { Err(()) };
    }
    let Some(float) = number.as_f64().filter(|float| float.is_finite()) else {
        return Err(());
    };
    if float.fract() != 0.0 {
        return Ok(None);
    }
    // What a float shows of a whole number below 2^53 are its digits.
    let is: i64 = format!("{float:.0}").parse().map_err(|_| ())?;
    if is.unsigned_abs() <= MAX_NUMBER {
        Ok(Some(is))
    } else {
        Err(())
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
            let is_map = error.instance().is_array() && selected.tool.property(&at).is_some_and(is_map);
            let message = if is_map {
                "is a list of {\"name\": …, \"value\": …}, each name once, or an object".to_owned()
            } else if secret {
                error.masked().to_string()
            } else {
                error.to_string()
            };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn wrong(mut value: Value) -> String {
        beyond_bounds(&mut value).expect("out of bounds")
    }

    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!(1), |inside, _| json!([inside]))
    }

    #[test]
    fn what_can_be_taken_is_bounded() {
        for number in [
            json!(u64::MAX),
            json!(i64::MIN),
            json!(9_007_199_254_740_992_u64),
            json!(-9_007_199_254_740_992_i64),
            json!(1e18),
            json!(1e308),
            json!(-1e300),
        ] {
            assert!(wrong(number.clone()).contains("number"), "{number}");
            assert!(wrong(json!({"a": [number]})).contains("number"));
        }
        for text in ["\0", "a\0b"] {
            assert!(wrong(json!(text)).contains("NUL"));
            assert!(wrong(json!({text: 1})).contains("NUL"));
            assert!(wrong(json!([[text]])).contains("NUL"));
        }
        assert!(wrong(json!("x".repeat(MAX_TEXT_BYTES + 1))).contains("bytes"));
        assert!(wrong(nested(MAX_DEPTH + 1)).contains("nested"));
        assert!(wrong(json!(vec![0; MAX_VALUES])).contains("values"));
        for mut right in [
            nested(MAX_DEPTH),
            json!("x".repeat(MAX_TEXT_BYTES)),
            json!(MAX_NUMBER),
            json!(-9_007_199_254_740_991_i64),
            json!(0.25),
            json!(1e-300),
            json!("\u{1}\u{10ffff}\u{202e}"),
        ] {
            let before = right.clone();
            assert_eq!(beyond_bounds(&mut right), None);
            assert_eq!(right, before);
        }
    }

    #[test]
    fn whole_number_is_one_however_it_is_written() {
        for (written, is) in [
            ("5.0", "5"),
            ("1e3", "1000"),
            ("-0.0", "0"),
            ("-2.50e1", "-25"),
            ("9007199254740991.0", "9007199254740991"),
        ] {
            let mut value: Value = serde_json::from_str(written).unwrap();
            assert_eq!(beyond_bounds(&mut value), None);
            assert_eq!(value.to_string(), is);
        }
    }

    proptest! {
        #[test]
        fn any_number_is_taken_exactly_or_refused(text in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?") {
            if let Ok(mut value) = serde_json::from_str::<Value>(&text) {
                let before = value.as_f64().unwrap();
                if beyond_bounds(&mut value).is_none() {
                    prop_assert_eq!(value.as_f64().unwrap(), before);
                    prop_assert!(before.fract() != 0.0 || value.is_i64() || value.is_u64());
                } else {
                    prop_assert!(before.abs() >= 9_007_199_254_740_991.0);
                }
            }
        }
    }
}
