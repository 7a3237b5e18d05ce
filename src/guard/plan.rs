//! What a call would do: what is shown to whoever must approve it, and what that approval is bound to.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::approvals::TypedName;
use super::arguments::{MAX_SENT, is_file, unshowable, without_secrets};
use super::assess::Assessment;
use super::mask;
use super::shown::{Line, digest, shown, told};
use super::undo::Undoing;
use super::untrusted::bare;
use super::would_send::would_send;
use crate::catalog::{Effect, Tool, Undo, filled};
use crate::neon::Request;
use crate::neon::sql::Measured;
use crate::text::{escaped, one_line};

/// How much a call may send so that a human can decide on it, in characters of all its values as they are shown.
const MAX_SENDING: usize = 3_000;

/// The longest text for people, in characters. What the approval is about fits whole, or nobody is asked; of circumstances, the
/// last may be left out.
const MAX_TEXT: usize = 16_000;

/// The most lines of the text for people.
const MAX_LINES: usize = 12;

/// What was read from Neon about the target of a call: what the plan shows.
#[derive(Debug, Clone, Default)]
pub struct Impact {
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
    /// All statements, without their secrets, where the plan shows some of them by their digest alone.
    pub whole: Option<String>,
    /// It is the sandbox, not Neon.
    pub sandbox: bool,
    /// The name of the account, where there are several.
    pub account: Option<String>,
}

/// What a call would do. Values from outside are cleaned, quoted and bounded.
#[derive(Debug, Clone)]
pub struct Plan {
    tool: String,
    summary: String,
    /// The same, with the names in it marked.
    told_summary: String,
    assessment: Assessment,
    impact: Impact,
    /// What the call sends beside the ids of its target, a line each.
    sends: Vec<String>,
    /// Why it can't be shown, if so.
    unshowable: Option<&'static str>,
    would_send: Value,
    undo: Value,
    digest: String,
}

