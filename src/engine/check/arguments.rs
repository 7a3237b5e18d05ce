//! Checking arguments: everything that is wrong, at once, before any request.

use std::collections::HashSet;

use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use crate::catalog::{Argument, SelectedTool, is_map, nearest};
use crate::engine::check::time::{self, Reference};
use crate::engine::check::{aliases, reference};
use crate::engine::error::ArgumentProblem;
use crate::json::{self, MAX_NUMBER};
use crate::neon::text::{one_line, trimmed};

/// The longest text in an argument, in bytes: 4 MiB. A schema may want less.
const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// How deep an argument may be nested.
const MAX_DEPTH: usize = 64;

/// How many values an argument may hold in all.
const MAX_VALUES: usize = 100_000;

/// The most texts of a call that are taken for what they hold.
const MAX_MEANT: usize = 1_000;

/// How much of a reason is told.
const MAX_REASON: usize = 220;

/// How many of the forms that a value may have are told of.
const SHOWN_FORMS: usize = 4;

/// The arguments of a call, complete: checked against the published schema and the declaration's rules, with
/// what the operator fixed filled in.
///
/// A `null` counts as "not given" unless the schema knows null: many clients send null for what they leave out. Where a text doesn't
/// fit and can mean only one thing, it is taken for that: several clients send lists, numbers and booleans as their text, an empty
/// text for what they leave out, `1`, `yes` or `on` for a boolean, one item for a list of it, and blanks around ids.
///
/// # Errors
/// Everything that is wrong.
pub(in crate::engine) fn check(
    selected: &SelectedTool,
    mut given: Map<String, Value>,
    times: &mut Reference,
) -> Result<Map<String, Value>, Vec<ArgumentProblem>> {
    aliases::apply(selected, &mut given);
    given.retain(|name, value| !value.is_null() || takes_null(selected, name));
    for name in SCRIPTS {
        let is_text = selected
            .tool
            .property(name)
            .is_some_and(|schema| schema.get("type") == Some(&"string".into()));
        if is_text && let Some(script) = given.get(name).and_then(joined) {
            given.insert(name.to_owned(), script.into());
        }
    }
    // No name and no place in a list is empty.
    let named = |name: &str| name == "cursor" || selected.tool.names(name).is_some();
    given.retain(|name, value| value.as_str() != Some("") || !named(name) || is_required(selected, name));
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
    reference::trim(&selected.tool, &mut given);
    for (name, default) in &selected.tool.declaration.request.defaults {
        let is_given = given
            .get(name)
            .is_some_and(|value| !matches!(value.as_str(), Some("" | "null")));
        if !is_given {
            given.insert(name.clone(), default.clone());
        }
    }
    times.write(&selected.tool, &mut given);
    let mut value = Value::Object(given);
    let statements = selected.tool.declaration.statements();
    for reading in [
        &held as &dyn Fn(&str, &Value) -> Option<Value>,
        &|place, value| id_as_text(selected, place, value),
        &|_, value| bare(value),
        &|_, value| switch(value),
        &|place, value| list_of_one(place, value, statements),
    ] {
        if validator.is_valid(&value) {
            break;
        }
        take_as_meant(validator, &mut value, reading);
    }
    take_words_as_meant(validator, &mut value);
    let mut problems: Vec<ArgumentProblem> = validator
        .iter_errors(&value)
        .flat_map(|error| describe(selected, &error))
        .collect();
    let Value::Object(mut complete) = value else {
        return Err(problems);
    };
    complete.extend(selected.fixed.clone());
    if problems.is_empty() {
        for rule in &selected.tool.declaration.request.rules {
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

/// The arguments that take a whole script as one text.
const SCRIPTS: [&str; 2] = ["sql", "changes"];

/// The script that a list of statements is.
fn joined(value: &Value) -> Option<String> {
    let items = value.as_array().filter(|items| !items.is_empty())?;
    let statements: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    // A line of its own: a comment may stand at the end of one.
    let ended = |statement: &&str| statement.trim_end().trim_end_matches(';').to_owned();
    Some(statements?.iter().map(ended).collect::<Vec<_>>().join("\n;\n"))
}

/// Puts the word that is meant in the place of each that is written otherwise than the schema has it: with other capitals, or with
/// blanks, hyphens or underscores in other places.
fn take_words_as_meant(validator: &jsonschema::Validator, value: &mut Value) {
    let bare = |word: &str| -> String {
        let letters = word.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_'));
        letters.flat_map(char::to_lowercase).collect()
    };
    let mut meant: Vec<(String, Value)> = Vec::new();
    for error in validator.iter_errors(value).take(MAX_MEANT) {
        let (ValidationErrorKind::Enum { options }, Some(given)) = (error.kind(), error.instance().as_str()) else {
            continue;
        };
        let words = options.as_array().into_iter().flatten();
        let mut like = words.filter(|word| word.as_str().is_some_and(|word| bare(word) == bare(given)));
        if let (Some(word), None) = (like.next(), like.next()) {
            meant.push((error.instance_path().to_string(), word.clone()));
        }
    }
    for (place, word) in meant {
        if let Some(there) = value.pointer_mut(&place) {
            *there = word;
        }
    }
}

/// Puts another reading in the place of each value that doesn't fit, where that fits. A value that fits is what it is.
fn take_as_meant(
    validator: &jsonschema::Validator,
    value: &mut Value,
    reading: &dyn Fn(&str, &Value) -> Option<Value>,
) {
    // What is inside of a list that came as a text is seen once that is a list.
    for _ in 0..3 {
        let mut tried: Vec<(String, Value)> = Vec::new();
        for place in wrong_values(validator, value).into_iter().take(MAX_MEANT) {
            let Some(given) = value.pointer(&place) else {
                continue;
            };
            let before = given.clone();
            let is_nothing = matches!(given.as_str(), Some("" | "null"));
            let done = match reading(&place, given) {
                Some(meant) => value.pointer_mut(&place).map(|there| *there = meant).is_some(),
                None if is_nothing => left_out(value, &place).is_some(),
                None => false,
            };
            if done {
                tried.push((place, before));
            }
        }
        if tried.is_empty() {
            return;
        }
        let still: HashSet<String> = validator.iter_errors(value).flat_map(|error| places(&error)).collect();
        let before = tried.len();
        // The last first: what was taken out of an object goes back as it came.
        let wrong: Vec<(String, Value)> = tried.into_iter().filter(|(place, _)| still.contains(place)).collect();
        let none_fits = wrong.len() == before;
        for (place, given) in wrong {
            put(value, &place, given);
        }
        if none_fits {
            return;
        }
    }
}

/// The texts, numbers and booleans that don't fit, by their place.
fn wrong_values(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for error in validator.iter_errors(value) {
        for place in places(&error) {
            let is_plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
            if value.pointer(&place).is_some_and(is_plain) && !found.contains(&place) {
                found.push(place);
            }
            if found.len() >= MAX_MEANT {
                return found;
            }
        }
    }
    found
}

/// The places that an error is about: also those of the forms that a value might have had, and of what is missing.
fn places(error: &jsonschema::ValidationError<'_>) -> Vec<String> {
    let at = error.instance_path().to_string();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))]
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let inside = context.iter().flatten().flat_map(places);
            std::iter::once(at).chain(inside).collect()
        }
        _ => vec![at],
    }
}

