//! Reading files that say what this program may do, or that hold its secrets: only where nobody but this user and root can
//! change what is read.
//!
//! A file that another user can write, or that stands in a directory where another could put a file in its place, is that
//! user's word, and so is one behind a symbolic link that another could point elsewhere. Every directory and every link on the
//! way is looked at, as OpenSSH does with its own files (`StrictModes`).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use local_files::{LARGEST_GIVEN, in_a_shell, is_handed_over};
use thiserror::Error;

/// A file that isn't read, or can't be.
#[derive(Debug, Error)]
pub enum Untrusted {
    /// The operating system said no.
    #[error("can't read {path}: {source}", path = .path.display())]
    Read {
        /// The file, or what leads to it.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is no file, or larger than any of these files is.
    #[error("can't read {path}: it is {what}", path = .path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Somebody else could change what is read.
    #[error("{file} isn't read: {reason}", file = .file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Who could change it, and the command that mends it.
        reason: String,
    },
}

impl Untrusted {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// Whether it couldn't be looked at: this process, or the machine, had no descriptor or no memory left for it, or a disk failed. That
    /// says nothing of the file, and anybody who can use up descriptors can cause it.
    #[must_use]
    pub fn is_for_want(&self) -> bool {
        match self {
            Self::Read { source, .. } => is_want(source),
            _ => false,
        }
    }
}

#[cfg(unix)]
fn is_want(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let wants = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::IO];
    Errno::from_io_error(error).is_some_and(|error| wants.contains(&error))
}

#[cfg(not(unix))]
fn is_want(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::OutOfMemory
}

