//! SQL is split and classified: tables reviewed by hand, ways out of read-only, ordinary queries, and a real PostgreSQL.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bounds;
mod conditions;
mod dump;
mod escapes;
mod leaving;
mod mentions;
mod one_text;
mod postgres;
mod properties;
mod reads;
mod split;
mod statements;
mod unguarded;

use harness::sql::rows;
use sql_effect::{Script, Statement, StatementEffect, parse};

/// The only statement of a text.
fn only(text: &str) -> Statement {
    let script = parse(text);
    let count = script.statements.len();
    script
        .only()
        .cloned()
        .unwrap_or_else(|| panic!("{count} statements: {text}"))
}

/// Whether a text would be let through as a read.
fn is_read(script: &Script) -> bool {
    script
        .only()
        .is_some_and(|statement| statement.effect == StatementEffect::Read)
}
