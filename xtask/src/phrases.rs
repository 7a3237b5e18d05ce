//! Tests that look for a phrase in a message: the phrase can't be worded anew without them. They are to look at kinds, keys
//! and names, and wording is pinned in `tests/it/wording`.
//!
//! A *phrase* is a text of three words or more that is no SQL. Tests look for one where it is what a call like `contains` is
//! given, where it stands in a comparison, or where a loop goes over it and gives it to such a call.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Calls that look for a part of a text.
const LOOKS: &[&str] = &[
    "contains",
    "starts_with",
    "ends_with",
    "strip_prefix",
    "strip_suffix",
    "split",
    "split_once",
    "rsplit_once",
    "find",
    "rfind",
    "matches",
    "says",
];

/// How SQL begins.
const SQL: &[&str] = &[
    "alter", "analyze", "begin", "call", "comment", "commit", "copy", "create", "declare", "delete", "do", "drop",
    "execute", "explain", "grant", "insert", "listen", "lock", "prepare", "reindex", "reset", "revoke", "rollback",
    "select", "set", "truncate", "update", "vacuum", "with",
];

/// Finds the phrases that a file of tests looks for.
///
/// # Errors
///
/// When the text is no Rust.
pub fn phrases(text: &str) -> Result<Vec<String>, proc_macro2::LexError> {
    let mut found = Vec::new();
    look(text.parse()?, &mut found);
    Ok(found)
}

/// Finds the phrases that the tests inside of a source look for.
///
/// # Errors
///
/// When the text is no Rust.
pub fn phrases_of_unit_tests(text: &str) -> Result<Vec<String>, proc_macro2::LexError> {
    let mut found = Vec::new();
    look_in_unit_tests(text.parse()?, &mut found);
    Ok(found)
}

fn look_in_unit_tests(tokens: TokenStream, found: &mut Vec<String>) {
    let mut are_next = false;
    for token in tokens {
        let TokenTree::Group(group) = token else { continue };
        match group.delimiter() {
            Delimiter::Bracket if group.stream().to_string().replace(' ', "") == "cfg(test)" => are_next = true,
            Delimiter::Brace if are_next => {
                look(group.stream(), found);
                are_next = false;
            }
            _ => look_in_unit_tests(group.stream(), found),
        }
    }
}

fn look(tokens: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
        match token {
            TokenTree::Group(group) => {
                match before(1) {
                    Some(TokenTree::Ident(name)) if LOOKS.iter().any(|look| name == look) => {
                        found.extend(first_text(group).filter(|text| is_phrase(text)));
                    }
                    Some(TokenTree::Punct(mark)) if mark.as_char() == '!' => {
                        let name = before(2).map(ToString::to_string).unwrap_or_default();
                        if matches!(name.as_str(), "assert_eq" | "assert_ne") {
                            found.extend(compared(group).into_iter().filter(|text| is_phrase(text)));
                        }
                    }
                    _ => {}
                }
                look(group.stream(), found);
            }
            TokenTree::Ident(word) if word == "for" => {
                found.extend(gone_over(tokens.get(at + 1..).unwrap_or_default()))
            }
            TokenTree::Literal(literal) if follows_comparison(&tokens, at) => {
                found.extend(text_of(&literal.to_string()).filter(|text| is_phrase(text)));
            }
            _ => {}
        }
    }
}

/// The text that a call is given first, behind a `&`.
fn first_text(group: &Group) -> Option<String> {
    let mut tokens = group.stream().into_iter();
    let mut first = tokens.next()?;
    while matches!(&first, TokenTree::Punct(mark) if mark.as_char() == '&') {
        first = tokens.next()?;
    }
    match first {
        TokenTree::Literal(literal) => text_of(&literal.to_string()),
        _ => None,
    }
}

/// The texts that stand alone on a side of an `assert_eq`.
fn compared(group: &Group) -> Vec<String> {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let sides = tokens.split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ','));
    let texts = sides.take(2).filter_map(|side| match side {
        [TokenTree::Literal(literal)] => text_of(&literal.to_string()),
        _ => None,
    });
    texts.collect()
}

