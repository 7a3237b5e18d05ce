//! What a workflow ended with.

use serde_json::Value;

/// What a workflow ended with.
#[derive(Debug, Default)]
pub struct WorkflowOutput {
    /// What the agent gets.
    pub(crate) result: Value,
    /// What is said beside it.
    pub(crate) notes: Vec<String>,
    /// The way back, where something was changed.
    pub(crate) undo: Option<Value>,
    /// Nothing was changed, so there is nothing to take back.
    pub(crate) unchanged: bool,
    /// Sentences of ours in the result: they stand outside the fence.
    pub(crate) ours: Vec<String>,
    /// Something failed, which the result tells.
    pub(crate) failed: bool,
}

impl WorkflowOutput {
    /// A result and nothing beside it.
    pub(crate) fn with(result: Value) -> Self {
        Self {
            result,
            ..Self::default()
        }
    }

    /// Says where the next part of a result begins that is given in parts.
    pub(crate) fn next_offset(mut self, offset: impl Into<Value>) -> Self {
        if let Value::Object(result) = &mut self.result {
            result.insert("next_offset".to_owned(), offset.into());
        }
        self
    }

    /// Adds a note.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}
