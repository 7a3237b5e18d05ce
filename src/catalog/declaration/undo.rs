//! How a call is undone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::said::Said;
use crate::catalog::condition::Condition;

/// The way back from a call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Undo {
    /// There is one.
    Way(UndoWay),
    /// There is none.
    Never(UndoNever),
}

/// A call that undoes the call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoWay {
    /// The tool to call.
    pub tool: String,
    /// Its arguments: `{name}` stands for an argument of this call, `{/pointer}` for a part of its answer,
    /// `{before:/pointer}` for a part of what the plan read, `{before?:/pointer}` for one that may have been missing, without
    /// which the argument is left out. A text that is one such template takes the value as it is, whatever its type. Lists
    /// and objects are filled within.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Value>,
    /// Arguments that go back to what they were: those of them that this call gives, with JSON pointers to their former
    /// values in what the plan read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub former: BTreeMap<String, Former>,
    /// Only when the arguments of this call fit this JSON Schema; otherwise the note says what is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// What undoes the call where what the plan read has nothing of what the arguments take: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<Box<UndoWay>>,
    /// How long it works, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_seconds: Option<u64>,
    /// What does not come back, or what else is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Said>,
}

/// Where the former value of an argument stands.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Former {
    /// At a JSON pointer.
    At(String),
    /// At a JSON pointer, or where nothing stood there, what unsets it.
    Or {
        /// The JSON pointer.
        at: String,
        /// What unsets it.
        unset: Value,
    },
}

impl Former {
    /// The JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> &str {
        match self {
            Self::At(pointer) | Self::Or { at: pointer, .. } => pointer,
        }
    }

    /// The value as it was, in what was read before; null where it wasn't set and nothing unsets it.
    #[must_use]
    pub fn value(&self, before: &Value) -> Value {
        let was = before.pointer(self.pointer()).filter(|was| !was.is_null()).cloned();
        match self {
            Self::At(_) => was.unwrap_or_default(),
            Self::Or { unset, .. } => was.unwrap_or_else(|| unset.clone()),
        }
    }
}

/// Nothing undoes the call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoNever {
    /// Why not, and what is left to do.
    pub never: String,
}
