//! The file in which Neon's command line keeps what a folder is linked to: `{"orgId", "projectId", "branch"}`, in older ones
//! `"branchId"`. It is input, and may have come with somebody's repository: it gives defaults and nothing else.

use std::path::Path;

use serde_json::Value;

use super::error::SettingsError;
use crate::catalog::{BranchPin, Linked, SelectionOptions};
use crate::neon::{OrganizationId, ProjectId};
use local_files::leftover;

/// What the file is called where nobody names one.
const NAME: &str = ".neon";

/// The largest that is read, in bytes: such files hold three ids.
const MAX_BYTES: u64 = 16 * 1024;

/// How many folders are looked into on the way up.
const MAX_FOLDERS: usize = 64;

/// What the file says that is nearest to a folder: in it or above, not above the home directory; outside of that, in the folder alone,
/// since others may write to those above. One that can't be used is passed over with a warning, and none above it counts.
pub(super) fn nearest(directory: &Path, home: Option<&Path>) -> Option<Linked> {
    let home = home.and_then(|home| std::fs::canonicalize(home).ok());
    let directory = std::fs::canonicalize(directory).ok()?;
    let is_home = |folder: &Path| home.as_deref() == Some(folder);
    let within = home.as_deref().is_some_and(|home| directory.starts_with(home));
    for folder in directory.ancestors().take(MAX_FOLDERS) {
        let path = folder.join(NAME);
        match found(&path) {
            Ok(Some(linked)) => return Some(linked),
            Ok(None) => {}
            Err(message) => {
                tracing::warn!("{} is passed over: {message}", path.display());
                return None;
            }
        }
        if is_home(folder) || !within {
            return None;
        }
    }
    None
}

/// A file that nobody named: nothing where there is none.
fn found(path: &Path) -> Result<Option<Linked>, String> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    // A folder of that name is something else's.
    if metadata.is_dir() {
        return Ok(None);
    }
    if !leftover::is_ours(&metadata) {
        return Err("it belongs to another user".to_owned());
    }
    let bytes = leftover::read(path, MAX_BYTES).map_err(|error| error.to_string())?;
    read(path, &bytes).map(Some)
}

/// The file that the operator named: whoever it belongs to, it was chosen.
///
/// # Errors
/// When it can't be read or understood.
pub(super) fn named(path: &Path) -> Result<Linked, SettingsError> {
    let wrong = |message: String| SettingsError::Context {
        path: path.to_owned(),
        message,
    };
    let bytes = local_files::read_given(path).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(wrong(format!("it is larger than {MAX_BYTES} bytes")));
    }
    read(path, &bytes).map_err(wrong)
}

/// What it says. A field that can't be what it should is passed over with a warning; the others count.
fn read(path: &Path, bytes: &[u8]) -> Result<Linked, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
    let value = crate::json::read(text)
        .map_err(|error| format!("it is no JSON: {error}"))?
        .value;
    let Value::Object(fields) = value else {
        return Err("it is no JSON object".to_owned());
    };
    let field = |name: &str| -> Option<&str> {
        match fields.get(name)? {
            Value::String(text) => Some(text.as_str()),
            Value::Null => None,
            _ => {
                tracing::warn!("{}: {name} is passed over: it is no text", path.display());
                None
            }
        }
    };
    let passed_over = |name: &str, why: String| tracing::warn!("{}: {name} is passed over: it {why}", path.display());
    let project = field("projectId").and_then(|id| match ProjectId::parse(id) {
        Ok(id) => Some(id),
        Err(error) => {
            passed_over("projectId", format!("is {error}"));
            None
        }
    });
    let organization = field("orgId").and_then(|id| match OrganizationId::parse(id) {
        Ok(id) => Some(id),
        Err(error) => {
            passed_over("orgId", format!("is {error}"));
            None
        }
    });
    let branch = field("branch").or_else(|| field("branchId"));
    let branch = branch.and_then(|text| match BranchPin::parse(text) {
        Ok(branch) => Some(branch),
        Err(why) => {
            passed_over("branch", why.to_owned());
            None
        }
    });
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Linked {
        file,
        project,
        organization,
        branch,
    })
}

/// What of it counts beside what the operator fixed: nothing where that is another project, and no field that is fixed.
pub(super) fn beside(mut linked: Linked, options: &SelectionOptions) -> Option<Linked> {
    let differs =
        |fixed: Option<&str>, own: Option<&str>| matches!((fixed, own), (Some(fixed), Some(own)) if fixed != own);
    let project = options.project_id.as_ref().map(ProjectId::as_str);
    let organization = options.organization_id.as_ref().map(OrganizationId::as_str);
    if differs(project, linked.project.as_ref().map(ProjectId::as_str))
        || differs(organization, linked.organization.as_ref().map(OrganizationId::as_str))
    {
        tracing::info!(
            "{} is passed over: it is of another project or organization than the settings",
            linked.file
        );
        return None;
    }
    if options.pins.branch.is_some() {
        linked.branch = None;
    }
    if options.organization_id.is_some() {
        linked.organization = None;
    }
    let says_something = linked.project.is_some() || linked.organization.is_some();
    says_something.then_some(linked)
}
