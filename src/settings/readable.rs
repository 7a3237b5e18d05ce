//! Files with a secret, which others than their owner may be able to read.

use std::path::Path;

use super::error::SettingsError;
use crate::guard::read_trusted;

/// Warns of one: it is read all the same, since it may be meant so.
pub(super) fn warn_if_readable_by_others(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path)
            .map(|metadata| metadata.permissions().mode())
            .unwrap_or_default();
        if mode & 0o077 != 0 {
            tracing::warn!("{} can be read by others than its owner: chmod 600 it", path.display());
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Reads the key of the seals: the file's bytes, without blanks at their ends.
pub(super) fn read_seal_key(path: &Path) -> Result<Vec<u8>, SettingsError> {
    let bytes = read_trusted(path)?;
    warn_if_readable_by_others(path);
    Ok(bytes.trim_ascii().to_vec())
}
