//! Looking through a text: outside of its strings, and in each of them.

use serde_json::Value;

use super::found::{Found, Place, Unshowable};
use super::item::{Item, encoded, items};
use super::marks::Marks;
use crate::is_hidden;
use crate::lex::{Kind, Token, lex};
use crate::secret::{assigns_secret, is_secret_name, key_value_secrets, query_secrets, uri_passwords};

/// What stands in place of a secret.
const MASK: &str = "[masked]";

/// How deep brackets may stand in brackets.
const MAX_BRACKETS: usize = 100;

/// How deep strings in strings are looked into.
const DEEPEST: usize = 6;

/// Looks through a text.
pub(super) fn scan(text: &str, place: Place, depth: usize) -> Found {
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
