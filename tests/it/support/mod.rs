//! What the tests share.

/// `neon-mcp sandbox`.
pub const SANDBOX: harness::sandbox_process::Program = harness::sandbox_process::Program {
    path: env!("CARGO_BIN_EXE_neon-mcp"),
    arguments: &["sandbox"],
    folder: env!("CARGO_TARGET_TMPDIR"),
};

pub mod arguments;
pub mod counting;
pub mod fence;
pub mod http;
pub mod human;
pub mod permit;
pub mod server;
pub mod terminal;
pub mod upstream;
pub mod world;
