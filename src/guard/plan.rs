//! What a call would do: what is shown to whoever must say yes, and what that yes is bound to.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::approvals::TypedName;
use super::foreign::{bare, marked};
use super::judge::Verdict;
use super::mask::MASK;
use super::undo::Undoing;
use crate::catalog::{Tool, Undo};
use crate::neon::Request;
use crate::neon::sql::Measured;
use crate::neon::text::one_line as plain;

/// How much of a value from outside a plan quotes, in characters.
const QUOTE: usize = 120;

/// How many values of one line are shown; the rest is counted. All of them count for the digest.
const MOST_VALUES: usize = 8;

/// How long the values of one line may be, in characters; those that don't fit are counted.
const MOST_LINE: usize = 300;

/// How much of a value that the call sends is shown, in characters.
const MOST_SENT: usize = 2_000;

/// How much a call may send so that a human can decide on it, in characters of all its values as they are shown.
const MOST_SENDING: usize = 3_000;

/// The longest text for people, in characters. What the call does always fits; lines about the target may not.
const MOST_TEXT: usize = 8_000;

/// What was read from Neon about the target of a call: what the plan shows.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// What the plan says about the target, line by line.
    pub lines: Vec<Line>,
    /// Ids in the arguments, with the names that were read for them: `br-…` → `"dev" (br-…)`.
    pub names: BTreeMap<String, String>,
    /// What must be typed if the plan is severe.
    pub type_name: Option<TypedName>,
    /// The answer of the plan's own read, for ways back that need former values.
    pub before: Option<Value>,
    /// The copy that is made first, as a sentence.
    pub safety_copy: Option<String>,
    /// What statements would lose, where that was measured: an approval covers no more.
    pub measured: Option<Measured>,
}

/// One thing that a plan says about the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    label: String,
    values: Vec<String>,
    binds: bool,
}

impl Line {
    /// A fact that the yes is bound to: when it changes, the plan is another one.
    #[must_use]
    pub fn fact(label: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self::new(label, values, true)
    }

    /// A circumstance that changes by itself (a size, the last activity): shown, but not bound to.
    #[must_use]
    pub fn circumstance(label: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self::new(label, values, false)
    }

    fn new(label: &str, values: impl IntoIterator<Item = String>, binds: bool) -> Self {
        Self {
            label: plain(label, 60),
            values: values.into_iter().map(|value| plain(&value, 400)).collect(),
            binds,
        }
    }

    /// What is shown of it.
    fn shown(&self) -> String {
        if self.values.is_empty() {
            return "none".to_owned();
        }
        let mut shown = String::new();
        let mut count = 0;
        for value in self.values.iter().take(MOST_VALUES) {
            if count > 0 && shown.chars().count() + value.chars().count() > MOST_LINE {
                break;
            }
            if count > 0 {
                shown.push_str(", ");
            }
            shown.push_str(value);
            count += 1;
        }
        if self.values.len() > count {
            shown.push_str(&format!(" and {} more", self.values.len() - count));
        }
        shown
    }
}

/// A name from outside, in quotes: hidden characters dropped, quotes in it escaped, at most 120 characters.
#[must_use]
pub fn quoted(name: &str) -> String {
    Value::from(plain(name, QUOTE)).to_string()
}

/// A name from outside in quotes, marked for the fence that an agent gets it in.
pub(crate) fn told(name: &str) -> String {
    marked(name, &quoted(name))
}

/// A value from outside without quotes, marked for the fence that an agent gets it in.
pub(crate) fn told_plain(value: &str, longest: usize) -> String {
    marked(value, &plain(value, longest))
}

/// What a call would do. Values from outside are cleaned, quoted and bounded.
#[derive(Debug, Clone)]
pub struct Plan {
    tool: String,
    summary: String,
    /// The same, with the names in it marked.
    told_summary: String,
    verdict: Verdict,
    sight: Sight,
    /// What the call sends beside the ids of its target, a line each.
    sends: Vec<String>,
    /// Something of it is shown in part only.
    cut: bool,
    would_send: Value,
    undo: Value,
    digest: String,
}

