//! Whether a condition narrows what a statement touches.
//!
//! It does if it compares a column of the target with something that isn't of the same row (a literal, a parameter,
//! another table's column, a query), or is a null test of one, or is one. A constant, a comparison of a row with itself
//! or of what has nothing to do with it doesn't, and neither does what can't be told. That the values compared with
//! leave a row out shows only in the database.
//!
//! It is read from the tokens, by the precedence of Postgres' grammar: the parser's differs (it takes what follows a
//! `BETWEEN` into it, so that `a BETWEEN 1 AND 2 OR true` looks like one comparison).

use super::lex::{self, Kind, Token};
use super::name;
use super::relations;
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::collections::{BTreeMap, BTreeSet};

use Rows::{All, None as Nothing, Some as Part};
use SyntaxKind as K;

/// How deep a condition is looked into; beyond that it doesn't narrow.
const DEEPEST: usize = 40;

/// Which rows a condition holds for, as far as it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// All, or it can't be told.
    All,
    /// Those with certain values.
    Some,
    /// None, whatever they hold.
    None,
}

/// What names in a condition mean.
#[derive(Debug, Clone, Default)]
struct Scope {
    /// The target: its name or its alias.
    target: String,
    /// The target's own name.
    relation: String,
    /// The other relations by name or alias, with their own names.
    others: BTreeMap<String, String>,
    /// Names that are no columns: a routine's parameters and variables.
    outside: BTreeSet<String>,
    /// Whether a name without a qualifier is another relation's column: in a query inside the condition it is.
    inner: bool,
}

