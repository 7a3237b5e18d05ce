//! TOML: a new entry is a table at the end, a changed one keeps its lines, and one that goes takes only its lines along.

use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, Table, TableLike};

use super::entry::{Entry, NotEdited, Spot, checked, newline};

fn value(text: &str) -> Result<Value, NotEdited> {
    let table: toml::Table = toml::from_str(text).map_err(|error| NotEdited::Broken(first_line(&error.to_string())))?;
    serde_json::to_value(table).map_err(|error| NotEdited::Broken(error.to_string()))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

pub(super) fn read(text: &str, key: &str) -> Result<Vec<Entry>, NotEdited> {
    match value(text)?.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Object(entries)) => Ok(entries
            .iter()
            .map(|(name, fields)| Entry {
                name: name.clone(),
                fields: fields.as_object().cloned().unwrap_or_default(),
            })
            .collect()),
        Some(_) => Err(NotEdited::Unusual(format!("`{key}` is no table"))),
    }
}

pub(super) fn put(
    text: &str,
    spot: Spot<'_>,
    there: Option<&Entry>,
    wanted: &Map<String, Value>,
) -> Result<String, NotEdited> {
    let edited = match there {
        None => appended(text, spot, wanted)?,
        Some(there) => changed(text, spot, there, wanted)?,
    };
    let after = value(&edited).map_err(|_| NotEdited::Unusual(format!("`{}` is no table of its own", spot.key)))?;
    checked(value(text)?, after, spot, edited)
}

/// The text with a table at its end.
fn appended(text: &str, spot: Spot<'_>, wanted: &Map<String, Value>) -> Result<String, NotEdited> {
    let mut entry = Table::new();
    for (name, value) in wanted {
        entry.insert(name, item(value)?);
    }
    let mut servers = Table::new();
    servers.set_implicit(true);
    servers.insert(spot.name, Item::Table(entry));
    let mut document = DocumentMut::new();
    document.insert(spot.key, Item::Table(servers));
    let eol = newline(text);
    let block = document.to_string().trim_start().replace('\n', eol);
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        eol
    };
    let gap = if text.trim().is_empty() { "" } else { eol };
    let kept = if text.trim().is_empty() { "" } else { text };
    Ok(format!("{kept}{end}{gap}{block}"))
}

fn changed(text: &str, spot: Spot<'_>, there: &Entry, wanted: &Map<String, Value>) -> Result<String, NotEdited> {
    if there.fields == *wanted {
        return Ok(text.to_owned());
    }
    // The parser gives lines back with a plain end.
    let eol = newline(text);
    let plain = text.replace("\r\n", "\n");
    if eol == "\r\n" && plain.replace('\n', eol) != text {
        return Err(NotEdited::Unusual("its lines end in different ways".to_owned()));
    }
    let mut document: DocumentMut = plain
        .parse()
        .map_err(|error: toml_edit::TomlError| NotEdited::Broken(first_line(&error.to_string())))?;
    if document.to_string() != plain {
        return Err(NotEdited::Unusual("it is written in an unusual way".to_owned()));
    }
    let entry: Option<&mut dyn TableLike> = document
        .get_mut(spot.key)
        .and_then(Item::as_table_like_mut)
        .and_then(|servers| servers.get_mut(spot.name))
        .and_then(Item::as_table_like_mut);
    let Some(entry) = entry else {
        return Err(NotEdited::Unusual(format!("`{}` is no table", spot.name)));
    };
    for field in there.fields.keys().filter(|field| !wanted.contains_key(*field)) {
        entry.remove(field);
    }
    for (field, value) in wanted
        .iter()
        .filter(|(field, value)| there.fields.get(*field) != Some(value))
    {
        let mut new = item(value)?;
        // With the comment behind it.
        if let (Some(old), Some(new)) = (entry.get(field).and_then(Item::as_value), new.as_value_mut()) {
            *new.decor_mut() = old.decor().clone();
        }
        match entry.get_mut(field) {
            Some(old) => *old = new,
            None => {
                entry.insert(field, new);
            }
        }
    }
    Ok(document.to_string().replace('\n', eol))
}

pub(super) fn take(text: &str, spot: Spot<'_>) -> Result<String, NotEdited> {
    let own = |header: &str| {
        let path = header.trim_start_matches('[').split(']').next().unwrap_or_default();
        let mut parts = path
            .splitn(3, '.')
            .map(|part| part.trim().trim_matches('"').trim_matches('\''));
        header.starts_with('[') && parts.next() == Some(spot.key) && parts.next() == Some(spot.name)
    };
    let mut kept: Vec<&str> = Vec::new();
    // What may belong to the next table: comments and blank lines below ours.
    let mut held: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let begin = line.trim_start();
        if begin.starts_with('[') && !begin.starts_with("[[") || begin.starts_with("[[") {
            let was = inside;
            inside = own(begin);
            if inside && !was && kept.last().is_some_and(|last| last.trim().is_empty()) {
                kept.pop();
            }
            if was && !inside {
                kept.append(&mut held);
            }
        }
        if !inside {
            kept.push(line);
        } else if begin.is_empty() || begin.starts_with('#') {
            held.push(line);
        } else {
            held.clear();
        }
    }
    if held.iter().any(|line| line.trim_start().starts_with('#')) {
        kept.append(&mut held);
    }
    let edited = kept.concat();
    let unusual = || NotEdited::Unusual(format!("`{}` isn't written as tables of its own", spot.name));
    let after = value(&edited).map_err(|_| unusual())?;
    if after
        .get(spot.key)
        .is_some_and(|servers| servers.get(spot.name).is_some())
    {
        return Err(unusual());
    }
    checked(value(text)?, after, spot, edited)
}

/// A value in TOML.
fn item(value: &Value) -> Result<Item, NotEdited> {
    let odd = || NotEdited::Unusual("a value has no form in TOML".to_owned());
    let plain = |value: &Value| -> Result<toml_edit::Value, NotEdited> {
        Ok(match value {
            Value::String(text) => text.as_str().into(),
            Value::Bool(truth) => (*truth).into(),
            Value::Number(number) => number.as_i64().ok_or_else(odd)?.into(),
            _ => return Err(odd()),
        })
    };
    Ok(Item::Value(match value {
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(plain).collect();
            toml_edit::Value::Array(items?.into_iter().collect())
        }
        Value::Object(fields) => {
            let mut table = toml_edit::InlineTable::new();
            for (name, value) in fields {
                table.insert(name, plain(value)?);
            }
            toml_edit::Value::InlineTable(table)
        }
        other => plain(other)?,
    }))
}
