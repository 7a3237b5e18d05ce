//! Files with a secret that others than their owner can read.

use std::path::Path;

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
