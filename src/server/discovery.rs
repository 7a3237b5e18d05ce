//! Discovery mode: a search and one caller per effect, in place of a long list. A call through a caller is the call itself.

use std::sync::{Arc, LazyLock};

use rmcp::model::{Tool as McpTool, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tools::annotations;
use crate::catalog::{SearchIndex, SelectedTool, Selection};
use crate::engine::{ArgumentProblem, CallBound, CallResult, Engine, Failure, Fence, Kind};
use crate::guard::Effect;

/// The search.
const SEARCH: &str = "search_tools";

/// How many tools a search gives when nothing is said, and at most: ten of the largest schemas fit into a result.
const USUAL_HITS: usize = 5;
const MAX_HITS: usize = 10;

/// How many names are told of for one that doesn't exist.
const NEAREST: usize = 3;

/// The callers, by what they run, the most harmless first.
const CALLERS: [(Effect, &str, &str, &str); 4] = [
    (
        Effect::Read,
        "call_read_tool",
        "Call a reading tool",
        "Call a tool that search_tools found: one that changes nothing and hands over no secret, or run_sql with a query.",
    ),
    (
        Effect::Write,
        "call_write_tool",
        "Call a writing tool",
        "Call a tool that search_tools found: one that adds something, or changes what can be changed back. Where its arguments \
         do more than that, a human is asked.",
    ),
    (
        Effect::Access,
        "call_access_tool",
        "Call a tool that gives access",
        "Call a tool that search_tools found: one that hands over a secret, gives someone access, opens data up, or changes what \
         is spent. As a rule a human is asked.",
    ),
    (
        Effect::Destructive,
        "call_destructive_tool",
        "Call a destructive tool",
        "Call a tool that search_tools found: one that loses data or access, or can't be taken back. A human is asked.",
    ),
];

/// The caller that a tool needs: that of its declared effect. What arguments and facts raise is asked about as in a direct call.
/// A reading tool that hands over a secret needs the caller for access: `call_read_tool` runs what `--read-only` leaves.
fn needs(selected: &SelectedTool) -> Effect {
    match selected.effect() {
        Effect::Read if selected.tool.declaration.safety.reveals => Effect::Access,
        effect => effect,
    }
}

/// Whether what a tool's statements do decides what its call does, and they may do no more than that.
fn decides_by_statements(selected: &SelectedTool, allowed: Effect) -> bool {
    let declaration = &selected.tool.declaration;
    declaration.statements().is_some() && declaration.least_effect() <= allowed && !declaration.safety.reveals
}

fn caller_of(effect: Effect) -> &'static str {
    let found = CALLERS.iter().find(|(runs, ..)| *runs == effect);
    found.map_or("call_destructive_tool", |(_, name, ..)| name)
}

/// What `tools/list` gives in discovery mode: callers that would have nothing to call are left out.
pub(super) fn listed(selection: &Selection) -> Vec<McpTool> {
    let mut tools = vec![search_tool(selection)];
    for (effect, name, title, description) in CALLERS {
        if selection.tools().iter().any(|selected| needs(selected) == effect) {
            tools.push(
                McpTool::new(name, description, caller_input())
                    .with_title(title)
                    .with_annotations(hints(selection, effect)),
            );
        }
    }
    tools
}

fn search_tool(selection: &Selection) -> McpTool {
    let toolsets: Vec<&str> = toolsets(selection).collect();
    let input = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["query"],
        "properties": {
            "query": {
                "type": "string",
                "minLength": 1,
                "maxLength": 500,
                "description": "The task in plain words, e.g. \"undo the bad migration on main\". One task a search"
            },
            "limit": {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_HITS,
                "description": "How many tools to give (5)"
            },
            "effect": {"type": "string", "enum": ["read", "write", "access", "destructive"], "description": "Only tools of this effect"},
            "toolset": {"type": "string", "enum": toolsets, "description": "Only tools of this toolset; what doesn't fit the query comes last"}
        }
    });
    let description = format!(
        "Find the tool for a task among the {} that work on Neon (serverless Postgres): projects, branches, computes, databases, \
         backups, people, keys, auth, storage, functions and more. Gives each tool's description, input_schema, and the caller \
         that runs it.",
        selection.tools().len()
    );
    McpTool::new(SEARCH, description, object(input))
        .with_title("Search tools")
        .with_annotations(ToolAnnotations::from_raw(
            None,
            Some(true),
            Some(false),
            Some(true),
            Some(false),
        ))
}

/// The toolsets of which something can be found.
fn toolsets(selection: &Selection) -> impl Iterator<Item = &str> {
    let some = |name: &str| selection.tools().iter().any(|selected| &*selected.tool.toolset == name);
    let names = selection.catalog().toolsets().iter().map(|toolset| &*toolset.name);
    names.filter(move |name| some(name))
}

fn caller_input() -> Arc<Map<String, Value>> {
    static INPUT: LazyLock<Arc<Map<String, Value>>> = LazyLock::new(|| {
        object(json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "description": "The tool, e.g. list_projects"},
                "arguments": {
                    "type": "string",
                    "description": "Its arguments, as its input_schema has them: a JSON object, e.g. {\"project_id\": \"…\"}"
                }
            }
        }))
    });
    INPUT.clone()
}

fn object(value: Value) -> Arc<Map<String, Value>> {
    Arc::new(value.as_object().cloned().unwrap_or_default())
}

