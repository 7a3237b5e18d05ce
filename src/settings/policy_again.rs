//! The policy, read again while a server runs.

use std::path::{Path, PathBuf};

use super::error::SettingsError;
use crate::catalog::{Catalog, Selection, SelectionOptions};
use crate::engine::Engine;
use crate::guard::Policy;

/// The operator's policy, narrowed by the other settings. Without a file, the defaults.
pub(super) fn read(
    file: Option<&Path>,
    options: &SelectionOptions,
    catalog: &Catalog,
) -> Result<Policy, SettingsError> {
    let policy = match file {
        Some(path) => Policy::read(path, catalog.tools().iter().map(|tool| tool.name()))?,
        None => Policy::default(),
    };
    let policy = policy.with_pins(options.pins.clone());
    Ok(policy.with_read_only(options.read_only))
}

/// What the policy of a server is read from.
#[derive(Debug, Clone)]
pub struct PolicyAgain {
    file: Option<PathBuf>,
    options: SelectionOptions,
}

impl PolicyAgain {
    pub(super) fn new(file: Option<PathBuf>, options: SelectionOptions) -> Self {
        Self { file, options }
    }

    /// The same engine under the policy as it is now, with the tools that it leaves. Accounts, approvals and the audit log stay.
    ///
    /// # Errors
    /// Why the policy can't be used.
    pub fn engine(&self, engine: &Engine) -> Result<Engine, String> {
        let catalog = Catalog::embedded().map_err(|error| error.to_string())?;
        let policy = read(self.file.as_deref(), &self.options, &catalog).map_err(|error| error.to_string())?;
        let selection = Selection::new(catalog, &self.options, &policy).map_err(|error| error.to_string())?;
        Ok(engine.under(policy, selection))
    }
}
