//! Writing below a project's folder, which is somebody else's as far as its content goes: from folder to folder by their handles, so
//! that nothing that is put in their place meanwhile leads elsewhere.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::found::{FileProblem, Found, MAX_BYTES};

/// Opened as a folder, and not through a link.
const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::RDONLY);

/// The names of the folders from the project to the file, and the file's.
fn parts<'a>(path: &'a Path, project: &Path) -> Result<(Vec<&'a OsStr>, &'a OsStr), FileProblem> {
    let below = path.strip_prefix(project).map_err(|_| FileProblem::NoFile)?;
    let names = below.components().map(|part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(FileProblem::Link(path.to_owned())),
    });
    let mut names = names.collect::<Result<Vec<_>, _>>()?;
    let file = names.pop().ok_or(FileProblem::NoFile)?;
    Ok((names, file))
}

fn problem(errno: Errno, at: &Path) -> FileProblem {
    match errno {
        // Linux and macOS say so of a link where a folder or a file is wanted.
        Errno::LOOP | Errno::NOTDIR => FileProblem::Link(at.to_owned()),
        errno => FileProblem::Io(errno.into()),
    }
}

/// Makes sure that nobody but this user (and root) can put anything into the folders of the project, down to the file's own, or put
/// another folder in the project's place.
pub(super) fn is_ours_alone(path: &Path, project: &Path) -> Result<(), FileProblem> {
    let (names, _) = parts(path, project)?;
    let mut at = project.to_owned();
    let mut folders = vec![at.clone()];
    for name in names {
        at.push(name);
        folders.push(at.clone());
    }
    for folder in folders {
        match std::fs::symlink_metadata(&folder) {
            Ok(metadata) if is_ours(&metadata, false) => {}
            Ok(_) => return Err(FileProblem::Shared(folder)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
            Err(error) => return Err(error.into()),
        }
    }
    let above = std::fs::canonicalize(project)?;
    for folder in above.ancestors().skip(1) {
        if !is_ours(&std::fs::symlink_metadata(folder)?, true) {
            return Err(FileProblem::Shared(folder.to_owned()));
        }
    }
    Ok(())
}

/// Whether only this user changes what is in a folder. `above` the project it may be root's, and everybody's where each can remove
/// but their own.
fn is_ours(metadata: &std::fs::Metadata, above: bool) -> bool {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let is_owner = metadata.uid() == uid || above && metadata.uid() == 0;
    let mode = metadata.mode();
    let is_sticky = above && mode & 0o1000 != 0;
    // A user's private group has the user's own number, and nobody else in it. What root made above, its groups are root's concern.
    let is_private = metadata.gid() == gid && gid == uid || above && metadata.uid() == 0;
    let others_write = mode & 0o002 != 0 || mode & 0o020 != 0 && !is_private;
    is_owner && (!others_write || is_sticky)
}

/// The handle of the file's folder, which is made where it isn't there.
fn folder(project: &Path, names: &[&OsStr]) -> Result<OwnedFd, FileProblem> {
    let mut at = project.to_owned();
    let mut folder = openat(CWD, project, FOLDER, Mode::empty()).map_err(|errno| problem(errno, project))?;
    for name in names {
        at.push(name);
        match mkdirat(&folder, *name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(problem(errno, &at)),
        }
        folder = openat(&folder, *name, FOLDER, Mode::empty()).map_err(|errno| problem(errno, &at))?;
    }
    let file = File::from(folder);
    match is_ours(&file.metadata()?, false) {
        true => Ok(file.into()),
        false => Err(FileProblem::Shared(at)),
    }
}

/// What stands in the file now, with its mode; none where there is none.
fn current(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<Option<(Vec<u8>, Mode)>, FileProblem> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(problem(errno, path)),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(FileProblem::NoFile);
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    // The type of a mode is narrower on some systems.
    #[allow(clippy::useless_conversion)]
    let mode = Mode::from_raw_mode((metadata.mode() & 0o7777).try_into().unwrap_or(0o600));
    Ok(Some((bytes, mode)))
}

/// Writes a text in the place of what was found, if that still stands there.
pub(super) fn write(found: &Found, text: &str, project: &Path) -> Result<(), FileProblem> {
    let path = &found.real;
    let (names, name) = parts(path, project)?;
    let folder = folder(project, &names)?;
    let now = current(&folder, name, path)?;
    if now.as_ref().map(|(bytes, _)| bytes.as_slice()) != found.text.as_ref().map(String::as_bytes) {
        return Err(FileProblem::Changed);
    }
    // A new one is for whoever works on the project.
    let mode = now.as_ref().map_or(Mode::from_raw_mode(0o644), |(_, mode)| *mode);
    let draft = PathBuf::from(format!(".neon-mcp-{:032x}", rand::random::<u128>()));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&folder, &draft, flags, Mode::from_raw_mode(0o600)).map_err(|errno| problem(errno, path))?;
    let written = (|| {
        rustix::fs::fchmod(&file, mode).map_err(|errno| problem(errno, path))?;
        let mut file = File::from(file);
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match now {
            Some(_) => renameat(&folder, &draft, &folder, name).map_err(|errno| problem(errno, path))?,
            // Unlike a renaming, it fails where something stands there by now.
            None => linkat(&folder, &draft, &folder, name, AtFlags::empty()).map_err(|errno| match errno {
                Errno::EXIST => FileProblem::Changed,
                errno => FileProblem::Io(errno.into()),
            })?,
        }
        Ok(())
    })();
    // After a renaming there is none any more.
    let _ = unlinkat(&folder, &draft, AtFlags::empty());
    written
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let project = place.path().canonicalize().unwrap().join("project");
        fs::create_dir(&project).unwrap();
        fs::set_permissions(&project, fs::Permissions::from_mode(0o755)).unwrap();
        (place, project)
    }

    fn found(path: PathBuf, text: Option<&str>) -> Found {
        Found {
            path: path.clone(),
            real: path,
            text: text.map(str::to_owned),
        }
    }

    #[test]
    fn file_is_made_and_changed_below_the_project() {
        let (_place, project) = place();
        let path = project.join(".a/b/c.json");
        write(&found(path.clone(), None), "one", &project).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert!(matches!(
            write(&found(path.clone(), None), "two", &project),
            Err(FileProblem::Changed)
        ));
        assert!(matches!(
            write(&found(path.clone(), Some("x")), "two", &project),
            Err(FileProblem::Changed)
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&found(path.clone(), Some("one")), "two", &project).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn link_that_was_put_in_a_folders_place_after_the_look_is_not_followed() {
        let (place, project) = place();
        let elsewhere = place.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, project.join(".a")).unwrap();
        for path in [project.join(".a/c.json"), project.join(".a/b/c.json")] {
            let written = write(&found(path, None), "one", &project);
            assert!(matches!(written, Err(FileProblem::Link(_))), "{written:?}");
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        fs::write(elsewhere.join("precious"), "text").unwrap();
        symlink(elsewhere.join("precious"), project.join("c.json")).unwrap();
        assert!(write(&found(project.join("c.json"), Some("text")), "one", &project).is_err());
        assert_eq!(fs::read_to_string(elsewhere.join("precious")).unwrap(), "text");
    }

    #[test]
    fn folder_that_others_can_write_to_is_not_written_to() {
        let (place, project) = place();
        let path = project.join(".a/c.json");
        is_ours_alone(&path, &project).unwrap();
        fs::create_dir(project.join(".a")).unwrap();
        for (folder, mode) in [
            (project.clone(), 0o777),
            (project.join(".a"), 0o757),
            (place.path().to_owned(), 0o707),
        ] {
            let before = fs::metadata(&folder).unwrap().permissions();
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            assert!(
                matches!(is_ours_alone(&path, &project), Err(FileProblem::Shared(_))),
                "{mode:o}"
            );
            fs::set_permissions(&folder, before).unwrap();
            is_ours_alone(&path, &project).unwrap();
        }
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&project, Some(12_345), None).unwrap();
            assert!(matches!(is_ours_alone(&path, &project), Err(FileProblem::Shared(_))));
        }
    }
}
