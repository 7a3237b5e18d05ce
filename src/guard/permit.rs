//! The proof that a request may run: nothing but the guard can make one.

use crate::guard::Effect;

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
}

impl<T> Permitted<T> {
    /// Lets `inner` through, with the effect that was decided about.
    pub(in crate::guard) fn issue(inner: T, effect: Effect) -> Self {
        Self { inner, effect }
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
