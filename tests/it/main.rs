//! Black box: a real client against the running program, or the library's public face against a scripted upstream.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod approval_flow;
mod auth;
mod catalog;
mod commands;
mod demo;
mod discovery;
mod distribution;
mod examples;
mod fetch_postgres;
mod guard;
mod install;
mod lint_bytes;
mod mcp;
mod narrowing;
mod neon;
mod one_gate;
mod pins;
mod random_scripts;
#[cfg(feature = "http-server")]
mod replicas;
mod reported;
mod requests;
mod retrieval;
mod serving;
mod sign_in;
mod snapshots;
mod support;
mod teams;
mod telemetry;
mod terminal;
mod workflows;
