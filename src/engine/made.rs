//! What sessions made, of which they may delete again by a click.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::catalog::{Catalog, Tool};

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
    pub(in crate::engine) fn note(&self, session: String, catalog: &Catalog, undo: &Value, answer: &Value) {
        let Some(name) = undo.get("tool").and_then(Value::as_str) else {
            return;
        };
        let Some(created_at) = catalog
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

    pub(in crate::engine) fn has(
        &self,
        session: &str,
        tool: &str,
        arguments: &Map<String, Value>,
        created_at: &Value,
    ) -> bool {
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

fn made_here(tool: &Tool) -> Option<&str> {
    let light = &tool.declaration.safety.light;
    light.iter().find_map(|light| light.made_here.as_deref())
}