/// Reads a file that nobody but this user and root can change.
///
/// A descriptor that the starting process handed over (`/dev/fd/3`, `/dev/stdin`) is read as it is: it came with this process.
///
/// # Errors
/// When somebody else could change it, when it is no regular file or larger than 4 MiB, or it can't be read.
pub fn read_trusted(path: &Path) -> Result<Vec<u8>, Untrusted> {
    let unreadable = |source| Untrusted::Read {
        path: path.to_owned(),
        source,
    };
    let file = if is_handed_over(path) {
        File::open(path).map_err(unreadable)?
    } else {
        open(path)?
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_GIVEN + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_GIVEN {
        return Err(Untrusted::NoFile {
            path: path.to_owned(),
            what: "larger than 4 MiB",
        });
    }
    Ok(bytes)
}

/// Sees to it that nobody but this user and root can put another directory in the place of this one, or of one above it.
///
/// # Errors
/// When somebody else could, or it can't be looked at.
#[cfg(unix)]
pub(crate) fn check_trusted_directory(path: &Path) -> Result<(), Untrusted> {
    unix::walk(path).map(drop)
}

/// Reads a text as [`read_trusted`] does.
///
/// # Errors
/// As [`read_trusted`], and when it is no UTF-8.
pub fn read_trusted_text(path: &Path) -> Result<String, Untrusted> {
    String::from_utf8(read_trusted(path)?).map_err(|error| Untrusted::Read {
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    })
}

/// Warns of a file with a secret that others than its owner can read. It is read all the same, since it may be meant so.
///
/// A file of root's that this process reads as one of its group, and nobody else does, is as Kubernetes mounts secrets (`fsGroup`): that
/// is no mistake, and nobody could mend it.
pub fn warn_if_readable_by_others(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let Ok(found) = std::fs::metadata(path) else { return };
        let own = rustix::process::geteuid().as_raw();
        if is_open(found.mode(), found.uid(), own) {
            tracing::warn!(
                "{} can be read by others than its owner: run `chmod 600 {}`",
                path.display(),
                in_a_shell(&path.to_string_lossy())
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Whether more can read a file of that mode than must, where this process is `own`.
#[cfg(unix)]
fn is_open(mode: u32, owner: u32, own: u32) -> bool {
    let is_mounted_for_a_group = owner == 0 && own != 0 && mode & 0o037 == 0;
    mode & 0o077 != 0 && !is_mounted_for_a_group
}

#[cfg(unix)]
fn open(path: &Path) -> Result<File, Untrusted> {
    unix::open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> Result<File, Untrusted> {
    File::open(path).map_err(|source| Untrusted::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(unix)]
mod unix {
    use std::collections::VecDeque;
    use std::ffi::OsString;
    use std::fs::{self, File, Metadata, OpenOptions};
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    use std::path::{Component, Path, PathBuf};

    use local_files::in_a_shell;

    use super::Untrusted;

    /// As many links as the kernel follows (`MAXSYMLINKS` on Linux).
    const MAX_LINKS: usize = 40;

    /// The bit that lets only its owner remove or rename what stands in a directory.
    const STICKY: u32 = 0o1000;

    /// What others than the owner may write.
    const BY_OTHERS: u32 = 0o022;

    /// Opens the file at the end of the way, every step of which was looked at.
    pub(super) fn open(path: &Path) -> Result<File, Untrusted> {
        let (real, seen) = walk(path)?;
        let unreadable = |source| Untrusted::Read {
            path: path.to_owned(),
            source,
        };
        // What was no link a moment ago is none now, or isn't opened.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&real)
            .map_err(unreadable)?;
        let opened = file.metadata().map_err(unreadable)?;
        if (opened.dev(), opened.ino()) != (seen.dev(), seen.ino()) {
            return Err(Untrusted::NoFile {
                path: path.to_owned(),
                what: "replaced at this moment",
            });
        }
        check_file(path, &real, &opened)?;
        Ok(file)
    }

    /// The path without links, and what stands there.
    pub(super) fn walk(path: &Path) -> Result<(PathBuf, Metadata), Untrusted> {
        let unreadable = |at: &Path| {
            let at = at.to_owned();
            move |source| Untrusted::Read { path: at, source }
        };
        let absolute = std::path::absolute(path).map_err(unreadable(path))?;
        let mut left: VecDeque<OsString> = parts(&absolute);
        let mut real = PathBuf::from("/");
        let mut seen = fs::symlink_metadata(&real).map_err(unreadable(&real))?;
        check_directory(path, &real, &seen)?;
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            if part == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&part);
            let found = fs::symlink_metadata(&next).map_err(unreadable(path))?;
            if found.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Untrusted::NoFile {
                        path: path.to_owned(),
                        what: "behind too many links",
                    });
                }
                // Who owns a link in a directory that all may write says where it leads.
                check_owner(path, &next, &found, "the link")?;
                let target = fs::read_link(&next).map_err(unreadable(path))?;
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                for part in parts(&target).into_iter().rev() {
                    left.push_front(part);
                }
                continue;
            }
            if found.is_dir() {
                check_directory(path, &next, &found)?;
            } else if !left.is_empty() {
                let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
                return Err(unreadable(path)(source));
            }
            real = next;
            seen = found;
        }
        Ok((real, seen))
    }

    /// The names on a path, with the steps up.
    fn parts(path: &Path) -> VecDeque<OsString> {
        let names = path.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        });
        names.collect()
    }

    fn check_directory(file: &Path, directory: &Path, found: &Metadata) -> Result<(), Untrusted> {
        check_owner(file, directory, found, "its directory")?;
        // In a directory like /tmp nobody can move what is another's: what is there is looked at by itself.
        if found.mode() & BY_OTHERS == 0 || found.mode() & STICKY != 0 {
            return Ok(());
        }
        Err(refused(
            file,
            format!(
                "others than its owner can put another file in its place, in {}: run `chmod go-w {}`",
                directory.display(),
                in_a_shell(&directory.to_string_lossy())
            ),
        ))
    }

    fn check_file(file: &Path, real: &Path, found: &Metadata) -> Result<(), Untrusted> {
        if !found.is_file() {
            return Err(Untrusted::NoFile {
                path: file.to_owned(),
                what: if found.is_dir() {
                    "a directory"
                } else {
                    "no regular file"
                },
            });
        }
        check_owner(file, real, found, "it")?;
        if found.mode() & BY_OTHERS == 0 {
            return Ok(());
        }
        Err(refused(
            file,
            format!(
                "it can be changed by others than its owner: run `chmod go-w {}`",
                in_a_shell(&real.to_string_lossy())
            ),
        ))
    }

    /// Whether it belongs to this user, or to root, who can do everything anyway.
    fn check_owner(file: &Path, at: &Path, found: &Metadata, what: &str) -> Result<(), Untrusted> {
        let own = rustix::process::geteuid().as_raw();
        if found.uid() == own || found.uid() == 0 {
            return Ok(());
        }
        let (owner, at) = (found.uid(), at.display());
        let how = if what == "the link" { "chown -h" } else { "chown" };
        Err(refused(
            file,
            format!(
                "{what} ({at}) belongs to another user (uid {owner}): run `{how} {own} {at}`, or put the file elsewhere"
            ),
        ))
    }

    fn refused(file: &Path, reason: String) -> Untrusted {
        Untrusted::Open {
            file: file.to_owned(),
            reason,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        assert!(
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).is_ok(),
            "{}",
            path.display()
        );
    }

    fn why(path: &Path) -> String {
        read_trusted(path)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn secret_that_a_group_of_ours_reads_of_root_is_as_it_should_be() {
        let (root, own, other) = (0, 65_532, 1_000);
        // As Kubernetes mounts a secret with `defaultMode: 0400` and `fsGroup`.
        assert!(!is_open(0o440, root, own) && !is_open(0o400, own, own) && !is_open(0o600, root, root));
        for (mode, owner) in [(0o444, root), (0o460, root), (0o440, own), (0o440, other)] {
            assert!(is_open(mode, owner, own), "{mode:o} of {owner}");
        }
        assert!(is_open(0o440, root, root));
    }

    #[test]
    fn file_that_others_can_change_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "text").unwrap();
        for right in [0o600, 0o644, 0o400, 0o444, 0o755] {
            mode(&file, right);
            assert_eq!(read_trusted(&file).unwrap(), b"text", "{right:o}");
        }
        for wrong in [0o620, 0o602, 0o666, 0o777] {
            mode(&file, wrong);
            let why = why(&file);
            assert!(why.contains(&format!("chmod go-w {}", file.display())), "{why}");
        }
    }

    #[test]
    fn file_in_a_directory_that_others_can_write_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let (above, folder) = (home.path().join("above"), home.path().join("above/folder"));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("file");
        fs::write(&file, "text").unwrap();
        for (directory, wrong) in [(&folder, 0o777), (&folder, 0o770), (&folder, 0o757), (&above, 0o777)] {
            mode(directory, wrong);
            let why = why(&file);
            assert!(why.contains(&format!("chmod go-w {}`", directory.display())), "{why}");
            // As in /tmp.
            mode(directory, wrong | 0o1000);
            assert!(read_trusted(&file).is_ok(), "{wrong:o}");
            mode(directory, 0o755);
        }
        assert!(read_trusted(&file).is_ok());
    }

    #[test]
    fn link_is_as_good_as_where_it_stands_and_where_it_leads() {
        let home = tempfile::tempdir().unwrap();
        let (open, closed) = (home.path().join("open"), home.path().join("closed"));
        for (folder, its) in [(&open, 0o777), (&closed, 0o755)] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("file"), "text").unwrap();
            mode(folder, its);
        }
        let link = |name: &str, to: &Path| {
            let link = home.path().join(name);
            symlink(to, &link).unwrap();
            link
        };
        assert_eq!(read_trusted(&link("right", &closed.join("file"))).unwrap(), b"text");
        assert_eq!(
            read_trusted(&link("relative", Path::new("closed/../closed/./file"))).unwrap(),
            b"text"
        );
        assert_eq!(read_trusted(&link("folder", &closed).join("file")).unwrap(), b"text");
        assert!(why(&link("to-open", &open.join("file"))).contains("chmod go-w"));
        assert!(why(&link("open-folder", &open).join("file")).contains("chmod go-w"));
        // The link itself stands where others can put another.
        symlink(closed.join("file"), open.join("link")).unwrap();
        assert!(why(&open.join("link")).contains("chmod go-w"));
        assert!(why(&link("through", &open.join("link"))).contains("chmod go-w"));
        let round = link("round", &home.path().join("round"));
        assert!(why(&round).contains("too many links"));
        assert!(why(&closed.join("file/under")).contains("can't read"));
        assert!(why(&closed.join("none")).contains("can't read"));
        assert!(why(&closed).contains("a directory"));
    }

    #[test]
    fn file_folder_and_link_of_another_user_are_not_read() {
        // Only root can give files away.
        if !is_root() {
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("file");
        fs::write(&file, "text").unwrap();
        for given in [&file, &folder] {
            chown(given, Some(12_345), None).unwrap();
            let why = why(&file);
            assert!(
                why.contains("uid 12345") && why.contains(&format!("chown 0 {}", given.display())),
                "{why}"
            );
            chown(given, Some(0), None).unwrap();
        }
        // In a directory like /tmp, too.
        mode(&folder, 0o1777);
        assert!(read_trusted(&file).is_ok());
        chown(&file, Some(12_345), None).unwrap();
        assert!(why(&file).contains("uid 12345"));
        chown(&file, Some(0), None).unwrap();
        let link = folder.join("link");
        symlink(&file, &link).unwrap();
        assert!(read_trusted(&link).is_ok());
        std::os::unix::fs::lchown(&link, Some(12_345), None).unwrap();
        assert!(why(&link).contains("chown -h 0"));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let pipe = home.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(why(&pipe).contains("no regular file"));
        assert!(why(Path::new("/dev/zero")).contains("no regular file"));
        let large = home.path().join("large");
        fs::write(&large, vec![b'x'; 4 * 1024 * 1024 + 1]).unwrap();
        assert!(why(&large).contains("4 MiB"));
    }

    #[test]
    fn want_of_descriptors_or_memory_says_nothing_of_a_file() {
        use rustix::io::Errno;
        let is_for_want = |error: Errno| {
            let (path, source) = ("tokens.toml".into(), error.into());
            Untrusted::Read { path, source }.is_for_want()
        };
        for error in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::IO] {
            assert!(is_for_want(error), "{error}");
        }
        for error in [Errno::NOENT, Errno::ACCESS, Errno::NOTDIR] {
            assert!(!is_for_want(error), "{error}");
        }
        assert!(
            !read_trusted(Path::new("/nowhere/tokens.toml"))
                .unwrap_err()
                .is_for_want()
        );
    }
}
