//! Policies in files.

use std::path::Path;

/// Writes a policy to a file. An empty one is written as a comment: a policy of no byte is an error, since it may be one that is
/// about to be written.
pub fn write_policy(file: impl AsRef<Path>, policy: &str) {
    std::fs::write(file, format!("{policy}\n# nothing more\n")).expect("a policy is written");
}
