//! How a condition divides, by the precedence of Postgres' grammar: its parts, its comparisons, the names in it.

use crate::lex::{Kind, Token};
use crate::name;

/// The tokens without brackets around all of them.
pub(super) fn whole<'a, 't>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
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
pub(super) fn closing(tokens: &[Token<'_>], at: usize) -> Option<usize> {
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
pub(super) fn top(tokens: &[Token<'_>], fits: impl Fn(&Token<'_>) -> bool) -> Option<usize> {
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
pub(super) fn divided<'a, 't>(tokens: &'t [Token<'a>], word: &str) -> Vec<&'t [Token<'a>]> {
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
pub(super) fn compared<'a, 't>(tokens: &'t [Token<'a>]) -> Option<(&'t [Token<'a>], String, &'t [Token<'a>])> {
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
pub(super) fn places(tokens: &[Token<'_>]) -> Vec<usize> {
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
pub(super) fn runs(tokens: &[Token<'_>], places: &[usize]) -> Vec<(usize, usize, String)> {
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
pub(super) fn path(tokens: &[Token<'_>], at: usize) -> (Option<Vec<String>>, usize) {
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
pub(super) fn is_keyword(word: &Token<'_>, before: Option<&Token<'_>>, after: Option<&Token<'_>>) -> bool {
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
pub(super) fn name_path(tokens: &[Token<'_>], at: usize) -> (Option<Vec<String>>, usize) {
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
pub(super) const WORDS: [&str; 81] = [
    "all", "and", "any", "array", "as", "asc", "asymmetric", "at", "authorization", "between", "both", "by", "case", "cast",
    "collate", "cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time",
    "current_timestamp", "current_user", "default", "desc", "distinct", "else", "end", "escape", "except", "exists", "false",
    "fetch", "for", "from", "full", "group", "having", "ilike", "in", "inner", "intersect", "is", "isnull", "join", "lateral",
    "left", "like", "limit", "localtime", "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "operator",
    "or", "order", "outer", "right", "row", "select", "session_user", "similar", "some", "symmetric", "system_user", "then",
    "true", "uescape", "union", "unknown", "user", "using", "variadic", "when", "where", "window", "with",
];
