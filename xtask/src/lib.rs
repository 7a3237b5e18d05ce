//! What maintainers run: none of it is in the binary that users get.

pub mod circles;
pub mod drift;
pub mod mutations;
