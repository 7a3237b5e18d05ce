//! What the tests share.

pub mod arguments;
pub mod counting;
pub mod fence;
pub mod http;
pub mod human;
pub mod permit;
pub mod postgres;
pub mod sandbox_process;
pub mod server;
pub mod terminal;
pub mod upstream;
pub mod world;
