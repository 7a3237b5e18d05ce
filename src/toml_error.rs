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
    let message = escaped(&without_value(error.message()));
    match error.span() {
        Some(span) => {
            let Position { line, column } = Position::of(text, span.start);
            format!("line {line}, column {column}: {message}")
        }
        None => message,
    }
}

/// A message of the parser's without the value that it quotes, which may be a secret: of which kind it is says enough.
fn without_value(message: &str) -> String {
    for kind in ["string", "character"] {
        for begin in [format!("invalid type: {kind} "), format!("invalid value: {kind} ")] {
            if let Some(rest) = message.strip_prefix(&begin) {
                let expected = rest
                    .rfind(", expected ")
                    .map_or("", |at| rest.get(at..).unwrap_or_default());
                return format!("{}{expected}", begin.trim_end());
            }
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_of_a_wrong_kind_is_not_quoted() {
        #[derive(Debug, serde::Deserialize)]
        struct Numbers {
            #[expect(dead_code, reason = "it is never read")]
            number: u32,
        }
        let text = "number = \"hunter2, expected \\\"more\\\"\"";
        let error = toml::from_str::<Numbers>(text).unwrap_err();
        assert_eq!(
            told(text, &error),
            "line 1, column 10: invalid type: string, expected u32"
        );
    }

    #[test]
    fn what_is_wrong_is_told_without_the_line() {
        let text = "[http]\nstore = \"redis://:hunter2@127.0.0.1/0\" \u{1b}[31moops\n";
        let error = toml::from_str::<toml::Table>(text).unwrap_err();
        let told = told(text, &error);
        assert!(told.starts_with("line 2, column 40: "), "{told}");
        assert!(!told.contains("hunter2") && !told.contains('\u{1b}'), "{told}");
    }
}
