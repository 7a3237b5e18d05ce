//! Texts that Postgres reads otherwise under other settings.
//!
//! Where a string ends depends on `standard_conforming_strings` (whether a backslash in a plain `'…'` escapes) and on
//! `client_encoding` (whether a backslash is the second half of a character, in those of East Asia whose characters
//! hold one). What a text means must not depend on either, so each other reading of it is judged, too.

use super::lex::{self, Kind, Token};

/// A way to read characters of two bytes or more.
#[derive(Clone, Copy)]
enum Encoding {
    /// Every ASCII byte is a character.
    Utf8,
    /// A byte over 0x7f takes the next one with it: GBK, BIG5, UHC.
    TwoBytes,
    /// Like it, but that some are characters by themselves: SJIS, SHIFT_JIS_2004.
    ShiftJis,
    /// Like it, but that four bytes can belong together.
    Gb18030,
}

/// The other readings of a text in which its tokens lie elsewhere, each written so that the usual reading of what comes
/// out is that other one. A reading that Postgres refuses is left out, since then nothing of the text runs.
pub(super) fn readings(text: &str) -> Vec<String> {
    if !text.contains('\\') {
        return Vec::new();
    }
    let usual = lex::lex(text);
    let mut found: Vec<String> = Vec::new();
    for encoding in [
        Encoding::Utf8,
        Encoding::TwoBytes,
        Encoding::ShiftJis,
        Encoding::Gb18030,
    ] {
        let Some(decoded) = decoded(text, encoding) else {
            continue;
        };
        for escaping in [false, true] {
            let tokens = lex::lex_as(&decoded, escaping);
            if refused(&tokens, escaping) || same_places(&usual, &tokens) {
                continue;
            }
            let reading = if escaping {
                escaped(&decoded, &tokens)
            } else {
                decoded.clone()
            };
            if !found.contains(&reading) {
                found.push(reading);
            }
        }
    }
    found
}

/// A text whose plain strings mean what they mean where a backslash in them escapes; `None` if that is what they mean
/// anyway, or if Postgres would refuse it.
pub(super) fn escaping(text: &str) -> Option<String> {
    let tokens = lex::lex_as(text, true);
    let matters = tokens.iter().any(|token| is_plain(token) && token.text.contains('\\'));
    (matters && !refused(&tokens, true)).then(|| escaped(text, &tokens))
}

/// The text with a letter for every backslash that this encoding takes for a half of a character; `None` where there is
/// none, so that nothing is read otherwise. It keeps the places of all others, since a letter is one byte, too.
fn decoded(text: &str, encoding: Encoding) -> Option<String> {
    if matches!(encoding, Encoding::Utf8) {
        return Some(text.to_owned());
    }
    let mut bytes = text.as_bytes().to_vec();
    let mut rest = 0;
    let mut changed = false;
    while let Some(first) = bytes.get(rest).copied() {
        let second = bytes.get(rest + 1).copied();
        let length = match encoding {
            _ if first.is_ascii() => 1,
            Encoding::ShiftJis if (0xa1..=0xdf).contains(&first) => 1,
            Encoding::Gb18030 if second.is_some_and(|second| second.is_ascii_digit()) => 4,
            _ => 2,
        };
        if length == 2
            && let Some(second) = bytes.get_mut(rest + 1).filter(|second| **second == b'\\')
        {
            *second = b'x';
            changed = true;
        }
        rest += length;
    }
    changed.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether Postgres' parser would refuse a text with these tokens, and so run nothing of it.
fn refused(tokens: &[Token<'_>], escaping: bool) -> bool {
    let is_unicode = |token: &Token<'_>| token.kind == Kind::String && token.text.starts_with(['u', 'U']);
    tokens
        .iter()
        .any(|token| matches!(token.kind, Kind::Broken | Kind::Backslash) || (escaping && is_unicode(token)))
}

fn same_places(one: &[Token<'_>], other: &[Token<'_>]) -> bool {
    let place = |token: &Token<'_>| (token.kind, token.start, token.text.len());
    one.iter().map(place).eq(other.iter().map(place))
}

/// Whether a token is a string whose escapes depend on the setting.
fn is_plain(token: &Token<'_>) -> bool {
    token.kind == Kind::String && token.text.starts_with(['\'', 'n', 'N'])
}

/// The text with an `E` before every plain string, so that its backslashes escape. Those that continue another follow
/// its rules.
fn escaped(text: &str, tokens: &[Token<'_>]) -> String {
    let mut written = String::with_capacity(text.len() + tokens.len());
    let mut end = 0;
    let mut continues = false;
    for token in tokens {
        if is_plain(token) && !continues {
            written.push_str(text.get(end..token.start).unwrap_or_default());
            written.push('E');
            end = token.start + usize::from(!token.text.starts_with('\''));
        }
        continues = token.kind == Kind::String;
    }
    written.push_str(text.get(end..).unwrap_or_default());
    written
}
