//! The key that approvals are sealed with, where the operator names its file.

use std::path::Path;

use super::error::SettingsError;
use crate::guard::{read_trusted, warn_if_readable_by_others};

/// Reads the key of the seals: the file's bytes. Of a text, as base64 and hexadecimal digits are, the blanks at its ends are no part; of
/// random bytes, each is.
pub(super) fn read_seal_key(path: &Path) -> Result<Vec<u8>, SettingsError> {
    let bytes = read_trusted(path)?;
    warn_if_readable_by_others(path);
    Ok(key_of(&bytes).to_vec())
}

fn key_of(bytes: &[u8]) -> &[u8] {
    let is_text = bytes
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    if is_text { bytes.trim_ascii() } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_key_keeps_the_bytes_at_its_ends_and_a_text_has_none() {
        let mut binary = [0xa7; 32];
        for (first, last) in [(b' ', b'\n'), (b'\t', 1), (1, b'\r')] {
            (binary[0], binary[31]) = (first, last);
            assert_eq!(key_of(&binary), binary);
        }
        assert_eq!(key_of(b" MDEyMzQ1Njc4OWFiY2RlZg==\r\n"), b"MDEyMzQ1Njc4OWFiY2RlZg==");
    }
}
