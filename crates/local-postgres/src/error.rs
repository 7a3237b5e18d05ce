//! Why there is no PostgreSQL to run.

use std::{io, path::Path};

/// Why there is no PostgreSQL to run, in words that say what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct LocalPostgresError(String);

impl LocalPostgresError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn io(action: &str, path: impl AsRef<Path>, error: &io::Error) -> Self {
        Self(format!("can't {action} {}: {error}", path.as_ref().display()))
    }
}
