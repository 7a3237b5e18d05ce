//! The key that approvals are sealed with, where the operator names its file.

use std::path::Path;

use super::error::SettingsError;
use crate::guard::{read_trusted, warn_if_readable_by_others};

/// Reads the key of the seals: the file's bytes, without blanks at their ends.
pub(super) fn read_seal_key(path: &Path) -> Result<Vec<u8>, SettingsError> {
    let bytes = read_trusted(path)?;
    warn_if_readable_by_others(path);
    Ok(bytes.trim_ascii().to_vec())
}
