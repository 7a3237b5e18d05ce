//! What a call completes: opened from its handle before the call is judged, so that it is judged, shown and bound by what was
//! prepared, as if the agent had given all of it.

use chrono::Utc;
use serde_json::{Map, Value};

use crate::catalog::Tool;
use crate::engine::context::{CallContext, Opened};
use crate::engine::error::{ArgumentProblem, Failure};
use crate::engine::values::text;
use crate::guard::{NotApproved, NotPrepared};

/// What of the content becomes arguments, unless the agent wants it discarded.
const TAKEN: [&str; 3] = ["statements", "database_name", "role_name"];

/// Opens the handle of a call that completes something.
///
/// # Errors
/// When the handle opens nothing for this caller, or is for another tool, project or branch.
pub(in crate::engine) fn open(
    call: &CallContext<'_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
) -> Result<Option<Opened>, Failure> {
    let Some(argument) = tool.declaration.completes() else {
        return Ok(None);
    };
    let problem = |argument: &str, message: String| {
        Err(Failure::Arguments(vec![ArgumentProblem {
            argument: argument.to_owned(),
            message,
        }]))
    };
    let handle = text(arguments, argument).unwrap_or_default().to_owned();
    let content = match call.guards.approval_flow.prepared(&call.owner, &handle, Utc::now()) {
        Ok(content) => content,
        Err(NotPrepared::Away(why)) => return Err(Failure::NotApproved(NotApproved::StoreUnavailable(why))),
        Err(error) => return problem(argument, format!("the handle {error}. Prepare again.")),
    };
    let of = |name: &str| content.get(name).and_then(Value::as_str);
    if of("tool") != Some(tool.name()) {
        return problem(
            argument,
            format!("the handle is for {}.", of("tool").unwrap_or("another tool")),
        );
    }
    for name in ["project_id", "branch_id"] {
        if of(name).is_none() || of(name) != text(arguments, name) {
            return problem(name, "isn't what the handle was prepared for.".to_owned());
        }
    }
    if arguments.get("discard") != Some(&Value::Bool(true)) {
        for name in TAKEN {
            if let Some(value) = content.get(name) {
                arguments.insert(name.to_owned(), value.clone());
            }
        }
    }
    Ok(Some(Opened { handle, content }))
}
