//! Code in strings: the bodies of `DO`, functions and procedures.

use super::{lex, name};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::body::{self, BodyLanguage};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use SyntaxKind as K;

/// Languages whose functions can't leave the database.
const TRUSTED: [&str; 6] = ["sql", "plpgsql", "plv8", "plcoffee", "plperl", "pltcl"];

/// A body that stands in a string.
pub(super) enum Body {
    /// Its tree and its text.
    Parsed(SyntaxNode, String),
    /// In a language that isn't parsed here; whether it is one that can't leave the database.
    Foreign { language: String, trusted: bool },
    /// One that can't be parsed.
    Broken,
}

/// The body in a `DO`, `CREATE FUNCTION` or `CREATE PROCEDURE`; none where it stands in the open, as with
/// `BEGIN ATOMIC` and `RETURN`, or where there is none at all.
pub(super) fn of(node: &SyntaxNode) -> Option<Body> {
    let language = language(node);
    if let Some(block) = ast::Do::cast(node.clone()) {
        return Some(match language.as_deref() {
            None | Some("plpgsql") => parsed(block.plpgsql()),
            Some(other) => foreign(other),
        });
    }
    let in_string = node.descendants().any(|inner| inner.kind() == K::AS_FUNC_OPTION);
    if !in_string {
        return None;
    }
    let (sql, plpgsql) = match node.kind() {
        K::CREATE_FUNCTION => {
            let function = ast::CreateFunction::cast(node.clone())?;
            (function.sql_body(), function.plpgsql())
        }
        K::CREATE_PROCEDURE => {
            let procedure = ast::CreateProcedure::cast(node.clone())?;
            (procedure.sql_body(), procedure.plpgsql())
        }
        _ => return None,
    };
    Some(match language.as_deref() {
        Some("plpgsql") => parsed(plpgsql),
        Some("sql") => parsed(sql),
        Some(other) => foreign(other),
        None => Body::Broken,
    })
}

/// The language that a routine names, folded as Postgres would.
fn language(node: &SyntaxNode) -> Option<String> {
    let clause = node
        .descendants()
        .find(|inner| matches!(inner.kind(), K::LANGUAGE_FUNC_OPTION | K::DO_LANGUAGE))?;
    let text = clause.text().to_string();
    let tokens = lex::lex(&text);
    let (named, after) = tokens.get(1..)?.split_first()?;
    name::named(named, after).or_else(|| name::string(named, after))
}

fn foreign(language: &str) -> Body {
    Body::Foreign {
        language: language.to_owned(),
        trusted: TRUSTED.contains(&language),
    }
}

fn parsed<T: BodyLanguage>(body: Option<body::Body<T>>) -> Body {
    match body {
        Some(body) if body.errors().is_empty() && body.syntax().descendants().all(|node| node.kind() != K::ERROR) => {
            Body::Parsed(body.syntax(), body.text().to_owned())
        }
        _ => Body::Broken,
    }
}
