//! JSON with comments: the text is cut at the places that the parser gives, so that nothing else moves.

use std::collections::HashSet;
use std::ops::Range;

use jsonc_parser::ParseOptions;
use jsonc_parser::ast::{Array, Object, ObjectProp, Value as Ast};
use jsonc_parser::common::Ranged as _;
use serde_json::{Map, Value, json};

use super::entry::{Entry, NotEdited, Put, Spot, checked, is_our_input, newline};
use crate::clients::variables::{KEY_VARIABLE, TOKEN_VARIABLE};

/// What clients take: comments and trailing commas, and nothing else that JSON hasn't.
fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn parse(text: &str) -> Result<Option<Ast<'_>>, NotEdited> {
    let parsed = jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options());
    parsed
        .map(|parsed| parsed.value)
        .map_err(|error| NotEdited::Broken(error.to_string()))
}

fn value(text: &str) -> Result<Value, NotEdited> {
    let parsed: Result<Option<Value>, _> = jsonc_parser::parse_to_serde_value(text, &options());
    parsed
        .map(Option::unwrap_or_default)
        .map_err(|error| NotEdited::Broken(error.to_string()))
}

/// The object at the root; none in a text without a value.
fn root<'a, 'b>(ast: Option<&'b Ast<'a>>) -> Result<Option<&'b Object<'a>>, NotEdited> {
    match ast {
        None => Ok(None),
        Some(Ast::Object(object)) => Ok(Some(object)),
        Some(_) => Err(NotEdited::Unusual("it is no JSON object".to_owned())),
    }
}

/// The property of that name, which may stand there once.
fn property<'a, 'b>(object: &'b Object<'a>, name: &str) -> Result<Option<&'b ObjectProp<'a>>, NotEdited> {
    let mut found = object
        .properties
        .iter()
        .filter(|property| property.name.as_str() == name);
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err(NotEdited::Unusual(format!("`{name}` stands there twice"))),
    }
}

fn object_of<'a, 'b>(property: &'b ObjectProp<'a>) -> Result<&'b Object<'a>, NotEdited> {
    match &property.value {
        Ast::Object(object) => Ok(object),
        _ => Err(NotEdited::Unusual(format!("`{}` is no object", property.name.as_str()))),
    }
}

pub(super) fn read(text: &str, key: &str) -> Result<Vec<Entry>, NotEdited> {
    let ast = parse(text)?;
    let Some(root) = root(ast.as_ref())? else {
        return Ok(Vec::new());
    };
    let Some(servers) = property(root, key)? else {
        return Ok(Vec::new());
    };
    let servers = object_of(servers)?;
    let mut seen = HashSet::new();
    if let Some(twice) = servers.properties.iter().find(|one| !seen.insert(one.name.as_str())) {
        let name = twice.name.as_str();
        return Err(NotEdited::Unusual(format!("`{name}` stands there twice")));
    }
    let Value::Object(mut all) = value(text)? else {
        return Ok(Vec::new());
    };
    let Some(Value::Object(entries)) = all.remove(key) else {
        return Ok(Vec::new());
    };
    Ok(entries
        .into_iter()
        .map(|(name, fields)| Entry {
            name,
            fields: fields.as_object().cloned().unwrap_or_default(),
        })
        .collect())
}

pub(super) fn put(
    text: &str,
    put: &Put<'_>,
    there: Option<&Entry>,
    wanted: &Map<String, Value>,
) -> Result<String, NotEdited> {
    let Spot { key, name } = put.spot;
    let mut edited = match there {
        None => set(text, &[key, name], &Value::Object(wanted.clone()))?,
        Some(there) => {
            let mut edited = text.to_owned();
            for field in there.fields.keys().filter(|field| !wanted.contains_key(*field)) {
                edited = remove(&edited, &[key, name, field])?;
            }
            for (field, value) in wanted {
                if there.fields.get(field) != Some(value) {
                    edited = set(&edited, &[key, name, field], value)?;
                }
            }
            edited
        }
    };
    if let Some(input) = put.input {
        if put.anew {
            edited = without_other_input(edited, input)?;
        }
        edited = put_input(&edited, input)?;
    }
    edited = without_idle_inputs(text, edited)?;
    checked(value(text)?, value(&edited)?, put.spot, edited)
}

