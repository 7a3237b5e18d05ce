//! Of what so little is lost that a click is enough: what the declaration says so of, and what the session itself made minutes ago.

use serde_json::{Map, Value};

use super::{finding, target};
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::guard::Session;

/// Whose things they are: nobody's where a request stands alone.
pub(in crate::engine) fn owner(call: &CallContext<'_>) -> Option<String> {
    match call.session {
        Session::Stateless => None,
        Session::Process(id) | Session::Mcp(id) => Some(format!("{} {id}", call.owner)),
    }
}

/// Whether a click is enough for a call that would want a name.
pub(in crate::engine) async fn holds(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    arguments: &Map<String, Value>,
) -> Result<bool, Failure> {
    let tool = &*call.selected.tool;
    for light in &tool.declaration.safety.light {
        if let Some(finding) = &light.finds
            && finding::find(look, tool, finding, arguments).await.is_none()
        {
            continue;
        }
        if let Some(pointer) = &light.made_here {
            let Some(plan) = &tool.declaration.safety.plan else {
                continue;
            };
            let seen = target::shown(look, plan, arguments).await?;
            let known = seen.pointer(pointer).zip(owner(call));
            if !known.is_some_and(|(created, session)| call.made.has(&session, tool.name(), arguments, created)) {
                continue;
            }
        }
        return Ok(true);
    }
    Ok(false)
}
