//! An entry as a line: clean, masked, bounded, and always one line of JSON.

use chrono::SubsecRound as _;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::entry::Entry;
use crate::guard::plan::holds_sql;
use crate::guard::{mask, mask_text};
use crate::neon::text::{escaped, one_line};
use crate::sql::redact;

/// The longest line in bytes, its end included.
pub(super) const LONGEST: usize = 8 * 1024;

/// The longest text among the arguments, in characters.
const TEXT: usize = 200;

/// The longest name among the arguments, in characters.
const NAME: usize = 64;

/// How many request ids a line holds.
const REQUESTS: usize = 8;

/// What stands where arguments were cut.
const CUT: &str = "[cut]";

/// The line of an entry, its end included: at most [`LONGEST`] bytes.
///
/// The bounds below keep all but the arguments under 7 KiB, even where every character takes four bytes; the
/// arguments get what is left.
pub(super) fn line(entry: &Entry, id: Uuid) -> String {
    let optional = |text: &Option<String>, longest| text.as_deref().map(|text| clean(text, longest));
    let mut bounded = Entry {
        time: entry.time.trunc_subsecs(3),
        tool: clean(&entry.tool, 64),
        effect: entry.effect,
        service: clean(&entry.service, 16),
        caller: clean(&entry.caller, 128),
        client: optional(&entry.client, 128),
        project_id: optional(&entry.project_id, 64),
        branch_id: optional(&entry.branch_id, 64),
        arguments: Value::Null,
        plan: optional(&entry.plan, 80),
        channel: optional(&entry.channel, 16),
        rule: optional(&entry.rule, 120),
        outcome: entry.outcome,
        reason: optional(&entry.reason, 400),
        request_ids: entry
            .request_ids
            .iter()
            .take(REQUESTS)
            .map(|id| clean(id, 64))
            .collect(),
        duration_ms: entry.duration_ms,
    };
    let room = LONGEST.saturating_sub(object(&bounded, id).len() + 1);
    let mut arguments = tidy(entry.arguments.clone());
    shorten(&mut arguments);
    bounded.arguments = fit(arguments, room);
    let mut line = object(&bounded, id);
    line.push('\n');
    line
}

fn object(entry: &Entry, id: Uuid) -> String {
    // Texts, numbers and arguments always make an object.
    let Ok(Value::Object(mut object)) = serde_json::to_value(entry) else {
        return String::new();
    };
    object.insert("id".into(), id.to_string().into());
    Value::Object(object).to_string()
}

/// A text that can stand in the log: one line, nothing hidden in it, no secret, and no longer than `longest`.
fn clean(text: &str, longest: usize) -> String {
    // Hidden characters go first: they could split a word that masking looks for. Masking comes before the cut,
    // which could take away what it looks for.
    one_line(&mask_text(&one_line(text, usize::MAX)), longest)
}

/// Arguments that can stand in the log, whatever they were. SQL is masked by its tokens, never by a pattern over its text.
pub(super) fn tidy(arguments: Value) -> Value {
    let Value::Object(object) = arguments else {
        return tidied(arguments);
    };
    let mut tidy = Map::new();
    for (name, value) in object {
        if holds_sql(None, &name) {
            tidy.insert(name, redacted(value));
        } else if let Value::Object(field) = tidied(json!({ name: value })) {
            tidy.extend(field);
        }
    }
    tidy.into()
}

fn tidied(mut value: Value) -> Value {
    bound(&mut value, usize::MAX, usize::MAX);
    mask(&mut value, &[], &[]);
    bound(&mut value, NAME, TEXT);
    value
}

/// SQL as a line holds it: without its secrets, on one line, whole until the line is made.
fn redacted(value: Value) -> Value {
    match value {
        Value::String(text) => redact(&text).text().into(),
        Value::Array(items) => items.into_iter().map(redacted).collect(),
        other => tidied(other),
    }
}

/// Cuts the SQL that [`tidy`] left whole.
fn shorten(arguments: &mut Value) {
    for (_, value) in arguments
        .as_object_mut()
        .into_iter()
        .flatten()
        .filter(|(name, _)| holds_sql(None, name))
    {
        shorten_texts(value);
    }
}

fn shorten_texts(value: &mut Value) {
    match value {
        Value::String(text) => *text = one_line(&escaped(text), TEXT),
        Value::Array(items) => items.iter_mut().for_each(shorten_texts),
        _ => {}
    }
}

/// Puts every name and text on one line, cut to so many characters.
fn bound(value: &mut Value, longest_name: usize, longest_text: usize) {
    match value {
        Value::String(text) => *text = one_line(text, longest_text),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| bound(item, longest_name, longest_text)),
        Value::Object(object) => {
            *object = std::mem::take(object)
                .into_iter()
                .map(|(name, mut value)| {
                    bound(&mut value, longest_name, longest_text);
                    (one_line(&name, longest_name), value)
                })
                .collect();
        }
        _ => {}
    }
}

/// As many of the arguments as fit into so many bytes, in their order; the marker stands for the rest.
fn fit(arguments: Value, room: usize) -> Value {
    if bytes(&arguments) <= room {
        return arguments;
    }
    let Value::Object(object) = arguments else {
        return CUT.into();
    };
    let mut kept = Map::new();
    // The braces, and the marker that says how many are missing.
    let mut used = 2 + 2 * CUT.len() + 16;
    let mut missing = 0_usize;
    for (name, value) in object {
        let named = bytes(&Value::from(name.as_str())) + 2;
        let whole = named + bytes(&value);
        let marked = named + CUT.len() + 2;
        if used + whole <= room {
            used += whole;
            kept.insert(name, value);
        } else if used + marked <= room {
            used += marked;
            kept.insert(name, CUT.into());
        } else {
            missing += 1;
        }
    }
    if missing > 0 {
        kept.insert(CUT.into(), missing.into());
    }
    Value::Object(kept)
}

fn bytes(value: &Value) -> usize {
    value.to_string().len()
}
