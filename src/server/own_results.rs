//! Results of the tools that the server has beside those of the catalogue.

use serde_json::{Map, Value, json};

use crate::engine::{ArgumentProblem, CallResult, Engine, Failure, Fence, Kind};

/// Why arguments can't be read: what is expected, without what was given.
pub(super) fn reason_first(wrong: &serde_json::Error) -> String {
    let text = wrong.to_string();
    match text.rsplit_once(", expected ") {
        // The name of a field is no value.
        Some((given, expected)) if given.starts_with("unknown field") => {
            format!("{}: expected {expected}", crate::neon::text::one_line(given, 100))
        }
        Some((_, expected)) => format!("expected {expected}"),
        None => text,
    }
}

pub(super) fn invalid(engine: &Engine, name: &str, message: &str) -> CallResult {
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

/// What is said of a tool that exists and isn't offered: a model reads results, and may never see an error of the protocol.
pub(super) fn not_offered(engine: &Engine, name: &str, why: &str) -> CallResult {
    let next = if engine.selection().finds_more() {
        "Tell the user, or find another tool with search_tools."
    } else {
        "Tell the user, or use a tool that is listed."
    };
    let error = json!({"error": {
        "kind": Kind::NotOffered.name(),
        "message": format!("{why} Nothing was sent to Neon."),
        "changed": "no",
        "next": next,
    }});
    stamped(engine, name, error)
}

pub(super) fn stamped(engine: &Engine, name: &str, mut value: Value) -> CallResult {
    if let Some(object) = value.as_object_mut() {
        object.insert("tool".into(), crate::neon::text::one_line(name, 100).into());
        engine.service().stamp(object);
    }
    CallResult::new(value, true, Fence::new(&Map::new()))
}
