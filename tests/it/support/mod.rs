//! What the tests share.

pub mod permit;
pub mod upstream;
