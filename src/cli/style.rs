//! Colour on a terminal, and nowhere else.

use std::io::IsTerminal;

/// How texts for people are painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    colours: bool,
}

impl Style {
    /// For a stream: in colour where that is a terminal that has some, and nobody asked for none (`NO_COLOR`, <https://no-color.org>).
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|terminal| terminal == "dumb");
        Self {
            colours: stream.is_terminal() && set("NO_COLOR").is_none() && !dumb,
        }
    }

    /// Whether there are colours.
    pub(super) fn colours(self) -> bool {
        self.colours
    }

    /// What is looked for first.
    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What is there for whoever looks for it.
    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What failed, or is lost.
    pub(super) fn red(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What things are called.
    pub(super) fn cyan(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// A text in the colour of that code (SGR, ECMA-48).
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
impl Style {
    /// With colours, wherever the test runs.
    pub(super) const COLOURED: Self = Self { colours: true };

    /// Without.
    pub(super) const PLAIN: Self = Self { colours: false };
}
