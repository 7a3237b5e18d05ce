//! What a call does to the world, from harmless to irreversible.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a call does. The order is the order of caution: a call's effect is the greatest that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Adds something, or changes what can be changed back.
    Write,
    /// Gives someone access, opens a way out for data, changes what is spent, or moves ownership.
    Access,
    /// Loses data or access, breaks clients, or can't be taken back.
    Destructive,
}

impl Effect {
    /// Whether a human (or the operator's policy) must have approved the call.
    #[must_use]
    pub fn needs_consent(self) -> bool {
        matches!(self, Self::Access | Self::Destructive)
    }

    /// The name used in declarations, plans and documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Access => "access",
            Self::Destructive => "destructive",
        }
    }
}

impl std::fmt::Display for Effect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
