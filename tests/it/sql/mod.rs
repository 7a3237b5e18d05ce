//! SQL is split and classified: tables reviewed by hand, ways out of read-only, ordinary queries, and a real PostgreSQL.

mod bounds;
mod conditions;
mod dump;
pub mod escapes;
mod leaving;
mod mentions;
mod one_text;
mod postgres;
mod properties;
pub mod reads;
mod split;
mod statements;
mod unguarded;

use neon_mcp::sql::{Script, Statement, StatementEffect, parse};

/// The rows of a data file: no comments, no empty lines.
fn rows(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

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