/// An id that is a number, as the text that it is given as.
fn id_as_text(selected: &SelectedTool, place: &str, value: &Value) -> Option<Value> {
    let name = place.trim_start_matches('/').split('/').next()?;
    let is_id = matches!(
        selected.tool.names(name),
        Some(Argument::Resource(_) | Argument::Item(_))
    );
    (is_id && value.is_number()).then(|| value.to_string().into())
}

/// A text without the blanks around it.
fn bare(value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    let bare = trimmed(text);
    (bare != text && !bare.is_empty()).then(|| bare.into())
}

/// What a word or number says where only a boolean fits.
fn switch(value: &Value) -> Option<Value> {
    let text = match value {
        Value::String(text) => trimmed(text).to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match text.as_str() {
        "1" | "yes" | "on" | "y" | "t" => Some(true.into()),
        "0" | "no" | "off" | "n" | "f" => Some(false.into()),
        _ => None,
    }
}

/// A list of the one value that is given in its place. A text that could be several items isn't one; statements are, for those that
/// stand in one text are found and told.
fn list_of_one(place: &str, value: &Value, statements: Option<&str>) -> Option<Value> {
    let one = match value {
        Value::String(text) if place.strip_prefix('/') == statements => !text.trim_start().starts_with(['[', '{']),
        Value::String(text) if text.contains(['[', '{', ',', ';', '|', '\n', '\t']) => false,
        Value::String(text) if place == "/params" => !text.is_empty(),
        Value::String(text) => !trimmed(text).is_empty() && !trimmed(text).contains(char::is_whitespace),
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    };
    let item = match value {
        Value::String(text) if place != "/params" => trimmed(text).into(),
        other => other.clone(),
    };
    one.then(|| Value::Array(vec![item]))
}

/// The list, object, number or boolean that a text holds.
fn held(place: &str, value: &Value) -> Option<Value> {
    let text = trimmed(value.as_str()?);
    let mut value = match text.as_bytes().first()? {
        b'[' if place == "/params" => json::read_parameters(text)?,
        b'[' | b'{' | b'-' | b'0'..=b'9' => json::read(text).ok()?.value,
        _ if text.eq_ignore_ascii_case("true") => true.into(),
        _ if text.eq_ignore_ascii_case("false") => false.into(),
        _ => return None,
    };
    if value.is_number() && !json::is_exact_number(text) {
        return None;
    }
    beyond_bounds(&mut value).is_none().then_some(value)
}

/// Takes a field out of its object, as if it hadn't been given.
fn left_out(value: &mut Value, place: &str) -> Option<Value> {
    let (object, name) = parent(value, place)?;
    object.shift_remove(&name)
}

/// Puts a text back.
fn put(value: &mut Value, place: &str, text: Value) {
    if let Some(there) = value.pointer_mut(place) {
        *there = text;
    } else if let Some((object, name)) = parent(value, place) {
        object.insert(name, text);
    }
}

/// The object that a field is in, and its name.
fn parent<'v>(value: &'v mut Value, place: &str) -> Option<(&'v mut Map<String, Value>, String)> {
    let (object, name) = place.rsplit_once('/')?;
    let name = name.replace("~1", "/").replace("~0", "~");
    Some((value.pointer_mut(object)?.as_object_mut()?, name))
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

fn is_required(selected: &SelectedTool, name: &str) -> bool {
    let required = selected.input.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|required| required == name))
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
                let known = selected.told().chain(selected.left_out.iter().map(String::as_str));
                let is_left_out = |name: &str| selected.left_out.iter().any(|other| other == name);
                let message = match (at.is_empty(), nearest(name, known)) {
                    (true, _) if is_left_out(name) => format!(
                        "the argument `{name}` exists, but isn't offered by default: the operator enables it with {}",
                        selected.offers_all
                    ),
                    (true, Some(nearest)) if is_left_out(nearest) => format!(
                        "there is no argument `{name}`, and `{nearest}` isn't offered by default: the operator enables it with {}",
                        selected.offers_all
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
            let message = match selected.tool.names(name).filter(|_| at.is_empty()) {
                Some(Argument::Resource(resource) | Argument::Item(resource)) => {
                    let lookup = resource.lookup();
                    format!("is required, as an id or a name: {} shows what there is", lookup.tool)
                }
                _ => match values(selected, &argument) {
                    Some(values) => format!("is required: {values}"),
                    None => "is required".to_owned(),
                },
            };
            vec![ArgumentProblem { argument, message }]
        }
        _ => {
            let is_map = error.instance().is_array() && selected.tool.property(&at).is_some_and(is_map);
            let message = if is_map {
                "is a list of {\"name\": …, \"value\": …}, each name once, or an object".to_owned()
            } else {
                one_line(&reason(error), MAX_REASON)
            };
            vec![ArgumentProblem { argument: at, message }]
        }
    }
}