pub(super) fn take(text: &str, spot: Spot<'_>) -> Result<String, NotEdited> {
    let mut edited = remove(text, &[spot.key, spot.name])?;
    edited = without_idle_inputs(text, edited)?;
    checked(value(text)?, value(&edited)?, spot, edited)
}

/// The text without those inputs of ours to which something referred before, and nothing does now: another server may ask for the
/// same.
fn without_idle_inputs(before: &str, mut edited: String) -> Result<String, NotEdited> {
    for variable in [KEY_VARIABLE, TOKEN_VARIABLE] {
        let id = variable.to_lowercase();
        let reference = format!("${{input:{id}}}");
        if before.contains(&reference) && !edited.contains(&reference) {
            edited = take_input(&edited, &id)?;
        }
    }
    Ok(edited)
}

/// Sets the value at a path of names, and makes the objects on the way.
fn set(text: &str, path: &[&str], new: &Value) -> Result<String, NotEdited> {
    let ast = parse(text)?;
    let nested = |rest: &[&str]| {
        rest.iter()
            .rev()
            .fold(new.clone(), |value, name| json!({ *name: value }))
    };
    let Some(mut object) = root(ast.as_ref())? else {
        let eol = newline(text);
        let kept = if text.trim().is_empty() { "" } else { text };
        let gap = if kept.is_empty() || kept.ends_with('\n') {
            ""
        } else {
            eol
        };
        let made = pretty(&nested(path), "  ", "", eol);
        return Ok(format!("{kept}{gap}{made}{eol}"));
    };
    let unit = unit(text, object);
    let mut left = path;
    while let [name, rest @ ..] = left {
        match property(object, name)? {
            None => {
                return Ok(insert(text, object, name, &nested(rest), &unit));
            }
            Some(found) if rest.is_empty() => {
                let at = found.value.range();
                let indent = line_indent(text, found.range.start);
                let own = text.get(object.range.start..object.range.end).unwrap_or_default();
                let made = match own.contains('\n') {
                    true => pretty(new, &unit, indent, newline(text)),
                    false => new.to_string(),
                };
                return Ok(spliced(text, at.start..at.end, &made));
            }
            Some(found) => object = object_of(found)?,
        }
        left = rest;
    }
    Ok(text.to_owned())
}

/// Puts a property at the end of an object.
fn insert(text: &str, object: &Object<'_>, name: &str, new: &Value, unit: &str) -> String {
    let (eol, indent) = (newline(text), line_indent(text, object.range.start));
    let own = || object.properties.iter().map(|property| property.range.start);
    let child = own().find(|start| begins_line(text, *start)).map_or_else(
        || format!("{indent}{unit}"),
        |start| line_indent(text, start).to_owned(),
    );
    let quoted = Value::from(name);
    let inside = object.range.start.saturating_add(1)..object.range.end.saturating_sub(1);
    let Some(last) = object.properties.last() else {
        let inner = text.get(inside.clone()).unwrap_or_default();
        let kept = inside.start.saturating_add(inner.trim_end().len());
        let made = pretty(new, unit, &child, eol);
        return spliced(
            text,
            kept..inside.end,
            &format!("{eol}{child}{quoted}: {made}{eol}{indent}"),
        );
    };
    append_after(text, last.range.end, &inside, |lines| {
        if lines {
            format!("{eol}{child}{quoted}: {}", pretty(new, unit, &child, eol))
        } else {
            format!(" {quoted}: {new}")
        }
    })
}

/// Appends something after what ends at `last`, as the last within `inside`: on a line of its own where they have such.
fn append_after(text: &str, last: usize, inside: &Range<usize>, made: impl Fn(bool) -> String) -> String {
    let lines = text.get(inside.clone()).is_some_and(|inner| inner.contains('\n'));
    let next = after_trivia(text, last, inside.end);
    let has_comma = text.get(next..).is_some_and(|rest| rest.starts_with(',')) && next < inside.end;
    let made = made(lines);
    let end = if has_comma { next.saturating_add(1) } else { last };
    let at = if lines { end_of_comments_in_line(text, end) } else { end };
    let comma_after = if has_comma { "," } else { "" };
    let edited = spliced(text, at..at, &format!("{made}{comma_after}"));
    if has_comma {
        edited
    } else {
        spliced(&edited, last..last, ",")
    }
}

