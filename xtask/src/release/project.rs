//! What every file says of the project, read from `Cargo.toml`.

use std::path::Path;

use anyhow::{Context as _, ensure};
use toml::Table;

/// What registries and readers are told in a line.
const SUMMARY: &str = "Hands Neon (serverless Postgres) to AI agents; a human approves before anything is destroyed";

/// The project, as its files tell of it.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its version, which all packages have.
    pub version: String,
    /// In a line of 100 characters at most.
    pub summary: &'static str,
    /// Its place, such as `https://github.com/OWNER/NAME`.
    pub repository: String,
    /// `OWNER/NAME` of that place.
    pub path: String,
    /// `OWNER`.
    pub owner: String,
    /// As SPDX writes it.
    pub license: String,
    /// Whether a release can be installed: until then, what waits for one says so.
    pub released: bool,
    /// What it is found by.
    pub keywords: Vec<String>,
}

impl Project {
    /// Reads it.
    ///
    /// # Errors
    /// When the file doesn't say something.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join("Cargo.toml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let manifest: Table = text.parse()?;
        let at = |tables: &[&str], key: &str| {
            tables
                .iter()
                .try_fold(&manifest, |table, name| {
                    table.get(*name).and_then(toml::Value::as_table)
                })
                .and_then(|table| table.get(key))
                .with_context(|| format!("Cargo.toml has no {} in {}", key, tables.join(".")))
        };
        let text = |tables: &[&str], key: &str| {
            let value = at(tables, key)?;
            Ok::<_, anyhow::Error>(value.as_str().with_context(|| format!("{key} is no text"))?.to_owned())
        };
        let workspace = ["workspace", "package"];
        let repository = text(&workspace, "repository")?;
        let path = repository
            .strip_prefix("https://github.com/")
            .context("the repository isn't on GitHub, as whom the registry knows who publishes")?
            .to_owned();
        let (owner, name) = path.split_once('/').context("the repository has no owner")?;
        ensure!(
            !name.contains('/'),
            "the repository is written https://github.com/OWNER/NAME"
        );
        let keywords = at(&["package"], "keywords")?
            .as_array()
            .context("keywords is no list")?;
        Ok(Self {
            version: text(&workspace, "version")?,
            summary: SUMMARY,
            released: at(&["workspace", "metadata"], "released")?
                .as_bool()
                .context("workspace.metadata.released is true or false")?,
            owner: owner.to_owned(),
            license: text(&workspace, "license")?,
            keywords: keywords
                .iter()
                .filter_map(|word| word.as_str().map(str::to_owned))
                .collect(),
            repository,
            path,
        })
    }

    /// The name in the MCP registry.
    #[must_use]
    pub fn registry_name(&self) -> String {
        format!("io.github.{}", self.path)
    }

    /// The image, without its tag.
    #[must_use]
    pub fn image(&self) -> String {
        format!("ghcr.io/{}", self.path.to_lowercase())
    }

    /// A page of the documentation.
    #[must_use]
    pub fn page(&self, path: &str) -> String {
        format!("{}/blob/v{}/{path}", self.repository, self.version)
    }
}
