//! What was found in a text: what is masked of it, and why it can't be shown.

use std::collections::BTreeSet;

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The statement itself.
    Top,
    /// A string that runs: the body of a block or routine.
    Code,
    /// A string that may hold anything.
    Data,
}

/// Why a text can't be shown as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unshowable {
    /// A string, name or comment never ends, or it is too long to be looked through.
    NotRead,
    /// What looks like a secret stands outside a string, or where it can't be told from what runs.
    Secret,
    /// Characters that can't be seen stand outside of strings and comments.
    Hidden,
}

impl Unshowable {
    /// The reason, as the end of a sentence that begins "it ".
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotRead => "holds SQL that can't be read to its end, so no secret in it could be masked",
            Self::Secret => {
                "holds what looks like a secret outside a plain string of its SQL, where it can't be masked without hiding what runs"
            }
            Self::Hidden => "holds characters that can't be shown",
        }
    }
}

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What replaces which bytes, in order.
    pub(super) edits: Vec<(std::ops::Range<usize>, String)>,
    pub(super) unshowable: Option<Unshowable>,
    pub(super) parameters: BTreeSet<usize>,
    pub(super) hides: bool,
    pub(super) runs_text: bool,
}

impl Found {
    pub(super) fn applied(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (at, with) in &self.edits {
            out.push_str(text.get(from..at.start).unwrap_or_default());
            out.push_str(with);
            from = at.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }

    pub(super) fn cannot(&mut self, why: Unshowable) {
        self.unshowable.get_or_insert(why);
    }
}
