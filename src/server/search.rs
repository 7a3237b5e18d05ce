//! The search for tools: in discovery mode the way to all of them, beside the default list the way to those that aren't in it.

use std::sync::Arc;

use rmcp::model::{Tool as McpTool, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::own_results::{invalid, reason_first};
use super::signature;
use crate::catalog::{MAX_REQUEST, SearchIndex, SelectedTool, Selection, caller_of, envelope};
use crate::engine::{CallResult, Engine, Fence};
use crate::guard::Effect;

/// The search.
pub(super) const SEARCH: &str = "search_tools";

/// How many tools a search gives when nothing is said, and at most.
const USUAL_HITS: usize = 5;
const MAX_HITS: usize = 10;

/// How many of them are given whole. As a rule one of the first two is the one.
const WHOLE_HITS: usize = 2;

/// How many arguments are named that a tool has elsewhere.
const MAX_LEFT_OUT: usize = 8;

/// Whether a server with this selection has the search.
pub(super) fn is_offered(selection: &Selection) -> bool {
    selection.discovery() || selection.finds_more()
}

/// The search as a list has it.
pub(super) fn tool(selection: &Selection) -> McpTool {
    let count = selection.findable().len();
    let (input, description) = if selection.discovery() {
        let toolsets: Vec<&str> = toolsets(selection).collect();
        let input = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["query"],
            "properties": {
                "query": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MAX_REQUEST,
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
            "Find the tool for a task among the {count} that work on Neon (serverless Postgres): projects, branches, computes, \
             databases, backups, people, keys, auth, storage, functions and more. Gives the description and input_schema of the best \
             two, and the caller that runs each.",
        );
        (input, description)
    } else {
        let input = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["query"],
            "properties": {
                "query": {"type": "string", "minLength": 1, "maxLength": MAX_REQUEST, "description": "The task in plain words"},
                "limit": {"type": "integer", "minimum": 1, "maximum": MAX_HITS, "description": "Default 5"}
            }
        });
        let description = format!(
            "Find the tool for a task among all {count}, also those that aren't listed: says how the operator turns them on."
        );
        (input, description)
    };
    McpTool::new(
        SEARCH,
        description,
        Arc::new(input.as_object().cloned().unwrap_or_default()),
    )
    .with_title("Search tools")
    .with_raw_output_schema(Arc::new(output_schema()))
    .with_annotations(ToolAnnotations::from_raw(
        None,
        Some(true),
        Some(false),
        Some(true),
        Some(false),
    ))
}

/// What a search gives.
fn output_schema() -> Map<String, Value> {
    let text = || json!({"type": "string"});
    let tool = json!({"name": text(), "title": text(), "effect": text(), "description": text(), "turned_on_by": text(), "not_offered": {"type": "object"}});
    let mut fields = Map::new();
    let tools = json!({"type": "array", "items": {"type": "object", "properties": tool}});
    fields.insert("tools".to_owned(), tools);
    fields.insert("next".to_owned(), text());
    envelope(fields)
}

