//! Of what so little is lost that a click is enough: what the declaration says so of, and what the session itself made minutes ago.

use std::collections::BTreeMap;

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
        if light.made_here && !is_made_here(call, look, arguments).await? {
            continue;
        }
        return Ok(true);
    }
    Ok(false)
}

/// Whether the session itself made what the call is about, minutes ago. Nothing is read where it made no such thing.
pub(in crate::engine) async fn is_made_here(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    arguments: &Map<String, Value>,
) -> Result<bool, Failure> {
    let safety = &call.selected.tool.declaration.safety;
    let (Some(made), Some(session)) = (&safety.made_here, owner(call)) else {
        return Ok(false);
    };
    let Some(stamp) = call.made.stamp(&session, made, arguments) else {
        return Ok(false);
    };
    let seen = match (&made.read, &safety.plan) {
        (Some(read), _) => (*look.tool(read, &BTreeMap::new(), arguments).await?).clone(),
        (None, Some(plan)) => target::shown(look, plan, arguments).await?,
        (None, None) => return Ok(false),
    };
    Ok(seen.pointer(&made.stamp) == Some(&stamp))
}
