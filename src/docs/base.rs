//! Where the documentation is: chosen by the operator alone.

use crate::base_url::BaseUrl;

/// Neon's own documentation.
pub const DEFAULT_DOCS: &str = "https://neon.com/docs";

/// The base of Neon's own documentation.
#[must_use]
pub fn default_docs() -> Option<BaseUrl> {
    BaseUrl::parse(DEFAULT_DOCS).ok()
}
