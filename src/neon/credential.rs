//! The key that opens Neon's API, kept out of everything that prints.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// One caller's Neon API key (or access token). Cheap to clone; wiped from memory with its last clone.
///
/// `Debug` prints `[hidden]`; there is no `Display`, no comparison and no serialization.
#[derive(Clone)]
pub struct Credential {
    secret: Arc<SecretString>,
}

/// Why a text can't be a credential. It says what is wrong and never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCredential {
    /// Nothing is left after trimming.
    #[error("the Neon API key is empty")]
    Empty,
    /// Something other than visible ASCII: an HTTP header can't carry it, so it was damaged on the way here.
    #[error(
        "the Neon API key contains blanks, control characters or letters outside ASCII; copy it again from the Neon Console"
    )]
    Characters,
    /// Longer than 8,192 bytes, which no server takes as a header.
    #[error("the Neon API key is longer than 8,192 bytes; a Neon key is far shorter")]
    TooLong,
}

/// The longest credential that is taken, in bytes: common servers refuse longer header lines.
const LONGEST: usize = 8_192;

impl Credential {
    /// Takes a key as it was typed, pasted or read from the environment; blanks around it are cut off.
    ///
    /// # Errors
    ///
    /// [`InvalidCredential`] when it is empty, longer than 8,192 bytes, or not visible ASCII.
    pub fn new(text: String) -> Result<Self, InvalidCredential> {
        let given = SecretString::from(text);
        let trimmed = given.expose_secret().trim();
        if trimmed.is_empty() {
            return Err(InvalidCredential::Empty);
        }
        if trimmed.len() > LONGEST {
            return Err(InvalidCredential::TooLong);
        }
        if !trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidCredential::Characters);
        }
        Ok(Self {
            secret: Arc::new(SecretString::from(trimmed)),
        })
    }

    /// The secret itself, for the few places that must hand it on (never to a log or a message).
    #[must_use]
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// The value of the `Authorization` header, marked as sensitive so that no layer below prints or indexes it.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, InvalidCredential> {
        let text = SecretString::from(format!("Bearer {}", self.expose()));
        let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| InvalidCredential::Characters)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// `text` with every occurrence of the secret blotted out: an upstream may echo what it was sent.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        text.replace(self.expose(), "[hidden]")
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}
