//! What of a text no value can hold, and where it stands.

use serde_json::Value;

use crate::text::one_line;

/// What of a text no value can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Where it stands: a JSON pointer (RFC 6901), empty for the whole.
    pub(crate) place: String,
    /// What is wrong, and what to write instead; continues a sentence that begins with the place.
    pub(crate) what: String,
    /// The `id` beside it at the top, as far as one was found.
    pub(crate) id: Option<Value>,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.place.is_empty() { "it" } else { &self.place };
        write!(formatter, "{} {}", one_line(place, 200), self.what)
    }
}
