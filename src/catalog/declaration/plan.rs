//! What a human is shown before a call.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::said::Said;

/// What a human is shown before a call that needs approval.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDeclaration {
    /// What would happen, in a sentence; `{argument}` stands for an argument's value. Of sentences with conditions one is true of each call.
    pub summary: Said,
    /// The reading tool whose answer shows what is at stake.
    pub read: String,
    /// Arguments of the reading tool that aren't required there, with the arguments of the call that they take.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
    /// Which item of a list in that answer is the one at stake: what follows is about that item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick: Option<Pick>,
    /// What to call it where it is shown: "snapshot".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Which parts of that answer (or of the item) to show: JSON pointers.
    pub show: Vec<String>,
    /// Where, in that answer (or item), the id of the branch stands that is lost, when the declared `target` isn't given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_branch: Option<String>,
    /// The name of what is lost must be typed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub severe: bool,
}

/// One item of a list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// JSON pointer to the list; empty when the answer is the list.
    pub list: String,
    /// The field that tells the items apart: its name, or a JSON pointer to it.
    pub field: String,
    /// The argument that the field equals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// The value that the field equals, where it isn't an argument's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// There may be none: the call makes it, or the key doesn't see it. Otherwise nobody is asked about what isn't there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}
