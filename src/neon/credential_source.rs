//! Where the credential of a request comes from: a key that stays, or a sign-in whose token is renewed.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};

use super::credential::Credential;

/// What a request is sent with, and whose it is.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The key or the access token.
    pub credential: Credential,
    /// Which account it is of, where that is known apart from the credential: it stays the same when the token is renewed.
    pub account: Option<String>,
    /// What is said where Neon doesn't take it. A sentence with its full stop; nothing where the general advice is right.
    pub refused: Option<String>,
}

impl Bearer {
    /// A key that is its own account.
    #[must_use]
    pub fn of_key(credential: Credential) -> Self {
        Self {
            credential,
            account: None,
            refused: None,
        }
    }

    /// Which account it is of, as text that no two accounts share. It may hold the key: only a digest of it may be kept.
    #[must_use]
    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or_else(|| self.credential.expose())
    }

    /// The same as a digest, which may be kept and compared.
    #[must_use]
    pub fn account_digest(&self) -> [u8; 32] {
        Sha256::digest(self.account().as_bytes()).into()
    }
}

/// Why there is nothing to send a request with. Each is told in sentences of ours, without a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCredential {
    /// Nobody is signed in, or no longer: only a person can help.
    #[error("{why}")]
    NotSignedIn {
        /// What is missing.
        why: String,
        /// What to do.
        next: String,
    },
    /// Another account is signed in than the one that the call began with.
    #[error("another account signed in while the call ran, so it goes no further")]
    AnotherAccount,
    /// The token has to be renewed, and that couldn't be done now. A later try may succeed.
    #[error("{why}")]
    NotRenewed {
        /// Why not.
        why: String,
    },
}

/// Gives each request what it is sent with.
pub trait CredentialSource: Send + Sync + fmt::Debug {
    /// What to send a request with now. A token that is about to expire is renewed first.
    fn current(&self) -> BoxFuture<'_, Result<Bearer, NoCredential>>;

    /// Another one, after Neon didn't take that one (401). Nothing where there can't be another.
    fn renewed<'a>(&'a self, refused: &'a Bearer) -> BoxFuture<'a, Result<Option<Bearer>, NoCredential>>;

    /// What is there without waiting or sending anything, where that never changes.
    fn fixed(&self) -> Option<&Credential> {
        None
    }

    /// Whether there is something to send requests with, as far as this machine knows.
    fn is_there(&self) -> bool {
        true
    }
}

/// A key that stays as it is.
#[derive(Debug)]
struct Fixed(Bearer);

impl CredentialSource for Fixed {
    fn current(&self) -> BoxFuture<'_, Result<Bearer, NoCredential>> {
        async { Ok(self.0.clone()) }.boxed()
    }

    fn renewed<'a>(&'a self, _refused: &'a Bearer) -> BoxFuture<'a, Result<Option<Bearer>, NoCredential>> {
        async { Ok(None) }.boxed()
    }

    fn fixed(&self) -> Option<&Credential> {
        Some(&self.0.credential)
    }
}

impl From<Credential> for Arc<dyn CredentialSource> {
    fn from(credential: Credential) -> Self {
        Arc::new(Fixed(Bearer::of_key(credential)))
    }
}