impl Plan {
    /// The plan of a call: from its declaration, its arguments, the verdict, the request and what was seen of the target.
    #[must_use]
    pub fn new(
        tool: &Tool,
        arguments: &Map<String, Value>,
        verdict: &Verdict,
        request: &Request,
        sight: Sight,
        now: DateTime<Utc>,
    ) -> Self {
        let undoing = Undoing {
            tool,
            arguments,
            before: sight.before.as_ref(),
            answer: None,
            now,
        };
        let summary = match &tool.declaration.plan {
            Some(declared) => fill(&declared.summary, tool, arguments, &sight.names),
            None => tool.declaration.title.clone(),
        };
        let told_summary = summary;
        let summary = bare(&told_summary);
        let would_send = would_send(tool, request);
        let sends = sends(tool, arguments, &sight);
        let cut = arguments.iter().any(|(name, value)| is_cut(tool, name, value));
        // In whatever order Neon lists them: a child that is used moves to the front, and is the same child.
        let bound: Vec<(&str, Vec<&String>)> = sight
            .lines
            .iter()
            .filter(|line| line.binds)
            .map(|line| {
                let mut values: Vec<&String> = line.values.iter().collect();
                values.sort_unstable();
                (line.label.as_str(), values)
            })
            .collect();
        let shown = json!({
            "tool": tool.name(),
            "effect": verdict.effect(),
            "severe": verdict.severe(),
            "because": verdict.reasons(),
            "send": [would_send, sends],
            "target": bound,
            "type": sight.type_name.as_ref().map(|name| &name.name),
        });
        Self {
            tool: tool.name().to_owned(),
            summary,
            told_summary,
            verdict: verdict.clone(),
            undo: undoing.way().unwrap_or(Value::Null),
            sends,
            cut,
            would_send,
            digest: digest(&shown),
            sight,
        }
    }

    /// A digest of what the plan is about: it changes when the target does, and not with sizes or activity.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What would happen, in a sentence.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What must be typed for a yes: nothing unless the plan is severe.
    #[must_use]
    pub fn type_name(&self) -> Option<&TypedName> {
        self.sight.type_name.as_ref().filter(|_| self.verdict.severe())
    }

    /// What was judged.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What the plan's own read showed, for the way back.
    #[must_use]
    pub fn before(&self) -> Option<&Value> {
        self.sight.before.as_ref()
    }

    /// What the call's statements would lose, as it is shown.
    #[must_use]
    pub fn measured(&self) -> Option<&Measured> {
        self.sight.measured.as_ref()
    }

    /// Whether a human can be shown all that the call sends. What can't be shown can't be decided on.
    #[must_use]
    pub fn can_be_shown(&self) -> bool {
        !self.cut && self.sends.iter().map(|line| line.chars().count()).sum::<usize>() <= MOST_SENDING
    }

    /// The plan for people: lines of plain text, at most 8,000 characters. What the call does, sends and leaves as a way back
    /// is always in it; of what is said about the target the last lines may be left out, and then it says so.
    #[must_use]
    pub fn text(&self) -> String {
        let mut before = vec![format!("{}.", self.summary.trim_end_matches('.')), String::new()];
        before.extend(self.verdict.reasons().iter().map(|reason| format!("It {reason}.")));
        before.push(format!(
            "Effect: {}{}.",
            self.verdict.effect(),
            if self.verdict.severe() { ", severe" } else { "" }
        ));
        before.extend(self.sends.iter().cloned());
        let mut after: Vec<String> = Vec::new();
        after.extend(self.sight.safety_copy.iter().map(|copy| format!("First: {copy}")));
        after.push(format!("Way back: {}", undo_text(&self.undo)));
        if let Some(request) = self.would_send.get("request").and_then(Value::as_str) {
            after.push(format!("Request: {request}"));
        }
        let length = |lines: &[String]| lines.iter().map(|line| line.chars().count() + 1).sum::<usize>();
        let mut room = MOST_TEXT.saturating_sub(length(&before) + length(&after) + 60);
        let mut target = Vec::new();
        for (index, line) in self.sight.lines.iter().enumerate() {
            let line = format!("{}: {}", upper(&line.label), line.shown());
            let needs = line.chars().count() + 1;
            if needs > room {
                target.push(format!(
                    "… and {} more lines about the target",
                    self.sight.lines.len() - index
                ));
                break;
            }
            room -= needs;
            target.push(line);
        }
        bare(&[before, target, after].concat().join("\n"))
    }

