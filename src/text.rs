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
