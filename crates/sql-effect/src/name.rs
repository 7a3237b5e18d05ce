//! Names and strings as Postgres means them: folded to lower case, quotes and escapes undone.

use super::lex::{Kind, Token};
use std::fmt;

/// The longest name that Postgres keeps, in bytes; the rest of a longer one is cut off.
const LONGEST: usize = 63;

/// A relation's name, as Postgres would look it up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema, where one was written.
    pub schema: Option<String>,
    /// The name itself.
    pub name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(out, "{}.", quoted(schema))?;
        }
        out.write_str(&quoted(&self.name))
    }
}

/// A name as SQL would have to write it, without characters that move a reader's eye.
pub(super) fn quoted(name: &str) -> String {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) {
        return name.to_owned();
    }
    format!("\"{}\"", visible(&name.replace('"', "\"\"")))
}

/// A piece of SQL for a sentence: on one line, not long, and without characters that can't be seen.
pub(super) fn excerpt(text: &str) -> String {
    const SHOWN: usize = 160;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    visible(&shown)
}

fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars()
        .map(|c| {
            if hidden(c) {
                c.escape_unicode().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// The relation that tokens begin with: `name`, `schema.name` or `database.schema.name`.
pub(super) fn path(tokens: &[Token<'_>]) -> Option<TableName> {
    let mut parts = Vec::new();
    let mut rest = tokens;
    loop {
        let (first, after) = rest.split_first()?;
        parts.push(named(first, after)?);
        // `UESCAPE 'x'` belongs to the name before it.
        let after = match after {
            [word, _, after @ ..] if word.is("uescape") => after,
            _ => after,
        };
        match after.split_first() {
            Some((dot, after)) if dot.kind == Kind::Dot => rest = after,
            _ => break,
        }
    }
    let name = parts.pop()?;
    Some(TableName {
        schema: parts.pop(),
        name,
    })
}

/// What a name's token means, with the tokens after it, since `UESCAPE` follows the name it belongs to. None where it
/// isn't a name or its escapes are wrong.
pub(super) fn named(token: &Token<'_>, after: &[Token<'_>]) -> Option<String> {
    let name = match token.kind {
        Kind::Word => token.text.to_ascii_lowercase(),
        Kind::Quoted => unquoted(token.text.get(1..)?, '"')?,
        Kind::Unicode => unicode(&unquoted(token.text.get(3..)?, '"')?, escape_of(after)?)?,
        _ => return None,
    };
    Some(cut(name))
}

/// The escape character that `UESCAPE` names, or the usual one.
fn escape_of(after: &[Token<'_>]) -> Option<char> {
    match after {
        [word, string, ..] if word.is("uescape") => {
            let mut inner = string.text.strip_prefix('\'')?.strip_suffix('\'')?.chars();
            let escape = inner.next()?;
            inner.next().is_none().then_some(escape)
        }
        _ => Some('\\'),
    }
}

/// What a string's token means. None where it isn't a string or its escapes are wrong.
pub(super) fn string(token: &Token<'_>, after: &[Token<'_>]) -> Option<String> {
    let text = token.text;
    if token.kind == Kind::Dollar {
        let fence = text.get(1..)?.find('$')? + 2;
        return text.get(fence..text.len().checked_sub(fence)?).map(str::to_owned);
    }
    if token.kind != Kind::String {
        return None;
    }
    match text.chars().next()? {
        '\'' => unquoted(text.get(1..)?, '\''),
        'e' | 'E' => escaped(text.get(2..)?.strip_suffix('\'')?),
        'u' | 'U' => unicode(&unquoted(text.get(3..)?, '\'')?, escape_of(after)?),
        _ => unquoted(text.get(2..)?, '\''),
    }
}

/// What a string's token can mean, since whether a backslash in a plain one escapes depends on a setting. Empty where it
/// isn't a string or its escapes are wrong.
pub(super) fn meanings(token: &Token<'_>, after: &[Token<'_>]) -> Vec<String> {
    let mut found: Vec<String> = string(token, after).into_iter().collect();
    let plain = token.kind == Kind::String && token.text.starts_with(['\'', 'n', 'N']);
    if plain && token.text.contains('\\') {
        let inner = token.text.trim_start_matches(['n', 'N']);
        let escaped = inner
            .get(1..)
            .and_then(|inner| inner.strip_suffix('\''))
            .and_then(escaped);
        found.extend(escaped.filter(|meaning| !found.contains(meaning)));
    }
    found
}

fn unquoted(rest: &str, quote: char) -> Option<String> {
    let doubled = format!("{quote}{quote}");
    Some(rest.strip_suffix(quote)?.replace(&doubled, &quote.to_string()))
}

/// Undoes `\XXXX`, `\+XXXXXX` and the doubled escape.
fn unicode(text: &str, escape: char) -> Option<String> {
    let mut units = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != escape {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        let tail = rest.as_str();
        let (code, length) = if tail.starts_with(escape) {
            (u32::from(escape), escape.len_utf8())
        } else if let Some(long) = tail.strip_prefix('+') {
            (hex(long.get(..6)?)?, 7)
        } else {
            (hex(tail.get(..4)?)?, 4)
        };
        match char::from_u32(code) {
            Some(c) => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
            // Half of a surrogate pair: whether the other half follows shows at the end.
            None => units.push(u16::try_from(code).ok()?),
        }
        rest = tail.get(length..)?.chars();
    }
    String::from_utf16(&units).ok()
}

fn hex(digits: &str) -> Option<u32> {
    digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Undoes the escapes of `E'…'`.
fn escaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        match c {
            '\'' => {
                rest = rest.strip_prefix('\'')?;
                bytes.push(b'\'');
            }
            '\\' => {
                let next = rest.chars().next()?;
                rest = rest.get(next.len_utf8()..)?;
                let digits = |radix: u32, most: usize| {
                    rest.chars()
                        .take(most)
                        .take_while(|c| c.is_digit(radix))
                        .map(char::len_utf8)
                        .sum::<usize>()
                };
                let code = match next {
                    'b' => 8,
                    'f' => 12,
                    'n' => 10,
                    'r' => 13,
                    't' => 9,
                    'x' if digits(16, 2) > 0 => {
                        let (number, tail) = rest.split_at_checked(digits(16, 2))?;
                        rest = tail;
                        bytes.push(u8::from_str_radix(number, 16).ok()?);
                        continue;
                    }
                    '0'..='7' => {
                        let (number, tail) = rest.split_at_checked(digits(8, 2))?;
                        rest = tail;
                        let number = u32::from_str_radix(&format!("{next}{number}"), 8).ok()?;
                        bytes.push(u8::try_from(number & 0xff).ok()?);
                        continue;
                    }
                    'u' | 'U' => {
                        let (number, tail) = rest.split_at_checked(if next == 'u' { 4 } else { 8 })?;
                        rest = tail;
                        hex(number)?
                    }
                    other => u32::from(other),
                };
                bytes.extend(char::from_u32(code)?.encode_utf8(&mut [0; 4]).bytes());
            }
            c => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

fn cut(mut name: String) -> String {
    if name.len() > LONGEST {
        let end = (0..=LONGEST)
            .rev()
            .find(|end| name.is_char_boundary(*end))
            .unwrap_or_default();
        name.truncate(end);
    }
    name
}