/// The values that an argument may have, in words, where they are few.
fn values(selected: &SelectedTool, argument: &str) -> Option<String> {
    let values = selected.tool.property(argument)?.get("enum")?.as_array()?;
    let names: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
    Some(names?.join(", ")).filter(|names| names.len() <= MAX_REASON)
}

/// Why a value doesn't fit, in words: never the value, which may be a secret, and which the caller has.
fn reason(error: &jsonschema::ValidationError<'_>) -> String {
    let forms = match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => context,
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            return "fits several forms, and only one can be meant".to_owned();
        }
        ValidationErrorKind::Pattern { pattern } => return format!("doesn't match the pattern {pattern}"),
        _ => {
            let text = error.masked_with("it").to_string();
            let text = text.strip_prefix("it ").map_or(text.clone(), str::to_owned);
            let instead = match text.as_str() {
                "is not a \"date-time\"" => return format!("is no time: {}", time::FORMS),
                "is not of type \"boolean\"" => ": write true or false",
                "is not of type \"array\"" => ": write a list, [\"…\", \"…\"]",
                _ => "",
            };
            return text + instead;
        }
    };
    let at = error.instance_path().to_string();
    let mut told: Vec<String> = Vec::new();
    for form in forms.iter().filter_map(|form| form.first()) {
        let place = form.instance_path().to_string();
        let inside = place.strip_prefix(&at).unwrap_or_default().trim_start_matches('/');
        let why = reason(form);
        let why = if inside.is_empty() {
            why
        } else {
            format!("`{inside}` {why}")
        };
        if !told.contains(&why) {
            told.push(why);
        }
    }
    told.truncate(SHOWN_FORMS);
    format!("fits none of the forms that it may have: {}", told.join(", or "))
}

fn names(selected: &SelectedTool) -> String {
    let names: Vec<String> = selected.told().map(|name| format!("`{name}`")).collect();
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
