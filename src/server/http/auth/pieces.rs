//! What a file of the operator's says that isn't as it should be: gone, or broken.
//!
//! A broken file takes away and gives nothing. What was in force before goes on as far as the broken text still says it, whole and as it
//! was, and all else is refused until the file is right again. So a removal counts, whatever is wrong elsewhere in the file; what is new
//! or wider waits, since half of a line may be what would have narrowed it; what is cut off isn't taken for the whole; and a slip in one
//! entry stops nobody whom another is about. A file that isn't there says that there is nothing.

use std::path::Path;

use crate::guard::{Untrusted, read_trusted, says_its_end};

/// Why a text is broken that isn't UTF-8.
pub(super) const NO_UTF_8: &str = "it is no UTF-8 text";

/// How many names a line of the log has.
const MAX_NAMED: usize = 20;

/// The text of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// As it stands there.
    Whole(String),
    /// With marks in the place of what is no UTF-8, so that it is broken whatever else it says.
    Marked(String),
    /// There is no such file.
    Absent,
}

/// The text of a file. What can't be read, or what others could change, says nothing: not even that there is nothing.
///
/// # Errors
/// Why it can't be read.
pub(super) fn text(path: &Path) -> Result<Text, Untrusted> {
    let read = match read_trusted(path) {
        // Where a volume is changed under a link, as Kubernetes does it, a file is gone for the moment in which the link is followed.
        Err(error) if error.is_absent() && path.exists() => read_trusted(path),
        read => read,
    };
    match read {
        Ok(bytes) => Ok(String::from_utf8(bytes).map_or_else(
            |error| Text::Marked(String::from_utf8_lossy(error.as_bytes()).into_owned()),
            Text::Whole,
        )),
        Err(error) if error.is_absent() => Ok(Text::Absent),
        Err(error) => Err(error),
    }
}

/// A piece of a TOML text that can be understood by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    /// It is the last of a text that doesn't say that it ends there: what would have narrowed it may be what is cut off.
    pub(super) may_be_cut: bool,
}

/// The pieces of a TOML text: what stands before the first table of an array, and each such table.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut begins = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > 0 && line.trim_start().starts_with("[[") {
            begins.push(at);
        }
        at += line.len();
    }
    let is_ended = says_its_end(text);
    let ends = begins.iter().skip(1).copied().chain([text.len()]);
    let ranges = begins.iter().copied().zip(ends);
    ranges
        .filter_map(|(begin, end)| {
            Some(Piece {
                text: text.get(begin..end)?,
                may_be_cut: end == text.len() && !is_ended,
            })
        })
        .collect()
}

/// Names for a line of the log.
pub(super) fn named<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 if names.is_empty() => "nobody".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(&str, bool)> {
        let told = pieces(text).into_iter();
        told.map(|piece| (piece.text, piece.may_be_cut)).collect()
    }

    #[test]
    fn pieces_are_what_stands_before_the_tables_and_each_of_them() {
        let (head, first) = ("# x\ndefault = 1\n", "[[a]]\nb = 1\n[a.c]\nd = 1\n");
        for (last, may_be_cut) in [("  [[a]]\r\nb = 2", true), ("[[a]]\n# end\n\n", false)] {
            let text = format!("{head}{first}{last}");
            assert_eq!(of(&text), [(head, false), (first, false), (last, may_be_cut)]);
        }
        assert_eq!(of("[[a]]\n[[a]]\n"), [("[[a]]\n", false), ("[[a]]\n", true)]);
        assert_eq!(of(""), [("", true)]);
    }

    #[test]
    fn file_that_is_gone_has_no_text_and_one_that_cannot_be_read_is_no_such_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert_eq!(text(&path).unwrap(), Text::Absent);
        std::fs::write(&path, "x").unwrap();
        assert_eq!(text(&path).unwrap(), Text::Whole("x".to_owned()));
        std::fs::write(&path, b"x\xff").unwrap();
        assert_eq!(text(&path).unwrap(), Text::Marked("x\u{fffd}".to_owned()));
        assert!(text(directory.path()).is_err());
    }

    #[test]
    fn names_are_shown_as_far_as_a_line_has_room() {
        assert_eq!(named(std::iter::empty()), "nobody");
        assert_eq!(named(["a", "b"].into_iter()), "a, b");
        let many = named(std::iter::repeat_n("x", 23));
        assert_eq!((many.matches('x').count(), many.contains('3')), (20, true), "{many}");
    }
}