/// Removes the property at a path of names.
fn remove(text: &str, path: &[&str]) -> Result<String, NotEdited> {
    let ast = parse(text)?;
    let Some(mut object) = root(ast.as_ref())? else {
        return Ok(text.to_owned());
    };
    let mut left = path;
    while let [name, rest @ ..] = left {
        let Some(found) = property(object, name)? else {
            return Ok(text.to_owned());
        };
        if rest.is_empty() {
            let ranges: Vec<_> = object
                .properties
                .iter()
                .map(|one| one.range.start..one.range.end)
                .collect();
            let inside = object.range.start.saturating_add(1)..object.range.end.saturating_sub(1);
            return Ok(cut(text, &ranges, found.range.start, &inside));
        }
        object = object_of(found)?;
        left = rest;
    }
    Ok(text.to_owned())
}

/// Cuts the one that starts at `start` out of those that stand within `inside`, with the comma that parts it from the others.
fn cut(text: &str, all: &[Range<usize>], start: usize, inside: &Range<usize>) -> String {
    let Some(index) = all.iter().position(|range| range.start == start) else {
        return text.to_owned();
    };
    let Some(own) = all.get(index).cloned() else {
        return text.to_owned();
    };
    // With the blanks before it, through the end of the line above.
    let before = text.get(..own.start).unwrap_or_default().trim_end_matches([' ', '\t']);
    let before = before
        .strip_suffix('\n')
        .map_or(before, |above| above.strip_suffix('\r').unwrap_or(above));
    let from = before.len().max(inside.start);
    let comma = |end: usize| {
        let next = after_trivia(text, end, inside.end);
        let is_comma = next < inside.end && text.get(next..).is_some_and(|rest| rest.starts_with(','));
        is_comma.then_some(next)
    };
    let mut cuts: Vec<Range<usize>> = Vec::new();
    cuts.push(from..own.end);
    match comma(own.end) {
        Some(at) => cuts.push(at..at.saturating_add(1)),
        // The last one: the comma before it would be one too many, unless such commas are the file's way.
        None => {
            let previous = index.checked_sub(1).and_then(|previous| all.get(previous));
            cuts.extend(
                previous
                    .and_then(|range| comma(range.end))
                    .map(|at| at..at.saturating_add(1)),
            );
        }
    }
    if all.len() == 1 && text.get(own.end..inside.end).is_some_and(|rest| rest.trim().is_empty()) {
        cuts.push(own.end..inside.end);
    }
    cuts.sort_by_key(|range| std::cmp::Reverse(range.start));
    let mut edited = text.to_owned();
    for range in cuts {
        edited = spliced(&edited, range, "");
    }
    edited
}

/// The text without an input that has the id of ours and asks for something else, or in another way.
fn without_other_input(text: String, input: &Value) -> Result<String, NotEdited> {
    let id = input.get("id").and_then(Value::as_str).unwrap_or_default();
    let all = value(&text)?;
    let inputs = all.get("inputs").and_then(Value::as_array).into_iter().flatten();
    let other = inputs
        .filter(|one| one.get("id").and_then(Value::as_str) == Some(id))
        .any(|one| one != input);
    if other { take_input(&text, id) } else { Ok(text) }
}

/// The list of inputs with ours.
fn put_input(text: &str, input: &Value) -> Result<String, NotEdited> {
    let ast = parse(text)?;
    let Some(root) = root(ast.as_ref())? else {
        return Ok(text.to_owned());
    };
    let Some(list) = property(root, "inputs")? else {
        return Ok(insert(text, root, "inputs", &json!([input]), &unit(text, root)));
    };
    let Ast::Array(list) = &list.value else {
        return Err(NotEdited::Unusual("`inputs` is no list".to_owned()));
    };
    let id = input.get("id").and_then(Value::as_str).unwrap_or_default();
    if list.elements.iter().any(|one| is_input(one, id)) {
        return Ok(text.to_owned());
    }
    let (eol, indent, unit) = (newline(text), line_indent(text, list.range.start), unit(text, root));
    let inside = list.range.start.saturating_add(1)..list.range.end.saturating_sub(1);
    let child = format!("{indent}{unit}");
    let made = pretty(input, &unit, &child, eol);
    let Some(last) = list.elements.last() else {
        let inner = text.get(inside.clone()).unwrap_or_default();
        let kept = inside.start.saturating_add(inner.trim_end().len());
        return Ok(spliced(
            text,
            kept..inside.end,
            &format!("{eol}{child}{made}{eol}{indent}"),
        ));
    };
    Ok(append_after(text, last.range().end, &inside, |lines| {
        if lines {
            format!("{eol}{child}{made}")
        } else {
            format!(" {input}")
        }
    }))
}

