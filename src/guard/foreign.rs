//! Names from outside inside our own sentences, marked so that whoever hands the sentence to an agent can fence them.
//!
//! A plan is written once, for people and for agents. People get its sentences with the names in quotes; an agent gets each
//! name that could carry a sentence of its own inside a fence. Between the two stand these marks: characters that Unicode keeps
//! for a program's own use, which no name from outside gets through.

use crate::neon::text::is_hidden;

/// Where a name begins.
pub(crate) const OPENS: char = '\u{FDD0}';

/// Where it ends.
pub(crate) const CLOSES: char = '\u{FDD1}';

/// Whether a text could say something: it holds blanks, or characters that can't be seen. Ids, times, addresses and plain names
/// don't.
pub(crate) fn can_speak(text: &str) -> bool {
    text.chars()
        .any(|character| character.is_whitespace() || is_hidden(character) || matches!(character, OPENS | CLOSES))
}

/// `shown` of a name, marked where the name could say something.
pub(crate) fn marked(name: &str, shown: &str) -> String {
    if can_speak(name) {
        format!("{OPENS}{}{CLOSES}", bare(shown))
    } else {
        shown.to_owned()
    }
}

/// A text without marks: for people.
pub(crate) fn bare(text: &str) -> String {
    text.replace([OPENS, CLOSES], "")
}
