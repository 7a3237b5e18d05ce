//! When a tool is listed, and how much of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a tool is listed, and with which arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListingDeclaration {
    /// Listed when no toolset is chosen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// The tool that does all that this one can where nothing may be changed: there it is listed in its place, as long as the operator
    /// doesn't name this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_by: Option<String>,
    /// Arguments that the daily work doesn't need: left out where the tool is listed only because it is a default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advanced: Vec<String>,
}

impl ListingDeclaration {
    /// Whether it says nothing: the tool is listed with its toolset, whole.
    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}
