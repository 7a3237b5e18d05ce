//! What commands say, so that nothing of it steers a terminal.

use super::fold::{folded, width};
use crate::text::shown;

/// Prints to standard output. A reader that has gone away (`| head`) is no reason to complain. Whatever comes from outside, nothing of it
/// steers a terminal.
pub(super) fn print(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{}", shown(text, false));
}

/// The same for people: on a terminal its words break at blanks, and lines after the first begin with `rest`.
pub(super) fn print_folded(text: &str, rest: &str) {
    let lines = super::fold::folded(text, super::fold::width(std::io::stdout()), "", rest);
    lines.iter().for_each(|line| print(line));
}

/// The same for a text that has our colours, in which what comes from outside was escaped when it was painted.
pub(super) fn print_painted(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{}", shown(text, true));
}

/// Prints to standard error, as `print` does: all that commands say there goes through here. What this program says itself fits a terminal.
pub(super) fn complain(text: &str) {
    use std::io::Write as _;
    let clean = shown(text, false);
    let said = match clean.starts_with("neon-mcp: ") {
        true => folded(&clean, width(std::io::stderr()), "", "").join("\n"),
        false => clean,
    };
    let _ = writeln!(std::io::stderr(), "{said}");
}
