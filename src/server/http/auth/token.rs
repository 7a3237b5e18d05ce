//! The bearer token that clients over HTTP show (RFC 6750): made at the start, or the operator's own.
//!
//! A loopback port is open to every user of the machine, so without a token each of them could use the operator's API key.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::guard::{FileError, read_private, replace_private};
use crate::server::http::listen::Listen;

/// The shortest token that an operator may give, in characters.
pub const MIN_TOKEN_CHARS: usize = 16;

/// The longest, in characters: what fits into a header without trouble.
pub const MAX_TOKEN_CHARS: usize = 1_024;

/// What is said to whoever comes without the token.
pub(super) const HOW: &str =
    "This server wants `Authorization: Bearer TOKEN`. Its start says on standard error where the token is";

/// A text that can't be a bearer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a bearer token has {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS} characters, all of them letters, digits or one of - . _ ~ + / ="
)]
pub struct InvalidToken;

/// A bearer token.
#[derive(Clone, Debug)]
pub struct BearerToken(Arc<SecretString>);

impl BearerToken {
    /// A new token: 256 random bits, in base64url.
    #[must_use]
    pub fn random() -> Self {
        let random: [u8; 32] = rand::random();
        Self(Arc::new(URL_SAFE_NO_PAD.encode(random).into()))
    }

    /// The operator's own token, without blanks at its ends.
    ///
    /// # Errors
    /// When it is too short or too long, or has characters that no bearer token has (RFC 6750, section 2.1).
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        let fits = (MIN_TOKEN_CHARS..=MAX_TOKEN_CHARS).contains(&text.len());
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if fits && text.bytes().all(is_token) {
            Ok(Self(Arc::new(text.into())))
        } else {
            Err(InvalidToken)
        }
    }

    /// What tells the token from others, and is of no use to anyone else.
    #[must_use]
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose_secret().as_bytes()))
    }

    /// Writes the token into the state directory, for those who may read it: in one file for each address or socket, which
    /// replaces that of an earlier run at once.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn keep(&self, state: &Path, listen: &Listen) -> Result<TokenFile, FileError> {
        let path = state.join(format!("http-{}.token", listen.file_name()));
        let text = format!("{}\n", self.0.expose_secret());
        replace_private(&path, |file| file.write_all(text.as_bytes()))?;
        Ok(TokenFile {
            path,
            text: text.into(),
        })
    }
}

/// The file with the token: it is removed when this goes out of scope.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    text: SecretString,
}

impl TokenFile {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // Another process that listens there by now has put its own in the place.
        let there = read_private(&self.path, self.text.expose_secret().len() as u64);
        if there.is_ok_and(|there| there.is_some_and(|text| text == self.text.expose_secret().as_bytes())) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What a request is checked against. The key is new for each server: a comparison of tags tells nothing of the token, however
/// long it takes.
#[derive(Clone)]
pub(in crate::server::http) struct Gate {
    key: Arc<[u8; 32]>,
    expected: Arc<[u8]>,
    digest: Arc<str>,
}

impl Gate {
    pub(in crate::server::http) fn new(token: &BearerToken) -> Self {
        let key: [u8; 32] = rand::random();
        let expected = mac(&key, token.0.expose_secret().as_bytes());
        let expected = expected.map(|mac| mac.finalize().into_bytes().to_vec());
        Self {
            key: Arc::new(key),
            // Nothing verifies against an empty tag.
            expected: expected.unwrap_or_default().into(),
            digest: token.digest().into(),
        }
    }

    /// What tells the token from others, and is of no use to anyone else.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether exactly one token was shown, and it is this one.
    pub(super) fn opens(&self, headers: &HeaderMap) -> bool {
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let (Some(only), None) = (shown.next(), shown.next()) else {
            return false;
        };
        let Some((scheme, token)) = only.to_str().ok().and_then(|text| text.split_once(' ')) else {
            return false;
        };
        let Some(mac) = mac(self.key.as_slice(), token.trim().as_bytes()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer") && mac.verify_slice(&self.expected).is_ok()
    }
}

fn mac(key: &[u8], message: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(message);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn token_opens_only_whole_and_alone() {
        let token = BearerToken::parse("abcdefghijklmnop").unwrap();
        let gate = Gate::new(&token);
        for right in [
            "Bearer abcdefghijklmnop",
            "bearer abcdefghijklmnop",
            "BEARER  abcdefghijklmnop",
        ] {
            assert!(gate.opens(&headers(&[right])), "{right}");
        }
        for wrong in [
            vec![],
            vec![""],
            vec!["Bearer"],
            vec!["Bearer "],
            vec!["abcdefghijklmnop"],
            vec!["Basic abcdefghijklmnop"],
            vec!["Bearer abcdefghijklmno"],
            vec!["Bearer abcdefghijklmnopq"],
            vec!["Bearer Abcdefghijklmnop"],
            vec!["Bearer abcdefghijklmnop,x"],
            vec!["Bearer abcdefghijklmnop", "Bearer abcdefghijklmnop"],
            vec!["Bearer x", "Bearer abcdefghijklmnop"],
        ] {
            assert!(!gate.opens(&headers(&wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn tokens_are_long_and_of_the_characters_that_tokens_have() {
        let random = BearerToken::random();
        assert_eq!(random.0.expose_secret().len(), 43);
        assert_ne!(random.digest(), BearerToken::random().digest());
        assert!(BearerToken::parse(random.0.expose_secret()).is_ok());
        assert!(BearerToken::parse(" abcdefghijklmnop\n").is_ok());
        for text in [
            "",
            "short",
            "has a blank in the middle",
            "has\nlines in the middle",
            "abcdefghijklmnöp",
            &"x".repeat(1_025),
        ] {
            assert_eq!(BearerToken::parse(text).unwrap_err(), InvalidToken, "{text}");
        }
    }
}
