//! Which rows a condition holds for.

use std::collections::BTreeSet;

use super::grammar::{closing, compared, divided, path, top, whole};
use super::literals::{constant, folded, is_literal, trivial};
use super::names::{Rows, Scope};
use super::queries::{conditions, query, reads, sources};
use crate::lex::{Kind, Token};

use super::names::Rows::{All, None as Nothing, Some as Part};

/// How deep a condition is looked into; beyond that it doesn't narrow.
pub(super) const DEEPEST: usize = 40;

/// A condition, or what it denies.
pub(super) fn either(tokens: &[Token<'_>], scope: &Scope, denied: bool, depth: usize) -> Rows {
    let Some(depth) = depth.checked_sub(1) else { return All };
    let parts = divided(tokens, "or");
    joined(&parts, denied, |part| both(part, scope, denied, depth))
}

fn both(tokens: &[Token<'_>], scope: &Scope, denied: bool, depth: usize) -> Rows {
    let parts = divided(tokens, "and");
    joined(&parts, !denied, |part| {
        let mut denied = denied;
        let mut rest = part;
        while let Some((first, after)) = rest.split_first()
            && first.is("not")
        {
            denied = !denied;
            rest = after;
        }
        leaf(rest, scope, denied, depth)
    })
}

/// Parts joined so that all of them have to hold, or any of them.
fn joined<'a, 't>(parts: &[&'t [Token<'a>]], all: bool, judge: impl Fn(&'t [Token<'a>]) -> Rows) -> Rows {
    let (stops, passes) = if all { (Nothing, All) } else { (All, Nothing) };
    let mut result = passes;
    for part in parts {
        let rows = judge(part);
        if rows == stops {
            return stops;
        }
        if rows == Part {
            result = Part;
        }
    }
    if !all && complementary(parts) { All } else { result }
}

