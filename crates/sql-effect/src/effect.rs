//! What a statement does, and where it stands to transactions.

/// What a statement does to the database. Later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatementEffect {
    /// It only reads, proven from its parse.
    Read,
    /// It changes something, or isn't proven not to.
    Write,
    /// It loses data, protection or access, opens a way out, or isn't understood.
    Destructive,
}

/// Where a statement stands to transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transaction {
    /// It runs inside one.
    Inside,
    /// It begins, ends or changes one.
    Control,
    /// Postgres refuses to run it inside one.
    Outside,
}
