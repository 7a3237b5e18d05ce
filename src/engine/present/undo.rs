//! The way back as it can be called here: only tools that are offered, with arguments that they take.

use serde_json::{Map, Value, json};

use crate::catalog::Selection;

/// The same way back; where it can't be called here, what it would be and who offers it.
pub(in crate::engine) fn fitted(selection: &Selection, undo: Value) -> Value {
    let Value::Object(mut undo) = undo else {
        return undo;
    };
    if let Some(Value::Array(also)) = undo.get_mut("also") {
        for call in also {
            *call = fitted(selection, call.take());
        }
    }
    let Some(name) = undo.get("tool").and_then(Value::as_str).map(str::to_owned) else {
        return undo.into();
    };
    let Some(selected) = selection.tool(&name) else {
        return not_offered(selection, &name, &selection.missing(&name), undo);
    };
    let Some(Value::Object(arguments)) = undo.get("arguments") else {
        return undo.into();
    };
    let offered: Vec<&str> = selected.arguments().collect();
    // What is fixed is no argument: that is fitted with every call that a result hands over.
    let is_taken = |name: &String| offered.contains(&name.as_str()) || selected.fixed.contains_key(name);
    let other = arguments.keys().find(|name| !is_taken(name)).cloned();
    match other {
        Some(argument) => {
            let why = format!("Its argument `{argument}` is not offered here.");
            not_offered(selection, &name, &why, undo)
        }
        None => undo.into(),
    }
}

/// A way back that can't be called here.
fn not_offered(selection: &Selection, name: &str, why: &str, mut undo: Map<String, Value>) -> Value {
    undo.shift_remove("tool");
    let mut told = json!({ "not_offered": name });
    if let Some(object) = told.as_object_mut() {
        object.extend(undo);
        let tool = selection.catalog().tool(name);
        let toolset = tool.map(|tool| tool.toolset.to_string());
        let flag = selection
            .tool(name)
            .map(|offered| format!(" The operator offers it with {}.", offered.offers_all));
        let note = object
            .get("note")
            .and_then(Value::as_str)
            .map(|note| format!(" {note}"));
        let note = format!("{why}{}{}", flag.unwrap_or_default(), note.unwrap_or_default());
        object.extend(toolset.map(|toolset| ("toolset".to_owned(), toolset.into())));
        object.insert("note".to_owned(), note.into());
    }
    told
}