/// Whether two of these comparisons are each other's opposite: one of them holds for every row without a null.
fn complementary(parts: &[&[Token<'_>]]) -> bool {
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for part in parts {
        let mut denied = false;
        let mut rest = whole(part);
        while let Some((first, after)) = rest.split_first()
            && first.is("not")
        {
            denied = !denied;
            rest = whole(after);
        }
        let (operands, operator) = match compared(rest) {
            Some((left, operator, right)) => (format!("{} {}", written(left), written(right)), operator),
            None => (written(rest), "holds".to_owned()),
        };
        let opposite = opposite(&operator);
        let (operator, opposite) = if denied {
            (opposite, operator)
        } else {
            (operator, opposite)
        };
        if seen.contains(&(operands.clone(), opposite)) {
            return true;
        }
        seen.insert((operands, operator));
    }
    false
}

fn opposite(operator: &str) -> String {
    let opposite = match operator {
        "=" => "<>",
        "<>" => "=",
        "<" => ">=",
        ">=" => "<",
        ">" => "<=",
        "<=" => ">",
        other => {
            return match other.strip_prefix("not ") {
                Some(plain) => plain.to_owned(),
                None => format!("not {other}"),
            };
        }
    };
    opposite.to_owned()
}

fn written(tokens: &[Token<'_>]) -> String {
    tokens
        .iter()
        .map(|token| match token.kind {
            Kind::Word => token.text.to_ascii_lowercase(),
            _ => token.text.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// One comparison, or whatever else stands between `AND`, `OR` and `NOT`.
fn leaf(tokens: &[Token<'_>], scope: &Scope, denied: bool, depth: usize) -> Rows {
    let inner = whole(tokens);
    if inner.len() < tokens.len() {
        return either(inner, scope, denied, depth);
    }
    if let Some(holds) = constant(tokens) {
        return if holds == denied { Nothing } else { All };
    }
    if let [exists, open, .., close] = tokens
        && exists.is("exists")
        && open.text == "("
        && close.text == ")"
    {
        return exists_in(tokens.get(2..tokens.len() - 1).unwrap_or_default(), scope, depth);
    }
    let Some((left, operator, right)) = compared(tokens) else {
        return bare(tokens, scope);
    };
    match operator.trim_start_matches("not ") {
        "null" => null_test(left, scope),
        "unknown" => All,
        "is true" | "is false" => {
            let denied = denied ^ operator.starts_with("not ") ^ operator.ends_with("false");
            either(left, scope, denied, depth)
        }
        "=" | "<>" if constant(right).is_some() && whole(left).len() < left.len() => {
            let denied = denied ^ (operator == "<>") ^ (constant(right) == Some(false));
            either(left, scope, denied, depth)
        }
        _ => comparison(left, &operator, right, scope, denied, depth),
    }
}

fn comparison(
    left: &[Token<'_>],
    operator: &str,
    right: &[Token<'_>],
    scope: &Scope,
    denied: bool,
    depth: usize,
) -> Rows {
    let (one, other) = (Side::of(left, scope), Side::of(right, scope));
    if !one.row && !other.row {
        return match folded(left, operator, right) {
            Some(holds) if holds == denied => Nothing,
            _ => All,
        };
    }
    if (one.row && other.row) || trivial(operator, right) || one.unclear(left) || other.unclear(right) {
        return All;
    }
    // The same column of the same table under another name.
    let (mine, theirs) = if one.row { (&one, &other) } else { (&other, &one) };
    let itself = theirs
        .columns
        .iter()
        .any(|(relation, column)| *relation == scope.relation && mine.columns.iter().any(|(_, known)| known == column));
    if itself && matches!(operator, "=" | ">=" | "<=") {
        return All;
    }
    // `=` by itself takes one value; `IN` and `= ANY` take all that the query gives.
    let any = operator == "in" || right.first().is_some_and(|word| word.is_any(&["any", "some"]));
    if any && operator != "<>" && query(right).is_some_and(|query| is_whole(query, scope, depth)) {
        return All;
    }
    Part
}

/// What one side of a comparison is made of.
#[derive(Debug, Default)]
struct Side {
    /// Whether it holds a column of the target's row.
    row: bool,
    /// Whether it holds such a column more than once: `a - a` is the same for every row.
    twice: bool,
    /// The columns in it, with the tables that they are of.
    columns: Vec<(String, String)>,
}

impl Side {
    fn of(tokens: &[Token<'_>], scope: &Scope) -> Self {
        let mut side = Self::default();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            // A query has a row of its own, unless it is one over nothing.
            if token.text == "("
                && let Some(end) = closing(tokens, at)
                && query(tokens.get(at..=end).unwrap_or_default())
                    .is_some_and(|query| query.iter().any(|word| word.is("from")))
            {
                at = end + 1;
                continue;
            }
            let (path, next) = path(tokens, at);
            at = next.max(at + 1);
            if let Some(path) = path {
                side.add(&path, scope);
            }
        }
        side
    }

    fn add(&mut self, path: &[String], scope: &Scope) {
        let Some((column, qualifiers)) = path.split_last() else {
            return;
        };
        let of = |relation: &str| (relation.to_owned(), column.clone());
        let new = match qualifiers.last() {
            None if scope.outside.contains(column) => return,
            None if scope.inner => return self.columns.push(of("")),
            Some(qualifier) if *qualifier == scope.target => of(&scope.relation),
            Some(qualifier) => match scope.others.get(qualifier) {
                Some(relation) => return self.columns.push(of(relation)),
                None if scope.outside.contains(qualifier) || qualifier == "excluded" => return,
                None => of(&scope.relation),
            },
            None => of(&scope.relation),
        };
        self.twice |= self.columns.contains(&new);
        self.row = true;
        self.columns.push(new);
    }

    /// Whether what it comes to could be the same for every row, though it holds a column.
    fn unclear(&self, tokens: &[Token<'_>]) -> bool {
        let zero = |token: &Token<'_>| token.kind == Kind::Number && token.text.parse::<f64>().is_ok_and(|n| n == 0.0);
        let times_zero = tokens.windows(2).any(|pair| match pair {
            [one, other] => (one.text == "*" && zero(other)) || (zero(one) && other.text == "*"),
            _ => false,
        });
        let constant_first = tokens.windows(3).any(|three| match three {
            [function, open, first] => function.is_any(&["coalesce", "nvl"]) && open.text == "(" && is_literal(first),
            _ => false,
        });
        self.row && (self.twice || times_zero || constant_first || tokens.iter().any(|token| token.is("case")))
    }
}

/// A null test of these.
fn null_test(tokens: &[Token<'_>], scope: &Scope) -> Rows {
    let side = Side::of(tokens, scope);
    // `coalesce(a, 1)` is never null.
    let literal = tokens.iter().any(|token| is_literal(token) && !token.is("null"));
    if side.row && !side.unclear(tokens) && !literal {
        Part
    } else {
        All
    }
}

/// What stands alone: a boolean column, or a call.
fn bare(tokens: &[Token<'_>], scope: &Scope) -> Rows {
    let side = Side::of(tokens, scope);
    if !side.row || side.unclear(tokens) {
        return All;
    }
    let (column, next) = path(tokens, 0);
    let cast = |rest: &[Token<'_>]| rest.first().is_none_or(|token| token.text == ":");
    if column.is_some() && cast(tokens.get(next..).unwrap_or_default()) {
        return Part;
    }
    // A call narrows where it is given something to compare the column with.
    let compares = tokens.iter().any(|token| is_literal(token));
    let calls = tokens.windows(2).any(|pair| match pair {
        [function, open] => function.kind != Kind::Operator && open.text == "(",
        _ => false,
    });
    if calls && (compares || side.columns.iter().any(|(relation, _)| *relation != scope.relation)) {
        Part
    } else {
        All
    }
}

/// An `EXISTS` narrows where its query is linked to the target's row.
fn exists_in(query: &[Token<'_>], scope: &Scope, depth: usize) -> Rows {
    let Some(depth) = depth.checked_sub(1) else { return All };
    let Some(from) = top(query, |token| token.is("from")) else {
        return All;
    };
    let end = top(query, |token| {
        token.is_any(&[
            "where",
            "group",
            "having",
            "window",
            "order",
            "limit",
            "offset",
            "fetch",
            "union",
            "intersect",
            "except",
        ])
    });
    let others = sources(query.get(from..end.unwrap_or(query.len())).unwrap_or_default());
    let mut inner = scope.clone();
    if others.contains_key(&scope.target) {
        return All;
    }
    inner.others = others;
    inner.inner = true;
    if top(query, |token| token.is_any(&["union", "except", "intersect"])).is_some() {
        return All;
    }
    conditions(query)
        .iter()
        .map(|condition| either(condition, &inner, false, depth))
        .find(|rows| *rows != All)
        .unwrap_or(All)
}

/// Whether a query gives all rows of the target's table.
pub(super) fn is_whole(query: &[Token<'_>], scope: &Scope, depth: usize) -> bool {
    const NARROWER: [&str; 12] = [
        "limit",
        "offset",
        "fetch",
        "having",
        "group",
        "join",
        "tablesample",
        "except",
        "intersect",
        "union",
        "distinct",
        "natural",
    ];
    if !reads(query, &scope.relation) || top(query, |token| token.is_any(&NARROWER)).is_some() {
        return false;
    }
    let from = top(query, |token| token.is("from")).unwrap_or(query.len());
    let filter = top(query, |token| token.is("where"));
    // An aggregate gives one value for all rows.
    let calls = query.get(..from).unwrap_or_default().windows(2).any(|pair| match pair {
        [function, open] => function.kind != Kind::Comma && !function.is("select") && open.text == "(",
        _ => false,
    });
    if calls {
        return false;
    }
    let others = sources(query.get(from..filter.unwrap_or(query.len())).unwrap_or_default());
    if others.len() != 1 {
        return false;
    }
    let Some(filter) = filter else { return true };
    // Of the query's own rows.
    let mut own = scope.clone();
    own.target = others.into_keys().next().unwrap_or_default();
    own.others.clear();
    either(query.get(filter + 1..).unwrap_or_default(), &own, false, depth) == All
}
