//! SQL without its secrets, as it can be shown and kept.
//!
//! A secret is masked inside the string that holds it, found by the tokens around it: after `PASSWORD`, as an option, behind a
//! column, in a connection string. Nothing outside a string is ever masked or left out, so what is shown is what runs. Where a
//! secret stands elsewhere, where characters that can't be seen stand outside of strings and comments, or where what is masked
//! might be run as SQL itself, the text can't be shown as it is, and says so.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::lex::{Kind, Token, lex};
use super::secret::{
    assigns_secret, is_secret_name, is_secret_option, key_value_secrets, query_secrets, uri_passwords,
};
use crate::is_hidden;

/// What stands in place of a secret.
const MASK: &str = "[masked]";

/// The longest text that is looked through, in bytes. A longer one is more than anyone could be shown.
const LONGEST: usize = 50_000;

/// How deep brackets may stand in brackets.
const MAX_BRACKETS: usize = 100;

/// How deep strings in strings are looked into.
const DEEPEST: usize = 6;

/// Why a text can't be shown as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unshowable {
    /// A string, name or comment never ends, or it is too long to be looked through.
    NotRead,
    /// What looks like a secret stands outside a string, or where it can't be told from what runs.
    Secret,
    /// Characters that can't be seen stand outside of strings and comments.
    Hidden,
}

impl Unshowable {
    /// The reason, as the end of a sentence that begins "it ".
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotRead => "holds SQL that can't be read to its end, so no secret in it could be masked",
            Self::Secret => {
                "holds what looks like a secret outside a plain string of its SQL, where it can't be masked without hiding what runs"
            }
            Self::Hidden => "holds characters that can't be shown",
        }
    }
}

/// SQL without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    text: String,
    unshowable: Option<Unshowable>,
    parameters: BTreeSet<usize>,
    hides: bool,
    runs_text: bool,
}

impl Redacted {
    /// The text with its secrets masked; where that isn't possible, its length and digest. It holds no secret either way.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why the text can't be shown as it is, if so.
    #[must_use]
    pub fn unshowable(&self) -> Option<Unshowable> {
        self.unshowable
    }

    /// The numbers of the parameters that are secrets: of `$1` it is 1.
    #[must_use]
    pub fn parameters(&self) -> &BTreeSet<usize> {
        &self.parameters
    }

    /// Whether a masked string could be run as SQL by a statement that runs text.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.hides
    }

    /// Whether it runs text as SQL that is made while it runs.
    #[must_use]
    pub fn runs_text(&self) -> bool {
        self.runs_text
    }

    fn replaced(sql: &str, why: Unshowable, runs_text: bool) -> Self {
        Self {
            text: in_short(sql),
            unshowable: Some(why),
            parameters: BTreeSet::new(),
            hides: true,
            runs_text,
        }
    }
}

/// A text as its length and digest.
fn in_short(sql: &str) -> String {
    let digest = Sha256::digest(sql.as_bytes());
    let digest = base16ct::lower::encode_string(digest.get(..8).unwrap_or_default());
    format!("({} characters of SQL, sha256 {digest}…)", sql.chars().count())
}

/// A text of SQL without its secrets.
#[must_use]
pub fn redact(sql: &str) -> Redacted {
    if sql.len() > LONGEST {
        return Redacted::replaced(sql, Unshowable::NotRead, true);
    }
    let found = scan(sql, Place::Top, 0);
    if let Some(why) = found.unshowable {
        return Redacted::replaced(sql, why, found.runs_text);
    }
    if found.hides && found.runs_text {
        return Redacted::replaced(sql, Unshowable::Secret, true);
    }
    let text = found.applied(sql);
    if !is_same_but_for_strings(sql, &text) {
        return Redacted::replaced(sql, Unshowable::NotRead, found.runs_text);
    }
    Redacted {
        text,
        unshowable: None,
        parameters: found.parameters,
        hides: found.hides,
        runs_text: found.runs_text,
    }
}

/// Whether two texts have the same tokens and the same text between them, whatever their strings hold.
fn is_same_but_for_strings(one: &str, other: &str) -> bool {
    let (before, after) = (lex(one), lex(other));
    let gaps = |text: &str, tokens: &[Token<'_>]| -> Vec<String> {
        let mut from = 0;
        let mut gaps = Vec::new();
        for (start, end) in tokens
            .iter()
            .map(|token| (token.start, token.end()))
            .chain([(text.len(), text.len())])
        {
            gaps.push(text.get(from..start).unwrap_or_default().to_owned());
            from = end;
        }
        gaps
    };
    let is_string = |kind: Kind| matches!(kind, Kind::String | Kind::Dollar);
    before.len() == after.len()
        && before
            .iter()
            .zip(&after)
            .all(|(before, after)| before.kind == after.kind && (is_string(before.kind) || before.text == after.text))
        && gaps(one, &before) == gaps(other, &after)
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The statement itself.
    Top,
    /// A string that runs: the body of a block or routine.
    Code,
    /// A string that may hold anything.
    Data,
}

/// What was found in a text.
#[derive(Debug, Default)]
struct Found {
    /// What replaces which bytes, in order.
    edits: Vec<(std::ops::Range<usize>, String)>,
    unshowable: Option<Unshowable>,
    parameters: BTreeSet<usize>,
    hides: bool,
    runs_text: bool,
}

impl Found {
    fn applied(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (at, with) in &self.edits {
            out.push_str(text.get(from..at.start).unwrap_or_default());
            out.push_str(with);
            from = at.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }

    fn cannot(&mut self, why: Unshowable) {
        self.unshowable.get_or_insert(why);
    }
}

/// A token, or all pieces of one string.
#[derive(Debug)]
struct Item<'a> {
    token: Token<'a>,
    /// What a string says, a name without its quotes is.
    says: String,
    string: Option<Quoting>,
    /// Where the content of each piece of a string stands.
    pieces: Vec<std::ops::Range<usize>>,
    /// The bracket that it stands in, by its place; of a closing bracket the one that it closes.
    inside: Option<usize>,
    /// Where an opening bracket closes.
    closes: Option<usize>,
}

/// How a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    Plain,
    Escapes,
    Unicode(char),
    Dollar,
}

