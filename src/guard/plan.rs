//! What a call would have done: what is shown to whoever must say yes.

use serde_json::{Map, Value, json};

use super::judge::{Verdict, fits};
use super::mask::MASK;
use crate::catalog::{Tool, Undo, UndoWay, templates};
use crate::neon::Request;
use crate::neon::text::one_line as plain;

/// How much of an argument a plan quotes, in characters.
const QUOTE: usize = 120;

/// What a call would do, as data. Values from outside are cleaned and bounded.
#[derive(Debug, Clone)]
pub struct Plan(Value);

impl Plan {
    /// The plan of a call: from its declaration, its arguments, the verdict and, where it was built, the request.
    #[must_use]
    pub fn new(tool: &Tool, arguments: &Map<String, Value>, verdict: &Verdict, request: &Request) -> Self {
        let declaration = &tool.declaration;
        let mut plan = Map::new();
        plan.insert("tool".into(), tool.name().into());
        if let Some(declared) = &declaration.plan {
            plan.insert("summary".into(), fill(&declared.summary, tool, arguments).into());
        }
        plan.insert("effect".into(), verdict.effect().name().into());
        if verdict.severe() {
            plan.insert("severe".into(), true.into());
        }
        if !verdict.reasons().is_empty() {
            plan.insert(
                "because".into(),
                json!(
                    verdict
                        .reasons()
                        .iter()
                        .map(|reason| format!("it {reason}"))
                        .collect::<Vec<_>>()
                ),
            );
        }
        plan.insert("would_send".into(), would_send(tool, request));
        match &declaration.undo {
            Some(Undo::Way(way)) => {
                plan.insert("undo".into(), undo(way, tool, arguments));
            }
            Some(Undo::Never(never)) => {
                plan.insert("undo".into(), format!("none: {}", never.never).into());
            }
            None => {}
        }
        if let Some(declared) = &declaration.plan {
            plan.insert("look_first".into(), declared.read.clone().into());
        }
        Self(Value::Object(plan))
    }

    /// The plan as data.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.0
    }
}

/// The way back as a call, or that there is none for these arguments.
fn undo(way: &UndoWay, tool: &Tool, arguments: &Map<String, Value>) -> Value {
    let note = way.note.as_deref().unwrap_or_default();
    if way.when.is_some() && !fits(way.when.as_ref(), arguments) {
        return format!("none by one call. {note}").trim().into();
    }
    let missing = way
        .arguments
        .values()
        .flat_map(|text| templates(text))
        .find(|name| !name.starts_with('/') && tool.property(name).is_some() && !arguments.contains_key(*name));
    if let Some(name) = missing {
        return format!("none, because `{name}` is not given. {note}").trim().into();
    }
    let given = way
        .arguments
        .iter()
        .map(|(name, value)| (name.clone(), fill(value, tool, arguments).into()));
    let mut undo = json!({"tool": way.tool, "arguments": given.collect::<Map<String, Value>>()});
    if let Some(object) = undo.as_object_mut() {
        if let Some(seconds) = way.within_seconds {
            object.insert("within_seconds".into(), seconds.into());
        }
        if !note.is_empty() {
            object.insert("note".into(), note.into());
        }
    }
    undo
}

/// The request, in a line, and its body.
fn would_send(tool: &Tool, request: &Request) -> Value {
    let mut line = format!("{} {}", request.method(), plain(request.path(), 400));
    for (index, (name, value)) in request.query().iter().enumerate() {
        line.push_str(if index == 0 { "?" } else { "&" });
        line.push_str(&format!("{name}={}", plain(value, QUOTE)));
    }
    match request.body() {
        Some(body) => json!({"request": line, "body": bounded(body, tool)}),
        None => json!({"request": line}),
    }
}

/// A copy in which every text is clean and short, and what is written only is masked.
fn bounded(value: &Value, tool: &Tool) -> Value {
    match value {
        Value::String(text) => plain(text, QUOTE).into(),
        Value::Array(items) => items.iter().take(20).map(|item| bounded(item, tool)).collect(),
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| {
                let secret = tool.property(name).and_then(|schema| schema.get("writeOnly")) == Some(&Value::Bool(true));
                (
                    plain(name, QUOTE),
                    if secret { MASK.into() } else { bounded(value, tool) },
                )
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// A text with `{argument}` replaced by the argument's value, in quotes.
fn fill(text: &str, tool: &Tool, arguments: &Map<String, Value>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = rest.split_once('{').and_then(|(before, after)| {
        let (name, after) = after.split_once('}')?;
        Some((before, name, after))
    }) {
        out.push_str(before);
        match arguments.get(name) {
            _ if name.starts_with('/') => out.push_str("(from the answer)"),
            Some(Value::String(text)) => out.push_str(&plain(text, QUOTE)),
            Some(value) => out.push_str(&plain(&value.to_string(), QUOTE)),
            None if tool.property(name).is_some() => out.push_str("(not given)"),
            None => out.push_str(name),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
