//! What all commands share.

use crate::settings::{Layer, Settings};

/// The settings: flags over the environment over the file.
pub(super) fn resolve(flags: Layer) -> anyhow::Result<Settings> {
    Ok(Settings::resolve(flags, std::env::vars_os())?)
}

/// Prints to standard output. A reader that has gone away (`| head`) is no reason to complain.
pub(super) fn print(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
}
