//! What Neon would refuse anyway: found out before a human is asked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalog::condition::Condition;

/// A call that must fail. Every condition that is given must hold.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// A JSON Schema that the arguments fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Two arguments that have the same value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same: Option<(String, String)>,
    /// Two arguments that have different values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differ: Option<(String, String)>,
    /// Two arguments that are numbers, of which the first is the greater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<(String, String)>,
    /// What is found at Neon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finds: Option<Finding>,
    /// Why Neon would refuse it, as a sentence.
    pub message: String,
    /// What to do before it, as a sentence that names the tool.
    pub next: String,
}

/// Something that is read about the target of a call, and what must be found there. What can't be read is not found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The reading tool; without one, the branch that the call acts on (`/branch/…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// Arguments of the reading tool, with the arguments of the call that they take.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
    /// JSON pointer to a list in the answer, of which one item is looked for; without it, the answer itself is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// JSON pointer to what equals the argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// That argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// A JSON Schema that the item, or the answer, fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Condition>,
    /// A JSON Schema that the whole answer fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Condition>,
    /// The list was read whole, and has no such item.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
}

/// What the time in an argument must be, so that Neon can take it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Moment {
    /// A time in the history of a branch: not in the future, not before the project's window or the branch's creation.
    History {
        /// The argument that names the branch; without it, the default branch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
    },
    /// A time in the future.
    Expiry {
        /// At most so many days ahead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        most_days: Option<u32>,
    },
}