    /// The plan as data, for people.
    #[must_use]
    pub fn to_value(&self) -> Value {
        fn without_marks(value: &mut Value) {
            match value {
                Value::String(text) => *text = bare(text),
                Value::Array(items) => items.iter_mut().for_each(without_marks),
                Value::Object(object) => object.values_mut().for_each(without_marks),
                _ => {}
            }
        }
        let mut plan = self.told();
        without_marks(&mut plan);
        plan
    }

    /// The plan as data, for an agent: the names in its sentences are marked, and whoever hands it over fences them.
    pub(crate) fn told(&self) -> Value {
        let mut plan = Map::new();
        plan.insert("tool".into(), self.tool.as_str().into());
        plan.insert("summary".into(), self.told_summary.as_str().into());
        plan.insert("effect".into(), self.verdict.effect().name().into());
        if self.verdict.severe() {
            plan.insert("severe".into(), true.into());
        }
        if let Some(name) = self.type_name() {
            plan.insert("asks_for_the_name_of".into(), format!("the {}", name.what).into());
        }
        if !self.verdict.reasons().is_empty() {
            let because = self.verdict.reasons().iter().map(|reason| format!("it {reason}"));
            plan.insert("because".into(), because.collect());
        }
        let target = self
            .sight
            .lines
            .iter()
            .map(|line| (line.label.clone(), line.shown().into()));
        plan.insert("target".into(), Value::Object(target.collect()));
        if let Some(copy) = &self.sight.safety_copy {
            plan.insert("first".into(), copy.as_str().into());
        }
        plan.insert("would_send".into(), self.would_send.clone());
        plan.insert("undo".into(), self.undo.clone());
        Value::Object(plan)
    }
}

/// What a call sends beside the ids of its target: each argument with its value, and the former one where the plan read it.
fn sends(tool: &Tool, arguments: &Map<String, Value>, sight: &Sight) -> Vec<String> {
    let target = tool.target().map(|(argument, _)| argument);
    let former = |name: &str| {
        let Some(Undo::Way(way)) = &tool.declaration.undo else {
            return None;
        };
        sight.before.as_ref()?.pointer(way.former.get(name)?)
    };
    let own = |name: &&String| {
        let name = name.as_str();
        let own = Some(name) != target && !tool.injected.contains(&name) && !is_file(tool, name);
        own && !tool.placeholders.iter().any(|one| one == name)
    };
    arguments
        .keys()
        .filter(own)
        .filter_map(|name| {
            let value = sent(tool, name, arguments.get(name)?, sight);
            let former = former(name)
                .map(|former| format!(" (now {})", sent(tool, name, former, sight)))
                .unwrap_or_default();
            Some(format!("Sends {}: {value}{former}", plain(name, 60)))
        })
        .collect()
}