/// The toolsets of which something can be found.
fn toolsets(selection: &Selection) -> impl Iterator<Item = &str> {
    let some = |name: &str| {
        selection
            .findable()
            .iter()
            .any(|selected| &*selected.tool.toolset == name)
    };
    let names = selection.catalog().toolsets().iter().map(|toolset| &*toolset.name);
    names.filter(move |name| some(name))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchArguments {
    query: String,
    limit: Option<usize>,
    effect: Option<Effect>,
    toolset: Option<String>,
}

/// A search as it is meant where a client sends a number as its text, or nothing as an empty text or null.
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

/// Finds tools.
pub(super) fn search(engine: &Engine, index: &SearchIndex, given: Map<String, Value>) -> CallResult {
    let selection = engine.selection();
    let asked: SearchArguments = match serde_json::from_value(Value::Object(as_meant(given))) {
        Ok(asked) => asked,
        Err(wrong) => return invalid(engine, SEARCH, &reason_first(&wrong)),
    };
    if asked.query.chars().nth(MAX_REQUEST).is_some() {
        let wrong = format!("query has at most {MAX_REQUEST} characters: say the task in a sentence");
        return invalid(engine, SEARCH, &wrong);
    }
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
    // Who says what kind of tool it is, or where, is given what there is.
    let absent = match (asked.effect, &asked.toolset) {
        (None, None) if selection.catalog().tool(asked.query.trim()).is_none() => index.absent(&asked.query),
        _ => None,
    };
    let mut found = match absent {
        Some(_) => Vec::new(),
        None => index.search(selection, &asked.query),
    };
    if asked.toolset.is_some() {
        // Who knows where to look gets to see all that is there.
        let rest = selection
            .findable()
            .iter()
            .filter(|tool| !found.iter().any(|hit| Arc::ptr_eq(hit, tool)));
        let rest: Vec<_> = rest.collect();
        found.extend(rest);
    }
    let fits = |selected: &Arc<SelectedTool>| {
        let tool = &selected.tool;
        asked.effect.is_none_or(|effect| selected.needs() == effect)
            && asked.toolset.as_deref().is_none_or(|toolset| &*tool.toolset == toolset)
    };
    let hits: Vec<Value> = found
        .into_iter()
        .filter(|selected| fits(selected))
        .take(limit)
        .enumerate()
        .map(|(rank, selected)| hit(selection, selected, &asked.query, rank < WHOLE_HITS))
        .collect();
    let next = if let Some(instead) = absent {
        format!("No tool does this. {instead} If something else is meant, search in other words.")
    } else if hits.is_empty() {
        format!(
            "Nothing fits. Say the task in other words, or look into a toolset: {}.",
            names()
        )
    } else if selection.discovery() {
        "Call the one that fits through its caller, with its name and its arguments. Its arguments are missing? Search for its name. \
         If none fits, search in other words."
            .to_owned()
    } else {
        "Call the one that fits. One with turned_on_by isn't offered here: tell the user that the operator can start this server with \
         that flag; so it is with arguments under not_offered. If none fits, search in other words."
            .to_owned()
    };
    let mut value = json!({"tools": hits, "next": next});
    if let Some(object) = value.as_object_mut() {
        engine.service().stamp(object);
    }
    let text = signature::written(&value);
    CallResult::new(value, false, Fence::new(&Map::new())).with_text(text)
}

/// Of the arguments that a tool has elsewhere, those first whose names have most words of the query, and of the others a few.
fn likely<'a>(arguments: &'a [String], query: &str) -> Vec<&'a str> {
    let query = query.to_lowercase();
    let said: Vec<&str> = query
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() > 2)
        .collect();
    // Words of one stem: `suspend` and `suspends`, `timeout` and `time`.
    let is_said = |word: &&str| said.iter().any(|said| said.starts_with(word) || word.starts_with(said));
    let count = |name: &&str| name.split('_').filter(|word| word.len() > 2).filter(is_said).count();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.sort_by_key(|name| std::cmp::Reverse(count(name)));
    arguments.truncate(MAX_LEFT_OUT);
    arguments
}

/// What an agent is told of a tool: all that it needs to call it, or a line.
fn hit(selection: &Selection, selected: &SelectedTool, query: &str, whole: bool) -> Value {
    let declaration = &selected.tool.declaration;
    let mut hit = Map::new();
    let mut put = |name: &str, value: Value| hit.insert(name.to_owned(), value);
    put("name", declaration.name.as_str().into());
    put("title", declaration.title.as_str().into());
    put("effect", selected.needs().name().into());
    if selection.discovery() {
        put("caller", caller_of(selected.needs()).into());
    }
    if let Some(flag) = selection.flag_for(&selected.tool) {
        put("toolset", (*selected.tool.toolset).into());
        put("turned_on_by", flag.into());
    } else if !selected.left_out.is_empty() {
        let arguments = likely(&selected.left_out, query);
        put(
            "not_offered",
            json!({"arguments": arguments, "turned_on_by": selected.offers_all}),
        );
    }
    if whole {
        put("description", selected.description().into());
        // What is listed has its schema there.
        if selection.discovery() {
            put("input_schema", selected.published().into());
        }
    }
    Value::Object(hit)
}

#[cfg(test)]
mod tests {
    use super::likely;

    #[test]
    fn arguments_of_the_query_are_named_first() {
        let all: Vec<String> = (0..12).map(|number| format!("other_{number}")).collect();
        let all: Vec<String> = all.into_iter().chain(["default_suspend_seconds".to_owned()]).collect();
        let found = likely(&all, "let new computes SUSPEND after ten seconds");
        assert_eq!(
            (found.first().copied(), found.len()),
            (Some("default_suspend_seconds"), 8)
        );
        assert_eq!(likely(&all[..2], ""), ["other_0", "other_1"]);
    }
}
