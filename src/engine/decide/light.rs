//! Of what so little is lost that a click is enough: what the declaration says so of, and what the session itself made minutes ago.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::{finding, target};
use crate::catalog::Tool;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::guard::Session;

/// How long what a session made counts as new.
const NEW: Duration = Duration::from_secs(30 * 60);

/// How much of it is remembered; the oldest goes.
const MAX_MADE: usize = 256;

/// What sessions made: for each thing, the call that would take it away, and when Neon says that it was made. Nothing that a
/// caller says of it counts.
#[derive(Debug, Default)]
pub(in crate::engine) struct Made(Mutex<VecDeque<Thing>>);

#[derive(Debug, PartialEq)]
struct Thing {
    session: String,
    /// The tool that takes it away, and what that is called with.
    tool: String,
    arguments: Value,
    created_at: Value,
    at: Instant,
}

impl Made {
    /// Remembers what a call made, where the tool that takes it away declares that it wants to know.
    pub(in crate::engine) fn note(&self, call: &CallContext<'_>, undo: &Value, answer: &Value) {
        let (Some(session), Some(name)) = (owner(call), undo.get("tool").and_then(Value::as_str)) else {
            return;
        };
        let Some(created_at) = call
            .catalog
            .tool(name)
            .and_then(|tool| made_here(tool))
            .and_then(|pointer| answer.pointer(pointer))
            .filter(|created| created.is_string())
        else {
            return;
        };
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= MAX_MADE {
            made.pop_front();
        }
        made.push_back(Thing {
            session,
            tool: name.to_owned(),
            arguments: undo.get("arguments").cloned().unwrap_or_default(),
            created_at: created_at.clone(),
            at: Instant::now(),
        });
    }

    fn has(&self, session: &str, tool: &str, arguments: &Map<String, Value>, created_at: &Value) -> bool {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().any(|thing| {
            thing.session == session
                && thing.tool == tool
                && thing.created_at == *created_at
                && thing.at.elapsed() < NEW
                && thing
                    .arguments
                    .as_object()
                    .is_some_and(|taken| taken.iter().all(|(name, value)| arguments.get(name) == Some(value)))
        })
    }
}

/// Whose things they are: nobody's where a request stands alone.
fn owner(call: &CallContext<'_>) -> Option<String> {
    match call.session {
        Session::Stateless => None,
        Session::Process(id) | Session::Mcp(id) => Some(format!("{} {id}", call.owner)),
    }
}

fn made_here(tool: &Tool) -> Option<&str> {
    let light = &tool.declaration.safety.light;
    light.iter().find_map(|light| light.made_here.as_deref())
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