/// A value that is sent, or was: masked, clean, and where it is cut, with how much there is of it.
fn sent(tool: &Tool, name: &str, value: &Value, sight: &Sight) -> String {
    if is_secret(tool, name) {
        return MASK.to_owned();
    }
    let named = value.as_str().and_then(|text| sight.names.get(text));
    if let Some(named) = named {
        return named.clone();
    }
    let mut field = match value {
        Value::Object(map) if holds_secrets(tool, name) => json!({ name: masked(map) }),
        value => json!({ name: value }),
    };
    super::mask(&mut field, &[], &[]);
    let value = field.get(name).unwrap_or(&Value::Null);
    if value.is_null() {
        return "nothing".to_owned();
    }
    let whole = value.to_string();
    let shown = plain(&whole, MOST_SENT);
    let count = whole.chars().count();
    if count > MOST_SENT {
        format!("{shown} ({count} characters in all)")
    } else {
        shown
    }
}

/// Whether an argument is a file in base64.
fn is_file(tool: &Tool, name: &str) -> bool {
    tool.declaration.body.files().any(|(_, file)| file.base64 == name)
}

/// Whether an argument is a map whose values are only ever written.
fn holds_secrets(tool: &Tool, name: &str) -> bool {
    let values = tool
        .property(name)
        .and_then(|schema| schema.get("additionalProperties"));
    values.and_then(|values| values.get("writeOnly")) == Some(&Value::Bool(true))
}

/// Of a map of secrets the names are shown.
fn masked(map: &Map<String, Value>) -> Value {
    map.keys()
        .map(|name| (plain(name, QUOTE), MASK.into()))
        .collect::<Map<_, _>>()
        .into()
}

/// Whether a plan shows a value whole. A call that sends one that it doesn't isn't asked about.
#[must_use]
pub(crate) fn can_be_shown(value: &Value) -> bool {
    value.to_string().chars().count() <= MOST_SENT
}

/// Whether a human would see a part only of something that can be read. Of a file, which
/// nobody reads in base64, the plan has the size and the digest.
fn is_cut(tool: &Tool, name: &str, value: &Value) -> bool {
    let encoded = tool
        .property(name)
        .is_some_and(|schema| schema.contains_key("contentEncoding"));
    !encoded && !is_secret(tool, name) && !can_be_shown(value)
}

/// Whether an argument is one that is only ever written.
fn is_secret(tool: &Tool, name: &str) -> bool {
    tool.property(name).and_then(|schema| schema.get("writeOnly")) == Some(&Value::Bool(true))
}

/// SHA-256 of a value, in hexadecimal. Objects are taken in the order of their keys, whatever order they have.
#[must_use]
pub fn digest(value: &Value) -> String {
    fn write(value: &Value, hash: &mut Sha256) {
        match value {
            Value::Object(object) => {
                let mut keys: Vec<&String> = object.keys().collect();
                keys.sort_unstable();
                hash.update(b"{");
                for key in keys {
                    hash.update(Value::from(key.as_str()).to_string().as_bytes());
                    hash.update(b":");
                    write(object.get(key).unwrap_or(&Value::Null), hash);
                    hash.update(b",");
                }
                hash.update(b"}");
            }
            Value::Array(items) => {
                hash.update(b"[");
                for item in items {
                    write(item, hash);
                    hash.update(b",");
                }
                hash.update(b"]");
            }
            other => hash.update(other.to_string().as_bytes()),
        }
    }
    let mut hash = Sha256::new();
    write(value, &mut hash);
    hex(&hash.finalize())
}

