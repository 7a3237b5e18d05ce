//! A statement, as it was judged.

use super::act::SessionAct;
use super::effect::{StatementEffect, Transaction};
use super::lex;
use super::mentions::{self, Mentions};
use super::name::TableName;
use super::unguarded::Unguarded;

/// The kind of what couldn't be read.
pub const UNREAD: &str = "UNKNOWN";

/// One statement and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its own text, byte for byte as it stands in the source from its first token to its last, without the `;`. It is
    /// what was judged, and is to be sent as it is. A planner's hint belongs to it: a block comment that begins with
    /// `/*+` and stands right before the first token.
    pub text: String,
    /// Where it begins in the source, in bytes.
    pub start: usize,
    /// Its kind: `SELECT`, `DROP TABLE`, `ALTER TABLE … DROP COLUMN`.
    pub kind: String,
    /// The worst that it does.
    pub effect: StatementEffect,
    /// Whether its effect isn't bounded by the branch: it opens a way out, reaches another server or the machine's files,
    /// or isn't understood. Only destructive statements do.
    pub leaves: bool,
    /// Why it isn't a read; each ends a sentence that begins "because it …". The worst come first.
    pub reasons: Vec<String>,
    /// The relations whose rows or definition it changes or that it drops, as Postgres would look them up.
    pub tables: Vec<TableName>,
    /// Where it stands to transactions.
    pub transaction: Transaction,
    /// What it risks where it can't run inside one.
    pub unguarded: Unguarded,
    /// Whether `EXPLAIN ANALYZE` takes it and changes nothing.
    pub explain_analyze_ok: bool,
    /// It deletes rows by its own text: a `DELETE` or a `MERGE` that deletes, wherever it stands.
    pub deletes: bool,
    /// It was judged as being about tables that the same call made: what existed before, it may not touch.
    pub of_made: bool,
    /// What it does to its session.
    pub session: Vec<SessionAct>,
    /// Why it is sent to no server, whatever it does, and what to write instead: a sentence's end after "because it …".
    pub refusal: Option<String>,
}

impl Statement {
    /// Whether it may change more than rows, as far as its own kind tells: what it calls may.
    #[must_use]
    pub fn defines(&self) -> bool {
        const ROWS: [&str; 12] = [
            "SELECT", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE", "CALL", "DO", "COPY", "EXPLAIN", "SET",
        ];
        let verb = self.kind.split(' ').next().unwrap_or_default();
        !ROWS.contains(&verb) || self.kind.starts_with("SELECT INTO")
    }

    /// The statement that Postgres would prepare to say which types the parameters have: its own text, or, where it is explained,
    /// the text of what is. `None` where `PREPARE` doesn't take that kind.
    #[must_use]
    pub fn preparable(&self) -> Option<&str> {
        const KINDS: [&str; 8] = [
            "select", "values", "table", "insert", "update", "delete", "merge", "with",
        ];
        let lexed = lex::lexed(&self.text);
        let mut tokens = lexed.tokens.iter().peekable();
        if tokens.next_if(|token| token.is("explain")).is_some() {
            if tokens.peek().is_some_and(|token| token.kind == lex::Kind::Open)
                && !tokens
                    .clone()
                    .find(|token| token.kind != lex::Kind::Open)?
                    .is_any(&KINDS)
            {
                // Its options, in which no brackets stand.
                tokens.find(|token| token.kind == lex::Kind::Close)?;
            }
            while tokens
                .next_if(|token| token.is_any(&["analyze", "analyse", "verbose"]))
                .is_some()
            {}
        }
        let start = tokens.peek()?.start;
        let verb = tokens.find(|token| token.kind != lex::Kind::Open)?;
        if !verb.is_any(&KINDS) || self.kind.starts_with("SELECT INTO") {
            return None;
        }
        self.text.get(start..)
    }

    /// Whether it could be read here. What couldn't may be no SQL at all.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.kind != UNREAD
    }

    /// Whether it builds indexes outside of a transaction, which can call what they are made of: a plain one its operator class.
    #[must_use]
    pub fn builds_indexes(&self) -> bool {
        self.unguarded == Unguarded::RebuildsIndexes
            || (self.unguarded == Unguarded::Harmless && self.kind.starts_with("CREATE INDEX"))
    }

    /// What stands in it by name, for a look in the database at what those names are there.
    #[must_use]
    pub fn mentions(&self) -> Mentions {
        mentions::of(&self.text)
    }
}

/// The statements of a text, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The statements; empty ones are left out.
    pub statements: Vec<Statement>,
}

impl Script {
    /// The worst effect of any statement; a script of none reads.
    pub fn effect(&self) -> StatementEffect {
        self.statements
            .iter()
            .map(|statement| statement.effect)
            .max()
            .unwrap_or(StatementEffect::Read)
    }

    /// Whether the effect of any statement isn't bounded by the branch.
    pub fn leaves(&self) -> bool {
        self.statements.iter().any(|statement| statement.leaves)
    }

    /// The only statement, if there is exactly one.
    pub fn only(&self) -> Option<&Statement> {
        match self.statements.as_slice() {
            [statement] => Some(statement),
            _ => None,
        }
    }
}
