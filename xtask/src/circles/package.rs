//! The packages of a workspace, and the root file of each of their targets in `src`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// A package and the files that its library and programs begin with.
#[derive(Debug)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// `lib.rs`, `main.rs`: each the root of a crate of its own.
    pub roots: Vec<PathBuf>,
}

/// Why the packages can't be told.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Cargo can't be run.
    #[error("cargo metadata can't be run")]
    Run(#[from] std::io::Error),
    /// Cargo failed.
    #[error("cargo metadata failed: {0}")]
    Failed(String),
    /// Cargo's answer has another form.
    #[error("the answer of cargo metadata can't be read")]
    Form(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

/// Lists the packages of the workspace in `dir`.
///
/// # Errors
///
/// When `cargo metadata` can't be run or read.
pub fn packages(dir: &Path) -> Result<Vec<Package>, PackageError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(dir)
        .output()?;
    if !output.status.success() {
        return Err(PackageError::Failed(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let packages = metadata.packages.into_iter().map(|package| Package {
        name: package.name,
        roots: package.targets.into_iter().filter_map(Target::root).collect(),
    });
    Ok(packages.collect())
}

impl Target {
    /// The root file, where the target is shipped: tests, benches, examples and build scripts are not.
    fn root(self) -> Option<PathBuf> {
        let left_out = ["test", "bench", "example", "custom-build"];
        let shipped = !self.kind.iter().any(|kind| left_out.contains(&kind.as_str()));
        shipped.then_some(self.src_path)
    }
}
