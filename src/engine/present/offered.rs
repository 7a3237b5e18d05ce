//! Calls that a result hands over, fitted to what is offered here: what the operator fixed is no argument of theirs, and a call about
//! something else than that would be refused, so it isn't told. Where tools are called through others, a call says through which.

use serde_json::{Map, Value};

use crate::catalog::{ACCOUNT, Argument, Resource, SelectedTool, caller_of};
use crate::engine::context::CallContext;

/// The keys under which results hand over calls.
const CALLS: [&str; 6] = ["undo", "undo_if_applied", "remove", "find", "call", "to_discard"];

/// The keys of calls that are made for what is offered here already.
const FITTING: [&str; 2] = ["next_call", "look"];

/// How deep calls stand in results.
const MAX_DEPTH: usize = 6;

/// Fits every call that a result hands over.
pub(in crate::engine) fn fit(call: &CallContext<'_>, result: &mut Value) {
    let fixes = call.selection.tools().iter().any(|tool| !tool.fixed.is_empty());
    if fixes || call.account.is_some() || call.selection.discovery() {
        walk(call, result, MAX_DEPTH);
    }
}

fn walk(call: &CallContext<'_>, value: &mut Value, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match (CALLS.contains(&name.as_str()), &mut *field) {
                    (true, Value::Array(calls)) => calls.iter_mut().for_each(|one| fit_one(call, one)),
                    (true, one @ Value::Object(_)) => fit_one(call, one),
                    (false, one @ Value::Object(_)) if FITTING.contains(&name.as_str()) => complete(call, one),
                    _ => walk(call, field, depth),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(call, item, depth)),
        _ => {}
    }
}

fn fit_one(call: &CallContext<'_>, value: &mut Value) {
    let Some(selected) = value
        .get("tool")
        .and_then(Value::as_str)
        .and_then(|tool| call.selection.tool(tool))
    else {
        return;
    };
    let Some(arguments) = value.get_mut("arguments").and_then(Value::as_object_mut) else {
        return;
    };
    let other = selected
        .fixed
        .iter()
        .find_map(|(name, fixed)| differs(call, selected, arguments, name, fixed).then_some(name.as_str()));
    if let Some(name) = other {
        let tool = selected.tool.name();
        *value = format!(
            "none here: {tool} would be about another {} than the one that the operator fixed",
            word(name)
        )
        .into();
        return;
    }
    arguments.retain(|name, _| !selected.fixed.contains_key(name));
    if let Some(Value::Array(also)) = value.get_mut("also") {
        also.iter_mut().for_each(|one| fit_one(call, one));
    }
    complete(call, value);
}

/// Has a call say which account it is of, where there are several, and which tool calls it, where it isn't called by itself.
fn complete(call: &CallContext<'_>, value: &mut Value) {
    let tool = value.get("tool").and_then(Value::as_str);
    let Some(selected) = tool.and_then(|tool| call.selection.tool(tool)) else {
        return;
    };
    let Some(fields) = value.as_object_mut() else { return };
    if let (Some(account), false, Some(Value::Object(arguments))) =
        (call.account, selected.accounts.is_empty(), fields.get_mut("arguments"))
    {
        arguments.insert(ACCOUNT.to_owned(), account.into());
    }
    if call.selection.discovery() {
        fields.insert("caller".to_owned(), caller_of(selected.needs()).into());
    }
}

/// Whether a call is about something else than what is fixed.
fn differs(
    call: &CallContext<'_>,
    selected: &SelectedTool,
    arguments: &Map<String, Value>,
    name: &str,
    fixed: &Value,
) -> bool {
    let Some(value) = arguments.get(name) else {
        return false;
    };
    let is_branch = selected.tool.names(name) == Some(Argument::Resource(Resource::Branch));
    let resolved = call.pinned_branch.as_deref().filter(|_| is_branch);
    value != fixed && (resolved.is_none() || value.as_str() != resolved)
}

fn word(argument: &str) -> &str {
    match argument {
        "project_id" => "project",
        "org_id" => "organization",
        "role_name" | "owner_name" => "role",
        "database_name" | "db_name" => "database",
        _ => "branch",
    }
}
