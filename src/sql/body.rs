//! Code in strings: the bodies of `DO`, functions and procedures.

use super::lex::{Kind, Token};
use super::{lex, name};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::body::{self, BodyLanguage};
use squawk_syntax::plpgsql::Plpgsql;
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
            None | Some("plpgsql") => plpgsql(block.plpgsql()),
            Some(other) => foreign(other),
        });
    }
    let in_string = node.descendants().any(|inner| inner.kind() == K::AS_FUNC_OPTION);
    if !in_string {
        return None;
    }
    let (sql, block) = match node.kind() {
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
        Some("plpgsql") => plpgsql(block),
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

/// A body of SQL.
fn parsed<T: BodyLanguage>(body: Option<body::Body<T>>) -> Body {
    match body {
        Some(body) if body.errors().is_empty() && whole(&body.syntax()) => {
            Body::Parsed(body.syntax(), body.text().to_owned())
        }
        _ => Body::Broken,
    }
}

/// A body of PL/pgSQL. It is parsed without the variables that queries put their results into, since the parser doesn't
/// know them.
fn plpgsql(body: Option<Plpgsql>) -> Body {
    let Some(body) = body else { return Body::Broken };
    let (green, errors) = ast::Plpgsql::parse_text(&without_targets(body.text()));
    let tree = SyntaxNode::new_root(green);
    if errors.is_empty() && whole(&tree) {
        Body::Parsed(tree, body.text().to_owned())
    } else {
        Body::Broken
    }
}

fn whole(tree: &SyntaxNode) -> bool {
    tree.descendants().all(|node| node.kind() != K::ERROR)
}

/// PL/pgSQL with blanks for every `INTO [STRICT] variable, …` of a query or of `RETURNING`. Only names are taken out, so
/// nothing that does anything is.
fn without_targets(text: &str) -> String {
    let tokens = lex::lex(text);
    let mut blanked = text.to_owned();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.is("into")) {
        let before = tokens.get(..at).unwrap_or_default();
        let verb = before.iter().rev().find(|word| word.is_any(&VERBS));
        if !verb.is_some_and(|verb| verb.is_any(&["select", "returning"])) {
            continue;
        }
        let end = targets(tokens.get(at + 1..).unwrap_or_default()).unwrap_or(token.end());
        if let Some(clause) = text.get(token.start..end) {
            blanked.replace_range(token.start..end, &" ".repeat(clause.len()));
        }
    }
    blanked
}

/// Words that say what an `INTO` after them belongs to.
const VERBS: [&str; 8] = [
    "select",
    "returning",
    "insert",
    "merge",
    "execute",
    "fetch",
    "move",
    "import",
];

/// Where a list of variables ends.
fn targets(tokens: &[Token<'_>]) -> Option<usize> {
    let is_name = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Quoted);
    let mut rest = tokens;
    if let [strict, after @ ..] = rest
        && strict.is("strict")
    {
        rest = after;
    }
    let (first, after) = rest.split_first()?;
    if !is_name(first) {
        return None;
    }
    let mut end = first.end();
    rest = after;
    while let [separator, name, after @ ..] = rest
        && matches!(separator.kind, Kind::Dot | Kind::Comma)
        && is_name(name)
    {
        end = name.end();
        rest = after;
    }
    Some(end)
}
