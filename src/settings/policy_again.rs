//! The policy, read again while a server runs.

use std::path::{Path, PathBuf};

use super::error::SettingsError;
use crate::catalog::{Catalog, Selection, SelectionOptions};
use crate::engine::Engine;
use crate::guard::{LAST_LINE, Policy, is_whole};

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
        let (text, in_force) = (policy.text(), engine.guards().policy.text());
        if text
            .zip(in_force)
            .is_some_and(|(text, in_force)| is_cut_off(text, in_force))
        {
            return Err(format!(
                "it may be the beginning of a policy and no more, as a file is whose writing broke off: where nothing is missing, write the line \
                 `{LAST_LINE}` at its end"
            ));
        }
        let selection = Selection::new(catalog, &self.options, &policy).map_err(|error| error.to_string())?;
        Ok(engine.under(policy, selection))
    }
}

/// Whether a text may be but the beginning of one, since it doesn't say that it ends there: where the earlier one did, or has it as its
/// own beginning. What denies stands behind that as often as what allows.
fn is_cut_off(text: &str, earlier: &str) -> bool {
    let (text, earlier) = (text.trim_end(), earlier.trim_end());
    let is_beginning = text.len() < earlier.len() && earlier.starts_with(text);
    !text.is_empty() && !is_whole(text) && (is_beginning || is_whole(earlier))
}

#[cfg(test)]
mod tests {
    use super::is_cut_off;

    #[test]
    fn beginning_of_a_policy_is_no_policy_unless_it_says_so() {
        let ended = "read_only = true\n# end\n";
        assert!(is_cut_off("read_only = false\n[tools]\n", ended) && !is_cut_off("[tools]\n# end", ended));
        let earlier = "read_only = true\n[tools]\ndelete_branch = \"deny\"\n";
        for end in 1..earlier.trim_end().len() {
            assert!(is_cut_off(&earlier[..end], earlier), "{}", &earlier[..end]);
        }
        for whole in [
            earlier,
            "read_only = true\n# end\n",
            "[tools]\n",
            "read_only = true\n[effects]\n",
        ] {
            assert!(!is_cut_off(whole, earlier), "{whole}");
        }
        // Without the line, even where the earlier one has it.
        assert!(is_cut_off("read_only = true\n", "read_only = true\n# end\n"));
    }
}
