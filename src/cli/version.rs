//! Which program this is: its version, and the commit that it was built from, where that is known.

/// What `--version` says behind the name.
pub(super) const VERSION: &str = if COMMIT.is_empty() {
    env!("CARGO_PKG_VERSION")
} else {
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("BUILT_FROM_COMMIT"), ")")
};

/// The commit, as `build.rs` found it; empty where it found none.
pub(super) const COMMIT: &str = env!("BUILT_FROM_COMMIT");
