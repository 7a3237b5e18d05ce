//! Why the data plane couldn't do something.

use std::path::Path;

/// Why the data plane couldn't do something.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DataPlaneError(String);

impl DataPlaneError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn io(action: &str, path: impl AsRef<Path>, error: &std::io::Error) -> Self {
        Self(format!("can't {action} {}: {error}", path.as_ref().display()))
    }

    pub(super) fn sql(action: &str, error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(error) => Self(format!("can't {action}: {}", error.message())),
            None => Self(format!("can't {action}: {error}")),
        }
    }
}

impl From<local_postgres::LocalPostgresError> for DataPlaneError {
    fn from(error: local_postgres::LocalPostgresError) -> Self {
        Self(error.to_string())
    }
}
