//! The proof that a request may run: nothing but the guard can make one.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::guard::Effect;

/// The texts that were judged, as digests: a permit for statements covers these and no others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JudgedTexts(Arc<BTreeSet<[u8; 32]>>);

impl JudgedTexts {
    /// The texts, byte for byte as they would be sent.
    pub fn new<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        Self(Arc::new(texts.map(digest).collect()))
    }

    /// Whether that text was judged.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.0.contains(&digest(text))
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// A value (in practice a [`crate::neon::Request`]) that the guard has let through.
///
/// The fields are private and the constructor is visible to `guard` alone, so code elsewhere can
/// neither build one nor change what is inside. The client takes every request of a tool call in
/// this form; what it sends without one are plain reads ([`crate::neon::Client::read`]).
///
/// ```compile_fail
/// use neon_mcp::guard::{Effect, Permitted};
/// let forged = Permitted { inner: (), effect: Effect::Destructive };
/// ```
///
/// ```compile_fail
/// use neon_mcp::guard::{Effect, Permitted};
/// let forged = Permitted::issue((), Effect::Destructive);
/// ```
///
/// It is used up by sending, and can't be copied:
///
/// ```compile_fail
/// fn twice<T>(permit: neon_mcp::guard::Permitted<T>) -> (neon_mcp::guard::Permitted<T>, neon_mcp::guard::Permitted<T>) {
///     (permit.clone(), permit)
/// }
/// ```
#[derive(Debug)]
#[must_use = "a permit does nothing until it is sent"]
pub struct Permitted<T> {
    inner: T,
    effect: Effect,
    texts: JudgedTexts,
}

impl<T> Permitted<T> {
    /// Lets `inner` through, with the effect that was decided about.
    pub(in crate::guard) fn issue(inner: T, effect: Effect) -> Self {
        Self::issue_texts(inner, effect, JudgedTexts::default())
    }

    /// Lets statements through, as far as they are those that were judged.
    pub(in crate::guard) fn issue_texts(inner: T, effect: Effect, texts: JudgedTexts) -> Self {
        Self { inner, effect, texts }
    }

    /// Whether each of these texts, as it is about to be sent, was judged.
    pub fn covers<'t>(&self, mut texts: impl Iterator<Item = &'t str>) -> bool {
        texts.all(|text| self.texts.contains(text))
    }

    /// The effect that the guard decided about.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// What was let through, to look at.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.inner
    }

    /// What was let through, to send: this uses the permit up.
    pub(crate) fn into_inner(self) -> T {
        self.inner
    }
}
