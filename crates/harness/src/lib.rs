//! What the tests of several packages share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

pub mod folder;
pub mod postgres;
pub mod sandbox_process;
pub mod sql;
pub mod wait;
