//! What maintainers run: none of it is in the binary that users get.

pub mod circles;
pub mod drift;
mod known;
pub mod mutations;
pub mod phrases;
pub mod recording;
pub mod release;

pub use known::{Known, KnownError};