impl Plan {
    /// The plan of a call: from its declaration, its arguments, the assessment, the request and what was seen of the target.
    #[must_use]
    pub fn new(
        tool: &Tool,
        arguments: &Map<String, Value>,
        assessment: &Assessment,
        request: &Request,
        impact: Impact,
        now: DateTime<Utc>,
    ) -> Self {
        let undoing = Undoing {
            tool,
            arguments,
            before: impact.before.as_ref(),
            answer: None,
            now,
        };
        let summary = match (assessment.summary(), &tool.declaration.safety.plan) {
            (Some(raised), _) => fill(raised, tool, arguments, &impact),
            (None, Some(declared)) => fill(&declared.summary.of(arguments), tool, arguments, &impact),
            (None, None) => tool.declaration.title.clone(),
        };
        let told_summary = summary;
        let summary = bare(&told_summary);
        let would_send = would_send(tool, arguments, request);
        let sends = sends(tool, arguments, &impact);
        let unshowable = unshowable(tool, arguments);
        // In whatever order Neon lists them: a child that is used moves to the front, and is the same child.
        let bound: Vec<(&str, Vec<&String>)> = impact
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
            "effect": assessment.effect(),
            "severe": assessment.severe(),
            "because": assessment.reasons(),
            "send": [would_send, sends],
            "target": bound,
            "type": impact.type_name.as_ref().map(|name| &name.name),
        });
        Self {
            tool: tool.name().to_owned(),
            summary,
            told_summary,
            assessment: assessment.clone(),
            undo: undoing.way().unwrap_or(Value::Null),
            sends,
            unshowable,
            would_send,
            digest: digest(&shown),
            impact,
        }
    }

    /// The same plan with its way back changed to what can be called.
    #[must_use]
    pub fn with_undo(mut self, change: impl FnOnce(Value) -> Value) -> Self {
        self.undo = change(std::mem::take(&mut self.undo));
        self
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

    /// What must be typed to approve it: nothing unless the plan is severe.
    #[must_use]
    pub fn type_name(&self) -> Option<&TypedName> {
        self.impact.type_name.as_ref().filter(|_| self.assessment.severe())
    }

    /// What was judged.
    #[must_use]
    pub fn assessment(&self) -> &Assessment {
        &self.assessment
    }

    /// What the plan's own read showed, for the way back.
    #[must_use]
    pub fn before(&self) -> Option<&Value> {
        self.impact.before.as_ref()
    }

    /// What the call's statements would lose, as it is shown.
    #[must_use]
    pub fn measured(&self) -> Option<&Measured> {
        self.impact.measured.as_ref()
    }

    /// Whether a human can be shown all that the approval is about: what can't be shown can't be decided on. Every channel
    /// shows [`Self::text`].
    ///
    /// # Errors
    /// Why not, as a sentence that begins with "it".
    pub fn can_be_shown(&self) -> Result<(), String> {
        if let Some(why) = self.unshowable {
            return Err(format!("it {why}"));
        }
        let sending: usize = self.sends.iter().map(|line| line.chars().count()).sum();
        let [head, sends, about, _, after] = self.sections();
        let whole: usize = [&head, &sends, &about, &after].iter().map(|lines| length(lines)).sum();
        if sending > MAX_SENDING || whole > MAX_TEXT {
            return Err(
                "it sends more than a human can be shown in one question (make it in smaller steps)".to_owned(),
            );
        }
        Ok(())
    }

    /// The sections of the text: what would happen and why it asks, what it sends, what it is about, the circumstances of that, and
    /// what stands behind them.
    fn sections(&self) -> [Vec<String>; 5] {
        let place = match (&self.impact.account, self.impact.sandbox) {
            (Some(account), _) => format!(" (in the account {account})"),
            (None, true) => " (in the sandbox)".to_owned(),
            (None, false) => String::new(),
        };
        let head = format!("{}{place}.", self.summary.trim_end_matches('.'));
        // What would be lost comes first, and isn't said twice.
        let shown = || {
            self.impact
                .lines
                .iter()
                .filter(|line| line.is_shown && !line.values.is_empty())
        };
        let losses = || shown().filter(|line| line.is_a_loss());
        let is_told = |reason: &str| {
            let rows = reason
                .split_once(" rows of ")
                .map(|(_, table)| format!("rows of {table}"));
            losses()
                .flat_map(|line| &line.values)
                .any(|value| value == reason || rows.as_ref().is_some_and(|rows| value.ends_with(rows.as_str())))
        };
        let reasons: Vec<&str> = self.assessment.reasons().iter().map(String::as_str).collect();
        let reasons: Vec<&str> = reasons.into_iter().filter(|reason| !is_told(reason)).collect();
        let because = match reasons.as_slice() {
            [] => String::new(),
            reasons => format!(": it {}", reasons.join("; it ")),
        };
        // What reads and is asked about all the same hands over a secret: its class says nothing to a human. What only gives access
        // has said so in its first line.
        let effect = match (self.assessment.effect(), reasons.as_slice()) {
            (Effect::Read | Effect::Access, [_, ..]) if !self.assessment.severe() => {
                Some(format!("Effect: it {}.", reasons.join("; it ")))
            }
            (Effect::Access, []) if !self.assessment.severe() => None,
            (effect, _) => {
                let severe = if self.assessment.severe() { ", severe" } else { "" };
                Some(format!("Effect: {effect}{severe}{because}."))
            }
        };
        // What isn't there has no line, and what the first says already neither.
        let mut said: Vec<String> = Vec::new();
        let mut lines = |binds: bool| -> Vec<String> {
            let mut lines: Vec<String> = Vec::new();
            for line in shown().filter(|line| line.binds == binds && !line.is_a_loss()) {
                let sentence = line.sentence();
                let named = line
                    .values
                    .iter()
                    .all(|value| self.told_summary.contains(value.as_str()));
                if !(said.contains(&sentence) || named && line.is_a_name()) {
                    said.push(sentence.clone());
                    lines.push(sentence);
                }
            }
            lines
        };
        let (about, circumstances) = (lines(true), lines(false));
        let mut after: Vec<String> = Vec::new();
        after.extend(self.impact.safety_copy.iter().map(|copy| format!("First: {copy}")));
        after.push(format!("Way back: {}", undo_text(&self.undo)));
        if let Some(request) = self.would_send.get("request").and_then(Value::as_str) {
            after.push(format!("Request: {request}"));
        }
        let mut first = vec![head];
        first.extend(losses().map(Line::sentence));
        first.extend(effect);
        [first, self.sends.clone(), about, circumstances, after]
    }

    /// The plan for people: at most 12 lines of plain text. What the approval is about is whole; of the circumstances
    /// the last may be left out, and then it says so.
    #[must_use]
    pub fn text(&self) -> String {
        let [head, sends, about, circumstances, after] = self.sections();
        let fixed: usize = [&head, &sends, &about, &after].iter().map(|lines| length(lines)).sum();
        let mut room = MAX_TEXT.saturating_sub(fixed + 60);
        let mut shown: Vec<String> = Vec::new();
        let count = circumstances.len();
        for line in circumstances {
            let needs = line.chars().count() + 1;
            if needs > room {
                break;
            }
            room -= needs;
            shown.push(line);
        }
        if shown.len() < count {
            shown.push(format!("… and {} more lines about the target", count - shown.len()));
        }
        let lines = folded(head, [sends, about, shown], after);
        let lines: Vec<String> = lines.iter().map(|line| escaped(&bare(line))).collect();
        lines.join("\n")
    }

    /// All statements, without their secrets, where the plan shows some of them by their digest alone.
    #[must_use]
    pub fn whole(&self) -> Option<&str> {
        self.impact.whole.as_deref()
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
        plan.insert("effect".into(), self.assessment.effect().name().into());
        if self.assessment.severe() {
            plan.insert("severe".into(), true.into());
        }
        if let Some(name) = self.type_name() {
            plan.insert("requires_typed_name".into(), format!("the {}", name.what).into());
        }
        if !self.assessment.reasons().is_empty() {
            let because = self.assessment.reasons().iter().map(|reason| format!("it {reason}"));
            plan.insert("reasons".into(), because.collect());
        }
        let shown = self.impact.lines.iter().filter(|line| line.is_shown);
        let target = shown.map(|line| (line.label.clone(), line.shown().into()));
        plan.insert("target".into(), Value::Object(target.collect()));
        if let Some(copy) = &self.impact.safety_copy {
            plan.insert("safety_copy".into(), copy.as_str().into());
        }
        plan.insert("would_send".into(), self.would_send.clone());
        plan.insert("undo".into(), self.undo.clone());
        Value::Object(plan)
    }
}