/// Hints that hold for every tool that the caller runs: as cautious as those of the most dangerous one.
fn hints(selection: &Selection, effect: Effect) -> ToolAnnotations {
    let runs = || {
        let tools = selection.tools().iter();
        tools
            .filter(|selected| needs(selected) <= effect)
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
struct SearchArguments {
    query: String,
    limit: Option<usize>,
    effect: Option<Effect>,
    toolset: Option<String>,
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
    if name == SEARCH {
        return Asked::Search(given);
    }
    let Some((allowed, caller, ..)) = CALLERS.iter().find(|(_, caller, ..)| *caller == name) else {
        return Asked::Unlisted(match selection.tool(name) {
            Some(selected) => format!(
                "The tool `{name}` is called through `{}`, with its name and its arguments.",
                caller_of(needs(selected))
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
        Some(selected) if needs(selected) > *allowed && decides_by_statements(selected, *allowed) => {
            let bound = CallBound {
                effect: *allowed,
                caller,
                instead: caller_of(needs(selected)),
            };
            Asked::Call(inner.name, arguments, Some(bound))
        }
        Some(selected) if needs(selected) > *allowed => {
            let result = wrong_caller(engine, selected, caller);
            Asked::Refused(selected.clone(), arguments, result)
        }
        _ => Asked::Call(inner.name, arguments, None),
    }
}

/// A search as it is meant where a client sends a number as its text, or nothing as an empty text.
fn as_meant(mut given: Map<String, Value>) -> Map<String, Value> {
    given.retain(|name, value| name == "query" || value.as_str() != Some(""));
    if let Some(limit) = given.get_mut("limit")
        && let Some(number) = limit
            .as_str()
            .and_then(crate::json::whole)
            .or_else(|| crate::json::whole(&limit.to_string()))
    {
        *limit = number.into();
    }
    given
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

/// Finds tools.
pub(super) fn search(engine: &Engine, index: &SearchIndex, given: Map<String, Value>) -> CallResult {
    let selection = engine.selection();
    let asked: SearchArguments = match serde_json::from_value(Value::Object(as_meant(given))) {
        Ok(asked) => asked,
        Err(wrong) => return invalid(engine, SEARCH, &reason_first(&wrong)),
    };
    let names = || toolsets(selection).collect::<Vec<_>>().join(", ");
    if let Some(toolset) = &asked.toolset
        && !toolsets(selection).any(|name| name == toolset)
    {
        return invalid(
            engine,
            SEARCH,
            &format!("there is no such toolset: there are {}", names()),
        );
    }
    let limit = asked.limit.unwrap_or(USUAL_HITS);
    if !(1..=MAX_HITS).contains(&limit) {
        return invalid(engine, SEARCH, &format!("limit is 1 to {MAX_HITS}"));
    }
    let mut found = index.search(selection, &asked.query);
    if asked.toolset.is_some() {
        // Who knows where to look gets to see all that is there.
        let rest = selection
            .tools()
            .iter()
            .filter(|tool| !found.iter().any(|hit| Arc::ptr_eq(hit, tool)));
        let rest: Vec<_> = rest.collect();
        found.extend(rest);
    }
    let fits = |selected: &Arc<SelectedTool>| {
        let tool = &selected.tool;
        asked.effect.is_none_or(|effect| selected.effect() == effect)
            && asked.toolset.as_deref().is_none_or(|toolset| &*tool.toolset == toolset)
    };
    let hits: Vec<Value> = found
        .into_iter()
        .filter(|selected| fits(selected))
        .take(limit)
        .map(|selected| hit(selected))
        .collect();
    let next = if hits.is_empty() {
        format!(
            "Nothing fits. Say the task in other words, or look into a toolset: {}.",
            names()
        )
    } else {
        "Call the one that fits through its caller, with its name and its arguments. If none does, search in other words.".to_owned()
    };
    let mut value = json!({"tools": hits, "next": next});
    if let Some(object) = value.as_object_mut() {
        engine.service().stamp(object);
    }
    CallResult { value, is_error: false }
}

/// All that an agent needs to call the tool.
fn hit(selected: &SelectedTool) -> Value {
    let declaration = &selected.tool.declaration;
    json!({
        "name": declaration.name,
        "title": declaration.title,
        "description": declaration.description,
        "effect": selected.effect().name(),
        "caller": caller_of(needs(selected)),
        "input_schema": selected.published(),
    })
}

/// Why arguments can't be read: first what is expected, then the beginning of what was given.
fn reason_first(wrong: &serde_json::Error) -> String {
    let text = wrong.to_string();
    match text.rsplit_once(", expected ") {
        Some((given, expected)) => format!(
            "expected {expected}; given: {}",
            crate::neon::text::one_line(given, 100)
        ),
        None => text,
    }
}

fn invalid(engine: &Engine, name: &str, message: &str) -> CallResult {
    let problem = ArgumentProblem {
        argument: String::new(),
        message: message.to_owned(),
    };
    stamped(
        engine,
        name,
        Failure::Arguments(vec![problem]).into_value(&Fence::new(&Map::new())),
    )
}

fn wrong_caller(engine: &Engine, selected: &SelectedTool, caller: &str) -> CallResult {
    let (name, right) = (selected.tool.name(), caller_of(needs(selected)));
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
        .map(|selected| json!({"name": selected.tool.name(), "caller": caller_of(needs(selected))}))
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

fn stamped(engine: &Engine, name: &str, mut value: Value) -> CallResult {
    if let Some(object) = value.as_object_mut() {
        object.insert("tool".into(), crate::neon::text::one_line(name, 100).into());
        engine.service().stamp(object);
    }
    CallResult { value, is_error: true }
}

/// What a client is told about the mode.
pub(super) const INSTRUCTIONS: &str = "- Only a few tools are listed: search_tools finds the one for a task, with its arguments and the caller that runs it \
     (call_read_tool with {\"name\": \"list_projects\", \"arguments\": {}}). Every tool named here or in results is called so.\n";
