//! The proof that a request may run: nothing but the guard can make one.
//!
//! It stands below both rooms that need it: [`crate::guard`], which issues permits, and [`crate::neon`], which sends nothing of a
//! tool call without one.

mod effect;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};

pub use effect::Effect;

/// The right to issue permits. A process has one, and whoever takes it first keeps it: the guard, or else no permit is issued at
/// all. It can't be copied.
#[derive(Debug)]
pub(crate) struct Issuer(());

impl Issuer {
    /// Takes the right: `None` when it was taken before.
    pub(crate) fn take() -> Option<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        Self::take_of(&TAKEN)
    }

    fn take_of(taken: &AtomicBool) -> Option<Self> {
        (!taken.swap(true, Ordering::SeqCst)).then_some(Self(()))
    }

    /// A right of a test's own, beside the guard's.
    #[cfg(test)]
    fn of_test() -> Self {
        Self(())
    }
}

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
/// The fields are private and the constructor takes the `Issuer`, of which there is one and which the guard holds: code
/// elsewhere can neither build one nor change what is inside. The client takes every request of a tool call in
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
    pub(crate) fn issue(issuer: &Issuer, inner: T, effect: Effect) -> Self {
        Self::issue_texts(issuer, inner, effect, JudgedTexts::default())
    }

    /// Lets statements through, as far as they are those that were judged.
    pub(crate) fn issue_texts(_: &Issuer, inner: T, effect: Effect, texts: JudgedTexts) -> Self {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::neon::sql::{CommitRule, Connection, Identity, Isolation, Query, SqlAddress, SqlHosts, Statements};
    use crate::neon::{Client, ClientConfig, Context, Credential, api_base};

    const JUDGED: &str = "DELETE FROM t WHERE id = 1";

    #[test]
    fn right_to_issue_is_taken_once() {
        let taken = AtomicBool::new(false);
        assert!(Issuer::take_of(&taken).is_some());
        assert!(Issuer::take_of(&taken).is_none());
    }

    #[test]
    fn permit_covers_the_judged_texts_byte_for_byte() {
        let permit = Permitted::issue_texts(
            &Issuer::of_test(),
            (),
            Effect::Write,
            JudgedTexts::new([JUDGED].into_iter()),
        );
        assert!(permit.covers([JUDGED, JUDGED].into_iter()));
        for other in [
            "DELETE FROM t WHERE id = 1 ",
            "delete from t where id = 1",
            "",
            "DELETE FROM t",
        ] {
            assert!(!permit.covers([JUDGED, other].into_iter()), "{other}");
        }
        assert!(!Permitted::issue(&Issuer::of_test(), (), Effect::Destructive).covers([JUDGED].into_iter()));
    }

    #[tokio::test]
    async fn statement_that_was_not_judged_is_not_sent() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = api_base("http://127.0.0.1:9/api/v2").unwrap();
        let string = "postgresql://me:x@127.0.0.1/db";
        let connection = Connection {
            address: SqlAddress::of(string, &base, &SqlHosts::default()).unwrap(),
            string: string.to_owned().into(),
            database: "db".to_owned(),
            role: "me".to_owned(),
            identity: Identity {
                project: "quiet-forest-12345678".parse().unwrap(),
                branch: "br-quiet-forest-a1b2c3d4".parse().unwrap(),
                endpoint: None,
            },
            holds_role: false,
            fresh: false,
        };
        let client = Client::new(ClientConfig::new(
            base,
            Credential::new("sandbox_x".to_owned()).unwrap(),
        ));
        let statements = Statements::together(vec![Query::plain("DELETE FROM t".to_owned())], Isolation::ReadCommitted);
        let permit = Permitted::issue_texts(
            &Issuer::of_test(),
            statements,
            Effect::Write,
            JudgedTexts::new([JUDGED].into_iter()),
        );
        let context = Context::within(Duration::from_secs(1));
        let ran = client
            .execute(
                &connection,
                permit,
                CommitRule::Identity,
                Duration::from_secs(1),
                &context,
            )
            .await;
        let refused = ran.unwrap_err().to_string();
        harness::assert_worded!("errors", "text that was not judged", refused);
    }
}
