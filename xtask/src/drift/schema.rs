//! Two schemas side by side: what ours takes and theirs doesn't, and what theirs takes and ours doesn't.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A difference: where, below the place that was compared, and what.
pub(super) type Difference = (String, String);

/// Bounds are compared one by one.
const BOUNDS: [&str; 10] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];

/// Formats that say how wide a number is, or how a text is shown: nothing that a value can break.
const WIDTHS: [&str; 9] = [
    "int", "int32", "int64", "uint32", "uint64", "float", "double", "binary", "password",
];

/// Every difference between our schema of an argument and theirs.
pub(super) fn compare(ours: &Value, theirs: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    at(ours, theirs, "", &mut differences);
    differences
}

/// Only whether the types go together, for what isn't sent as it was given.
pub(super) fn compare_types(ours: &Value, theirs: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    types(ours, theirs, "", &mut differences);
    differences
}

fn at(ours: &Value, theirs: &Value, place: &str, differences: &mut Vec<Difference>) {
    let theirs = &flat(theirs);
    let before = differences.len();
    types(ours, theirs, place, differences);
    if differences.len() > before {
        return;
    }
    let mut say = |what: String| differences.push((place.to_owned(), what));
    let (our_values, their_values) = (values(ours), values(theirs));
    match (&our_values, &their_values) {
        (Some(ours), Some(theirs)) => {
            for value in ours.iter().filter(|value| !theirs.contains(value)) {
                say(format!("the value {value} is taken here, and not known there"));
            }
            for value in theirs.iter().filter(|value| !ours.contains(value)) {
                say(format!("the value {value} is known there, and not offered here"));
            }
        }
        (Some(ours), None) => {
            say(format!("only {} here, any value there", listed(ours)));
            for value in ours.iter().filter(|value| !accepts(theirs, value)) {
                say(format!("the value {value} is taken here, and refused there"));
            }
        }
        (None, Some(theirs)) => say(format!("any value here, only {} there", listed(theirs))),
        (None, None) => {
            for key in BOUNDS {
                differ(key, bound(ours, key), bound(theirs, key), &mut say);
            }
            let format = |schema: &Value| {
                let format = schema.get("format").and_then(Value::as_str);
                format.filter(|format| !WIDTHS.contains(format)).map(Value::from)
            };
            differ("format", format(ours), format(theirs), &mut say);
            differ(
                "pattern",
                ours.get("pattern").cloned(),
                theirs.get("pattern").cloned(),
                &mut say,
            );
        }
    }
    if let (Some(ours), Some(theirs)) = (ours.get("items"), theirs.get("items")) {
        at(ours, theirs, &format!("{place}/*"), differences);
    }
    objects(ours, theirs, place, differences);
}

fn types(ours: &Value, theirs: &Value, place: &str, differences: &mut Vec<Difference>) {
    let theirs = &flat(theirs);
    let (Some(our_types), Some(their_types)) = (kinds(ours), kinds(theirs)) else {
        if let (None, Some(theirs)) = (kinds(ours), kinds(theirs)) {
            differences.push((
                place.to_owned(),
                format!("the type is any here, {} there", named(&theirs)),
            ));
        }
        return;
    };
    let known = |kind: &String| their_types.contains(kind) || (kind == "integer" && their_types.contains("number"));
    let offered = |kind: &String| our_types.contains(kind) || (kind == "integer" && our_types.contains("number"));
    let whole_for_number = |kind: &String| kind == "number" && our_types.contains("integer");
    if !our_types.iter().all(known) || !their_types.iter().all(offered) {
        let narrower = their_types.iter().any(whole_for_number);
        let what = format!("the type is {} here, {} there", named(&our_types), named(&their_types));
        let what = if narrower {
            format!("{what}: fractions aren't offered")
        } else {
            what
        };
        differences.push((place.to_owned(), what));
    }
}

fn objects(ours: &Value, theirs: &Value, place: &str, differences: &mut Vec<Difference>) {
    let (our_fields, their_fields) = (properties(ours), properties(theirs));
    let (our_rest, their_rest) = (rest(ours), rest(theirs));
    if !our_fields.is_empty() || our_rest.is_none() {
        for (name, field) in &our_fields {
            let place = format!("{place}/{name}");
            match their_fields.get(name).or(their_rest) {
                Some(their_field) => at(field, their_field, &place, differences),
                None if their_fields.is_empty() => {}
                None => differences.push((place, "is not known there".to_owned())),
            }
        }
    }
    for (name, field) in &their_fields {
        let place = format!("{place}/{name}");
        if !our_fields.contains_key(name) {
            if field.get("deprecated") != Some(&Value::Bool(true)) {
                differences.push((place, "is not offered here".to_owned()));
            }
            continue;
        }
        match (requires(ours, name), requires(theirs, name)) {
            (true, false) => differences.push((place, "is required here, optional there".to_owned())),
            (false, true) => differences.push((place, "is optional here, required there".to_owned())),
            _ => {}
        }
    }
    match (our_rest, their_rest) {
        (Some(ours), Some(theirs)) => at(ours, theirs, &format!("{place}/*"), differences),
        (Some(_), None) if !their_fields.is_empty() => {
            differences.push((
                format!("{place}/*"),
                "any field is taken here, only the named ones there".to_owned(),
            ));
        }
        (None, Some(_)) if our_fields.is_empty() && kinds(ours).is_some_and(|kinds| kinds.contains("object")) => {
            differences.push((
                format!("{place}/*"),
                "any value is taken here, and not there".to_owned(),
            ));
        }
        _ => {}
    }
}

