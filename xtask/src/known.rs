//! A list of what a check lets pass: each entry a line, under a comment that says why it is still there.

use std::collections::BTreeSet;

/// The entries of a list. It can only shrink: what is in it and not in the source fails too.
#[derive(Debug, Default)]
pub struct Known(BTreeSet<String>);

/// Why a list can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// An entry has no reason.
    #[error("line {0}: an entry needs a comment above it that says why it is there")]
    Reason(usize),
    /// An entry stands there twice.
    #[error("line {0}: this entry is there already")]
    Twice(usize),
}

impl Known {
    /// Reads the list: `#` begins a reason, and each other line is an entry as the report names it.
    ///
    /// # Errors
    ///
    /// When an entry has no reason above it, or stands there twice.
    pub fn read(text: &str) -> Result<Self, KnownError> {
        Self::read_lines(text, false)
    }

    /// Reads a list in paragraphs, each of which begins with the reason of all of its entries.
    ///
    /// # Errors
    ///
    /// When a paragraph has no reason, or an entry stands there twice.
    pub fn read_paragraphs(text: &str) -> Result<Self, KnownError> {
        Self::read_lines(text, true)
    }

    fn read_lines(text: &str, reason_is_shared: bool) -> Result<Self, KnownError> {
        let mut known = BTreeSet::new();
        let mut has_reason = false;
        for (number, line) in text
            .lines()
            .map(str::trim)
            .enumerate()
            .map(|(index, line)| (index + 1, line))
        {
            match line.strip_prefix('#') {
                Some(reason) => has_reason = !reason.trim().is_empty(),
                None if line.is_empty() => has_reason = false,
                None if !has_reason => return Err(KnownError::Reason(number)),
                None if !known.insert(line.to_owned()) => return Err(KnownError::Twice(number)),
                None => has_reason = reason_is_shared,
            }
        }
        Ok(Self(known))
    }

    /// The entries, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether an entry is in it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.contains(key)
    }
}
