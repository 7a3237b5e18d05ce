//! What changed from one OpenAPI file to a newer one, declared or not: descriptions and fields of answers among them.

use std::collections::BTreeMap;

use serde_json::Value;

use neon_openapi::{Document, Operation};

/// The differences between two files, one a line, by operation.
#[must_use]
pub fn changes(old: &Document, new: &Document) -> Vec<String> {
    let mut lines = Vec::new();
    for operation in &old.operations {
        if new.operation(&operation.id).is_none() {
            lines.push(format!("- {} ({} {})", operation.id, operation.method, operation.path));
        }
    }
    for operation in &new.operations {
        let Some(former) = old.operation(&operation.id) else {
            lines.push(format!("+ {} ({} {})", operation.id, operation.method, operation.path));
            continue;
        };
        let (before, after) = (facts(former), facts(operation));
        let mut differences = Vec::new();
        for (place, fact) in &before {
            match after.get(place) {
                None => differences.push(format!("    - {place}")),
                Some(now) if now != fact => differences.push(format!("    ~ {place}: {fact} → {now}")),
                Some(_) => {}
            }
        }
        let new = after.iter().filter(|(place, _)| !before.contains_key(*place));
        differences.extend(new.map(|(place, fact)| format!("    + {place}: {fact}")));
        if !differences.is_empty() {
            lines.push(format!("~ {}", operation.id));
            lines.extend(differences);
        }
    }
    lines
}

/// What a file says of an operation, by place.
fn facts(operation: &Operation) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    facts.insert("request".to_owned(), format!("{} {}", operation.method, operation.path));
    facts.insert("deprecated".to_owned(), operation.deprecated.to_string());
    facts.insert("internal".to_owned(), operation.internal.to_string());
    for parameter in &operation.parameters {
        let at = format!("{}:/{}", parameter.place, parameter.name);
        facts.insert(
            at.clone(),
            if parameter.required { "required" } else { "optional" }.to_owned(),
        );
        collect(&parameter.schema, &at, &mut facts);
    }
    if let Some(body) = &operation.body {
        facts.insert(
            "body".to_owned(),
            format!("{}, required: {}", body.content_type, body.required),
        );
        collect(&body.schema, "body:", &mut facts);
    }
    for answer in &operation.answers {
        let at = format!("{}:", answer.status);
        facts.insert(at.clone(), String::new());
        if let Some((media, schema)) = &answer.content {
            facts.insert(at.clone(), media.clone());
            collect(schema, &at, &mut facts);
        }
    }
    facts
}

/// Every keyword of a schema, by the place of what it is about.
fn collect(schema: &Value, at: &str, facts: &mut BTreeMap<String, String>) {
    for (key, value) in schema.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                for (name, field) in fields {
                    collect(field, &format!("{at}/{name}"), facts);
                }
            }
            ("items" | "additionalProperties", Value::Object(_)) => collect(value, &format!("{at}/*"), facts),
            ("oneOf" | "anyOf", Value::Array(variants)) => {
                for (index, variant) in variants.iter().enumerate() {
                    collect(variant, &format!("{at}({index})"), facts);
                }
            }
            ("example" | "examples", _) => {}
            _ => {
                facts.insert(format!("{at} {key}"), value.to_string());
            }
        }
    }
}
