//! What SQL would do: a text split into statements, each classified from a real parse.
//!
//! Nothing here runs anything or asks a database. The judgement errs to one side: what isn't proven to read is no
//! [`StatementEffect::Read`], and what can't be parsed, or isn't known, is [`StatementEffect::Destructive`].
//!
//! What it can't see: a function of the database's own may do anything its body does. A statement that only calls such
//! functions counts as a read, since reads run alone in a READ ONLY transaction, where Postgres stops every function
//! from writing; what such a transaction doesn't stop is listed by name, and a function whose body calls one of those
//! gets past the list. A write that calls such a function counts as no more than a write; but making a function whose
//! body destroys something counts as destructive. Operators, casts, views, rules and triggers call functions without
//! naming them, and are trusted likewise. `pg_sleep` only waits: a statement timeout bounds it.

mod alter;
mod ambiguity;
mod body;
mod budget;
mod classify;
mod condition;
mod dump;
mod functions;
mod grade;
mod hidden;
mod kind;
mod lex;
mod mentions;
mod name;
mod place;
mod placement;
mod reading;
mod redact;
mod related;
mod relations;
pub mod secret;
mod session;
mod settings;
mod split;
mod table;
mod tokens;
mod tools;
mod transaction;
mod tree;
mod unguarded;

pub use classify::UNREAD;
pub use dump::{Change, Difference, Dump, without_noise};
pub use functions::{ListedFunction, listed_functions};
pub use hidden::is_hidden;
pub use mentions::Mentions;
pub use name::TableName;
pub use place::{Place, dotted, is_in_list, is_only, is_operator_at, is_quoted_at, name_at, takes_parameters};
pub use placement::{Placement, Routine};
pub use reading::Reading;
pub use redact::{Redacted, Unshowable, redact};
pub use related::relate;
pub use session::{Kept, KeptKind, SessionAct, kept};
pub use unguarded::Unguarded;

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
        self.kind != classify::UNREAD
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

/// Splits a text into statements and classifies each. Never fails: what can't be parsed is a statement that says so. It
/// is a call of its own to [`parse_all`].
pub fn parse(text: &str) -> Script {
    parse_all(&[text]).pop().unwrap_or_default()
}

/// Splits the texts of one call into statements and classifies each, a script for every text.
///
/// All of them share one budget of tokens, nesting and bytes, so that no call takes longer than a second; what is beyond
/// it is one statement that isn't understood. `budget` says how much that is.
pub fn parse_all(texts: &[&str]) -> Vec<Script> {
    let run = || {
        let mut budget = budget::Budget::new();
        let mut ways = tools::Ways::default();
        texts.iter().map(|text| script(text, &mut budget, &mut ways)).collect()
    };
    tree::with_stack(texts, run).unwrap_or_else(|| {
        let unread =
            |text: &&str| classify::unread(text, "can't be parsed for want of memory, so what it does isn't known");
        texts.iter().map(unread).collect()
    })
}

fn script(text: &str, budget: &mut budget::Budget, ways: &mut tools::Ways) -> Script {
    let mut statements: Vec<Statement> = Vec::new();
    // Where what is still to be read begins.
    let mut from = 0;
    while let Some(rest) = text.get(from..).filter(|rest| from == 0 || !rest.is_empty()) {
        if !budget.lexes(rest) {
            let reason = if rest.len() > tree::LONGEST {
                tree::TOO_LONG
            } else {
                budget::EXCEEDED
            };
            statements.extend(
                classify::unread(rest, reason)
                    .statements
                    .into_iter()
                    .map(|unread| Statement { start: from, ..unread }),
            );
            break;
        }
        let lexed = lex::lexed(rest);
        let mut rows = None;
        for piece in &split::split(rest, &lexed.tokens, &lexed.comments) {
            let mut statement = classify::statement(rest, piece, budget);
            // One that no server runs says so first.
            let refused = ways.refuse(rest, &lexed.lines, piece.start);
            statement.refusal = statement.refusal.or(refused);
            let takes_rows = statement.kind == "COPY" && statement.refusal.is_some();
            statement.start += from;
            statements.push(statement);
            if takes_rows && let Some(end) = rest.get(piece.end..).and_then(tools::end_of_rows) {
                rows = Some(from + piece.end + end);
                break;
            }
        }
        match rows {
            Some(end) => from = end,
            None => break,
        }
    }
    Script { statements }
}

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
