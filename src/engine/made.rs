//! What sessions made, which they may do more with than with what they found.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::catalog::{Catalog, MadeHere};

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
    /// The tool that made it, and what the one that takes it away is called with.
    by: String,
    arguments: Value,
    /// What Neon said of it when it was made, by JSON pointer.
    stamps: Vec<(String, Value)>,
    at: Instant,
}

impl Made {
    /// Remembers what a call made, where a tool declares that it wants to know.
    pub(in crate::engine) fn note(
        &self,
        session: String,
        (catalog, by): (&Catalog, &str),
        undo: &Value,
        answer: &Value,
    ) {
        let wanted = catalog.tools().iter().filter_map(|tool| {
            let made = tool.declaration.safety.made_here.as_ref()?;
            (made.by == by).then_some(&made.stamp)
        });
        let stamps: Vec<_> = wanted
            .filter_map(|stamp| {
                Some((
                    stamp.clone(),
                    answer.pointer(stamp).filter(|value| value.is_string())?.clone(),
                ))
            })
            .collect();
        if stamps.is_empty() {
            return;
        }
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= MAX_MADE {
            made.pop_front();
        }
        made.push_back(Thing {
            session,
            by: by.to_owned(),
            arguments: undo.get("arguments").cloned().unwrap_or_default(),
            stamps,
            at: Instant::now(),
        });
    }

    /// What Neon said of the thing that the arguments name when the session made it, minutes ago. Of two of one name it is the later.
    pub(in crate::engine) fn stamp(
        &self,
        session: &str,
        wanted: &MadeHere,
        arguments: &Map<String, Value>,
    ) -> Option<Value> {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let thing = made.iter().rev().find(|thing| {
            thing.session == session
                && thing.by == wanted.by
                && thing.at.elapsed() < NEW
                && thing
                    .arguments
                    .as_object()
                    .is_some_and(|taken| taken.iter().all(|(name, value)| arguments.get(name) == Some(value)))
        })?;
        let (_, stamp) = thing.stamps.iter().find(|(pointer, _)| *pointer == wanted.stamp)?;
        Some(stamp.clone())
    }
}
