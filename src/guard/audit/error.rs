//! Why the audit log can't be written.

use std::path::PathBuf;

use thiserror::Error;

/// The audit log can't be written: calls that change something must not run.
#[derive(Debug, Error)]
pub enum AuditError {
    /// Something other than a file stands where the log, or a file of its own, belongs.
    #[error("the audit log can't use {path}: it is {what}", path = .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What stands there.
        what: &'static str,
    },
    /// Another user owns the file, and so could change it.
    #[error("the audit log can't use {path}: it belongs to another user", path = .path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
    },
    /// Another process held the lock all the time that was waited.
    #[error("the audit log is locked by another process: {path} was held for {seconds} seconds", path = .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The operating system said no.
    #[error("the audit log can't {action} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl AuditError {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
