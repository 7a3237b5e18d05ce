//! How the demo prints: lines that fit into a terminal of 92 columns.

use super::super::common::print;

/// The longest line, in characters.
const WIDTH: usize = 92;

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
    folded(first, rest, text).iter().for_each(|line| print(line));
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
        let line = format!("{INDENT}{label:<10}{line}");
        let cut: String = line.chars().take(WIDTH).collect();
        print(cut.trim_end());
    }
}

/// A text in lines that fit, broken between words where there is a place for it. Blanks at its beginning are kept.
fn folded(first: &str, rest: &str, text: &str) -> Vec<String> {
    let start = text.len() - text.trim_start().len();
    let mut line = format!("{first}{}", text.get(..start).unwrap_or_default());
    let mut lines = Vec::new();
    let mut empty = true;
    for word in text.split_whitespace() {
        // What is long without a blank in it, such as JSON, may be broken behind its commas.
        let breaks = word.chars().count() > LONG_WORD;
        for (index, part) in word.split_inclusive(|char| breaks && char == ',').enumerate() {
            let blank = index == 0 && !empty;
            if !empty && line.chars().count() + usize::from(blank) + part.chars().count() > WIDTH {
                lines.push(std::mem::replace(&mut line, rest.to_owned()));
            } else if blank {
                line.push(' ');
            }
            for char in part.chars() {
                if line.chars().count() >= WIDTH {
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
    fn lines_fit_and_hold_every_word() {
        let text = format!("    short words {} and more {}", "x".repeat(200), "word ".repeat(50));
        let lines = folded("1. ", "   ", &text);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:?}");
        assert!(lines[0].starts_with("1.     short"), "{lines:?}");
        let count = |text: &str, what: char| text.chars().filter(|char| *char == what).count();
        let all = lines.concat();
        for what in ['x', 'w', 'o', 'r', 'd'] {
            assert_eq!(count(&all, what), count(&text, what), "{what}");
        }
        assert_eq!(folded("", "", ""), [""]);
    }
}
