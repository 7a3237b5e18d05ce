//! Seals: what the server hands out and gets back unchanged, or not at all.
//!
//! A seal is what rmcp's [`RequestStateCodec`] makes of a [`Binding`]: readable JSON without secrets, with an HMAC-SHA256 (RFC 2104)
//! under a key that never leaves the process. Checks take the same time whatever is wrong.
//!
//! The codec holds what a seal must hold: no byte can be changed, it opens under its key and for its purpose alone, and the key is
//! wiped. What it has no place for stays here or with the caller: digests, tags and encryption under the same key; a bound on what is
//! looked at; single use; and the end and the owner of a seal, which the binding tells, since the codec would take one that ran out
//! and one of another caller for the same error as a forged one, and knows no clock but the system's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rmcp::model::{RequestStateCodec, SealOptions};
use secrecy::{ExposeSecret as _, SecretBox};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

/// The shortest key, in bytes: that of the hash's output (RFC 2104, section 3).
pub const MIN_KEY: usize = 32;

/// How long a tag is, in bytes.
const TAG: usize = 16;

/// The longest seal that is looked at, in bytes: a real one has some 500.
const LONGEST: usize = 4_096;

/// What an approval is bound to. It holds digests and no secret: whoever gets the seal can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Binding {
    /// The version of this format.
    pub(super) v: u8,
    /// The tool.
    pub(super) tool: String,
    /// Digest of the complete arguments, with names resolved to ids.
    pub(super) arguments: String,
    /// Digest of the state of the target that was shown.
    pub(super) state: String,
    /// Who asked, as a keyed digest.
    pub(super) caller: String,
    /// When it ends: seconds since 1970.
    pub(super) until: i64,
    /// What makes it one of a kind, so that it is used once.
    pub(super) nonce: String,
    /// The mark of the store when it was made: nothing where the store keeps what it has.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) mark: String,
    /// It asks again, after a name that was wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) again: bool,
}

/// The key is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a seal key has at least {MIN_KEY} bytes, of which no one else knows any")]
pub struct ShortKey;

/// What seals are for, which is part of what is signed: a MAC for one purpose is none for another.
const APPROVAL: &[u8] = b"neon-mcp/1/approval";

/// Makes and checks seals.
pub struct Sealer {
    key: SecretBox<[u8]>,
    codec: RequestStateCodec,
    shared: bool,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sealer")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer with a key of its own: its seals end with this process.
    #[must_use]
    pub fn random() -> Self {
        let key: [u8; MIN_KEY] = rand::random();
        Self::with(&key, false)
    }

    /// A sealer with a key that other processes have too, and that outlives a restart.
    ///
    /// # Errors
    /// When the key has fewer than 32 bytes.
    pub fn shared(key: &[u8]) -> Result<Self, ShortKey> {
        if key.len() < MIN_KEY {
            return Err(ShortKey);
        }
        Ok(Self::with(key, true))
    }

    /// A sealer with a key that is long enough.
    fn with(key: &[u8], shared: bool) -> Self {
        Self {
            key: SecretBox::new(Box::from(key)),
            codec: RequestStateCodec::new_unchecked(key),
            shared,
        }
    }

    /// Whether other processes, or this one after a restart, take the same seals.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// A keyed digest, in base64url: the same for the same parts, and of no use to anyone else.
    pub(super) fn digest(&self, purpose: &str, parts: &[&str]) -> String {
        self.over("digest", purpose, parts)
            .map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
            .unwrap_or_default()
    }

    /// A short tag on parts: 16 bytes of their HMAC, in base64url.
    pub(super) fn tag(&self, purpose: &str, parts: &[&str]) -> String {
        self.over("tag", purpose, parts)
            .map(|mac| mac.finalize().into_bytes())
            .and_then(|bytes| bytes.get(..TAG).map(|tag| URL_SAFE_NO_PAD.encode(tag)))
            .unwrap_or_default()
    }

    /// Whether it is the tag on these parts. It takes the same time whatever is wrong.
    pub(super) fn is_tag(&self, purpose: &str, parts: &[&str], tag: &str) -> bool {
        let (Ok(tag), Some(mac)) = (URL_SAFE_NO_PAD.decode(tag), self.over("tag", purpose, parts)) else {
            return false;
        };
        tag.len() == TAG && mac.verify_truncated_left(&tag).is_ok()
    }

    /// An HMAC over parts, each with its length: it tells where one ends.
    fn over(&self, kind: &str, purpose: &str, parts: &[&str]) -> Option<Hmac<Sha256>> {
        let mut text = purpose.to_owned();
        for part in parts {
            text.push_str(&format!("\0{}\0{part}", part.len()));
        }
        self.mac(kind, text.as_bytes())
    }

