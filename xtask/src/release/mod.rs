//! The files that a release is made of, from one description of the project: registries' entries, packages' manifests, the plugin
//! folder, the image and the workflow. They are committed, and `xtask/tests/release.rs` compares.

mod buttons;
mod file;
mod mcpb;
mod npm;
mod oci;
mod plugin;
mod project;
mod registry;
mod targets;
mod workflow;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

pub use buttons::buttons;
pub use project::Project;
pub use targets::{TARGETS, Target};

/// What is written, by its path from the root.
///
/// # Errors
/// When `Cargo.toml` doesn't say what a file must.
pub fn files(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let project = Project::read(root)?;
    let mut files = BTreeMap::new();
    files.extend(registry::files(&project));
    files.extend(npm::files(&project));
    files.extend(mcpb::files(&project));
    files.extend(oci::files(&project));
    files.extend(plugin::files(&project));
    files.extend(workflow::files(&project));
    Ok(files)
}

/// Those that aren't what they should be.
///
/// # Errors
/// As [`files`].
pub fn stale(root: &Path) -> anyhow::Result<Vec<String>> {
    let kept = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let files = files(root)?;
    Ok(files
        .into_iter()
        .filter(|(path, text)| kept(path) != *text)
        .map(|(path, _)| path)
        .collect())
}

/// Writes them.
///
/// # Errors
/// As [`files`], and when one can't be written.
pub fn write(root: &Path) -> anyhow::Result<()> {
    for (path, text) in files(root)? {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
