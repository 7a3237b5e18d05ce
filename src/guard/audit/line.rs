//! An entry as a line: clean, masked, bounded, and always one line of JSON.

use chrono::SubsecRound as _;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::entry::Entry;
use super::tidy::{TEXT, tidy};
use crate::guard::arguments::holds_sql;
use crate::guard::mask_text;
use crate::text::{escaped, one_line};

/// What a line has at most where its arguments are what makes it long, in bytes.
const USUAL: usize = 8 * 1024;

/// The room that arguments have in any line, in bytes.
const LEAST: usize = 1024;

/// The longest name of a caller or an approver, in characters: an issuer's address and a subject, whole.
const NAME: usize = 600;

/// How many request ids a line holds.
const REQUESTS: usize = 8;

/// What stands where arguments were cut.
const CUT: &str = "[cut]";

/// The line of an entry, its end included: at most 14 KiB.
///
/// The bounds below keep all but the arguments under 12.5 KiB, even where every character takes four bytes; the
/// arguments get what is left of [`USUAL`], and at least [`LEAST`].
pub(super) fn line(entry: &Entry, id: Uuid) -> String {
    let optional = |text: &Option<String>, longest| text.as_deref().map(|text| clean(text, longest));
    let mut bounded = Entry {
        time: entry.time.trunc_subsecs(3),
        tool: clean(&entry.tool, 64),
        effect: entry.effect,
        service: clean(&entry.service, 16),
        caller: clean(&entry.caller, NAME),
        person: optional(&entry.person, 255),
        account: optional(&entry.account, 64),
        client: optional(&entry.client, 128),
        project_id: optional(&entry.project_id, 64),
        branch_id: optional(&entry.branch_id, 64),
        arguments: Value::Null,
        plan: optional(&entry.plan, 80),
        channel: optional(&entry.channel, 16),
        approver: optional(&entry.approver, NAME),
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
    let room = USUAL.saturating_sub(object(&bounded, id).len() + 1).max(LEAST);
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
