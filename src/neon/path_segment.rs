//! One segment of a URL's path, made from text that nobody vouches for.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::text::is_hidden;

/// The longest name that is taken, in bytes, before encoding.
pub const MAX_NAME: usize = 1_024;

/// Everything but RFC 3986's unreserved characters is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A percent-encoded path segment. It can't leave its place in the path: it holds no slash, isn't empty, and isn't
/// a dot segment (RFC 3986, 5.2.4) in any spelling that a server on the way might decode.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathSegment {
    encoded: String,
}

/// Why a text can't be a path segment. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// No text at all.
    #[error("it is empty")]
    Empty,
    /// `.` or `..`, however spelt: a server would read it as a step in the path.
    #[error("it is `.` or `..` (or a spelling of them), which a server would take for a step in the path")]
    Dots,
    /// A control, bidi or zero-width character.
    #[error("it contains a control character or one that can't be seen (U+{0:04X})")]
    Hidden(u32),
    /// More than 1,024 bytes.
    #[error("it is longer than {MAX_NAME} bytes")]
    TooLong,
    /// Not one of Neon's ids.
    #[error("an id has 1 to 60 lower-case letters, digits and hyphens")]
    NotAnId,
    /// Not a UUID.
    #[error("it is not a UUID")]
    NotAUuid,
}

impl PathSegment {
    /// A name that a human or a model chose: a database, a role, a bucket, an object's key.
    ///
    /// `/ ? # % \ ;` and everything else that isn't unreserved is percent-encoded, so it stays one segment.
    ///
    /// # Errors
    ///
    /// [`SegmentError`], before any request, for what encoding doesn't make harmless: the empty name; `.` and `..`, also
    /// percent-encoded (nested, mixed, overlong, `%u…`) or spelt with look-alike dots; control, bidi and
    /// zero-width characters; more than 1,024 bytes.
    pub fn name(text: &str) -> Result<Self, SegmentError> {
        if text.is_empty() {
            return Err(SegmentError::Empty);
        }
        if text.len() > MAX_NAME {
            return Err(SegmentError::TooLong);
        }
        if let Some(hidden) = text.chars().find(|character| is_hidden(*character)) {
            return Err(SegmentError::Hidden(u32::from(hidden)));
        }
        let mut spelling = text.as_bytes().to_vec();
        loop {
            if is_dots(&spelling) {
                return Err(SegmentError::Dots);
            }
            let decoded = decode_once(&spelling);
            // Decoding only ever shortens, so this ends.
            if decoded.len() >= spelling.len() {
                break;
            }
            spelling = decoded;
        }
        Ok(Self {
            encoded: percent_encode(text.as_bytes(), ENCODED).to_string(),
        })
    }

    /// One of Neon's ids: `^[a-z0-9-]{1,60}$`.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NotAnId`] for anything else.
    pub fn id(text: &str) -> Result<Self, SegmentError> {
        if is_id(text) {
            Ok(Self::unreserved(text))
        } else {
            Err(SegmentError::NotAnId)
        }
    }

    /// A whole number.
    #[must_use]
    pub fn integer(number: i64) -> Self {
        Self {
            encoded: number.to_string(),
        }
    }

    /// A UUID with hyphens, kept as it was written.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NotAUuid`] for anything else.
    pub fn uuid(text: &str) -> Result<Self, SegmentError> {
        if is_uuid(text) {
            Ok(Self::unreserved(text))
        } else {
            Err(SegmentError::NotAUuid)
        }
    }

    /// The encoded text, as it stands in the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.encoded
    }

    /// Text that is already known to be letters, digits and hyphens.
    pub(super) fn unreserved(text: &str) -> Self {
        Self {
            encoded: text.to_owned(),
        }
    }
}

impl fmt::Display for PathSegment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.encoded)
    }
}

/// Whether `text` is a UUID in its usual form: 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// Whether bytes read as `.` or `..`: as they stand, with blanks around, or in look-alikes. Look-alikes alone are refused
/// in any number, for normalization (NFKC) makes one to three dots of each.
fn is_dots(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    let mut dots = 0_usize;
    let mut look_alike = false;
    for character in text.chars() {
        match character {
            '.' => dots += 1,
            '\u{2024}' | '\u{2025}' | '\u{2026}' | '\u{FF0E}' | '\u{FE52}' | '\u{3002}' | '\u{FF61}' => {
                dots += 1;
                look_alike = true;
            }
            _ => return false,
        }
    }
    dots > 0 && (dots <= 2 || look_alike)
}

/// Undoes one level of percent-encoding, as lenient servers do: also `%uXXXX`, and a dot in overlong UTF-8.
fn decode_once(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        if let Some((b'u' | b'U', digits)) = after.split_first()
            && let Some(value) = hexadecimal(digits, 4)
        {
            let mut buffer = [0_u8; 4];
            let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            decoded.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            rest = after.get(5..).unwrap_or_default();
        } else if let Some(value) = hexadecimal(after, 2) {
            decoded.push(u8::try_from(value).unwrap_or_default());
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push(b'%');
        }
    }
    for overlong in [&b"\xC0\xAE"[..], b"\xE0\x80\xAE", b"\xF0\x80\x80\xAE"] {
        decoded = replace(&decoded, overlong);
    }
    decoded
}

/// The number that the first `digits` bytes spell in hexadecimal.
fn hexadecimal(bytes: &[u8], digits: usize) -> Option<u32> {
    bytes.get(..digits)?.iter().try_fold(0_u32, |value, byte| {
        char::from(*byte).to_digit(16).map(|digit| value * 16 + digit)
    })
}

/// `bytes` with a dot in the place of every `pattern`.
fn replace(bytes: &[u8], pattern: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(pattern) {
            replaced.push(b'.');
            rest = after;
        } else {
            replaced.push(*first);
            rest = after;
        }
    }
    replaced
}

/// Whether `text` has the form of Neon's ids: 1 to 60 lower-case letters, digits and hyphens.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
