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

mod act;
mod alter;
mod ambiguity;
mod body;
mod budget;
mod classify;
mod condition;
mod dump;
mod effect;
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
mod roles;
pub mod secret;
mod session;
mod settings;
mod split;
mod statement;
mod table;
mod tokens;
mod tools;
mod transaction;
mod tree;
mod unguarded;

pub use act::SessionAct;
pub use dump::{Change, Difference, Dump, without_comments, without_noise};
pub use effect::{StatementEffect, Transaction};
pub use functions::{ListedFunction, listed_functions};
pub use hidden::is_hidden;
pub use mentions::Mentions;
pub use name::TableName;
pub use place::{
    Place, dotted, is_in_list, is_only, is_operator_at, is_quoted_at, name_at, never_closed, takes_parameters,
};
pub use placement::{Placement, Routine};
pub use reading::Reading;
pub use redact::{Redacted, Unshowable, redact};
pub use related::relate;
pub use session::{Kept, KeptKind, kept};
pub use statement::{Script, Statement, UNREAD};
pub use unguarded::Unguarded;

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