/// Whether `==` or `!=` stands before a token.
fn follows_comparison(tokens: &[TokenTree], at: usize) -> bool {
    let mark = |back: usize| match at.checked_sub(back).and_then(|at| tokens.get(at)) {
        Some(TokenTree::Punct(mark)) => mark.as_char(),
        _ => ' ',
    };
    mark(1) == '=' && matches!(mark(2), '=' | '!')
}

/// The phrases of a list that a loop goes over, where the body gives what it is handed to a call that looks.
fn gone_over(rest: &[TokenTree]) -> Vec<String> {
    let Some(begin) = rest
        .iter()
        .position(|token| matches!(token, TokenTree::Ident(word) if word == "in"))
    else {
        return Vec::new();
    };
    let (names, rest) = rest.split_at(begin);
    let body = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let Some(end) = rest.iter().position(body) else {
        return Vec::new();
    };
    let (list, rest) = rest.split_at(end);
    let mut sought = Vec::new();
    if let Some(TokenTree::Group(body)) = rest.first() {
        names_sought(body.stream(), &mut sought);
    }
    // The name, or its place in the tuple that each item is.
    let place = match names {
        [TokenTree::Ident(name)] => sought.contains(&name.to_string()).then_some(None),
        [TokenTree::Group(tuple)] => {
            let parts = parts(tuple.stream());
            let at = parts.iter().position(|part| match part.as_slice() {
                [TokenTree::Ident(name)] => sought.contains(&name.to_string()),
                _ => false,
            });
            at.map(Some)
        }
        _ => None,
    };
    let Some(place) = place else { return Vec::new() };
    let mut found = Vec::new();
    for token in list {
        let TokenTree::Group(items) = token else { continue };
        for item in parts(items.stream()) {
            let part = match (place, item.as_slice()) {
                (Some(at), [TokenTree::Group(tuple)]) => parts(tuple.stream()).get(at).cloned().unwrap_or_default(),
                _ => item,
            };
            if let [TokenTree::Literal(literal)] = part.as_slice() {
                found.extend(text_of(&literal.to_string()).filter(|text| is_phrase(text)));
            }
        }
    }
    found
}

/// What stands between commas.
fn parts(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let parts = tokens.split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ','));
    parts.map(<[TokenTree]>::to_vec).collect()
}

/// The names that are handed to a call that looks.
fn names_sought(tokens: TokenStream, sought: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for pair in tokens.windows(2) {
        if let [TokenTree::Ident(call), TokenTree::Group(given)] = pair
            && LOOKS.iter().any(|look| call == look)
        {
            let given: Vec<TokenTree> = given.stream().into_iter().collect();
            if let [.., TokenTree::Ident(name)] = given.as_slice()
                && given.len() <= 2
            {
                sought.push(name.to_string());
            }
        }
    }
    for token in tokens {
        if let TokenTree::Group(group) = token {
            names_sought(group.stream(), sought);
        }
    }
}

/// The text of a literal, if it is one.
fn text_of(literal: &str) -> Option<String> {
    match syn::parse_str(literal).ok()? {
        syn::Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

/// Whether a text is three words or more, at least two of them in lower case, and no SQL.
fn is_phrase(text: &str) -> bool {
    let letters = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '-');
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|token| token.trim_matches(|c: char| c.is_ascii_punctuation()))
        .filter(|word| !word.is_empty() && word.chars().all(letters))
        .collect();
    let lower = |word: &&&str| word.len() > 1 && word.chars().all(|c| c.is_lowercase() || matches!(c, '\'' | '-'));
    let is_sql = text
        .split_whitespace()
        .next()
        .is_some_and(|first| SQL.contains(&first.to_lowercase().as_str()));
    words.len() >= 3 && words.iter().filter(lower).count() >= 2 && !is_sql
}
