//! What the tests share.

pub mod arguments;
pub mod permit;
pub mod server;
pub mod upstream;
