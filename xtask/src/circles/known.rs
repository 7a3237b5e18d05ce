//! The list of circles that are known: each a line, under a comment that says why it is still there.

use std::collections::BTreeSet;

/// The known circles. The list can only shrink: what is in it and not in the source fails too.
#[derive(Debug, Default)]
pub struct Known(BTreeSet<String>);

/// Why the list can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// A circle has no reason.
    #[error("line {0}: a known circle needs a comment above it that says why it is there")]
    Reason(usize),
    /// A circle stands there twice.
    #[error("line {0}: this circle is there already")]
    Twice(usize),
}

impl Known {
    /// Reads the list: `#` begins a reason, and each other line is a circle as the report names it.
    ///
    /// # Errors
    ///
    /// When a circle has no reason above it, or stands there twice.
    pub fn read(text: &str) -> Result<Self, KnownError> {
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
                None => has_reason = false,
            }
        }
        Ok(Self(known))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains(key)
    }
}