    /// Encrypts a text under a key of its purpose and id (ChaCha20-Poly1305, RFC 8439), in base64url: it opens for no other id.
    pub(super) fn encrypt(&self, purpose: &str, id: &str, plain: &[u8]) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut text = plain.to_vec();
        self.cipher(purpose, id)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &text].concat()))
    }

    /// What was encrypted; nothing when a byte of it was changed, or for another purpose, id or key.
    pub(super) fn decrypt(&self, purpose: &str, id: &str, encrypted: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(encrypted).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let key = self.cipher(purpose, id)?;
        let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut text);
        Some(plain.ok()?.to_vec())
    }

    /// Each id has a key of its own, so a nonce drawn by chance meets no other.
    fn cipher(&self, purpose: &str, id: &str) -> Option<LessSafeKey> {
        let key = self.over("encryption", purpose, &[id])?.finalize().into_bytes();
        UnboundKey::new(&CHACHA20_POLY1305, &key).ok().map(LessSafeKey::new)
    }

    pub(super) fn seal(&self, binding: &Binding) -> String {
        let options = SealOptions::new().associated_data(APPROVAL);
        self.codec.seal_json_with(binding, &options).unwrap_or_default()
    }

    /// What was sealed; nothing when a byte of it was changed, or it was sealed with another key.
    pub(super) fn open(&self, seal: &str) -> Option<Binding> {
        if seal.len() > LONGEST {
            return None;
        }
        let binding: Binding = self.codec.open_json_with(seal, APPROVAL).ok()?;
        (binding.v == 1).then_some(binding)
    }

    /// An HMAC over a purpose and a message: a MAC for one purpose is none for another.
    fn mac(&self, purpose: &str, message: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret()).ok()?;
        mac.update(b"neon-mcp/1/");
        mac.update(purpose.as_bytes());
        mac.update(b"\0");
        mac.update(message);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding {
        Binding {
            v: 1,
            tool: "delete_branch".into(),
            arguments: "a".into(),
            state: "s".into(),
            caller: "c".into(),
            until: 1,
            nonce: "n".into(),
            mark: String::new(),
            again: false,
        }
    }

    #[test]
    fn a_seal_opens_with_its_key_alone_and_only_unchanged() {
        let sealer = Sealer::shared(&[7; 32]).unwrap();
        let seal = sealer.seal(&binding());
        assert_eq!(sealer.open(&seal), Some(binding()));
        assert_eq!(Sealer::shared(&[8; 32]).unwrap().open(&seal), None);
        assert_eq!(Sealer::random().open(&seal), None);
        for index in 0..seal.len() {
            let mut bytes = seal.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(changed == seal || sealer.open(&changed).is_none(), "{index}: {changed}");
        }
        let (head, tail) = (seal.split_once('.').unwrap(), seal.rsplit_once('.').unwrap());
        for part in [head.0, head.1, tail.0, tail.1] {
            assert_eq!(sealer.open(part), None, "{part}");
        }
        assert_eq!(sealer.open(""), None);
        assert_eq!(sealer.open("."), None);
    }

    #[test]
    fn seal_for_another_purpose_or_of_another_form_is_none() {
        let sealer = Sealer::shared(&[7; 32]).unwrap();
        let codec = RequestStateCodec::new_unchecked([7; 32]);
        let sealed = |value: &Binding, purpose: &[u8]| {
            let options = SealOptions::new().associated_data(purpose);
            codec.seal_json_with(value, &options).unwrap()
        };
        assert_eq!(sealer.open(&sealed(&binding(), APPROVAL)), Some(binding()));
        assert_eq!(sealer.open(&sealed(&binding(), b"")), None);
        assert_eq!(sealer.open(&sealed(&binding(), b"another")), None);
        let later = Binding { v: 2, ..binding() };
        assert_eq!(sealer.open(&sealed(&later, APPROVAL)), None);
        let long = Binding {
            tool: "x".repeat(LONGEST),
            ..binding()
        };
        assert_eq!(sealer.open(&sealed(&long, APPROVAL)), None);
    }

    #[test]
    fn encrypted_text_opens_for_its_purpose_id_and_key_alone() {
        let sealer = Sealer::shared(&[7; 32]).unwrap();
        let text = sealer.encrypt("p", "one", b"PASSWORD 'x'").unwrap();
        assert_eq!(sealer.decrypt("p", "one", &text).unwrap(), b"PASSWORD 'x'");
        assert_ne!(sealer.encrypt("p", "one", b"PASSWORD 'x'").unwrap(), text);
        assert_eq!(sealer.decrypt("p", "two", &text), None);
        assert_eq!(sealer.decrypt("q", "one", &text), None);
        assert_eq!(Sealer::shared(&[8; 32]).unwrap().decrypt("p", "one", &text), None);
        assert_eq!(sealer.decrypt("p", "one", "AAAA"), None);
    }

    #[test]
    fn a_key_is_long_enough() {
        assert_eq!(Sealer::shared(&[0; 31]).unwrap_err(), ShortKey);
    }

    #[test]
    fn digests_tell_where_one_part_ends() {
        let sealer = Sealer::random();
        assert_ne!(sealer.digest("x", &["ab", "c"]), sealer.digest("x", &["a", "bc"]));
        assert_ne!(sealer.digest("x", &["a"]), sealer.digest("y", &["a"]));
    }
}
