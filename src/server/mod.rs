//! MCP: what a client sees. It knows nothing of Neon beyond the engine that runs a call.

mod approve_page;
mod ask;
mod discovery;
mod handler;
pub mod http;
mod listing;
mod messages;
mod overview;
mod progress;
mod reference;
pub mod stdio;
mod tools;

pub use handler::NeonServer;
pub use listing::published;
pub use overview::{overview, overview_table, published_list_problems};
pub use reference::{ToolsetSize, tokens, tools_reference, toolset_sizes, toolset_table};
pub use tools::{offered, published_bytes};
