//! A second opinion on reads, from their tokens alone, so that no slip of the parser's lets a write pass.

use super::lex::{Kind, Token};

/// Why a statement that parsed as a read might not be one.
pub(super) fn objection(tokens: &[Token<'_>]) -> Option<&'static str> {
    let known = ["select", "with", "values", "table", "show", "explain"];
    let first = tokens.iter().find(|token| token.text != "(")?;
    if !first.is_any(&known) {
        return Some("doesn't begin as reading statements do");
    }
    let mut before: Option<&Token<'_>> = None;
    for (at, token) in tokens.iter().enumerate() {
        // After `AS` or a dot every keyword is only a name.
        let label = before.is_some_and(|before| before.is("as") || before.kind == Kind::Dot);
        let next = tokens.get(at + 1);
        let follows = |words: &[&str]| next.is_some_and(|next| next.is_any(words));
        let opens = before.is_none_or(|before| before.text == "(");
        if token.kind == Kind::Semicolon {
            return Some("holds more than one statement");
        }
        if token.is("into") && !label {
            return Some("writes what it reads into a table");
        }
        if token.is("for") && !label && follows(&["update", "share", "no", "key"]) {
            return Some("locks the rows it reads");
        }
        let changes = (token.is_any(&["insert", "merge"]) && follows(&["into"]))
            || (token.is("delete") && follows(&["from"]))
            || (token.is("update")
                && next.is_some_and(|next| matches!(next.kind, Kind::Word | Kind::Quoted | Kind::Unicode)));
        if opens && changes {
            return Some("holds a statement that changes rows");
        }
        before = Some(token);
    }
    None
}