impl Item<'_> {
    fn is(&self, word: &str) -> bool {
        self.token.is(word)
    }

    fn is_any(&self, words: &[&str]) -> bool {
        self.token.is_any(words)
    }

    fn is_name(&self) -> bool {
        matches!(self.token.kind, Kind::Word | Kind::Quoted | Kind::Unicode)
    }

    fn kind(&self) -> Kind {
        self.token.kind
    }

    fn is_operator(&self, text: &str) -> bool {
        self.kind() == Kind::Operator && self.token.text == text
    }
}

/// Puts the pieces of a string together and takes its quotes off.
fn items<'a>(text: &'a str, tokens: &[Token<'a>]) -> Vec<Item<'a>> {
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
fn encoded(text: &str, quoting: Quoting) -> String {
    match quoting {
        Quoting::Dollar => text.to_owned(),
        Quoting::Plain => text.replace('\'', "''"),
        Quoting::Escapes => text.replace('\\', "\\\\").replace('\'', "''"),
        Quoting::Unicode(own) => text.replace(own, &format!("{own}{own}")).replace('\'', "''"),
    }
}

/// Looks through a text.
fn scan(text: &str, place: Place, depth: usize) -> Found {
    let mut found = Found::default();
    let tokens: Vec<Token<'_>> = lex(text);
    if tokens.iter().any(|token| token.kind == Kind::Broken) {
        found.cannot(Unshowable::NotRead);
        // Whatever is in it may run.
        found.runs_text = true;
        return found;
    }
    let mut brackets: usize = 0;
    for token in &tokens {
        match token.kind {
            Kind::Open => brackets += 1,
            Kind::Close => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        if brackets > MAX_BRACKETS {
            found.cannot(Unshowable::NotRead);
            found.runs_text = true;
            return found;
        }
    }
    outside(text, &tokens, place, &mut found);
    let items = items(text, &tokens);
    found.runs_text = items
        .iter()
        .enumerate()
        .any(|(at, item)| runs_text(&items, at, item, place));
    let mut marks = Marks {
        items: &items,
        masked: vec![None; items.len()],
        found,
    };
    marks.mark();
    let Marks { masked, mut found, .. } = marks;
    for (at, item) in items.iter().enumerate() {
        let Some(quoting) = item.string else { continue };
        let content = match masked.get(at).copied().flatten() {
            Some(operand) => {
                found.hides |= !operand;
                (!item.says.is_empty()).then(|| MASK.to_owned())
            }
            None => content(&items, at, depth, &mut found),
        };
        if let Some(content) = content {
            for (index, piece) in item.pieces.iter().enumerate() {
                let with = if index == 0 {
                    encoded(&content, quoting)
                } else {
                    String::new()
                };
                found.edits.push((piece.clone(), with));
            }
        }
    }
    found
}

/// What stands outside of strings: secrets there, and characters that can't be seen.
fn outside(text: &str, tokens: &[Token<'_>], place: Place, found: &mut Found) {
    let mut from = 0;
    let comments = |gap: &str, found: &mut Found| {
        let gap = gap.trim();
        if !gap.is_empty() && (assigns_secret(gap) || !uri_passwords(gap).is_empty() || !query_secrets(gap).is_empty())
        {
            found.cannot(Unshowable::Secret);
        }
    };
    for token in tokens {
        let gap = text.get(from..token.start).unwrap_or_default();
        comments(gap, found);
        from = token.end();
        let blank = |character: char| matches!(character, ' ' | '\t' | '\n' | '\r');
        // A comment may hold anything; what stands between tokens otherwise is white space.
        let hidden_gap = !gap.contains("--") && !gap.contains("/*") && gap.chars().any(|c| !blank(c));
        let is_string = matches!(token.kind, Kind::String | Kind::Dollar);
        if place == Place::Top && (hidden_gap || (!is_string && token.text.chars().any(is_unseen))) {
            found.cannot(Unshowable::Hidden);
        }
        if !is_string && !uri_passwords(token.text).is_empty() {
            found.cannot(Unshowable::Secret);
        }
    }
    comments(text.get(from..).unwrap_or_default(), found);
    if place == Place::Data {
        let mut rest = String::with_capacity(text.len());
        let mut from = 0;
        for token in tokens
            .iter()
            .filter(|token| matches!(token.kind, Kind::String | Kind::Dollar))
        {
            rest.push_str(text.get(from..token.start).unwrap_or_default());
            rest.push_str("''");
            from = token.end();
        }
        rest.push_str(text.get(from..).unwrap_or_default());
        if assigns_secret(&rest) {
            found.cannot(Unshowable::Secret);
        }
    }
}

/// Whether a character can't be told from a blank or from nothing.
fn is_unseen(character: char) -> bool {
    is_hidden(character) || (character.is_whitespace() && character != ' ')
}

/// Functions that run a text as SQL.
const RUNS_TEXT: [&str; 13] = [
    "dblink",
    "dblink_exec",
    "dblink_open",
    "dblink_send_query",
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "crosstab",
    "crosstabn",
    "connectby",
    "ts_stat",
    "ts_rewrite",
    "schedule",
];

/// Whether SQL that is made while it runs is run here.
fn runs_text(items: &[Item<'_>], at: usize, item: &Item<'_>, place: Place) -> bool {
    let next = items.get(at + 1);
    if item.is("execute") && place != Place::Top {
        return !next.is_some_and(|next| next.is_any(&["on", "function", "procedure"]));
    }
    item.is_name()
        && RUNS_TEXT.iter().any(|name| item.says.eq_ignore_ascii_case(name))
        && next.is_some_and(|next| next.token.text == "(")
}

/// What a string that is no secret as a whole holds; nothing where it can stay as it is.
fn content(items: &[Item<'_>], at: usize, depth: usize, found: &mut Found) -> Option<String> {
    let item = items.get(at)?;
    let says = item.says.as_str();
    // Nothing short of this can hold any.
    if says.len() < 5 {
        return None;
    }
    if depth >= DEEPEST {
        if assigns_secret(says) || says.contains('\'') {
            found.cannot(Unshowable::NotRead);
        }
        return None;
    }
    if is_code(items, at) {
        let inner = scan(says, Place::Code, depth + 1);
        if inner.unshowable == Some(Unshowable::NotRead) {
            // In another language. It runs, so nothing of it is masked.
            found.runs_text = true;
            if assigns_secret(says) || !uri_passwords(says).is_empty() || !query_secrets(says).is_empty() {
                found.cannot(Unshowable::Secret);
            }
            return None;
        }
        return inner.taken(says, found);
    }
    if says.trim_start().starts_with(['{', '['])
        && let Ok(mut value) = serde_json::from_str::<Value>(says)
    {
        let before = value.clone();
        in_json(&mut value);
        if value == before {
            return None;
        }
        found.hides = true;
        return Some(value.to_string());
    }
    let is_argument =
        |item: Option<&Item<'_>>| item.is_none_or(|item| matches!(item.token.text, "(" | "," | ")" | ";"));
    let alone = is_argument(at.checked_sub(1).and_then(|before| items.get(before))) && is_argument(items.get(at + 1));
    let after_word = at
        .checked_sub(1)
        .and_then(|before| items.get(before))
        .is_some_and(|before| before.is("connection"));
    if let Some(secrets) = key_value_secrets(says).filter(|secrets| !secrets.is_empty()) {
        found.hides |= !(alone || after_word);
        return Some(without(says, &secrets));
    }
    let mut secrets: Vec<std::ops::Range<usize>> = Vec::new();
    for password in uri_passwords(says) {
        if password.uncertain {
            found.cannot(Unshowable::Secret);
        }
        secrets.push(password.at);
    }
    for value in query_secrets(says) {
        if says
            .get(value.clone())
            .is_some_and(|value| value.contains("/*") || value.contains("*/") || value.contains("--"))
        {
            found.cannot(Unshowable::Secret);
        }
        if !secrets
            .iter()
            .any(|other| other.start < value.end && value.start < other.end)
        {
            secrets.push(value);
        }
    }
    secrets.sort_by_key(|secret| secret.start);
    if !secrets.is_empty() {
        let whole = !says.trim().contains(char::is_whitespace);
        found.hides |= !(whole && (alone || after_word));
        let rest = without(says, &secrets);
        return match data(&rest, depth, found) {
            Some(less) => Some(less),
            None => Some(rest),
        };
    }
    data(says, depth, found)
}

/// What may be SQL, or prose.
fn data(says: &str, depth: usize, found: &mut Found) -> Option<String> {
    // Of most strings nothing needs to be looked at.
    if !says.contains('\'') && !says.contains('$') {
        if assigns_secret(says) {
            found.cannot(Unshowable::Secret);
        }
        return None;
    }
    let inner = scan(says, Place::Data, depth + 1);
    if inner.unshowable == Some(Unshowable::NotRead) {
        if assigns_secret(says) {
            found.cannot(Unshowable::Secret);
        }
        return None;
    }
    inner.taken(says, found)
}

impl Found {
    /// Hands what was found in a string on to the text around it.
    fn taken(self, says: &str, found: &mut Self) -> Option<String> {
        found.hides |= self.hides;
        found.runs_text |= self.runs_text;
        if let Some(why) = self.unshowable {
            found.cannot(why);
        }
        (!self.edits.is_empty()).then(|| self.applied(says))
    }
}

/// A text with these parts masked.
fn without(text: &str, secrets: &[std::ops::Range<usize>]) -> String {
    let edits = secrets.iter().map(|secret| (secret.clone(), MASK.to_owned())).collect();
    Found {
        edits,
        ..Found::default()
    }
    .applied(text)
}

/// Masks what has a secret name in a JSON document.
fn in_json(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if is_secret_name(name) && !value.is_null() && !value.is_boolean() {
                    *value = MASK.into();
                } else {
                    in_json(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(in_json),
        Value::String(text) => {
            let secrets: Vec<_> = uri_passwords(text).into_iter().map(|found| found.at).collect();
            if !secrets.is_empty() {
                *text = without(text, &secrets);
            }
        }
        _ => {}
    }
}

/// Whether a string is the body of a block or routine.
fn is_code(items: &[Item<'_>], at: usize) -> bool {
    let statement = items
        .get(..at)
        .unwrap_or_default()
        .iter()
        .rposition(|item| item.kind() == Kind::Semicolon)
        .map_or(0, |semicolon| semicolon + 1);
    let before = items.get(statement..at).unwrap_or_default();
    let last = before.last();
    if before.iter().any(|item| item.is("do")) && last.is_some_and(|last| last.is("do") || item_is_language(before)) {
        return true;
    }
    let routine = before
        .iter()
        .take(6)
        .any(|item| item.is_any(&["function", "procedure"]));
    routine && before.first().is_some_and(|first| first.is("create")) && last.is_some_and(|last| last.is("as"))
}

/// Whether these end in `LANGUAGE name`.
fn item_is_language(before: &[Item<'_>]) -> bool {
    matches!(before, [.., language, name] if language.is("language") && (name.is_name() || name.string.is_some()))
}

/// What is masked of a text: of each string, whether it is an operand that nothing could run.
struct Marks<'a> {
    items: &'a [Item<'a>],
    masked: Vec<Option<bool>>,
    found: Found,
}

/// What ends an expression at its own depth.
const ENDS: [&str; 24] = [
    "and",
    "or",
    "where",
    "from",
    "returning",
    "group",
    "order",
    "having",
    "limit",
    "when",
    "then",
    "else",
    "end",
    "union",
    "except",
    "intersect",
    "on",
    "as",
    "set",
    "into",
    "using",
    "loop",
    "valid",
    "for",
];

/// Functions whose first arguments are secrets: how many of them.
const SECRET_ARGUMENTS: [(&str, usize); 15] = [
    ("crypt", 1),
    ("digest", 1),
    ("hmac", 2),
    ("encrypt", 2),
    ("encrypt_iv", 2),
    ("decrypt", 2),
    ("decrypt_iv", 2),
    ("pgp_sym_encrypt", 2),
    ("pgp_sym_encrypt_bytea", 2),
    ("pgp_sym_decrypt", 2),
    ("pgp_sym_decrypt_bytea", 2),
    ("pgp_pub_encrypt", 1),
    ("pgp_pub_decrypt", 3),
    ("pgp_pub_decrypt_bytea", 3),
    ("update_secret", 2),
];

/// Functions that take a name and then its value.
const NAMED_VALUES: [&str; 8] = [
    "set_config",
    "json_build_object",
    "jsonb_build_object",
    "jsonb_set",
    "jsonb_set_lax",
    "jsonb_insert",
    "hstore",
    "json_object",
];

impl<'a> Marks<'a> {
    fn item(&self, at: usize) -> Option<&'a Item<'a>> {
        self.items.get(at)
    }

    fn before(&self, at: usize) -> Option<&'a Item<'a>> {
        self.items.get(at.checked_sub(1)?)
    }

    fn mark(&mut self) {
        for at in 0..self.items.len() {
            let Some(item) = self.item(at) else { break };
            if item.is_name() {
                self.name(at, item);
                self.function(at, item);
            }
            if item.string.is_some() {
                self.key(at, item);
            }
            if item.is("default") {
                self.default(at);
            }
            if item.token.text == "(" {
                self.columns(at);
            }
        }
    }

    /// Marks a string or parameter as a secret. `operand` says that nothing could run it.
    fn secret(&mut self, at: usize, operand: bool) {
        let Some(item) = self.item(at) else { return };
        if item.kind() == Kind::Parameter
            && let Some(number) = item.token.text.get(1..).and_then(|number| number.parse().ok())
        {
            self.found.parameters.insert(number);
            self.found.hides |= !operand;
        }
        if item.string.is_some()
            && let Some(mark) = self.masked.get_mut(at)
        {
            *mark = Some(mark.unwrap_or(operand) && operand);
        }
    }

    /// What stands right where the value of a secret is expected, and is no string.
    fn value_outside_a_string(&mut self, at: usize, in_role: bool) {
        let Some(item) = self.item(at) else { return };
        let next_is = |text: &str| self.item(at + 1).is_some_and(|next| next.token.text == text);
        let bare = match item.kind() {
            Kind::Number => true,
            Kind::Quoted | Kind::Unicode => in_role || !(next_is(".") || next_is("(")),
            Kind::Word => in_role && !item.is("null"),
            _ => false,
        };
        if bare {
            self.found.cannot(Unshowable::Secret);
        }
    }

    /// Marks what an expression holds, from there to where it ends.
    fn expression(&mut self, from: usize) {
        let Some(first) = self.item(from) else { return };
        let depth = first.inside;
        let mut at = from;
        // Of each CASE around: whether a value of it stands here, or a condition, which is what is done.
        let mut cases: Vec<bool> = Vec::new();
        while let Some(item) = self.item(at) {
            match cases.last_mut() {
                _ if item.is("case") => cases.push(false),
                Some(value) if item.is_any(&["then", "else"]) => *value = true,
                Some(value) if item.is("when") => *value = false,
                Some(_) if item.is("end") => {
                    cases.pop();
                    at += 1;
                    continue;
                }
                _ => {}
            }
            if item.inside == depth && cases.is_empty() {
                let ends = matches!(item.kind(), Kind::Comma | Kind::Semicolon) || (at > from && item.is_any(&ENDS));
                if ends {
                    return;
                }
            }
            // A closing bracket stands inside the one that it closes.
            if item.kind() == Kind::Close && item.inside == depth && depth.is_some() {
                return;
            }
            if item.token.text == "(" && self.item(at + 1).is_some_and(|next| next.is_any(&["select", "with"])) {
                // Another query's conditions are what is done, not the secret.
                at = self.close(at).unwrap_or(self.items.len());
            } else if cases.iter().all(|value| *value) {
                self.secret(at, false);
            }
            at += 1;
        }
    }

    /// Where the bracket that opens there closes.
    fn close(&self, open: usize) -> Option<usize> {
        self.item(open)?.closes
    }

    /// The parts between the commas of a bracket, as ranges.
    fn parts(&self, open: usize) -> Vec<std::ops::Range<usize>> {
        let Some(close) = self.close(open) else {
            return Vec::new();
        };
        self.split(open + 1, close, Some(open))
    }

    fn split(&self, from: usize, to: usize, depth: Option<usize>) -> Vec<std::ops::Range<usize>> {
        let mut parts = Vec::new();
        let mut start = from;
        for at in from..to {
            let is_comma = self
                .item(at)
                .is_some_and(|item| item.kind() == Kind::Comma && item.inside == depth);
            if is_comma {
                parts.push(start..at);
                start = at + 1;
            }
        }
        parts.push(start..to);
        parts
    }

    fn part(&mut self, part: std::ops::Range<usize>) {
        if part.len() == 1 {
            self.value_outside_a_string(part.start, false);
        }
        for at in part {
            self.secret(at, false);
        }
    }

    /// A name that says secret, and what follows it.
    fn name(&mut self, at: usize, item: &'a Item<'a>) {
        let next = self.item(at + 1);
        let option = self.in_options(item);
        if !(is_secret_name(&item.says) || option && is_secret_option(&item.says)) {
            return;
        }
        let role = item.is("password") && self.in_role(at);
        if role || next.is_some_and(|next| next.string.is_some() || next.kind() == Kind::Parameter) {
            self.secret(at + 1, true);
            if role || option {
                self.value_outside_a_string(at + 1, true);
            }
        }
        // `password text := …` declares a variable.
        let typed = (at + 2..at + 5).find(|at| self.item(*at).is_some_and(|item| item.is_operator(":")));
        let typed = typed.filter(|colon| {
            let between = self.items.get(at + 1..*colon).unwrap_or_default();
            between.iter().all(Item::is_name) && self.item(colon + 1).is_some_and(|next| next.is_operator("="))
        });
        if let Some(value) = self.past_operator(at + 1).or(typed.map(|colon| colon + 2)) {
            self.value_outside_a_string(value, false);
            self.expression(value);
        }
        // `'…' = password`, and `'…' AS password`, which names a whole expression.
        let chain = self.chain_start(at);
        let before = chain.checked_sub(1).and_then(|before| self.item(before));
        let sign = before.is_some_and(|before| before.is_operator("=") || before.is_operator(">"));
        if sign {
            let mut operand = chain;
            while let Some(earlier) = operand.checked_sub(1)
                && self.item(earlier).is_some_and(|item| item.kind() == Kind::Operator)
            {
                operand = earlier;
            }
            if let Some(operand) = operand.checked_sub(1) {
                self.backwards(operand, true);
            }
        }
        let labels = before.is_some_and(|before| before.is("as")) && next.is_none_or(|next| next.token.text != "(");
        if labels && let Some(end) = chain.checked_sub(2) {
            self.backwards(end, false);
        }
        let ends = next.is_none_or(|next| matches!(next.token.text, "," | ")" | ";") || next.is("from"));
        if chain == at && ends && before.is_some_and(|before| before.string.is_some()) {
            self.secret(at.saturating_sub(1), false);
        }
    }

    /// Marks the strings before, up to where their expression begins.
    fn backwards(&mut self, end: usize, condition: bool) {
        let depth = self.item(end).and_then(|item| item.inside);
        for at in (0..=end).rev() {
            let Some(item) = self.item(at) else { return };
            let own = item.inside == depth;
            let begins = item.is_any(&["select", "returning", "distinct", "all"])
                || matches!(item.kind(), Kind::Comma | Kind::Semicolon)
                || (condition && (item.is_any(&ENDS) || item.is("not")));
            if (own && begins) || Some(at) == depth {
                return;
            }
            self.secret(at, false);
        }
    }

    /// Where a name with its qualification begins.
    fn chain_start(&self, at: usize) -> usize {
        let mut start = at;
        while let Some(dot) = start.checked_sub(1)
            && self.item(dot).is_some_and(|item| item.kind() == Kind::Dot)
            && let Some(name) = dot.checked_sub(1)
            && self.item(name).is_some_and(Item::is_name)
        {
            start = name;
        }
        start
    }

    /// What stands behind an operator that compares with or assigns to what stands before it.
    fn past_operator(&self, from: usize) -> Option<usize> {
        let mut at = from;
        // `lower(password) = …`, `password::text = …`, `password || '' = …`
        loop {
            let item = self.item(at)?;
            if item.kind() == Kind::Close {
                at += 1;
            } else if item.is_operator("|")
                && self.item(at + 1).is_some_and(|next| next.is_operator("|"))
                && self.item(at + 2).is_some_and(|next| next.string.is_some())
            {
                at += 3;
            } else if item.is_operator(":") && self.item(at + 1).is_some_and(|next| next.is_operator(":")) {
                at += 3;
                if self.item(at).is_some_and(|item| item.token.text == "(") {
                    at = self.close(at)? + 1;
                }
            } else {
                break;
            }
        }
        let words: [&[&str]; 11] = [
            &["not", "like"],
            &["not", "ilike"],
            &["not", "in"],
            &["like"],
            &["ilike"],
            &["in"],
            &["to"],
            &["is", "distinct", "from"],
            &["is", "not", "distinct", "from"],
            &["between"],
            &["similar", "to"],
        ];
        for words in words {
            let fits = words
                .iter()
                .enumerate()
                .all(|(index, word)| self.item(at + index).is_some_and(|item| item.is(word)));
            if fits {
                return Some(at + words.len());
            }
        }
        let mut operator = String::new();
        while let Some(item) = self.item(at)
            && item.kind() == Kind::Operator
            && operator.len() < 4
        {
            operator.push_str(item.token.text);
            at += 1;
        }
        [
            "=", ":=", "=>", "<>", "!=", "~", "~*", "!~", "!~*", "==", "~~", "~~*", "!~~",
        ]
        .contains(&operator.as_str())
        .then_some(at)
    }

    fn in_options(&self, item: &Item<'_>) -> bool {
        item.inside
            .and_then(|open| self.before(open))
            .is_some_and(|before| before.is("options"))
    }

    /// Whether a statement makes or changes a role.
    fn in_role(&self, at: usize) -> bool {
        let start = self
            .items
            .get(..at)
            .unwrap_or_default()
            .iter()
            .rposition(|item| item.kind() == Kind::Semicolon || item.is_any(&["begin", "then", "else", "loop"]))
            .map_or(0, |before| before + 1);
        match self.items.get(start..) {
            Some([first, second, ..]) => {
                let mapping = self.item(start + 2).is_some_and(|third| third.is("mapping"));
                first.is_any(&["create", "alter"]) && second.is_any(&["role", "user", "group"]) && !mapping
            }
            _ => false,
        }
    }

    /// A function that takes secrets.
    fn function(&mut self, at: usize, item: &'a Item<'a>) {
        if self.item(at + 1).is_none_or(|next| next.token.text != "(") {
            return;
        }
        let name = item.says.to_ascii_lowercase();
        let keyword = item.is_any(&["in", "any", "all", "some", "values", "as", "and", "or", "not"]);
        let count = match SECRET_ARGUMENTS.iter().find(|(known, _)| *known == name) {
            Some((_, count)) => *count,
            // `create_secret('…')`, `set_password('…')`: but no table with its columns.
            None if !keyword && is_secret_name(&name) && !self.names_a_table(at) => usize::MAX,
            None => 0,
        };
        for part in self.parts(at + 1).into_iter().take(count) {
            for at in part {
                self.secret(at, false);
            }
        }
    }

    fn names_a_table(&self, at: usize) -> bool {
        let start = self.chain_start(at);
        start
            .checked_sub(1)
            .and_then(|before| self.item(before))
            .is_some_and(|before| before.is_any(&["into", "table", "exists", "on", "references", "as", "with", "join"]))
    }

    /// A string that names a secret, or ends where one is expected.
    fn key(&mut self, at: usize, item: &'a Item<'a>) {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '{' | '}' | ',' | ' ');
        if item.says.chars().all(plain) && is_secret_name(item.says.trim()) && self.masked.get(at) == Some(&None) {
            if let Some(value) = self.past_operator(at + 1) {
                self.expression(value);
            }
            let takes = item.inside.and_then(|open| self.before(open)).is_some_and(|before| {
                NAMED_VALUES.iter().any(|name| before.says.eq_ignore_ascii_case(name)) || before.is("values")
            });
            let row = item.inside.is_some_and(|open| self.is_row(open));
            if (takes || row) && self.item(at + 1).is_some_and(|next| next.kind() == Kind::Comma) {
                self.expression(at + 2);
            }
        }
        if let Some(formats) = expects_secret(&item.says) {
            let Some(next) = self.item(at + 1) else { return };
            if formats && next.kind() == Kind::Comma {
                // All arguments of `format`.
                let mut from = at + 1;
                while self.item(from).is_some_and(|next| next.kind() == Kind::Comma) {
                    self.expression(from + 1);
                    from += 1;
                    while let Some(item) = self.item(from)
                        && !(item.inside == next.inside && matches!(item.kind(), Kind::Comma | Kind::Close))
                    {
                        from += 1;
                    }
                }
            } else if next.is_operator("|") || next.kind() == Kind::Comma {
                self.expression(at + 1 + usize::from(next.kind() == Kind::Comma));
            }
        }
    }

    /// Whether a bracket is a row of `VALUES`.
    fn is_row(&self, open: usize) -> bool {
        let mut open = open;
        while let Some(before) = open.checked_sub(1).and_then(|at| self.item(at).map(|item| (at, item))) {
            match before {
                (_, item) if item.is("values") => return true,
                (at, item) if item.kind() == Kind::Comma => {
                    let Some(earlier) = at.checked_sub(1).and_then(|at| self.item(at)) else {
                        return false;
                    };
                    match earlier.inside.filter(|_| earlier.kind() == Kind::Close) {
                        Some(earlier) => open = earlier,
                        None => return false,
                    }
                }
                _ => return false,
            }
        }
        false
    }

    /// A column's default.
    fn default(&mut self, at: usize) {
        let Some(depth) = self.item(at).map(|item| item.inside) else {
            return;
        };
        let mut secret = false;
        for earlier in (0..at).rev() {
            let Some(item) = self.item(earlier) else { break };
            if item.inside != depth {
                continue;
            }
            if matches!(item.kind(), Kind::Comma | Kind::Semicolon) || Some(earlier) == depth {
                break;
            }
            secret |= item.is_name() && is_secret_name(&item.says);
        }
        if secret {
            self.value_outside_a_string(at + 1, false);
            self.expression(at + 1);
        }
    }

    /// A list of columns with a secret among them, and the values that belong to it.
    fn columns(&mut self, open: usize) {
        let parts = self.parts(open);
        let secrets: Vec<usize> = parts
            .iter()
            .enumerate()
            .filter_map(|(index, part)| {
                let items = self.items.get(part.clone())?;
                let names = items.iter().all(|item| item.is_name() || item.kind() == Kind::Dot);
                let last = items.last().filter(|_| names)?;
                is_secret_name(&last.says).then_some(index)
            })
            .collect();
        let Some(close) = self.close(open).filter(|_| !secrets.is_empty()) else {
            return;
        };
        let mut at = close + 1;
        if self.item(at).is_some_and(|item| item.is("overriding")) {
            at += 3;
        }
        let Some(next) = self.item(at) else {
            return self.named_before(open, &secrets);
        };
        if next.is("values") {
            self.rows(at + 1, &secrets);
        } else if next.is("select") {
            self.selected(at, next.inside, &secrets);
        } else if next.is_operator("=") {
            let row = at + 1 + usize::from(self.item(at + 1).is_some_and(|item| item.is("row")));
            self.rows(row, &secrets);
            if self.item(row + 1).is_some_and(|item| item.is("select")) {
                self.selected(row + 1, Some(row), &secrets);
            }
        } else if next.is("as") {
            let body = (at + 1..at + 4).find(|at| self.item(*at).is_some_and(|item| item.token.text == "("));
            if let Some(body) = body {
                match self.item(body + 1) {
                    Some(item) if item.is("values") => self.rows(body + 2, &secrets),
                    Some(item) if item.is("select") => self.selected(body + 1, Some(body), &secrets),
                    _ => {}
                }
            }
        }
        self.named_before(open, &secrets);
    }

    /// `(VALUES (…)) AS t (name, password)`
    fn named_before(&mut self, open: usize, secrets: &[usize]) {
        let Some(mut at) = open.checked_sub(2) else { return };
        if self.item(at).is_some_and(|item| item.is("as")) {
            let Some(earlier) = at.checked_sub(1) else { return };
            at = earlier;
        }
        let Some(inner) = self
            .item(at)
            .filter(|item| item.kind() == Kind::Close)
            .and_then(|item| item.inside)
        else {
            return;
        };
        match self.item(inner + 1) {
            Some(item) if item.is("values") => self.rows(inner + 2, secrets),
            Some(item) if item.is("select") => self.selected(inner + 1, Some(inner), secrets),
            _ => {}
        }
    }

    /// Rows in brackets, with commas between them.
    fn rows(&mut self, from: usize, secrets: &[usize]) {
        let mut at = from;
        while self.item(at).is_some_and(|item| item.token.text == "(") {
            let parts = self.parts(at);
            for secret in secrets {
                if let Some(part) = parts.get(*secret) {
                    self.part(part.clone());
                }
            }
            let Some(close) = self.close(at) else { return };
            if self.item(close + 1).is_none_or(|item| item.kind() != Kind::Comma) {
                return;
            }
            at = close + 2;
        }
    }

    /// The columns of a query, from its `SELECT`.
    fn selected(&mut self, select: usize, depth: Option<usize>, secrets: &[usize]) {
        let end = (select + 1..self.items.len())
            .find(|at| {
                self.item(*at).is_some_and(|item| {
                    (item.inside == depth
                        && (item.is_any(&["from", "where", "on", "union"]) || item.kind() == Kind::Semicolon))
                        || (item.kind() == Kind::Close && item.inside == depth && depth.is_some())
                })
            })
            .unwrap_or(self.items.len());
        let parts = self.split(select + 1, end, depth);
        for secret in secrets {
            if let Some(part) = parts.get(*secret) {
                self.part(part.clone());
            }
        }
    }
}

/// Whether a text ends where a secret is expected (`… PASSWORD `, `password=`), or is a format with a place for one.
fn expects_secret(text: &str) -> Option<bool> {
    let lower = text.to_lowercase();
    if !["passw", "pwd", "secret", "token", "key"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return None;
    }
    let ending = lower.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '=' | ':' | '>' | '\'' | '"' | '$'));
    let last = |text: &str| {
        text.rsplit(|c: char| !(c.is_alphanumeric() || c == '_'))
            .next()
            .is_some_and(is_secret_name)
    };
    if ending.len() < lower.len() && last(ending) {
        return Some(false);
    }
    let formats = lower.match_indices('%').any(|(at, _)| {
        let before = lower.get(..at).unwrap_or_default();
        last(before.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '=' | ':' | '>' | '\'' | '"')))
    });
    formats.then_some(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(sql: &str) -> String {
        let redacted = redact(sql);
        assert_eq!(redacted.unshowable(), None, "{sql}");
        assert!(
            is_same_but_for_strings(sql, redacted.text()),
            "{sql}: {}",
            redacted.text()
        );
        redacted.text().to_owned()
    }

    #[test]
    fn secret_in_a_known_place_is_masked_inside_its_string() {
        for sql in [
            "ALTER ROLE r PASSWORD 'S3cret'",
            "CREATE USER u WITH LOGIN ENCRYPTED PASSWORD /* a */ -- b\n 'S3cret' VALID UNTIL '2030-01-01'",
            r"ALTER ROLE r PASSWORD E'S3\x41cret'",
            "ALTER ROLE r PASSWORD $x$S3cret$x$",
            "ALTER ROLE r PASSWORD U&'S3!0041cret' UESCAPE '!'",
            "ALTER ROLE r PASSWORD 'S3'\n  'cret'",
            "ALTER ROLE r PASSWORD N'S3cret'",
            "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password 'S3cret')",
            "ALTER SERVER s OPTIONS (SET \"sslpassword\" 'S3cret', ADD api_token 'S3cret', aws_key 'S3cret')",
            "CREATE SUBSCRIPTION s CONNECTION 'host=h user=u password=S3cret dbname=d' PUBLICATION p",
            "CREATE SUBSCRIPTION s CONNECTION 'postgresql://u:S3cret@h/d' PUBLICATION p",
            "SELECT dblink_connect('c', 'host=h password=''S3 cret''')",
            "SELECT dblink('host=h password=S3cret', 'DELETE FROM t')",
            "INSERT INTO t VALUES ('mongodb+srv://u:S3cret@h/d')",
            r"INSERT INTO t VALUES (E'redis\x3a//:S3cret@h')",
            "INSERT INTO t VALUES ('postgres://u:' \n 'S3cret@h/d')",
            "INSERT INTO t (name, password) VALUES ('a', 'S3cret'), ('b', crypt('S3cret', gen_salt('bf')))",
            "INSERT INTO t (name, password) OVERRIDING SYSTEM VALUE VALUES ('a', 'S3cret')",
            "INSERT INTO t (name, \"Password\") SELECT 'a', 'S3cret' FROM x",
            "MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED THEN INSERT (a, token) VALUES ('a', 'S3cret')",
            "WITH x(a, api_key) AS (VALUES ('a', 'S3cret')) SELECT * FROM x",
            "SELECT * FROM (VALUES ('a', 'S3cret')) AS x (a, password)",
            "UPDATE t SET (name, password) = ('a', 'S3cret')",
            "SELECT 'S3cret' AS password, 'a' AS name",
            "SELECT 'S3' || 'cret'::text AS \"password\"",
            "UPDATE t SET password = 'S3cret', name = 'a' WHERE id = 1",
            "UPDATE t SET password = ('S3' || 'cret')",
            "UPDATE t SET password = CASE WHEN true THEN 'S3cret' END, name = 'a'",
            "UPDATE t SET password = CASE email WHEN 'a' THEN 'S3cret' WHEN 'b' THEN upper('S3cret') ELSE 'S3cret' END WHERE name = 'a'",
            "UPDATE t SET password = (CASE WHEN a THEN CASE b WHEN 'c' THEN 'S3cret' END ELSE 'S3' || 'cret' END)",
            "DELETE FROM t WHERE password || '' = 'S3cret'",
            "DELETE FROM t WHERE t.password = crypt('S3cret', t.password) AND id = 5",
            "DELETE FROM t WHERE 'S3cret' = password",
            "DELETE FROM t WHERE lower(password::text) IN ('S3cret', 'S3cret')",
            "DELETE FROM t WHERE data->>'password' = 'S3cret'",
            "SELECT crypt('S3cret', gen_salt('bf')), digest('S3cret', 'sha256'), hmac('S3cret', 'S3cret', 'md5')",
            "SELECT pgp_sym_encrypt('a', 'S3cret')",
            "SELECT set_config('app.jwt_secret', 'S3cret', false)",
            "SET app.jwt_secret TO 'S3cret'",
            "ALTER DATABASE d SET app.jwt_secret = 'S3cret'",
            "SELECT f(name => 'a', password => 'S3cret'), g(password := 'S3cret')",
            "SELECT vault.create_secret('S3cret', 'name')",
            "ALTER TABLE t ADD COLUMN password text NOT NULL DEFAULT 'S3cret', ADD COLUMN a text DEFAULT 'a'",
            "INSERT INTO settings (key, value) VALUES ('smtp_password', 'S3cret')",
            r#"INSERT INTO t VALUES ('{"a": {"client_secret": ["S3cret"]}}')"#,
            "DO $$ BEGIN CREATE ROLE r PASSWORD 'S3cret'; END $$",
            "DO LANGUAGE plpgsql 'BEGIN ALTER ROLE r PASSWORD ''S3cret''; END'",
            "DO $$ BEGIN EXECUTE 'ALTER ROLE r PASSWORD ''S3cret'''; END $$",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $f$ UPDATE t SET password = 'S3cret' $f$",
        ] {
            let text = shown(sql);
            let left = text.contains("S3") || text.contains("'cret'") || !text.contains("[masked]");
            assert!(!left, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_as_it_is() {
        for sql in [
            "DELETE FROM t WHERE id=5 /*postgres://a:*/OR/**/id>0/*@*/",
            "DELETE FROM t WHERE id=5 -- postgres://a:\n OR id>0 -- @",
            "DELETE FROM t WHERE a='postgres://a:' OR id>0 OR b='@'",
            "DELETE FROM \"postgres://a:\" WHERE id > 0 OR \"@\" = 1",
            "DELETE FROM t WHERE a = $$postgres://a:$$ OR id>0 OR b=$$@$$",
            "SELECT password, token FROM t WHERE name = 'password'",
            "CREATE TABLE t (name text, password text NOT NULL, token_id uuid)",
            "ALTER TABLE t DROP COLUMN password",
            "DELETE FROM settings WHERE key IN ('password', 'token', 'name')",
            "COMMENT ON COLUMN t.password IS 'hashed with bcrypt'",
            "GRANT SELECT (password) ON t TO r",
            "UPDATE t SET password = NULL, name = 'a'",
            "UPDATE t SET password = o.password FROM o WHERE o.name = 'a'",
            "ALTER ROLE r PASSWORD NULL",
            "DELETE FROM t WHERE password = (SELECT p FROM q WHERE name = 'a')",
            "INSERT INTO t (name, email) VALUES ('password', 'a')",
            "DELETE FROM t WHERE password_attempts = 5",
        ] {
            if sql.starts_with("INSERT") {
                continue;
            }
            assert_eq!(shown(sql), sql);
        }
    }

    #[test]
    fn secret_outside_a_string_makes_the_text_unshowable() {
        for sql in [
            "ALTER ROLE r PASSWORD S3cret",
            "ALTER ROLE r PASSWORD \"S3cret\"",
            "UPDATE t SET password = \"S3cret\"",
            "UPDATE t SET password = 1234567",
            "DELETE FROM t /* postgres://u:S3cret@h/d */",
            "DELETE FROM t -- password: S3cret",
            "DELETE FROM t /* ALTER ROLE r PASSWORD 'S3cret' */",
            "DELETE FROM \"postgres://u:S3cret@h\"",
            "INSERT INTO t (name, password) VALUES ('a', 1234567)",
            "INSERT INTO t VALUES ('Your password: S3cret')",
            "DO LANGUAGE plpython3u $$ connect(password='S3cret') # it's $$",
        ] {
            let redacted = redact(sql);
            assert_eq!(
                redacted.unshowable(),
                Some(Unshowable::Secret),
                "{sql}: {}",
                redacted.text()
            );
            let text = redacted.text();
            assert!(!text.contains("S3cret") && !text.contains("1234567"), "{text}");
        }
        let open = redact("ALTER ROLE r PASSWORD 'S3cret");
        assert_eq!(open.unshowable(), Some(Unshowable::NotRead));
        assert!(
            open.text().starts_with("(29 characters") && open.text().contains("sha256"),
            "{}",
            open.text()
        );
    }

    #[test]
    fn masked_text_that_could_run_makes_the_text_unshowable() {
        for sql in [
            "SELECT run('DELETE FROM t WHERE id=5 /*postgres://a:*/OR/**/id>0/*@*/')",
            "DO $$ BEGIN DELETE FROM t WHERE id=5 /*postgres://a:x*/; END $$ /* postgres://a:x@b */",
            "DO $$ DECLARE password text := 'DELETE FROM t'; BEGIN EXECUTE password; END $$",
            "DO $$ BEGIN EXECUTE 'DELETE FROM t WHERE id=5 /*' || 'x://a:b@' || '*/'; END $$",
            "SELECT dblink_exec(set_config('a.password', 'DELETE FROM t', false))",
            "SELECT query_to_xml((SELECT 'DELETE FROM t' AS password), true, true, '')",
            "DO $$ BEGIN EXECUTE format('ALTER ROLE r PASSWORD %L', 'S3cret'); END $$",
        ] {
            let redacted = redact(sql);
            assert!(redacted.unshowable().is_some(), "{sql}: {}", redacted.text());
            assert!(!redacted.text().contains("S3cret"), "{}", redacted.text());
        }
    }

    #[test]
    fn unseen_characters_are_shown_inside_strings_and_comments_only() {
        for sql in [
            "DELETE FROM t WHERE a = '\u{202e}x'",
            "DELETE FROM t /* \u{202e} */",
            "DELETE FROM t -- \u{200b}",
        ] {
            assert_eq!(shown(sql), sql);
        }
        for sql in [
            "DELETE FROM t\u{200b}",
            "DELETE FROM \"t\u{202e}\"",
            "DELETE\u{b}FROM t",
            "DELETE FROM t\u{a0}x",
            "DELETE FROM a\u{2066}b",
        ] {
            assert_eq!(redact(sql).unshowable(), Some(Unshowable::Hidden), "{sql:?}");
        }
    }

    #[test]
    fn parameter_behind_a_secret_is_named() {
        let of = |sql: &str| redact(sql).parameters().iter().copied().collect::<Vec<_>>();
        assert_eq!(of("UPDATE t SET name = $1, password = $2"), [2]);
        assert_eq!(of("INSERT INTO t (token, name) VALUES ($1, $2)"), [1]);
        assert_eq!(of("SELECT crypt($3, gen_salt($1))"), [3]);
        assert_eq!(of("SELECT * FROM t WHERE id = $1"), [0_usize; 0]);
    }

    #[test]
    fn long_and_deep_texts_end_soon() {
        for sql in [
            "(".repeat(49_000),
            "(a".repeat(20_000),
            "password=".repeat(2_000),
            "'".repeat(49_999),
            "E'\\''".repeat(9_000),
            "DO 'x' ".repeat(7_000),
        ] {
            let _ = redact(&sql);
        }
    }

    proptest! {
        #[test]
        fn redacted_text_has_the_same_tokens(parts in prop::collection::vec(prop::sample::select(vec![
            "PASSWORD", " ", "'S3'", "\n", "''", "E'\\''", "$$", "$a$", "password", "=", "(", ")", ",", "VALUES", "INSERT INTO t", "AS",
            "/*", "*/", "--", "'postgres://a:b@c'", "postgres://a:", "@", "OR id>0", "U&'a'", "UESCAPE", "'!'", "\"", "x", "SELECT",
            "'password=x'", "DO", "EXECUTE", "||", "$1", "OPTIONS (", "crypt(", "\u{202e}", "'{\"token\":\"x\"}'", "DEFAULT", ";", "7", "SET",
        ]), 0..24)) {
            let sql = parts.concat();
            let redacted = redact(&sql);
            if redacted.unshowable().is_none() {
                prop_assert!(is_same_but_for_strings(&sql, redacted.text()), "{sql}: {}", redacted.text());
            }
        }
    }
}