/// The list of inputs without the one of ours that has this id.
fn take_input(text: &str, id: &str) -> Result<String, NotEdited> {
    let ast = parse(text)?;
    let Some(root) = root(ast.as_ref())? else {
        return Ok(text.to_owned());
    };
    let Some(property) = property(root, "inputs")? else {
        return Ok(text.to_owned());
    };
    let Ast::Array(Array { range, elements }) = &property.value else {
        return Ok(text.to_owned());
    };
    let Some(own) = elements.iter().find(|one| is_input(one, id)) else {
        return Ok(text.to_owned());
    };
    if elements.len() == 1 {
        return remove(text, &["inputs"]);
    }
    let all: Vec<_> = elements.iter().map(|one| one.range().start..one.range().end).collect();
    let inside = range.start.saturating_add(1)..range.end.saturating_sub(1);
    Ok(cut(text, &all, own.range().start, &inside))
}

fn is_input(element: &Ast<'_>, id: &str) -> bool {
    let Ast::Object(object) = element else {
        return false;
    };
    let own = object.properties.iter().find(|property| property.name.as_str() == "id");
    let found = own.and_then(|property| match &property.value {
        Ast::StringLit(text) => Some(text.value.to_string()),
        _ => None,
    });
    found.is_some_and(|found| found == id && is_our_input(&json!({ "id": found })))
}

/// By how much a file goes in.
fn unit(text: &str, root: &Object<'_>) -> String {
    let first = root.properties.iter().map(|property| property.range.start);
    let indents = first
        .filter(|start| begins_line(text, *start))
        .map(|start| line_indent(text, start));
    indents
        .into_iter()
        .find(|indent| !indent.is_empty())
        .unwrap_or("  ")
        .to_owned()
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |newline| newline.saturating_add(1))
}

/// The blanks at the begin of the line in which something stands.
fn line_indent(text: &str, at: usize) -> &str {
    let line = text.get(line_start(text, at)..).unwrap_or_default();
    let length = line.len().saturating_sub(line.trim_start_matches([' ', '\t']).len());
    line.get(..length).unwrap_or_default()
}

fn begins_line(text: &str, at: usize) -> bool {
    text.get(line_start(text, at)..at)
        .is_some_and(|before| before.trim().is_empty())
}

/// A value on lines of its own, of which all but the first begin with `indent`.
fn pretty(value: &Value, unit: &str, indent: &str, eol: &str) -> String {
    use serde::Serialize as _;
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(unit.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    if value.serialize(&mut serializer).is_err() {
        return value.to_string();
    }
    String::from_utf8_lossy(&bytes).replace('\n', &format!("{eol}{indent}"))
}

fn spliced(text: &str, at: Range<usize>, new: &str) -> String {
    let before = text.get(..at.start).unwrap_or_default();
    let after = text.get(at.end..).unwrap_or_default();
    format!("{before}{new}{after}")
}

/// Where the next thing is that is neither blank nor comment, no further than `end`.
fn after_trivia(text: &str, from: usize, end: usize) -> usize {
    let mut at = from;
    while at < end {
        let rest = text.get(at..end).unwrap_or_default();
        let trimmed = rest.trim_start();
        at = at.saturating_add(rest.len().saturating_sub(trimmed.len()));
        let length = if trimmed.starts_with("//") {
            trimmed.find('\n').unwrap_or(trimmed.len())
        } else if trimmed.starts_with("/*") {
            trimmed.find("*/").map_or(trimmed.len(), |at| at.saturating_add(2))
        } else {
            break;
        };
        at = at.saturating_add(length);
    }
    at
}

/// Where the comments end that follow in the same line.
fn end_of_comments_in_line(text: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start_matches([' ', '\t']);
        let blanks = rest.len().saturating_sub(trimmed.len());
        let length = if trimmed.starts_with("//") {
            let line = trimmed.split('\n').next().unwrap_or_default();
            line.trim_end_matches('\r').len()
        } else if let Some(end) = trimmed.strip_prefix("/*").and_then(|inner| inner.find("*/"))
            && !trimmed.get(..end).unwrap_or_default().contains('\n')
        {
            end.saturating_add(4)
        } else {
            return at;
        };
        at = at.saturating_add(blanks).saturating_add(length);
    }
}
