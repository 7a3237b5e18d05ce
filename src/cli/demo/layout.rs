//! How the demo prints: lines that fit into a terminal of 80 columns, in colour where there is one.

use std::sync::LazyLock;

use anstyle::{AnsiColor, Style};

use crate::cli::fold::width as terminal_width;

/// The longest line, in characters.
const MAX_WIDTH: usize = 80;

/// The narrowest terminal that is kept to.
const MIN_WIDTH: usize = 40;

/// The longest line here: as wide as the terminal, where it says so.
fn width() -> usize {
    static WIDTH: LazyLock<usize> = LazyLock::new(|| {
        terminal_width(std::io::stdout()).map_or(MAX_WIDTH, |width| width.clamp(MIN_WIDTH, MAX_WIDTH))
    });
    *WIDTH
}

/// From which length on a word may be broken behind its commas.
const LONG_WORD: usize = 40;

/// Where the text of a step begins.
pub(super) const INDENT: &str = "    ";

/// Prints a text, folded.
pub(super) fn say(text: &str) {
    say_with("", "", text);
}

/// Prints a text, folded: the first line begins with `first`, all others with `rest`.
pub(super) fn say_with(first: &str, rest: &str, text: &str) {
    let style = style(first, text);
    folded(first, rest, text, width())
        .iter()
        .for_each(|line| print(style, line));
}

/// Prints a label and what it is about, line by line; long lines are folded.
pub(super) fn tell(label: &str, text: &str) {
    let blank = " ".repeat(INDENT.len() + 10);
    for (index, line) in text.lines().enumerate() {
        let label = if index == 0 { label } else { "" };
        say_with(&format!("{INDENT}{label:<10}"), &blank, line);
    }
}

/// Prints a label and lines as they are; what doesn't fit is cut.
pub(super) fn tell_as_is(label: &str, lines: &[String]) {
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        // In a difference, what is new and what goes.
        let style = match line.chars().next() {
            Some('+') => AnsiColor::Green.on_default(),
            Some('-') => AnsiColor::Red.on_default(),
            _ => Style::new(),
        };
        let line = format!("{INDENT}{label:<10}{line}");
        let mut cut: String = line.chars().take(width()).collect();
        if cut.chars().count() < line.chars().count() {
            // What is missing is told.
            cut.pop();
            cut.push('…');
        }
        print(style, cut.trim_end());
    }
}

/// How a text is shown, by the mark that it begins with.
fn style(first: &str, text: &str) -> Style {
    match first.trim() {
        "✓" => AnsiColor::Green.on_default(),
        ">" => AnsiColor::Cyan.on_default(),
        "|" => AnsiColor::Yellow.on_default(),
        "refused" => AnsiColor::Red.on_default(),
        number if number.ends_with('.') => Style::new().bold(),
        // A chapter.
        "" if !text.is_empty() && text.chars().all(|char| !char.is_lowercase()) => AnsiColor::Blue.on_default().bold(),
        _ => Style::new(),
    }
}

/// Prints a line; the styles go only where they are shown (a terminal, unless NO_COLOR says otherwise; CLICOLOR_FORCE). A reader
/// that has gone away is no reason to complain.
fn print(style: Style, line: &str) {
    use std::io::Write as _;
    let mut out = anstream::stdout();
    // A chapter begins with an empty line.
    let (before, line) = match line.strip_prefix('\n') {
        Some(line) => ("\n", line),
        None => ("", line),
    };
    let _ = writeln!(out, "{before}{style}{line}{style:#}");
}

/// A text in lines that fit, broken between words where there is a place for it. Blanks at its beginning are kept.
fn folded(first: &str, rest: &str, text: &str, width: usize) -> Vec<String> {
    let start = text.len() - text.trim_start().len();
    let mut line = format!("{first}{}", text.get(..start).unwrap_or_default());
    let mut lines = Vec::new();
    let mut empty = true;
    for word in text.split_whitespace() {
        // What is long without a blank in it, such as JSON, may be broken behind its commas.
        let breaks = word.chars().count() > LONG_WORD;
        for (index, part) in word.split_inclusive(|char| breaks && char == ',').enumerate() {
            let blank = index == 0 && !empty;
            if !empty && line.chars().count() + usize::from(blank) + part.chars().count() > width {
                lines.push(std::mem::replace(&mut line, rest.to_owned()));
            } else if blank {
                line.push(' ');
            }
            for char in part.chars() {
                if line.chars().count() >= width {
                    lines.push(std::mem::replace(&mut line, rest.to_owned()));
                }
                line.push(char);
            }
            empty = false;
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_have_their_colours() {
        assert_ne!(style("    ✓ ", "so"), style("    > ", "tool"));
        assert_ne!(style("", "\nA PROJECT"), Style::new());
        assert_eq!(style("", "plain words"), Style::new());
        assert_eq!(style("", ""), Style::new());
    }

    #[test]
    fn lines_fit_and_hold_every_word() {
        let text = format!("    short words {} and more {}", "x".repeat(200), "word ".repeat(50));
        let narrow = folded("1. ", "   ", &text, 60);
        assert!(narrow.iter().all(|line| line.chars().count() <= 60), "{narrow:?}");
        let lines = folded("1. ", "   ", &text, MAX_WIDTH);
        assert!(lines.iter().all(|line| line.chars().count() <= MAX_WIDTH), "{lines:?}");
        assert!(lines[0].starts_with("1.     short"), "{lines:?}");
        let count = |text: &str, what: char| text.chars().filter(|char| *char == what).count();
        let all = lines.concat();
        for what in ['x', 'w', 'o', 'r', 'd'] {
            assert_eq!(count(&all, what), count(&text, what), "{what}");
        }
        assert_eq!(folded("", "", "", MAX_WIDTH), [""]);
    }
}
