//! Which rows a condition holds for, and what names in it mean.

use std::collections::{BTreeMap, BTreeSet};

/// Which rows a condition holds for, as far as it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// All, or it can't be told.
    All,
    /// Those with certain values.
    Some,
    /// None, whatever they hold.
    None,
}

/// What names in a condition mean.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// The target: its name or its alias.
    pub(super) target: String,
    /// The target's own name.
    pub(super) relation: String,
    /// The other relations by name or alias, with their own names.
    pub(super) others: BTreeMap<String, String>,
    /// Names that are no columns: a routine's parameters and variables.
    pub(super) outside: BTreeSet<String>,
    /// Whether a name without a qualifier is another relation's column: in a query inside the condition it is.
    pub(super) inner: bool,
}
