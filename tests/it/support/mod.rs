//! What the tests share.

/// `neon-mcp sandbox`.
pub const SANDBOX: harness::sandbox_process::Program = harness::sandbox_process::Program {
    path: env!("CARGO_BIN_EXE_neon-mcp"),
    arguments: &["sandbox"],
    folder: env!("CARGO_TARGET_TMPDIR"),
};

use std::sync::LazyLock;

use neon_mcp::catalog::Catalog;

/// The catalogue that the program carries, for who makes something of it.
pub fn own_catalog() -> Catalog {
    Catalog::embedded().expect("the catalogue loads")
}

/// The tools, as the program carries them: loaded once for all tests.
pub fn catalog() -> &'static Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(own_catalog);
    &CATALOG
}

pub mod arguments;
pub mod permit;
pub mod policy;
pub mod server;

pub use harness::{fake_neon, fence, http, human, proxy, sandbox, terminal, world};