/// The lines in their order, at most [`MAX_LINES`]: the shortest neighbours within a section share one.
fn folded(head: Vec<String>, mut sections: [Vec<String>; 3], after: Vec<String>) -> Vec<String> {
    let most = MAX_LINES.saturating_sub(head.len() + after.len());
    while sections.iter().map(Vec::len).sum::<usize>() > most {
        let pairs = sections.iter().enumerate().flat_map(|(section, lines)| {
            let pairs = lines.windows(2).enumerate();
            pairs.map(move |(at, pair)| (length(pair), section, at))
        });
        let Some((_, section, at)) = pairs.min() else {
            break;
        };
        if let Some(lines) = sections.get_mut(section) {
            let second = lines.remove(at + 1);
            if let Some(first) = lines.get_mut(at) {
                first.push_str("; ");
                first.push_str(&second);
            }
        }
    }
    let [sends, about, circumstances] = sections;
    [head, sends, about, circumstances, after].concat()
}

fn length(lines: &[String]) -> usize {
    lines.iter().map(|line| line.chars().count() + 1).sum()
}

/// What a call sends beside the ids of its target: each argument with its value, and the former one where the plan read it.
fn sends(tool: &Tool, arguments: &Map<String, Value>, impact: &Impact) -> Vec<String> {
    let target = tool.target().map(|(argument, _)| argument);
    let former = |name: &str| {
        let Some(Undo::Way(way)) = &tool.declaration.safety.undo else {
            return None;
        };
        impact.before.as_ref()?.pointer(way.former.get(name)?.pointer())
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
            let value = sent(tool, name, arguments.get(name)?, arguments, impact);
            let former = former(name)
                .map(|former| format!(" (now {})", sent(tool, name, former, arguments, impact)))
                .unwrap_or_default();
            Some(format!("Sends {}: {value}{former}", escaped(name)))
        })
        .collect()
}

/// A value that is sent, or was: without its secrets, whole, and where it is too long, with how much there is of it.
fn sent(tool: &Tool, name: &str, value: &Value, arguments: &Map<String, Value>, impact: &Impact) -> String {
    let named = value.as_str().and_then(|text| impact.names.get(text));
    if let Some(named) = named.filter(|_| !tool.is_write_only(name)) {
        return named.clone();
    }
    let value = without_secrets(tool, name, value, arguments);
    if value.is_null() {
        return "nothing".to_owned();
    }
    let whole = shown(&value.to_string());
    let count = whole.chars().count();
    if count > MAX_SENT {
        format!("{} ({count} characters in all)", one_line(&whole, MAX_SENT))
    } else {
        whole
    }
}

