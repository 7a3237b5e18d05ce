//! Whether a condition narrows what a statement touches.
//!
//! It does if it compares a column of the target with something that isn't of the same row (a literal, a parameter,
//! another table's column, a query), or is a null test of one, or is one. A constant, a comparison of a row with itself
//! or of what has nothing to do with it doesn't, and neither does what can't be told. That the values compared with
//! leave a row out shows only in the database.
//!
//! It is read from the tokens, by the precedence of Postgres' grammar: the parser's differs (it takes what follows a
//! `BETWEEN` into it, so that `a BETWEEN 1 AND 2 OR true` looks like one comparison).

mod grammar;
mod literals;
mod names;
mod narrows;
mod queries;

use std::collections::{BTreeMap, BTreeSet};

use squawk_syntax::{SyntaxKind, SyntaxNode};

use SyntaxKind as K;
use names::{Rows, Scope};
use narrows::{DEEPEST, either, is_whole};
use queries::{reads, sources};

use crate::{lex, name, relations};

/// The names of a routine's parameters and variables, which its queries can use beside columns.
pub(crate) fn variables(routine: &SyntaxNode) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["new", "old"].map(str::to_owned).into();
    for node in routine.descendants() {
        if matches!(
            node.kind(),
            K::PARAM_NAME | K::PLPGSQL_VAR_NAME | K::PLPGSQL_FOR_VARIABLE | K::FUNCTION_NAME | K::PROCEDURE_NAME
        ) {
            let text = node.text().to_string();
            let tokens = lex::lex(&text);
            names.extend(tokens.last().and_then(|last| name::named(last, &[])));
        }
    }
    names
}

/// Whether a `DELETE` or `UPDATE` can touch every row: it has no `WHERE`, or one that doesn't narrow.
pub(crate) fn takes_all(statement: &SyntaxNode, outside: &BTreeSet<String>) -> bool {
    // Where a cursor stands is one row.
    if statement.children().any(|child| child.kind() == K::WHERE_CURRENT_OF) {
        return false;
    }
    let Some(clause) = child(statement, K::WHERE_CLAUSE) else {
        return true;
    };
    rows(&clause, &scope(statement, outside)) == Rows::All
}

/// Whether a `MERGE` can update every row of its target: neither its `ON` nor what follows `WHEN` narrows.
pub(crate) fn merges_all(statement: &SyntaxNode, outside: &BTreeSet<String>) -> bool {
    let scope = scope(statement, outside);
    let linked = statement
        .children()
        .find(|child| child.kind() == K::USING_ON_CLAUSE)
        .and_then(|using| child(&using, K::ON_CLAUSE))
        .is_some_and(|on| rows(&on, &scope) != Rows::All);
    statement.children().any(|when| {
        let narrowed = child(&when, K::MERGE_CONDITION).is_some_and(|condition| rows(&condition, &scope) != Rows::All);
        let updates = when.children().any(|action| action.kind() == K::MERGE_UPDATE);
        match when.kind() {
            K::MERGE_WHEN_MATCHED => updates && !linked && !narrowed,
            // What matches is left alone: the more there is of that, the fewer rows are touched.
            K::MERGE_WHEN_NOT_MATCHED_SOURCE => updates && !narrowed,
            _ => false,
        }
    })
}

/// Whether an upsert takes its rows from its own target without narrowing them, and so updates all of it.
pub(crate) fn upserts_all(statement: &SyntaxNode, outside: &BTreeSet<String>) -> bool {
    let updates = child(statement, K::ON_CONFLICT_CLAUSE).is_some_and(|clause| {
        clause
            .children()
            .any(|action| action.kind() == K::CONFLICT_DO_UPDATE_SET)
    });
    let scope = scope(statement, outside);
    updates
        && statement
            .children()
            .find(|child| {
                matches!(
                    child.kind(),
                    K::SELECT | K::TABLE | K::PAREN_SELECT | K::COMPOUND_SELECT
                )
            })
            .is_some_and(|query| {
                let text = query.text().to_string();
                let tokens = lex::lex(&text);
                let table = tokens.first().is_some_and(|first| first.is("table"));
                (table && reads(&tokens, &scope.relation)) || is_whole(&tokens, &scope, DEEPEST)
            })
}

fn child(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

/// What a statement's names mean.
fn scope(statement: &SyntaxNode, outside: &BTreeSet<String>) -> Scope {
    let alias = |node: &SyntaxNode| {
        let text = node.text().to_string();
        let tokens = lex::lex(&text);
        let named = if tokens.first().is_some_and(|word| word.is("as")) {
            1
        } else {
            0
        };
        tokens
            .get(named)
            .and_then(|token| name::named(token, tokens.get(named + 1..).unwrap_or_default()))
    };
    let relation = relations::changed(statement)
        .into_iter()
        .next()
        .map(|table| table.name)
        .unwrap_or_default();
    let aliased = statement
        .children()
        .find(|child| matches!(child.kind(), K::OPTIONAL_AS_ALIAS | K::REQUIRED_AS_ALIAS))
        .and_then(|node| alias(&node));
    let mut others = BTreeMap::new();
    for clause in statement
        .children()
        .filter(|child| matches!(child.kind(), K::USING_CLAUSE | K::FROM_CLAUSE | K::USING_ON_CLAUSE))
    {
        let text = clause.text().to_string();
        others.extend(sources(&lex::lex(&text)));
    }
    Scope {
        target: aliased.unwrap_or_else(|| relation.clone()),
        relation,
        others,
        outside: outside.clone(),
        inner: false,
    }
}

/// The condition in a clause.
fn rows(clause: &SyntaxNode, scope: &Scope) -> Rows {
    let text = clause.text().to_string();
    let tokens = lex::lex(&text);
    // The first word is the clause's own: `WHERE`, `ON`, `AND`.
    either(tokens.get(1..).unwrap_or_default(), scope, false, DEEPEST)
}
