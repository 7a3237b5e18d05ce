//! The last line of the files that say what callers get, which tells a whole one from one that is cut off.
//!
//! Such a file can be read while it is written, and stay as it is then: `cp` and most editors empty it first, and a full disk or a lost
//! connection leaves as much of it as was written. In TOML each beginning of it that ends with a line is a right file, too, and what
//! it lacks is as a rule what narrows: the scopes of the last entry, its policy, the entry of a group without which `default` counts.
//! Nothing that stands at the beginning can tell, and no key that must be said: all of them are there before the one that is cut
//! off. So the last line says that it is the last one. Then no beginning of a file can be taken for it, whatever it lacks. It is a comment, so that
//! every reader of TOML, an earlier version of this program among them, takes it.
//!
//! What is written over an earlier text in place, without emptying it first, has that one's last line all the time: who reads it looks
//! whether it holds still (`server/http/auth/watched.rs`).

/// The last line of a whole file.
pub const LAST_LINE: &str = "# end";

/// Why a text without it can't be used.
pub const CUT_OFF: &str = "it doesn't end with the line `# end`, or has that line elsewhere as well, so nobody can tell it from one that is cut \
     off: where nothing is missing, write that line at its end and nowhere else";

/// Whether the last line of a text says that it is the last.
#[must_use]
pub fn says_its_end(text: &str) -> bool {
    lines(text).next_back() == Some(LAST_LINE)
}

/// The lines of a text that aren't empty, without the blanks at their ends.
fn lines(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty())
}

/// Whether a text has its last line, and has it nowhere else: where it stood in the middle, as in two files that were put together, a text
/// that is cut off there would be a whole one.
#[must_use]
pub fn is_whole(text: &str) -> bool {
    says_its_end(text) && lines(text).filter(|line| *line == LAST_LINE).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_beginning_of_a_whole_text_is_one() {
        let text = "# the end\ndefault = \"allow\"\n\n[[group]]\nname = \"x\"\nscopes = [\"neon:read\"]\n# end\n";
        assert!(is_whole(text) && is_whole(text.trim_end()) && is_whole(&format!("{text}\r\n \n")));
        let end = text.find("# end").unwrap() + LAST_LINE.len();
        for at in 0..end {
            assert!(!is_whole(&text[..at]), "{}", &text[..at]);
        }
        for other in [
            "",
            "end\n",
            " # end\n",
            "# end of it\n",
            "# end\na = 1\n",
            "a = 1 # end\n",
            "a = 1\n# end\nb = 2\n# end\n",
            "# end\r\n# end",
        ] {
            assert!(!is_whole(other), "{other}");
        }
    }
}
