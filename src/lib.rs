//! An MCP server that hands Neon (serverless Postgres) to AI agents, safely.
//!
//! The way of one tool call:
//!
//! ```text
//!  client ──► server ──► engine: check ──► decide ──► dispatch ──► neon ──► Neon's API or the sandbox
//!             speaks             args      may it     the one      one shared
//!             MCP                refs      run?       gate         client
//!  client ◄── server ◄── engine: present (shape, mask, delimit) ◄────────┘
//! ```
//!
//! Beside it, [`docs`] reads the documentation, from its own host and without a key.
//!
//! [`server`] knows MCP and nothing of Neon; [`neon`] knows HTTP and nothing of MCP; [`catalog`] is data; [`guard`]
//! decides and never sends; only [`engine`] joins them.

pub mod base_url;
pub mod catalog;
pub mod cli;
pub mod clients;
pub mod docs;
pub mod engine;
pub mod guard;
mod json;
pub mod neon;
mod permit;
pub mod server;
pub mod settings;
pub mod sign_in;
pub mod telemetry;
pub mod text;
mod toml_error;
pub mod workflows;

#[cfg(feature = "sandbox")]
pub use neon_sandbox as sandbox;
pub use sql_effect as sql;
