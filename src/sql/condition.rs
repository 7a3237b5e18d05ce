//! Conditions that hold for every row, however they are written.

use squawk_syntax::{SyntaxKind, SyntaxNode, SyntaxToken};

/// How deep a condition is looked into; beyond that it counts as a real one.
const DEEPEST: usize = 40;

/// Whether a statement touches every row: it has no `WHERE`, or one that is always true.
pub(super) fn takes_all(statement: &SyntaxNode) -> bool {
    use SyntaxKind as K;
    if statement.children().any(|child| child.kind() == K::WHERE_CURRENT_OF) {
        return false;
    }
    let Some(clause) = statement.children().find(|child| child.kind() == K::WHERE_CLAUSE) else {
        return true;
    };
    match clause.children().next() {
        Some(condition) => value(&condition, DEEPEST) == Some(true),
        None => true,
    }
}

/// What a condition is for every row, where that shows without knowing any.
fn value(node: &SyntaxNode, depth: usize) -> Option<bool> {
    use SyntaxKind as K;
    let depth = depth.checked_sub(1)?;
    let mut children = node.children();
    match node.kind() {
        K::PAREN_EXPR | K::CAST_EXPR => value(&children.next()?, depth),
        K::LITERAL => literal(node),
        K::PREFIX_EXPR if has(node, K::NOT_KW) => value(&children.next()?, depth).map(|inner| !inner),
        K::BIN_EXPR => {
            let (left, right) = (children.next()?, children.last()?);
            if has(node, K::AND_KW) {
                return match (value(&left, depth), value(&right, depth)) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
            }
            if has(node, K::OR_KW) {
                return match (value(&left, depth), value(&right, depth)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                };
            }
            compared(node, &left, &right)
        }
        _ => None,
    }
}

/// `1 = 1`, `a = a`, `1 <> 2`, `2 > 1` and `'a' LIKE '%'`.
fn compared(node: &SyntaxNode, left: &SyntaxNode, right: &SyntaxNode) -> Option<bool> {
    use SyntaxKind as K;
    let (one, other) = (written(left), written(right));
    let literals = left.kind() == K::LITERAL && right.kind() == K::LITERAL;
    if tokens(right).as_slice() == ["'%'"] && (has_node(node, K::LIKE_KW) || has_node(node, K::ILIKE_KW)) {
        return Some(true);
    }
    let numbers = one.parse::<f64>().ok().zip(other.parse::<f64>().ok());
    let operator = operator(node)?;
    match (operator.as_str(), numbers) {
        ("=", Some((a, b))) => Some(a == b),
        ("<>" | "!=", Some((a, b))) => Some(a != b),
        (">", Some((a, b))) => Some(a > b),
        (">=", Some((a, b))) => Some(a >= b),
        ("<", Some((a, b))) => Some(a < b),
        ("<=", Some((a, b))) => Some(a <= b),
        // The same on both sides holds for all rows but those with a null.
        ("=" | ">=" | "<=", None) if one == other => Some(true),
        ("=", None) if literals => Some(false),
        ("<>" | "!=", None) if literals => Some(one != other),
        _ => None,
    }
}

fn literal(node: &SyntaxNode) -> Option<bool> {
    let text = written(node).to_ascii_lowercase();
    match text.trim_matches('\'').trim() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" | "null" => Some(false),
        _ => None,
    }
}

fn operator(node: &SyntaxNode) -> Option<String> {
    let mut text = String::new();
    for element in node.children_with_tokens() {
        match element.kind() {
            SyntaxKind::WHITESPACE | SyntaxKind::COMMENT => continue,
            _ => {}
        }
        let token = element.into_token();
        match token {
            Some(token) => text.push_str(token.text()),
            None if text.is_empty() => continue,
            None => break,
        }
    }
    // Some operators are nodes of their own.
    if text.is_empty() {
        text = node.children().nth(1).map(|op| written(&op)).unwrap_or_default();
    }
    (!text.is_empty()).then_some(text)
}

fn has(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children_with_tokens().any(|element| element.kind() == kind)
}

/// Like [`has`], but looks into an operator's own node, too.
fn has_node(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    has(node, kind) || node.children().any(|child| has(&child, kind))
}

fn tokens(node: &SyntaxNode) -> Vec<String> {
    let plain = |token: &SyntaxToken| !matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT);
    node.descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(plain)
        .map(|token| token.text().to_owned())
        .collect()
}

/// A node's text without blanks and comments, to compare by.
fn written(node: &SyntaxNode) -> String {
    tokens(node).join("")
}
