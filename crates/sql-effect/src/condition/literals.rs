//! Comparisons that hold, or don't, whatever a row holds.

use super::grammar::whole;
use crate::lex::{Kind, Token};
use crate::name;

pub(super) fn is_literal(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::String | Kind::Dollar | Kind::Number | Kind::Parameter)
        || token.is_any(&["true", "false"])
}

/// Whether a comparison with this holds for everything: `LIKE '%'`, `~ '.*'`, `@> '{}'`.
pub(super) fn trivial(operator: &str, right: &[Token<'_>]) -> bool {
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
pub(super) fn folded(left: &[Token<'_>], operator: &str, right: &[Token<'_>]) -> Option<bool> {
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
pub(super) fn constant(tokens: &[Token<'_>]) -> Option<bool> {
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
