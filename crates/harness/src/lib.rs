//! What the tests of several packages share, one way each:
//!
//! | wanted | taken |
//! |---|---|
//! | a Neon that answers as told, and records | `fake_neon::FakeNeon`; with a project in it that a test can change: `world::World` |
//! | a server that runs, with a client on it | `server::TestServer` over stdio, `http::OverHttp`; the one behind the client is a `human::Human` |
//! | a server on a sandbox with a project in it | `sandbox_project::SandboxProject` |
//! | a sandbox in this process, or as one of its own | `sandbox::start`, `sandbox_process::Running` |
//! | a Neon whose answers get lost | `proxy::Counting` before a sandbox |
//! | a PostgreSQL | `postgres::Postgres` |
//! | a sentence pinned in a file of its area | [`assert_worded`] |
//! | something that must come | [`wait`] |
//! | a folder | [`folder`] |
//!
//! ```
//! use harness::{folder, wait};
//!
//! let own = folder::own();
//! std::fs::write(own.path().join("ready"), "")?;
//! // No sleep that a busy machine could break: what must come is awaited.
//! wait::blocking("the file", || own.path().join("ready").exists());
//! # Ok::<(), std::io::Error>(())
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[cfg(feature = "client")]
pub mod fake_neon;
#[cfg(feature = "client")]
pub mod fence;
pub mod folder;
#[cfg(feature = "client")]
pub mod http;
#[cfg(feature = "client")]
pub mod human;
pub mod postgres;
#[cfg(feature = "client")]
pub mod proxy;
#[cfg(feature = "client")]
pub mod sandbox;
pub mod sandbox_process;
#[cfg(feature = "client")]
pub mod sandbox_project;
#[cfg(feature = "client")]
pub mod server;
pub mod sql;
#[cfg(feature = "client")]
pub mod terminal;
#[cfg(feature = "client")]
pub mod told;
pub mod wait;
pub mod wording;
#[cfg(feature = "client")]
pub mod world;