/// The names of a routine's parameters and variables, which its queries can use beside columns.
pub(super) fn variables(routine: &SyntaxNode) -> BTreeSet<String> {
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
pub(super) fn takes_all(statement: &SyntaxNode, outside: &BTreeSet<String>) -> bool {
    // Where a cursor stands is one row.
    if statement.children().any(|child| child.kind() == K::WHERE_CURRENT_OF) {
        return false;
    }
    let Some(clause) = child(statement, K::WHERE_CLAUSE) else {
        return true;
    };
    rows(&clause, &scope(statement, outside)) == All
}

/// Whether a `MERGE` can update every row of its target: neither its `ON` nor what follows `WHEN` narrows.
pub(super) fn merges_all(statement: &SyntaxNode, outside: &BTreeSet<String>) -> bool {
    let scope = scope(statement, outside);
    let linked = statement
        .children()
        .find(|child| child.kind() == K::USING_ON_CLAUSE)
        .and_then(|using| child(&using, K::ON_CLAUSE))
        .is_some_and(|on| rows(&on, &scope) != All);
    statement.children().any(|when| {
        let narrowed = child(&when, K::MERGE_CONDITION).is_some_and(|condition| rows(&condition, &scope) != All);
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
pub(super) fn upserts_all(statement: &SyntaxNode, outside: &BTreeSet<String>) -> bool {
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

/// A condition, or what it denies.
fn either(tokens: &[Token<'_>], scope: &Scope, denied: bool, depth: usize) -> Rows {
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

fn is_literal(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::String | Kind::Dollar | Kind::Number | Kind::Parameter)
        || token.is_any(&["true", "false"])
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

/// The conditions of a query: its `WHERE` and what follows `ON`, unless a join keeps the rows that `ON` leaves out.
fn conditions<'a, 't>(query: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
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

/// Whether a query gives all rows of the target's table.
fn is_whole(query: &[Token<'_>], scope: &Scope, depth: usize) -> bool {
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

/// Whether a query names this relation where it takes its rows from.
fn reads(query: &[Token<'_>], relation: &str) -> bool {
    query.windows(2).enumerate().any(|(at, pair)| match pair {
        [from, _] if from.is_any(&["from", "table"]) => path(query, at + 1)
            .0
            .is_some_and(|path| path.last().is_some_and(|last| last == relation)),
        _ => false,
    })
}

/// The relations of a `FROM` or `USING`, by the names that columns are qualified with.
fn sources(clause: &[Token<'_>]) -> BTreeMap<String, String> {
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
fn query<'a, 't>(tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
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

/// Whether a comparison with this holds for everything: `LIKE '%'`, `~ '.*'`, `@> '{}'`.
fn trivial(operator: &str, right: &[Token<'_>]) -> bool {
    let [only, rest @ ..] = right else { return false };
    let cast = rest.first().is_none_or(|token| token.text == ":");
    let Some(meaning) = name::string(only, rest).filter(|_| cast) else {
        return false;
    };
    match operator {
        "like" | "ilike" | "similar" | "~~" | "~~*" => !meaning.is_empty() && meaning.chars().all(|c| c == '%'),
        "~" | "~*" => meaning.chars().all(|c| ".*^$?()".contains(c)),
        "@>" => matches!(meaning.trim(), "{}" | "[]"),
        "^@" => meaning.is_empty(),
        _ => false,
    }
}

/// What a comparison of two literals comes to.
fn folded(left: &[Token<'_>], operator: &str, right: &[Token<'_>]) -> Option<bool> {
    let ([one], [other]) = (whole(left), whole(right)) else {
        return None;
    };
    let numbers = one.text.parse::<f64>().ok().zip(other.text.parse::<f64>().ok());
    if let Some((a, b)) = numbers {
        return match operator {
            "=" => Some(a == b),
            "<>" => Some(a != b),
            ">" => Some(a > b),
            ">=" => Some(a >= b),
            "<" => Some(a < b),
            "<=" => Some(a <= b),
            _ => None,
        };
    }
    let same = name::string(one, &[])? == name::string(other, &[])?;
    match operator {
        "=" => Some(same),
        "<>" => Some(!same),
        _ => None,
    }
}

/// What a literal is as a condition.
fn constant(tokens: &[Token<'_>]) -> Option<bool> {
    let [only, rest @ ..] = whole(tokens) else { return None };
    let cast = matches!(rest, [] | [_, _, _]) && rest.first().is_none_or(|token| token.text == ":");
    if !cast {
        return None;
    }
    let text = match only.kind {
        Kind::Word | Kind::Number => only.text.to_ascii_lowercase(),
        _ => name::string(only, rest)?.to_ascii_lowercase(),
    };
    let word = only.kind == Kind::Word;
    match text.trim() {
        "true" => Some(true),
        "false" | "null" if word || text.trim() == "false" => Some(false),
        "t" | "yes" | "y" | "on" | "1" if !word => Some(true),
        "f" | "no" | "n" | "off" | "0" if !word => Some(false),
        _ => None,
    }
}

/// The tokens without brackets around all of them.
fn whole<'a, 't>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let mut rest = tokens;
    while let [open, .., _] = rest
        && open.text == "("
        && closing(rest, 0) == Some(rest.len() - 1)
    {
        let inner = rest.get(1..rest.len() - 1).unwrap_or_default();
        let list = top(inner, |token| token.kind == Kind::Comma).is_some();
        if list
            || inner
                .first()
                .is_none_or(|first| first.is_any(&["select", "with", "values", "table"]))
        {
            break;
        }
        rest = inner;
    }
    rest
}

/// Where the bracket that opens at this place is closed.
fn closing(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(place);
                }
            }
            _ => {}
        }
    }
    None
}

/// The first token outside of brackets that fits.
fn top(tokens: &[Token<'_>], fits: impl Fn(&Token<'_>) -> bool) -> Option<usize> {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ if depth == 0 && fits(token) => return Some(at),
            _ => {}
        }
    }
    None
}

/// The parts between these words, outside of brackets and `CASE`. The `AND` of a `BETWEEN` divides nothing.
fn divided<'a, 't>(tokens: &'t [Token<'a>], word: &str) -> Vec<&'t [Token<'a>]> {
    let (mut depth, mut cases, mut between) = (0usize, 0usize, 0usize);
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 => {
                if token.is("case") {
                    cases += 1;
                } else if token.is("end") {
                    cases = cases.saturating_sub(1);
                } else if cases > 0 {
                    continue;
                } else if token.is("between") {
                    between += 1;
                } else if token.is("and") && between > 0 {
                    between -= 1;
                } else if token.is(word) {
                    parts.extend(tokens.get(start..at));
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    parts.extend(tokens.get(start..));
    parts
}

/// The sides of a comparison and what it is: the operator that binds least. `NOT IN` is "not in", `IS NULL` is "null".
fn compared<'a, 't>(tokens: &'t [Token<'a>]) -> Option<(&'t [Token<'a>], String, &'t [Token<'a>])> {
    let outside = places(tokens);
    let at = |place: usize| tokens.get(place);
    let cut = |left: usize, operator: &str, right: usize| {
        Some((
            tokens.get(..left).unwrap_or_default(),
            operator.to_owned(),
            tokens.get(right..).unwrap_or_default(),
        ))
    };
    // `IS` binds least, and the last one of several is the outermost.
    for place in outside.iter().rev().copied() {
        let Some(token) = at(place) else { continue };
        if token.is("isnull") {
            return cut(place, "null", place + 1);
        }
        if token.is("notnull") {
            return cut(place, "not null", place + 1);
        }
        if token.is("is") {
            let not = at(place + 1).is_some_and(|word| word.is("not"));
            let what = place + 1 + usize::from(not);
            let word = at(what).map(|word| word.text.to_ascii_lowercase()).unwrap_or_default();
            let denied = if not { "not " } else { "" };
            return match word.as_str() {
                "null" | "unknown" => cut(place, &format!("{denied}{word}"), what + 1),
                "true" | "false" => cut(place, &format!("{denied}is {word}"), what + 1),
                "distinct" => cut(place, if not { "=" } else { "<>" }, what + 2),
                _ => cut(place, &format!("{denied}null"), what + 1),
            };
        }
    }
    let operators = runs(tokens, &outside);
    let comparing = |run: &&(usize, usize, String)| matches!(run.2.as_str(), "=" | "<>" | "<" | ">" | "<=" | ">=");
    if let Some((start, end, operator)) = operators.iter().find(comparing) {
        return cut(*start, operator, *end);
    }
    for place in outside.iter().copied() {
        let Some(token) = at(place) else { continue };
        if token.is_any(&["like", "ilike", "in", "between", "similar"]) {
            let not = place.checked_sub(1).and_then(at).is_some_and(|word| word.is("not"));
            let after = place + 1 + usize::from(token.is("similar"));
            let word = token.text.to_ascii_lowercase();
            return if not {
                cut(place - 1, &format!("not {word}"), after)
            } else {
                cut(place, &word, after)
            };
        }
    }
    // What any other operator comes to is a condition only if it is the last one.
    let arithmetic = |run: &&(usize, usize, String)| {
        matches!(
            run.2.as_str(),
            "+" | "-" | "*" | "/" | "%" | "||" | "->" | "->>" | "#>" | "#>>"
        )
    };
    operators
        .iter()
        .rev()
        .find(|run| !arithmetic(run))
        .and_then(|(start, end, operator)| cut(*start, operator, *end))
}

/// The places outside of brackets and `CASE`.
fn places(tokens: &[Token<'_>]) -> Vec<usize> {
    let (mut depth, mut cases) = (0usize, 0usize);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            Kind::Word if token.is("case") => cases += 1,
            Kind::Word if token.is("end") && cases > 0 => cases -= 1,
            _ if cases == 0 => found.push(at),
            _ => {}
        }
    }
    found
}

/// The operators at these places: where each begins and ends, and what it is. `OPERATOR(schema.=)` is one, too.
fn runs(tokens: &[Token<'_>], places: &[usize]) -> Vec<(usize, usize, String)> {
    let mut found: Vec<(usize, usize, String)> = Vec::new();
    let mut ended = 0;
    for place in places.iter().copied() {
        let Some(token) = tokens.get(place) else { continue };
        if token.is("operator") && tokens.get(place + 1).is_some_and(|open| open.text == "(") {
            let end = closing(tokens, place + 1).unwrap_or(tokens.len());
            let inner = tokens.get(place + 2..end).unwrap_or_default();
            let operator = inner
                .iter()
                .filter(|token| token.kind == Kind::Operator)
                .map(|token| token.text)
                .collect::<String>();
            found.push((place, end + 1, operator));
            continue;
        }
        if token.kind != Kind::Operator || token.text == ":" || token.text == "\\" {
            continue;
        }
        match found.last_mut() {
            Some((_, end, operator)) if *end == place && ended == token.start && ended > 0 => {
                operator.push_str(token.text);
                *end = place + 1;
            }
            _ => found.push((place, place + 1, token.text.to_owned())),
        }
        ended = token.end();
    }
    for (start, end, operator) in &mut found {
        // `=-1` is `=` before a sign.
        while operator.len() > 1
            && operator.ends_with(['+', '-'])
            && !operator.contains(['~', '!', '@', '#', '^', '&', '|', '`', '?', '%'])
        {
            operator.pop();
            *end = (*end - 1).max(*start + 1);
        }
        if operator == "!=" {
            *operator = "<>".to_owned();
        }
    }
    found
}

/// The column that is named at this place, its qualifiers before it, and where what follows it begins. None where
/// something else stands there: a keyword, a function, a type.
fn path(tokens: &[Token<'_>], at: usize) -> (Option<Vec<String>>, usize) {
    let before = |back: usize| at.checked_sub(back).and_then(|place| tokens.get(place));
    let Some(first) = tokens.get(at) else { return (None, at) };
    // A type, a collation, a part of what stands in brackets before.
    let casts = before(1).is_some_and(|token| token.text == ":") && before(2).is_some_and(|token| token.text == ":");
    let belongs = before(1).is_some_and(|token| token.is_any(&["collate", "as"]) || token.kind == Kind::Dot);
    let unit = before(1).is_some_and(|token| token.kind == Kind::String) && first.is_any(&UNITS)
        || before(2).is_some_and(|token| token.is("extract")) && before(1).is_some_and(|open| open.text == "(");
    let of_type = before(1).is_some_and(|token| {
        (token.is_any(&["at", "with", "without"]) && first.is("time"))
            || (token.is("time") && first.is("zone"))
            || (token.is("double") && first.is("precision"))
            || (token.is_any(&["character", "char", "bit"]) && first.is("varying"))
    });
    if is_keyword(first, before(1), tokens.get(at + 1)) {
        return (None, at + 1);
    }
    let (path, next) = name_path(tokens, at);
    let follows = tokens.get(next);
    let call = follows.is_some_and(|token| token.text == "(");
    let literal = follows.is_some_and(|token| matches!(token.kind, Kind::String | Kind::Dollar));
    if casts || belongs || unit || of_type || call || literal {
        return (None, next);
    }
    (path, next)
}

/// Whether a word is no column's name where it stands. Some words are one or the other, by what stands beside them.
fn is_keyword(word: &Token<'_>, before: Option<&Token<'_>>, after: Option<&Token<'_>>) -> bool {
    if word.kind != Kind::Word || !word.is_any(&WORDS) {
        return false;
    }
    let after = |words: &[&str]| after.is_some_and(|token| token.is_any(words));
    let before = |words: &[&str]| before.is_some_and(|token| token.is_any(words));
    if word.is("at") {
        after(&["time", "local"])
    } else if word.is("by") {
        before(&["group", "order", "partition"])
    } else if word.is("unknown") {
        before(&["is", "not"])
    } else {
        // `ROW` and `OPERATOR` stand before a bracket, as a function does.
        !word.is_any(&["row", "operator"])
    }
}

/// A name with its qualifiers, and where what follows it begins.
fn name_path(tokens: &[Token<'_>], at: usize) -> (Option<Vec<String>>, usize) {
    let mut parts = Vec::new();
    let mut next = at;
    while let Some(token) = tokens.get(next)
        && let Some(part) = name::named(token, tokens.get(next + 1..).unwrap_or_default())
    {
        parts.push(part);
        next += 1;
        if tokens.get(next).is_some_and(|word| word.is("uescape")) {
            next += 2;
        }
        match tokens.get(next) {
            Some(dot) if dot.kind == Kind::Dot => next += 1,
            _ => break,
        }
    }
    if parts.is_empty() {
        return (None, at + 1);
    }
    (Some(parts), next)
}

/// Words after the string of an interval.
const UNITS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];

/// Words that are no columns where they stand without quotes.
#[rustfmt::skip]
const WORDS: [&str; 81] = [
    "all", "and", "any", "array", "as", "asc", "asymmetric", "at", "authorization", "between", "both", "by", "case", "cast",
    "collate", "cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time",
    "current_timestamp", "current_user", "default", "desc", "distinct", "else", "end", "escape", "except", "exists", "false",
    "fetch", "for", "from", "full", "group", "having", "ilike", "in", "inner", "intersect", "is", "isnull", "join", "lateral",
    "left", "like", "limit", "localtime", "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "operator",
    "or", "order", "outer", "right", "row", "select", "session_user", "similar", "some", "symmetric", "system_user", "then",
    "true", "uescape", "union", "unknown", "user", "using", "variadic", "when", "where", "window", "with",
];
