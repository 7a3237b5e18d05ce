//! What the tests share.

/// `neon-mcp sandbox`.
pub fn sandbox_program() -> harness::sandbox_process::Program {
    harness::sandbox_process::Program {
        path: program(),
        arguments: &["sandbox"],
        folder: env!("CARGO_TARGET_TMPDIR"),
    }
}

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
mod program;
pub mod server;

pub use program::program;

pub use harness::{fake_neon, fence, http, human, proxy, sandbox, terminal, world};
