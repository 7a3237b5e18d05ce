//! Texts in lines that fit a terminal: words break at blanks, at any width.

use textwrap::{Options, WordSeparator, WordSplitter};

/// How wide a terminal is taken for that doesn't say.
pub(super) const USUAL_WIDTH: usize = 80;

/// The least that is left for a text beside its indentation.
const MIN_ROOM: usize = 20;

/// A text, line by line, in lines of at most `width` columns that are broken at blanks. The first begins with `first`, all others of
/// the same line of the text with `rest`. A word that is longer than a line stays whole: the terminal breaks it, and it can be
/// copied.
pub(super) fn folded(text: &str, width: Option<usize>, first: &str, rest: &str) -> Vec<String> {
    let Some(width) = width else {
        return text.split('\n').map(|line| format!("{first}{line}")).collect();
    };
    let room = width.max(rest.chars().count() + MIN_ROOM);
    let options = Options::new(room)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    let fold = |line: &str| {
        textwrap::wrap(line, &options)
            .into_iter()
            .map(|line| line.into_owned())
            .collect::<Vec<_>>()
    };
    text.split('\n').flat_map(fold).collect()
}

/// How wide a terminal is; nothing where it isn't one, or doesn't say.
pub(super) fn width(terminal: impl Sized + AsTerminal) -> Option<usize> {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(terminal)?;
    (width > 0).then_some(usize::from(width))
}

#[cfg(unix)]
pub(super) use std::os::fd::AsFd as AsTerminal;
#[cfg(windows)]
pub(super) use std::os::windows::io::AsHandle as AsTerminal;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_break_at_blanks_at_any_width() {
        let text =
            "Delete the branch \"dev\" (br-quiet-sun-a1b2c3d4), with every database and compute of it\nUndo: none";
        for width in 20..120 {
            let lines = folded(text, Some(width), "  ", "    ");
            for line in &lines {
                // A word that is longer than a line stays whole.
                let is_word = line.trim().split(' ').count() == 1;
                assert!(is_word || line.chars().count() <= width.max(24), "{width}: {line}");
                assert!(line.starts_with("  "), "{width}: {line}");
            }
            let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
            assert_eq!(words, text.split_whitespace().collect::<Vec<_>>(), "{width}");
            // What goes on is told from what begins.
            let begin = lines.iter().filter(|line| !line.starts_with("    ")).count();
            assert_eq!(begin, 2, "{width}: {lines:?}");
        }
        assert_eq!(folded("a b\nc", None, "  ", "    "), ["  a b", "  c"]);
        assert_eq!(folded("", Some(40), "", ""), [""]);
    }
}
