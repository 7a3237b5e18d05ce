//! Code in strings: the bodies of `DO`, functions and procedures.

use super::lex::{Kind, Token};
use super::{lex, name};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::body::BodyLanguage;
use squawk_syntax::plpgsql::Plpgsql;
use squawk_syntax::sql_body::SqlBody;
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use SyntaxKind as K;

/// Languages whose functions can't leave the database.
const TRUSTED: [&str; 6] = ["sql", "plpgsql", "plv8", "plcoffee", "plperl", "pltcl"];

/// A language whose bodies are parsed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Sql,
    Plpgsql,
}

/// A body that stands in a string.
pub(super) enum Body {
    /// Its tree and its text.
    Parsed(SyntaxNode, String, Language),
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
        Some("sql") => sql_text(sql),
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
fn sql_text(body: Option<SqlBody>) -> Body {
    match body {
        Some(body) if body.errors().is_empty() && whole(&body.syntax()) => {
            Body::Parsed(body.syntax(), body.text().to_owned(), Language::Sql)
        }
        _ => Body::Broken,
    }
}

/// A body of PL/pgSQL.
fn plpgsql(body: Option<Plpgsql>) -> Body {
    body.map_or(Body::Broken, |body| parse(body.text(), Language::Plpgsql))
}

/// The body that this text is.
pub(super) fn parse(text: &str, language: Language) -> Body {
    let (tree, sound) = match language {
        Language::Sql => {
            let parse = SourceFile::parse(text);
            (parse.syntax_node(), parse.errors().is_empty())
        }
        Language::Plpgsql => {
            // The parser doesn't know the variables that queries put their results into.
            let (green, errors) = ast::Plpgsql::parse_text(&without_targets(text));
            (SyntaxNode::new_root(green), errors.is_empty())
        }
    };
    if sound && whole(&tree) {
        Body::Parsed(tree, text.to_owned(), language)
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
    let mut blanked = String::with_capacity(text.len());
    let mut kept = 0;
    let mut verb: Option<&Token<'_>> = None;
    for (at, token) in tokens.iter().enumerate() {
        if token.is_any(&VERBS) {
            verb = Some(token);
        }
        if !token.is("into") || !verb.is_some_and(|verb| verb.is_any(&["select", "returning"])) {
            continue;
        }
        let end = targets(tokens.get(at + 1..).unwrap_or_default()).unwrap_or(token.end());
        if let Some(before) = text.get(kept..token.start) {
            blanked.push_str(before);
            blanked.push_str(&" ".repeat(end - token.start));
            kept = end;
        }
    }
    blanked.push_str(text.get(kept..).unwrap_or_default());
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
