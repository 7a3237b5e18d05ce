//! The way back from a call, computed: the exact tool call with its deadline, or that there is none.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::assess::fits;
use crate::catalog::{Tool, Undo, UndoWay, templates, word_for_null};
use crate::text::one_line as plain;

/// The longest text that a way back repeats, in characters.
const LONGEST: usize = 400;

/// What stands in a way back for what only the answer will tell.
pub(crate) const FROM_THE_ANSWER: &str = "(from the answer)";

/// What a way back is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Undoing<'a> {
    /// The tool that is undone.
    pub tool: &'a Tool,
    /// Its arguments.
    pub arguments: &'a Map<String, Value>,
    /// What the plan read, if it did.
    pub before: Option<&'a Value>,
    /// Neon's answer; nothing before the call.
    pub answer: Option<&'a Value>,
    /// When the deadline begins to run.
    pub now: DateTime<Utc>,
}

/// Whether an argument of the tool can be null, which unsets it.
fn takes_null(tool: &Tool, argument: &str) -> bool {
    let kind = tool.property(argument).and_then(|schema| schema.get("type"));
    match kind {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "null"),
        kind => kind.is_some_and(|kind| kind == "null"),
    }
}

impl Undoing<'_> {
    /// The way back: an object with `tool`, `arguments` and, where there are, `until` (RFC 3339) and `note`; or a text that
    /// begins with "none". Nothing for a tool that declares no undo because it changes nothing.
    #[must_use]
    pub fn way(&self) -> Option<Value> {
        match self.tool.declaration.safety.undo.as_ref()? {
            Undo::Never(never) => Some(format!("none: {}", never.never).into()),
            Undo::Way(way) => Some(self.computed(way)),
        }
    }

    fn computed(&self, way: &UndoWay) -> Value {
        // What says nothing of this call is left out.
        let note = way
            .note
            .as_ref()
            .map(|note| note.of(self.arguments))
            .unwrap_or_default();
        if way.when.is_some() && !fits(way.when.as_ref(), self.arguments) {
            return format!("none by one call. {note}").trim().into();
        }
        let mut arguments = Map::new();
        for (name, declared) in &way.arguments {
            match self.value(declared) {
                Ok(Some(value)) => {
                    arguments.insert(name.clone(), value);
                }
                Ok(None) => {}
                Err(missing) => {
                    return match &way.instead {
                        Some(instead) if self.before.is_some() => self.computed(instead),
                        _ => format!("none, because {missing}. {note}").trim().into(),
                    };
                }
            }
        }
        let mut unknown: Vec<&str> = Vec::new();
        let mut unset: Vec<&str> = Vec::new();
        let mut formers = 0;
        for (name, pointer) in way.former.iter().filter(|(name, _)| self.arguments.contains_key(*name)) {
            match self.before.map(|before| pointer.value(before)) {
                Some(former) if former.is_null() && !takes_null(self.tool, name) => unset.push(name),
                Some(former) => {
                    formers += 1;
                    let word = self
                        .tool
                        .property(name)
                        .and_then(word_for_null)
                        .filter(|_| former.is_null());
                    arguments.insert(name.clone(), word.map_or(former, Value::from));
                }
                None => unknown.push(name),
            }
        }
        if formers == 0 && !unset.is_empty() && unknown.is_empty() {
            let unset = unset.join(", ");
            return format!("none by one call: what wasn't set before ({unset}) can't be unset. {note}")
                .trim()
                .into();
        }
        let mut undo = json!({"tool": way.tool, "arguments": arguments});
        if let Some(object) = undo.as_object_mut() {
            if let Some(seconds) = way.within_seconds.and_then(|seconds| i64::try_from(seconds).ok()) {
                let until = self.now + TimeDelta::seconds(seconds);
                object.insert("until".into(), until.to_rfc3339_opts(SecondsFormat::Secs, true).into());
            }
            // What is scheduled can be called off until it happens.
            let expiry = self
                .arguments
                .get("expires_at")
                .filter(|_| way.former.contains_key("expires_at"));
            if let Some(Value::String(expiry)) = expiry {
                object.insert("until".into(), plain(expiry, 40).into());
            }
            let mut notes: Vec<String> = Vec::new();
            if !unset.is_empty() {
                notes.push(format!("It can't unset what wasn't set before: {}.", unset.join(", ")));
            }
            if !unknown.is_empty() {
                notes.push(format!("Add what it was before: {}.", unknown.join(", ")));
            }
            if !note.is_empty() {
                notes.push(note);
            }
            if !notes.is_empty() {
                object.insert("note".into(), notes.join(" ").into());
            }
        }
        undo
    }

    /// The value of an argument of the way back, nothing for one that is left out; the error says what is missing.
    fn value(&self, declared: &Value) -> Result<Option<Value>, String> {
        Ok(match declared {
            Value::String(text) => match optional(text) {
                Some(pointer) => match self.before {
                    Some(before) => before.pointer(pointer).filter(|value| !value.is_null()).map(clean),
                    None => return Err(format!("what `{pointer}` was is not known")),
                },
                None => Some(self.text(text)?),
            },
            Value::Array(items) => {
                let filled: Result<Vec<Option<Value>>, String> = items.iter().map(|item| self.value(item)).collect();
                Some(filled?.into_iter().flatten().collect())
            }
            Value::Object(fields) => {
                let mut filled = Map::new();
                for (name, field) in fields {
                    if let Some(value) = self.value(field)? {
                        filled.insert(name.clone(), value);
                    }
                }
                Some(filled.into())
            }
            other => Some(other.clone()),
        })
    }

    fn text(&self, text: &str) -> Result<Value, String> {
        let names: Vec<&str> = templates(text).collect();
        if let [name] = names.as_slice()
            && text.len() == name.len() + 2
        {
            return self.template(name);
        }
        let mut out = text.to_owned();
        for name in names {
            let value = match self.template(name)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            out = out.replace(&format!("{{{name}}}"), &value);
        }
        Ok(out.into())
    }

    fn template(&self, name: &str) -> Result<Value, String> {
        if let Some(pointer) = name.strip_prefix("before:") {
            return match self.before {
                Some(before) => before
                    .pointer(pointer)
                    .filter(|value| !value.is_null())
                    .map(clean)
                    .ok_or_else(|| format!("Neon didn't say what `{pointer}` was")),
                None => Err(format!("what `{pointer}` was is not known")),
            };
        }
        if name.starts_with('/') {
            return match self.answer {
                Some(answer) => answer
                    .pointer(name)
                    .filter(|value| !value.is_null())
                    .map(clean)
                    .ok_or_else(|| format!("Neon's answer has no `{name}`")),
                None => Ok(FROM_THE_ANSWER.into()),
            };
        }
        match self.arguments.get(name) {
            Some(value) => Ok(clean(value)),
            None => Err(format!("`{name}` is not given")),
        }
    }
}

/// The pointer of a text that is one optional template: `{before?:/pointer}`.
fn optional(text: &str) -> Option<&str> {
    text.strip_prefix("{before?:")?.strip_suffix('}')
}

fn clean(value: &Value) -> Value {
    match value {
        Value::String(text) => plain(text, LONGEST).into(),
        other => other.clone(),
    }
}