/// A way back, as a sentence.
fn undo_text(undo: &Value) -> String {
    let text = |name: &str| undo.get(name).and_then(Value::as_str);
    let tool = text("tool").or_else(|| text("not_offered"));
    match (undo.as_str(), tool) {
        (Some(text), _) => text.to_owned(),
        (None, Some(tool)) => {
            let arguments = undo.get("arguments").map(Value::to_string).unwrap_or_default();
            let until = text("until")
                .map(|until| format!(", until {until}"))
                .unwrap_or_default();
            let note = text("note").map(|note| format!(". {note}")).unwrap_or_default();
            let also = undo.get("also").and_then(Value::as_array).map_or(0, Vec::len);
            let more = match also {
                0 => String::new(),
                more => format!(" and {more} more calls"),
            };
            format!("{tool} {}{more}{until}{note}", escaped(&arguments))
        }
        _ => "none".to_owned(),
    }
}

/// A template filled: `{argument}` stands for what it names, in quotes where that is a name, and `{before:/pointer}` for a part of what the
/// plan read.
fn fill(text: &str, tool: &Tool, arguments: &Map<String, Value>, impact: &Impact) -> String {
    let value = |name: &str| match name.strip_prefix("before:") {
        Some(pointer) => impact.before.as_ref()?.pointer(pointer),
        None => arguments.get(name),
    };
    let told_value = |name: &str| match value(name) {
        // Its own words, or what was filled in from the branch.
        Some(Value::String(text)) => match impact.names.get(text) {
            Some(named) => named.clone(),
            None => told(&mask::mask_text(text)),
        },
        Some(value) => match impact.names.get(&value.to_string()) {
            Some(named) => named.clone(),
            None => in_words(&without_secrets(tool, name, value, arguments)),
        },
        None => name.to_owned(),
    };
    let is_there = |name: &str| value(name).is_some_and(|value| !value.is_null());
    filled(text, is_there, told_value)
}

/// A value in a sentence: of a list its items, of an object its values, the first of which is what it is called.
fn in_words(value: &Value) -> String {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(told(text)),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let item = |value: &Value| {
        let Value::Object(members) = value else {
            return scalar(value);
        };
        let values: Option<Vec<String>> = members.values().map(scalar).collect();
        match values?.split_first()? {
            (first, []) => Some(first.clone()),
            (first, others) => Some(format!("{first} ({})", others.join(", "))),
        }
    };
    let items = value.as_array().filter(|items| !items.is_empty());
    let told_items: Option<Vec<String>> = items.and_then(|items| items.iter().map(item).collect());
    told_items.map_or_else(|| escaped(&value.to_string()), |items| items.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::guard::shown::quoted;

    #[test]
    fn a_digest_is_of_the_content_and_not_of_its_order() {
        assert_eq!(
            digest(&json!({"a": 1, "b": [1, 2]})),
            digest(&json!({"b": [1, 2], "a": 1}))
        );
        assert_ne!(digest(&json!({"a": [1, 2]})), digest(&json!({"a": [2, 1]})));
        assert_ne!(digest(&json!({"a": "1"})), digest(&json!({"a": 1})));
        assert_ne!(
            digest(&json!({"a": 9_007_199_254_740_993_u64})),
            digest(&json!({"a": 9_007_199_254_740_992_u64}))
        );
        assert_eq!(
            digest(&json!([{"a": {"x": 1, "y": 2}, "b": 1}])),
            digest(&json!([{"b": 1, "a": {"y": 2, "x": 1}}]))
        );
        assert_ne!(digest(&json!(["a", "b"])), digest(&json!(["a,b"])));
    }

    #[test]
    fn a_name_cannot_break_out_of_its_quotes_or_reorder_the_line() {
        let name = quoted("x\" (br-safe)\u{202e}\u{200b}\nThis is a throwaway");
        assert_eq!(name, "\"x\\\" (br-safe)\\u{202e}\\u{200b}\\nThis is a throwaway\"");
        assert_eq!(quoted(" a  b "), "\"\\u{20}a \\u{20}b\\u{20}\"");
        assert_eq!(quoted("a b\t\u{2800}"), "\"a b\\t\\u{2800}\"");
    }

    #[test]
    fn list_of_facts_is_whole_and_one_of_circumstances_is_counted() {
        let names = |count: usize| (0..count).map(|index| format!("n{index}"));
        let line = Line::fact("children", names(12));
        assert!(line.shown().ends_with("n10, n11"), "{}", line.shown());
        assert_ne!(line, Line::fact("children", names(13)));
        let line = Line::circumstance("computes", names(12));
        assert!(line.shown().ends_with(" 4 more"), "{}", line.shown());
    }
}
