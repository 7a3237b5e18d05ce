//! What a statement does to its session.

/// Something that a statement does to its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionAct {
    /// It gives a setting a value for the session.
    Sets {
        /// The setting, in small letters; nothing where its name is made at run time.
        setting: Option<String>,
        /// The value as it is written; nothing where it is made at run time.
        value: Option<String>,
        /// The statement can be run again, and then does this and nothing else.
        repeatable: bool,
    },
    /// It gives a setting, or the role, a value for the transaction alone.
    SetsLocally(String),
    /// It takes a setting back.
    Resets(String),
    /// It takes every setting back.
    ResetsAll,
    /// It makes the session act for a role.
    TakesRole,
    /// It ends that.
    LeavesRole,
    /// It makes the session that of a user.
    TakesUser,
    /// It ends that.
    LeavesUser,
    /// It makes a temporary table, view, sequence or another object of that name.
    MakesTemporary(Option<String>),
    /// It prepares a statement under that name.
    Prepares(String),
    /// It forgets that prepared statement, or all of them.
    Forgets(Option<String>),
    /// It opens that cursor.
    Opens(String),
    /// It closes that cursor, or all of them.
    Closes(Option<String>),
    /// It listens to a channel.
    Listens,
    /// It no longer does.
    Unlistens,
    /// It takes an advisory lock that the session holds.
    Locks,
    /// It gives one back.
    Unlocks,
    /// It gives all of them back.
    UnlocksAll,
    /// It sets the seed of `random()`.
    Seeds,
    /// It loads a library.
    Loads,
    /// It discards what is temporary.
    DiscardsTemporary,
    /// It discards all that a session holds.
    DiscardsAll,
}