/// A schema with its variants put together: every field of each, required where all require it.
pub(super) fn flat(schema: &Value) -> Value {
    let variants = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(key)?.as_array());
    let (Some(variants), Some(fields)) = (variants, schema.as_object()) else {
        return schema.clone();
    };
    let mut whole = fields.clone();
    whole.shift_remove("oneOf");
    whole.shift_remove("anyOf");
    let variants: Vec<Value> = variants.iter().map(flat).collect();
    let mut fields = properties(schema);
    let mut kinds_of_all = BTreeSet::new();
    for variant in &variants {
        kinds_of_all.extend(kinds(variant).unwrap_or_default());
        for (name, field) in properties(variant) {
            let joined = match fields.get(&name) {
                Some(present) => either(present, &field),
                None => field,
            };
            fields.insert(name, joined);
        }
    }
    let required: Vec<Value> = fields
        .keys()
        .filter(|name| requires(schema, name) || variants.iter().all(|variant| requires(variant, name)))
        .map(|name| name.as_str().into())
        .collect();
    if !fields.is_empty() {
        whole.insert("properties".to_owned(), Value::Object(fields));
        whole.insert("required".to_owned(), Value::Array(required));
    }
    if !whole.contains_key("type") && !kinds_of_all.is_empty() {
        let kinds = kinds_of_all.into_iter().map(Value::from).collect();
        whole.insert("type".to_owned(), Value::Array(kinds));
    }
    Value::Object(whole)
}

/// What either of two schemas of one field says: the values of both, and of the rest what the first says.
fn either(first: &Value, second: &Value) -> Value {
    let mut joined = first.clone();
    if let (Some(Value::Array(values)), Some(more)) = (joined.get_mut("enum"), values(second)) {
        let new: Vec<Value> = more.into_iter().filter(|value| !values.contains(value)).collect();
        values.extend(new);
    }
    joined
}

/// The values that a schema lists.
fn values(schema: &Value) -> Option<Vec<Value>> {
    if let Some(constant) = schema.get("const") {
        return Some(vec![constant.clone()]);
    }
    schema.get("enum")?.as_array().cloned()
}

/// The types that a schema takes, where it says so or lists its values; nothing is "any".
pub(super) fn kinds(schema: &Value) -> Option<BTreeSet<String>> {
    match schema.get("type") {
        Some(Value::String(kind)) => Some(BTreeSet::from([kind.clone()])),
        Some(Value::Array(kinds)) => Some(kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => values(schema).map(|values| values.iter().map(|value| kind_of(value).to_owned()).collect()),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The named fields of an object schema.
pub(super) fn properties(schema: &Value) -> Map<String, Value> {
    let named = schema.get("properties").and_then(Value::as_object);
    named.cloned().unwrap_or_default()
}

/// What an object schema says of fields that it doesn't name.
fn rest(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|rest| rest.is_object())
}

/// Whether an object schema requires a field.
pub(super) fn requires(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|required| required == name))
}

/// Whether a schema accepts a value, formats included.
pub(super) fn accepts(schema: &Value, value: &Value) -> bool {
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(schema);
    validator.is_ok_and(|validator| validator.is_valid(value))
}

/// A bound: an unsigned integer is at least 0, and a length of at least 0 says nothing.
fn bound(schema: &Value, key: &str) -> Option<Value> {
    let nothing = key.starts_with("min") && key != "minimum";
    let said = schema
        .get(key)
        .filter(|said| !(nothing && said.as_u64() == Some(0)))
        .cloned();
    let unsigned = schema
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.starts_with("uint"));
    said.or_else(|| (unsigned && key == "minimum").then(|| 0.into()))
}

fn differ(key: &str, ours: Option<Value>, theirs: Option<Value>, say: &mut impl FnMut(String)) {
    let same = match (&ours, &theirs) {
        (Some(ours), Some(theirs)) if ours.is_number() && theirs.is_number() => ours.as_f64() == theirs.as_f64(),
        _ => ours == theirs,
    };
    if !same {
        let shown = |value: Option<Value>| match value {
            None => "none".to_owned(),
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
        };
        say(format!("{key} is {} here, {} there", shown(ours), shown(theirs)));
    }
}

fn named(kinds: &BTreeSet<String>) -> String {
    kinds.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")
}

fn listed(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}
