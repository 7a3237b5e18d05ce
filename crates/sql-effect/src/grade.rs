//! How bad what a statement does is, finer than what is told of it: of what destroys, some isn't bounded by the branch.

use super::effect::StatementEffect;

/// A grade. Later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    Read,
    Write,
    /// It loses data, protection or access of the branch.
    Destructive,
    /// Its effect isn't bounded by the branch, or isn't known.
    Leaves,
}

impl Grade {
    pub(super) fn effect(self) -> StatementEffect {
        match self {
            Self::Read => StatementEffect::Read,
            Self::Write => StatementEffect::Write,
            Self::Destructive | Self::Leaves => StatementEffect::Destructive,
        }
    }
}
