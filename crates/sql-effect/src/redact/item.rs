//! A text's tokens with their strings put together: what each says, and where its content stands.

use crate::lex::{Kind, Token};

/// A token, or all pieces of one string.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) token: Token<'a>,
    /// What a string says, a name without its quotes is.
    pub(super) says: String,
    pub(super) string: Option<Quoting>,
    /// Where the content of each piece of a string stands.
    pub(super) pieces: Vec<std::ops::Range<usize>>,
    /// The bracket that it stands in, by its place; of a closing bracket the one that it closes.
    pub(super) inside: Option<usize>,
    /// Where an opening bracket closes.
    pub(super) closes: Option<usize>,
}

/// How a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    Plain,
    Escapes,
    Unicode(char),
    Dollar,
}

impl Item<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.token.is(word)
    }

    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        self.token.is_any(words)
    }

    pub(super) fn is_name(&self) -> bool {
        matches!(self.token.kind, Kind::Word | Kind::Quoted | Kind::Unicode)
    }

    pub(super) fn kind(&self) -> Kind {
        self.token.kind
    }

    pub(super) fn is_operator(&self, text: &str) -> bool {
        self.kind() == Kind::Operator && self.token.text == text
    }
}

/// Puts the pieces of a string together and takes its quotes off.
pub(super) fn items<'a>(text: &'a str, tokens: &[Token<'a>]) -> Vec<Item<'a>> {
    let mut items: Vec<Item<'a>> = Vec::with_capacity(tokens.len());
    let mut open: Vec<usize> = Vec::new();
    for token in tokens {
        let inside = open.last().copied();
        match token.kind {
            Kind::Open => open.push(items.len()),
            Kind::Close => {
                open.pop();
            }
            _ => {}
        }
        if token.kind == Kind::String
            && let Some(last) = items.last_mut()
            && last.kind() == Kind::String
            && token.text.starts_with('\'')
            && let Some(end) = last.pieces.last().map(|piece| piece.end + 1)
            && text.get(end..token.start).is_some_and(continues)
        {
            last.pieces.push(token.start + 1..token.end().saturating_sub(1));
            continue;
        }
        let (string, pieces) = match token.kind {
            Kind::String => {
                let (quoting, opening) = match token.text.chars().next() {
                    Some('e' | 'E') => (Quoting::Escapes, 2),
                    Some('u' | 'U') => (Quoting::Unicode('\\'), 3),
                    Some('\'') => (Quoting::Plain, 1),
                    _ => (Quoting::Plain, 2),
                };
                let content = token.start + opening..token.end().saturating_sub(1);
                (Some(quoting), vec![content])
            }
            Kind::Dollar => {
                let tag = token
                    .text
                    .get(1..)
                    .and_then(|rest| rest.find('$'))
                    .map_or(1, |end| end + 2);
                (
                    Some(Quoting::Dollar),
                    std::iter::once(token.start + tag..token.end().saturating_sub(tag)).collect(),
                )
            }
            _ => (None, Vec::new()),
        };
        let says = match token.kind {
            Kind::Word => token.text.to_owned(),
            Kind::Quoted => token.text.trim_matches('"').replace("\"\"", "\""),
            Kind::Unicode => decoded(
                token
                    .text
                    .get(3..token.text.len().saturating_sub(1))
                    .unwrap_or_default(),
                Quoting::Unicode('\\'),
            ),
            _ => String::new(),
        };
        items.push(Item {
            token: *token,
            says,
            string,
            pieces,
            inside,
            closes: None,
        });
        if token.kind == Kind::Close
            && let Some(at) = inside
        {
            let close = items.len() - 1;
            if let Some(open) = items.get_mut(at) {
                open.closes = Some(close);
            }
        }
    }
    let custom: Vec<(usize, char)> = items
        .windows(3)
        .enumerate()
        .filter_map(|(at, three)| match three {
            [string, word, escape] if string.string == Some(Quoting::Unicode('\\')) && word.is("uescape") => Some((
                at,
                escape
                    .pieces
                    .first()
                    .and_then(|piece| text.get(piece.clone()))?
                    .chars()
                    .next()?,
            )),
            _ => None,
        })
        .collect();
    for (at, escape) in custom {
        if let Some(item) = items.get_mut(at) {
            item.string = Some(Quoting::Unicode(escape));
        }
    }
    for item in &mut items {
        if let Some(quoting) = item.string {
            let whole: String = item.pieces.iter().filter_map(|piece| text.get(piece.clone())).collect();
            item.says = decoded(&whole, quoting);
        }
    }
    items
}

/// Whether what stands between two strings makes the second go on with the first: blanks with a line break, and `--` comments.
fn continues(between: &str) -> bool {
    let lines: Vec<&str> = between.split(['\n', '\r']).map(str::trim).collect();
    lines.len() > 1 && lines.iter().all(|line| line.is_empty() || line.starts_with("--"))
}

/// What a string says.
fn decoded(text: &str, quoting: Quoting) -> String {
    if quoting == Quoting::Dollar {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let push = |bytes: &mut Vec<u8>, character: char| {
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    };
    while let Some(character) = chars.next() {
        match (character, quoting) {
            ('\'', _) => {
                chars.next_if_eq(&'\'');
                bytes.push(b'\'');
            }
            (escape, Quoting::Unicode(own)) if escape == own => {
                if chars.next_if_eq(&own).is_some() {
                    push(&mut bytes, own);
                    continue;
                }
                let length = if chars.next_if_eq(&'+').is_some() { 6 } else { 4 };
                push(
                    &mut bytes,
                    digits(&mut chars, length, 16)
                        .and_then(char::from_u32)
                        .unwrap_or('\u{fffd}'),
                );
            }
            ('\\', Quoting::Escapes) => match chars.next() {
                Some('b') => bytes.push(8),
                Some('f') => bytes.push(12),
                Some('n') => bytes.push(b'\n'),
                Some('r') => bytes.push(b'\r'),
                Some('t') => bytes.push(b'\t'),
                Some('x') => match digits(&mut chars, 2, 16) {
                    Some(byte) => bytes.push(u8::try_from(byte).unwrap_or(b'?')),
                    None => bytes.push(b'x'),
                },
                Some(wide @ ('u' | 'U')) => {
                    let length = if wide == 'u' { 4 } else { 8 };
                    push(
                        &mut bytes,
                        digits(&mut chars, length, 16)
                            .and_then(char::from_u32)
                            .unwrap_or('\u{fffd}'),
                    );
                }
                Some(first @ '0'..='7') => {
                    let more = digits(&mut chars, 2, 8);
                    let first = first.to_digit(8).unwrap_or_default();
                    let more_count = more.map_or(0, |more| if more > 7 { 2 } else { 1 });
                    let value = match more_count {
                        0 => first,
                        1 => first * 8 + more.unwrap_or_default(),
                        _ => first * 64 + more.unwrap_or_default(),
                    };
                    bytes.push(u8::try_from(value & 0xff).unwrap_or(b'?'));
                }
                Some(other) => push(&mut bytes, other),
                None => bytes.push(b'\\'),
            },
            (other, _) => push(&mut bytes, other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Up to so many digits, as a number; nothing where there are none.
fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, most: usize, radix: u32) -> Option<u32> {
    let mut value: Option<u32> = None;
    for _ in 0..most {
        let Some(digit) = chars.peek().and_then(|character| character.to_digit(radix)) else {
            break;
        };
        chars.next();
        value = Some(value.unwrap_or_default().wrapping_mul(radix).wrapping_add(digit));
    }
    value
}

/// A text as the content of a string that is written so.
pub(super) fn encoded(text: &str, quoting: Quoting) -> String {
    match quoting {
        Quoting::Dollar => text.to_owned(),
        Quoting::Plain => text.replace('\'', "''"),
        Quoting::Escapes => text.replace('\\', "\\\\").replace('\'', "''"),
        Quoting::Unicode(own) => text.replace(own, &format!("{own}{own}")).replace('\'', "''"),
    }
}
