//! The files of clients: read with bounds, written beside and put in place, with the mode that they had.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};

use local_files::leftover;

/// The largest file that is read, in bytes: some clients keep their history beside their servers.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Why a file isn't read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It is marked as not to be written.
    #[error("it is read-only")]
    ReadOnly,
    /// It is another user's.
    #[error("it belongs to another user")]
    NotOurs,
    /// A link in a project leads elsewhere: whoever made the project would say what is written where.
    #[error("{0} is a symbolic link, which in a project may lead anywhere")]
    Link(PathBuf),
    /// Something else than a file stands there.
    #[error("it is no file")]
    NoFile,
    /// It isn't text.
    #[error("it isn't UTF-8")]
    NotText,
    /// Somebody changed it since it was read.
    #[error("it was changed meanwhile: run the command again")]
    Changed,
    /// The operating system said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A file as it is on the disk.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Where it really is, behind links.
    pub(super) real: PathBuf,
    /// What stands in it; none where there is no file.
    pub(super) text: Option<String>,
}

/// Reads a user's file, where a link is followed to what is the user's own, or a project's (below `project`), where none is.
pub(super) fn read(path: &Path, project: Option<&Path>) -> Result<Found, FileProblem> {
    if let Some(project) = project {
        no_links(path, project)?;
    }
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Found {
                real: path.to_owned(),
                text: None,
            });
        }
        Err(error) => return Err(error.into()),
    };
    let real = if metadata.is_symlink() {
        if !leftover::is_ours(&metadata) {
            return Err(FileProblem::NotOurs);
        }
        fs::canonicalize(path)?
    } else {
        path.to_owned()
    };
    let metadata = fs::symlink_metadata(&real)?;
    if !metadata.is_file() {
        return Err(FileProblem::NoFile);
    }
    let bytes = leftover::read(&real, MAX_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|_| FileProblem::NotText)?;
    Ok(Found { real, text: Some(text) })
}

/// Whether what was found may be written.
pub(super) fn may_write(found: &Found) -> Result<(), FileProblem> {
    if found.text.is_none() {
        return Ok(());
    }
    let metadata = fs::symlink_metadata(&found.real)?;
    if !leftover::is_ours(&metadata) {
        return Err(FileProblem::NotOurs);
    }
    // The mode is the user's word, also where root could write in spite of it.
    if metadata.permissions().readonly() {
        return Err(FileProblem::ReadOnly);
    }
    Ok(())
}

/// Writes a text in the place of what was found, if that still stands there.
pub(super) fn write(found: &Found, text: &str, project: Option<&Path>) -> Result<(), FileProblem> {
    let folder = found.real.parent().ok_or(FileProblem::NoFile)?;
    fs::create_dir_all(folder)?;
    let again = read(&found.real, project)?;
    if again.text != found.text {
        return Err(FileProblem::Changed);
    }
    may_write(&again)?;
    let mut draft = tempfile::Builder::new().prefix(".neon-mcp-").tempfile_in(folder)?;
    draft.write_all(text.as_bytes())?;
    match &found.text {
        Some(_) => draft
            .as_file()
            .set_permissions(fs::metadata(&found.real)?.permissions())?,
        // A user's file may come to hold secrets of other servers; a project's is for whoever works on it.
        None if project.is_some() => open_to_others(draft.as_file())?,
        None => {}
    }
    draft.as_file().sync_all()?;
    if found.text.is_none() {
        draft
            .persist_noclobber(&found.real)
            .map_err(|error| match error.error.kind() {
                ErrorKind::AlreadyExists => FileProblem::Changed,
                _ => error.error.into(),
            })?;
    } else {
        draft.persist(&found.real).map_err(|error| error.error)?;
    }
    Ok(())
}

#[cfg(unix)]
fn open_to_others(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_to_others(_: &fs::File) -> std::io::Result<()> {
    Ok(())
}

/// Whether no part of a path below a folder is a link.
fn no_links(path: &Path, project: &Path) -> Result<(), FileProblem> {
    let below = path.strip_prefix(project).unwrap_or(path);
    let mut at = project.to_owned();
    for part in below.components() {
        match part {
            Component::Normal(name) => at.push(name),
            _ => return Err(FileProblem::Link(path.to_owned())),
        }
        if fs::symlink_metadata(&at).is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(FileProblem::Link(at));
        }
    }
    Ok(())
}
