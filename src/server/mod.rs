//! MCP: what a client sees. It knows nothing of Neon beyond the engine that runs a call.

mod approve_page;
mod ask;
mod handler;
pub mod http;
mod progress;
pub mod stdio;
mod tools;

pub use handler::NeonServer;
pub use tools::{published, published_bytes};
