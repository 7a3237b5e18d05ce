//! Discovery mode: a search and one caller per effect, in place of a long list. A call through a caller is the call itself.

use std::sync::Arc;

use rmcp::model::{Tool as McpTool, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::own_results::{invalid, reason_first, stamped};
use super::search;
use super::tools::annotations;
use crate::catalog::{CALLERS, SearchIndex, SelectedTool, Selection, caller_of, envelope};
use crate::engine::{CallBound, CallResult, Engine, Kind};
use crate::guard::Effect;

/// How many names are told of for one that doesn't exist.
const NEAREST: usize = 3;

/// What `tools/list` gives in discovery mode: callers that would have nothing to call are left out.
pub(super) fn listed(selection: &Selection) -> Vec<McpTool> {
    let mut tools = vec![search::tool(selection)];
    for (effect, name, title, description) in CALLERS {
        if selection.tools().iter().any(|selected| selected.needs() == effect) {
            tools.push(
                McpTool::new(name, description, caller_input(example(selection, effect)))
                    .with_title(title)
                    .with_raw_output_schema(Arc::new(envelope(Map::new())))
                    .with_annotations(hints(selection, effect)),
            );
        }
    }
    tools
}

/// A tool that a caller runs, the first in the list.
fn example(selection: &Selection, effect: Effect) -> &str {
    let mut tools = selection.tools().iter();
    let runs = tools.find(|selected| selected.needs() == effect);
    runs.map_or("list_projects", |selected| selected.tool.name())
}

fn caller_input(example: &str) -> Arc<Map<String, Value>> {
    object(json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "description": format!("The tool, e.g. {example}")},
            "arguments": {
                "type": "string",
                "description": "Its arguments, as its input_schema has them: a JSON object, e.g. {\"project_id\": \"…\"}"
            }
        }
    }))
}

pub(super) fn object(value: Value) -> Arc<Map<String, Value>> {
    Arc::new(value.as_object().cloned().unwrap_or_default())
}

/// Hints that hold for every tool that the caller runs: as cautious as those of the most dangerous one.
fn hints(selection: &Selection, effect: Effect) -> ToolAnnotations {
    let runs = || {
        let tools = selection.tools().iter();
        tools
            .filter(|selected| selected.needs() <= effect)
            .map(|selected| annotations(&selected.tool, selected.read_only))
    };
    ToolAnnotations::from_raw(
        None,
        Some(runs().all(|hints| hints.read_only_hint == Some(true))),
        Some(runs().any(|hints| hints.destructive_hint != Some(false))),
        Some(runs().all(|hints| hints.idempotent_hint == Some(true))),
        Some(true),
    )
}

/// What is asked of a server in discovery mode.
pub(super) enum Asked {
    /// To search, with these arguments.
    Search(Map<String, Value>),
    /// It is answered already.
    Answered(CallResult),
    /// To call a tool with these arguments, which may be one that isn't offered; it may do no more than that.
    Call(String, Map<String, Value>, Option<CallBound>),
    /// A tool that came through a caller that doesn't run it: why it isn't called.
    Refused(Arc<SelectedTool>, Map<String, Value>, CallResult),
    /// A tool that isn't listed. The text says how it is called, if it is there.
    Unlisted(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallArguments {
    name: String,
    arguments: Option<Value>,
}

/// Reads a call of one of the listed tools.
pub(super) fn read(engine: &Engine, name: &str, given: Map<String, Value>) -> Asked {
    let selection = engine.selection();
    if name == search::SEARCH {
        return Asked::Search(given);
    }
    let Some((allowed, caller, ..)) = CALLERS.iter().find(|(_, caller, ..)| *caller == name) else {
        return Asked::Unlisted(match selection.tool(name) {
            Some(selected) => format!(
                "The tool `{name}` is called through `{}`, with its name and its arguments.",
                caller_of(selected.needs())
            ),
            None => selection.missing(name),
        });
    };
    let inner: CallArguments = match serde_json::from_value(Value::Object(given)) {
        Ok(inner) => inner,
        Err(wrong) => return Asked::Answered(invalid(engine, caller, &reason_first(&wrong))),
    };
    let arguments = match object_of(inner.arguments) {
        Ok(arguments) => arguments,
        Err(wrong) => return Asked::Answered(invalid(engine, caller, &wrong)),
    };
    match selection.tool(&inner.name) {
        // What its statements do decides: those that are proven to read may run.
        Some(selected) if selected.needs() > *allowed && selected.decides_by_statements(*allowed) => {
            let bound = CallBound {
                effect: *allowed,
                caller,
                instead: caller_of(selected.needs()),
            };
            Asked::Call(inner.name, arguments, Some(bound))
        }
        Some(selected) if selected.needs() > *allowed => {
            let result = wrong_caller(engine, selected, caller);
            Asked::Refused(selected.clone(), arguments, result)
        }
        _ => Asked::Call(inner.name, arguments, None),
    }
}

/// The tool that a call of a caller is of, and the arguments for it.
pub(super) fn inner(caller: &str, given: Map<String, Value>) -> Option<(String, Map<String, Value>)> {
    CALLERS.iter().find(|(_, name, ..)| *name == caller)?;
    let inner: CallArguments = serde_json::from_value(Value::Object(given)).ok()?;
    Some((inner.name, object_of(inner.arguments).ok()?))
}

/// The arguments for the tool: the text of an object, since no model API takes an object of any form, or the object itself.
fn object_of(arguments: Option<Value>) -> Result<Map<String, Value>, String> {
    match arguments {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(arguments)) => Ok(arguments),
        Some(Value::String(text)) => super::messages::object_of(&text),
        Some(_) => Err("`arguments` must be an object, or the JSON text of one".to_owned()),
    }
}

fn wrong_caller(engine: &Engine, selected: &SelectedTool, caller: &str) -> CallResult {
    let (name, right) = (selected.tool.name(), caller_of(selected.needs()));
    let does = match selected.effect() {
        Effect::Read => "hands over a secret",
        Effect::Write => "changes something",
        Effect::Access => "gives access, or changes what is spent",
        Effect::Destructive => "destroys something",
    };
    let error = json!({"error": {
        "kind": Kind::WrongCaller.name(),
        "message": format!("{name} {does}, which {caller} doesn't do. Nothing was sent to Neon."),
        "changed": "no",
        "next": format!("Call it through {right}, if that is what the user wants."),
        "caller": right,
    }});
    stamped(engine, name, error)
}

/// What is said of a name that no tool has, or none that is offered here.
pub(super) fn unknown(engine: &Engine, index: &SearchIndex, name: &str, missing: &str) -> CallResult {
    let selection = engine.selection();
    let near = index.search(selection, &name.replace(['_', '-'], " "));
    let near: Vec<Value> = near
        .iter()
        .take(NEAREST)
        .map(|selected| json!({"name": selected.tool.name(), "caller": caller_of(selected.needs())}))
        .collect();
    let error = json!({"error": {
        "kind": Kind::UnknownTool.name(),
        "message": format!("{missing} Nothing was sent to Neon."),
        "changed": "no",
        "next": "Find the tool with search_tools.",
        "nearest": near,
    }});
    stamped(engine, name, error)
}
