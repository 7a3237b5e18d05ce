//! Why the documentation can't be read. Whatever it is, nothing else of the server suffers.

/// A documentation that can't be read, or a page that isn't there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocsError {
    /// The call was cancelled before the answer.
    #[error("the call was cancelled")]
    Cancelled,
    /// No answer: no network, no such host, or too slow.
    #[error("the documentation at {host} can't be reached: {why}")]
    Unreachable {
        /// The docs host.
        host: String,
        /// What failed.
        why: String,
    },
    /// There is no such page.
    #[error("the documentation at {host} has no page `{slug}`")]
    NoPage {
        /// The docs host.
        host: String,
        /// What was asked for.
        slug: String,
    },
    /// An answer that isn't documentation.
    #[error("the documentation at {host} gave no usable answer: {why}")]
    Unusable {
        /// The docs host.
        host: String,
        /// What is wrong with it.
        why: String,
    },
}

impl DocsError {
    /// The kind, as results name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Unreachable { .. } => "docs_unreachable",
            Self::NoPage { .. } => "docs_not_found",
            Self::Unusable { .. } => "docs_unusable",
        }
    }
}
