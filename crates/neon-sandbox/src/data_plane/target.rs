//! Where a compute's server is.

use std::path::PathBuf;

/// Where a compute's server is.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) socket: PathBuf,
    /// On 127.0.0.1.
    pub(crate) port: u16,
}
