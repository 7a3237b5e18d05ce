//! Characters that can't be seen or that reorder what is seen, and text from outside made safe to show.
//!
//! ```
//! use neon_mcp::text::{escaped, one_line};
//!
//! // What would reorder the text is left out, or written so that it is seen.
//! assert_eq!(one_line("a\u{202e}b\nc", 100), "ab c");
//! assert_eq!(escaped("a\u{202e}b"), "a\\u{202e}b");
//! ```

pub use sql_effect::is_hidden;
use unicode_normalization::is_nfc;

/// A text without the blanks around it, those among them that show nothing: a zero-width space or joiner, a word joiner, a byte order
/// mark. They come along where an id is copied. What reorders a text isn't taken off.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || is_zero_width(character))
}

/// Whether `character` has no width and does nothing beside joining or parting words.
#[must_use]
pub fn is_zero_width(character: char) -> bool {
    matches!(character, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

/// Whether `character` can't be told from a blank, or from nothing, where it is shown: what is hidden, blanks other than the
/// plain one, blank symbols, and the selectors that vary the character before them.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    is_hidden(character)
        || (character.is_whitespace() && character != ' ')
        || matches!(
            character,
            '\u{180B}'..='\u{180D}'
                | '\u{180F}'
                | '\u{2800}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{1D159}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0100}'..='\u{E01EF}'
        )
}

/// `text` on one line, whole: each character that can't be seen is written as `\u{202e}`, and nothing is left out.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            other if is_unseen(other) => line.extend(other.escape_unicode()),
            other => line.push(other),
        }
    }
    line
}

/// The name of somebody, whole, so that no two names look alike that differ: characters that can't be seen are written as `\u{202e}`, and so
/// are blanks that can't be counted, at an end or in a row. A name that has neither is as it is; one that is itself written so has its
/// backslashes doubled.
#[must_use]
pub fn name_told_apart(name: &str) -> String {
    // Of two forms of one text, the composed one is as it is, and the other's marks are written out.
    let is_composed = is_nfc(name);
    let is_plain = is_composed
        && !name.chars().any(is_unseen)
        && name.trim() == name
        && !name.contains("  ")
        && !name.contains("\\u{");
    if is_plain {
        return name.to_owned();
    }
    let mut told = String::with_capacity(name.len() * 2);
    let mut characters = name.chars().peekable();
    let mut last = None;
    while let Some(character) = characters.next() {
        let is_at_an_end = last.is_none() || characters.peek().is_none();
        match character {
            '\\' => told.push_str("\\\\"),
            ' ' if is_at_an_end || last == Some(' ') => told.push_str("\\u{20}"),
            other if is_unseen(other) || (!is_composed && !other.is_ascii()) => told.extend(other.escape_unicode()),
            other => told.push(other),
        }
        last = Some(character);
    }
    told
}

/// `text` as it may go to a terminal, whole: lines and tabulators stay, and each other character that can't be seen, or that would steer
/// the terminal or reorder what is seen, is written as `\u{202e}`. Of what is `painted` the colours stay that this program uses.
#[must_use]
pub fn shown(text: &str, painted: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let colour = if painted { colour(rest) } else { None };
        if let Some(colour) = colour {
            out.push_str(colour);
            rest = rest.get(colour.len()..).unwrap_or_default();
            continue;
        }
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        match character {
            '\n' | '\t' => out.push(character),
            '\r' if after.starts_with('\n') => out.push(character),
            other if is_hidden(other) => out.extend(other.escape_unicode()),
            other => out.push(other),
        }
        rest = after;
    }
    out
}

/// The colour (SGR, ECMA-48) that a text begins with, where it is one of ours: none that hides anything.
fn colour(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("\u{1b}[")?;
    let end = inner.find('m')?;
    let codes = inner.get(..end)?;
    let ours = ["0", "1", "2", "3", "4", "31", "32", "33", "34", "35", "36"];
    codes
        .split(';')
        .all(|code| ours.contains(&code))
        .then(|| text.get(..end.saturating_add(3)))?
}

/// A JSON text in which characters that can't be seen are escaped as JSON escapes them: they can only stand within its texts.
#[must_use]
pub fn escaped_in_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) && character != '\n' {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// `text` on one line: hidden characters dropped (line breaks and tabs become a blank), blanks at both ends
/// cut off, and no more than `longest` characters, an ellipsis included.
#[must_use]
pub fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let mut characters = 0_usize;
    for character in text.trim().chars() {
        let character = match character {
            '\n' | '\r' | '\t' => ' ',
            other if is_hidden(other) => continue,
            other => other,
        };
        if character == ' ' && line.ends_with(' ') {
            continue;
        }
        if characters >= longest {
            line.pop();
            line.push('…');
            break;
        }
        line.push(character);
        characters += 1;
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_their_form_alone_are_told_apart() {
        assert_eq!(name_told_apart("jos\u{e9}"), "jos\u{e9}");
        assert_eq!(name_told_apart("jose\u{301}"), "jose\\u{301}");
        assert_eq!(name_told_apart("jose\\u{301}"), "jose\\\\u{301}");
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_left_and_nothing_is_left_out() {
        assert_eq!(
            shown("a\u{1b}]0;x\u{7}b\u{202e}c\u{200b}", false),
            "a\\u{1b}]0;x\\u{7}b\\u{202e}c\\u{200b}"
        );
        assert_eq!(shown("one\r\n\ttwo\rthree\n", false), "one\r\n\ttwo\\u{d}three\n");
        // Colours of ours alone: none that conceals, moves or asks.
        let painted = "\u{1b}[1;31mred\u{1b}[0m";
        assert_eq!(shown(painted, true), painted);
        assert!(!shown(painted, false).contains('\u{1b}'));
        for other in ["\u{1b}[8mx", "\u{1b}[2Jx", "\u{1b}[6n", "\u{1b}[", "\u{1b}]8;;x\u{7}"] {
            assert!(!shown(other, true).contains('\u{1b}'), "{other:?}");
        }
    }

    #[test]
    fn names_that_differ_are_told_apart_whatever_they_differ_in() {
        let names = [
            "evil",
            "ev\u{202e}il",
            "ev\u{200b}il",
            "ev\u{200c}il",
            "evil\u{fe0f}",
            "evil ",
            " evil",
            "e vil",
            "e  vil",
            "e\u{a0}vil",
            "e\u{2003}vil",
            "ev\\u{202e}il",
            "ev\\\\u{202e}il",
            "evil\\u{20}",
            "CORP\\evil",
            "CORP\\\\evil",
            "CORP\\ev\u{200b}il",
        ];
        let told: std::collections::HashSet<String> = names.iter().map(|name| name_told_apart(name)).collect();
        assert_eq!(told.len(), names.len(), "{told:?}");
        for told in told {
            assert!(!told.chars().any(is_unseen) && one_line(&told, 1_000) == told, "{told}");
        }
        for plain in ["evil", "CORP\\evil", "Jos\u{e9} 00u1", "a@b.example"] {
            assert_eq!(name_told_apart(plain), plain);
        }
    }

    #[test]
    fn hidden_characters_of_json_are_escaped_as_json_has_them() {
        let value = serde_json::json!({"a": "x\u{202e}y\u{e0001}", "b": ["\u{200b}"]});
        let text = escaped_in_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            !text.chars().any(|character| is_hidden(character) && character != '\n'),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
