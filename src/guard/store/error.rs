//! What can be wrong with what replicas share.

use thiserror::Error;

use crate::guard::files::FileError;

/// What replicas share can't be read or changed. What depends on it must not run.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The store can't be reached, or doesn't answer in time.
    #[error("the store {place} can't be used: {why}")]
    Away {
        /// Where it is, without its password.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// The store says no: a wrong password, a user who may not do what is needed. It doesn't pass by itself.
    #[error("the store {place} refuses: {why}")]
    Refused {
        /// Where it is, without its password.
        place: String,
        /// What it said.
        why: String,
    },
    /// The store was restarted a moment ago, and the replicas still look whether it has all that they know.
    #[error("the store {place} was restarted a moment ago, and is used again in {seconds} seconds")]
    Settling {
        /// Where it is, without its password.
        place: String,
        /// How long that takes at most.
        seconds: u64,
    },
}

impl StoreError {
    /// Whether it is the store of replicas that can't be used, and no file of this machine.
    #[must_use]
    pub fn is_away(&self) -> bool {
        !matches!(self, Self::File(_))
    }
}
