//! The files of clients: read with bounds, written beside and put in place, with the mode that they had.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path};

use local_files::leftover;

use super::found::{FileProblem, Found, MAX_BYTES};

/// Reads a user's file, where a link is followed to what is the user's own, or a project's (below `project`), where none is.
pub(super) fn read(path: &Path, project: Option<&Path>) -> Result<Found, FileProblem> {
    if let Some(project) = project {
        no_links(path, project)?;
    }
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Found {
                path: path.to_owned(),
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
        fs::canonicalize(path).map_err(|error| match (error.kind(), fs::read_link(path)) {
            (ErrorKind::NotFound, Ok(to)) => FileProblem::LeadsNowhere(to),
            _ => error.into(),
        })?
    } else {
        path.to_owned()
    };
    let metadata = fs::symlink_metadata(&real)?;
    if !metadata.is_file() {
        return Err(FileProblem::NoFile);
    }
    let bytes = leftover::read(&real, MAX_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|_| FileProblem::NotText)?;
    Ok(Found {
        path: path.to_owned(),
        real,
        text: Some(text),
    })
}

/// Whether what was found may be written, in a project (`project`) or for the user.
pub(super) fn may_write(found: &Found, project: Option<&Path>) -> Result<(), FileProblem> {
    #[cfg(unix)]
    if let Some(project) = project {
        super::in_project::is_ours_alone(&found.real, project)?;
    }
    #[cfg(not(unix))]
    let _ = project;
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
    // What was there when it was looked at, and isn't any more, was taken away since.
    write_if_same(found, text, project).map_err(|problem| match problem {
        FileProblem::Io(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            FileProblem::Changed
        }
        problem => problem,
    })
}

fn write_if_same(found: &Found, text: &str, project: Option<&Path>) -> Result<(), FileProblem> {
    may_write(found, project)?;
    #[cfg(unix)]
    if let Some(project) = project {
        return super::in_project::write(found, text, project);
    }
    // By the client's own path: a link that leads elsewhere now isn't the one that was looked at.
    let again = read(&found.path, project)?;
    if again.text != found.text || again.real != found.real {
        return Err(FileProblem::Changed);
    }
    let folder = found.real.parent().ok_or(FileProblem::NoFile)?;
    fs::create_dir_all(folder)?;
    let mut draft = tempfile::Builder::new().prefix(".neon-mcp-").tempfile_in(folder)?;
    draft.write_all(text.as_bytes())?;
    if found.text.is_some() {
        draft
            .as_file()
            .set_permissions(fs::metadata(&found.real)?.permissions())?;
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
