//! Where a TOML text is wrong, and how, without the text itself: a line may hold a secret, or what a terminal obeys.

use crate::text::escaped;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// Where in the line, in characters, counted from 1.
    pub(crate) column: usize,
}

impl Position {
    /// Of a byte of a text.
    pub(crate) fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
        }
    }
}

/// What is wrong, and where.
pub(crate) fn told(text: &str, error: &toml::de::Error) -> String {
    let message = escaped(error.message());
    match error.span() {
        Some(span) => {
            let Position { line, column } = Position::of(text, span.start);
            format!("line {line}, column {column}: {message}")
        }
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_without_the_line() {
        let text = "[http]\nstore = \"redis://:hunter2@127.0.0.1/0\" \u{1b}[31moops\n";
        let error = toml::from_str::<toml::Table>(text).unwrap_err();
        let told = told(text, &error);
        assert!(told.starts_with("line 2, column 40: "), "{told}");
        assert!(!told.contains("hunter2") && !told.contains('\u{1b}'), "{told}");
    }
}