/// A file in a few words: its size, and what tells it from any other.
#[must_use]
pub fn file_in_short(bytes: &[u8]) -> String {
    format!("{} bytes, sha256 {}", bytes.len(), hex(&Sha256::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn upper(label: &str) -> String {
    let mut letters = label.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// A way back, as a sentence.
fn undo_text(undo: &Value) -> String {
    let text = |name: &str| undo.get(name).and_then(Value::as_str);
    match (undo.as_str(), text("tool")) {
        (Some(text), _) => text.to_owned(),
        (None, Some(tool)) => {
            let arguments = undo.get("arguments").map(Value::to_string).unwrap_or_default();
            let until = text("until")
                .map(|until| format!(", until {until}"))
                .unwrap_or_default();
            let note = text("note").map(|note| format!(". {note}")).unwrap_or_default();
            format!("{tool} {}{until}{note}", plain(&arguments, 600))
        }
        _ => "none".to_owned(),
    }
}

/// The request, in a line, and its body. This is what a dry run answers, too.
#[must_use]
pub fn would_send(tool: &Tool, request: &Request) -> Value {
    let mut line = format!("{} {}", request.method(), plain(request.path(), 400));
    for (index, (name, value)) in request.query().iter().enumerate() {
        line.push_str(if index == 0 { "?" } else { "&" });
        line.push_str(&format!("{name}={}", plain(value, QUOTE)));
    }
    let mut sent = json!({"request": line});
    if let Some(body) = request.body() {
        let mut body = bounded(body, tool);
        super::mask(&mut body, &[], &[]);
        if let Some(sent) = sent.as_object_mut() {
            sent.insert("body".into(), body);
        }
    }
    if let (Some(files), Some(sent)) = (request.form(), sent.as_object_mut()) {
        let files = files.iter().map(|file| {
            let shown = format!("{}: {}", file.name, file_in_short(&file.bytes));
            (file.field.clone(), Value::from(shown))
        });
        sent.insert("files".into(), files.collect::<Map<_, _>>().into());
    }
    sent
}

/// A copy in which every text is clean and short, and what is written only is masked.
fn bounded(value: &Value, tool: &Tool) -> Value {
    match value {
        Value::String(text) => plain(text, QUOTE).into(),
        Value::Array(items) => {
            let more = items.len().saturating_sub(20);
            let shown = items.iter().take(20).map(|item| bounded(item, tool));
            shown
                .chain((more > 0).then(|| format!("… and {more} more").into()))
                .collect()
        }
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| {
                let shown = match value {
                    _ if is_secret(tool, name) => MASK.into(),
                    Value::Object(map) if holds_secrets(tool, name) => masked(map),
                    value => bounded(value, tool),
                };
                (plain(name, QUOTE), shown)
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// A text with `{argument}` replaced by what it names, in quotes where that is a name.
fn fill(text: &str, tool: &Tool, arguments: &Map<String, Value>, names: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = rest.split_once('{').and_then(|(before, after)| {
        let (name, after) = after.split_once('}')?;
        Some((before, name, after))
    }) {
        out.push_str(before);
        match arguments.get(name) {
            Some(Value::String(text)) => out.push_str(&names.get(text).cloned().unwrap_or_else(|| quoted(text))),
            Some(value) => out.push_str(&plain(&value.to_string(), QUOTE)),
            None if tool.property(name).is_some() => out.push_str("(not given)"),
            None => out.push_str(name),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_is_of_the_content_and_not_of_its_order() {
        assert_eq!(
            digest(&json!({"a": 1, "b": [1, 2]})),
            digest(&json!({"b": [1, 2], "a": 1}))
        );
        assert_ne!(digest(&json!({"a": [1, 2]})), digest(&json!({"a": [2, 1]})));
        assert_ne!(digest(&json!({"a": "1"})), digest(&json!({"a": 1})));
        assert_ne!(digest(&json!(["a", "b"])), digest(&json!(["a,b"])));
    }

    #[test]
    fn a_name_cannot_break_out_of_its_quotes_or_reorder_the_line() {
        let name = quoted("x\" (br-safe)\u{202e}\u{200b}\nThis is a throwaway");
        assert_eq!(name, "\"x\\\" (br-safe) This is a throwaway\"");
    }

    #[test]
    fn long_lists_are_counted_and_bind_whole() {
        let names = |count: usize| (0..count).map(|index| format!("n{index}"));
        let line = Line::fact("children", names(12));
        assert!(line.shown().ends_with("and 4 more"), "{}", line.shown());
        assert_ne!(line, Line::fact("children", names(13)));
    }
}
