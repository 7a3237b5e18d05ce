//! MCP: what a client sees. It knows nothing of Neon beyond the engine that runs a call.
//!
//! ```
//! use neon_mcp::catalog::{Catalog, Selection, SelectionOptions};
//! use neon_mcp::guard::Policy;
//! use neon_mcp::server::{published, published_bytes};
//!
//! let offered = Selection::new(Catalog::embedded()?, &SelectionOptions::default(), &Policy::default())?;
//! // What a client gets for `tools/list`.
//! let tools = published(&offered);
//! assert!(tools.iter().any(|tool| tool.name == "run_sql"));
//! assert!(published_bytes(&tools) <= 28_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod approve_page;
mod ask;
mod discovery;
mod handler;
pub mod http;
mod instructions;
mod listing;
mod messages;
mod offer;
mod one_tool;
mod overview;
mod own_results;
mod progress;
mod reference;
mod search;
mod sign_in;
mod signature;
pub mod stdio;
mod tools;

pub use handler::NeonServer;
pub use listing::published;
pub use one_tool::{example_arguments, tool_page};
pub use overview::{overview, overview_table, published_list_problems};
pub use reference::{ToolsetSize, tokens, tools_reference, toolset_sizes, toolset_table};
pub use tools::{offered, published_bytes};
