//! The queries in a condition: their own conditions, and the relations that they read.

use std::collections::BTreeMap;

use super::grammar::{WORDS, closing, name_path, path, top};
use crate::lex::{Kind, Token};

/// The conditions of a query: its `WHERE` and what follows `ON`, unless a join keeps the rows that `ON` leaves out.
pub(super) fn conditions<'a, 't>(query: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    const ENDS: [&str; 18] = [
        "where",
        "group",
        "having",
        "window",
        "order",
        "limit",
        "offset",
        "fetch",
        "for",
        "union",
        "intersect",
        "except",
        "join",
        "left",
        "right",
        "inner",
        "full",
        "cross",
    ];
    let outer = top(query, |token| token.is_any(&["left", "right", "full"])).is_some();
    let mut found = Vec::new();
    let mut depth = 0usize;
    let mut begun = None;
    for (at, token) in query.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 => {
                if token.is_any(&ENDS)
                    && let Some(start) = begun.take()
                {
                    found.extend(query.get(start..at));
                }
                if token.is("where") || (token.is("on") && !outer) {
                    begun = Some(at + 1);
                }
            }
            _ => {}
        }
    }
    found.extend(begun.and_then(|start| query.get(start..)));
    found
}

/// Whether a query names this relation where it takes its rows from.
pub(super) fn reads(query: &[Token<'_>], relation: &str) -> bool {
    query.windows(2).enumerate().any(|(at, pair)| match pair {
        [from, _] if from.is_any(&["from", "table"]) => path(query, at + 1)
            .0
            .is_some_and(|path| path.last().is_some_and(|last| last == relation)),
        _ => false,
    })
}

/// The relations of a `FROM` or `USING`, by the names that columns are qualified with.
pub(super) fn sources(clause: &[Token<'_>]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut at = 0;
    let mut expected = true;
    while let Some(token) = clause.get(at) {
        if token.kind == Kind::Comma || token.is_any(&["from", "using", "join"]) {
            expected = true;
            at += 1;
        } else if token.is_any(&["only", "lateral"]) {
            at += 1;
        } else if expected {
            expected = false;
            let (relation, next) = if token.text == "(" {
                (
                    Some(vec![String::new()]),
                    closing(clause, at).map_or(clause.len(), |end| end + 1),
                )
            } else {
                name_path(clause, at)
            };
            at = next.max(at + 1);
            // The arguments of a function.
            if clause.get(at).is_some_and(|open| open.text == "(") {
                at = closing(clause, at).map_or(clause.len(), |end| end + 1);
            }
            let relation = relation.and_then(|path| path.last().cloned()).unwrap_or_default();
            if clause.get(at).is_some_and(|word| word.is("as")) {
                at += 1;
            }
            let alias = match clause.get(at) {
                Some(word) if !word.is_any(&WORDS) => name_path(clause, at),
                _ => (None, at),
            };
            match alias {
                (Some(alias), next) => {
                    found.insert(alias.last().cloned().unwrap_or_default(), relation);
                    at = next;
                }
                _ => {
                    found.insert(relation.clone(), relation);
                }
            }
        } else if token.kind == Kind::Open {
            at = closing(clause, at).map_or(clause.len(), |end| end + 1);
        } else {
            at += 1;
        }
    }
    found
}

/// The query in brackets that these tokens are, by themselves or after `ANY`, `ARRAY` and their like.
pub(super) fn query<'a, 't>(tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
    let mut rest = tokens;
    loop {
        match rest {
            [word, after @ ..] if word.is_any(&["any", "some", "all", "array"]) => rest = after,
            [open, .., close] if open.text == "(" && close.text == ")" => {
                rest = rest.get(1..rest.len() - 1)?;
                if rest.first()?.is_any(&["select", "with", "values", "table"]) {
                    return Some(rest);
                }
            }
            _ => return None,
        }
    }
}
