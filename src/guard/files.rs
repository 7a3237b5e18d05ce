//! Files that this program keeps between runs: for its user alone, and shared with its other processes by locks.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;
use thiserror::Error;

/// How long a process waits for another one's lock, which is held for a moment.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How long the pauses are between two tries to get the lock: from, to.
const LOCK_PAUSE: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(5));

/// A file of ours can't be used: what depends on it must not run.
#[derive(Debug, Error)]
pub enum FileError {
    /// Something other than a file stands where our file belongs.
    #[error("can't use {path}: it is {what}", path = .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What stands there.
        what: &'static str,
    },
    /// Another user owns the file, and so could change it.
    #[error("can't use {path}: it belongs to another user", path = .path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
    },
    /// Another process held the lock all the time that was waited.
    #[error("can't lock {path}: another process held it for {seconds} seconds", path = .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The operating system said no.
    #[error("can't {action} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl FileError {
    pub(in crate::guard) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// A lock. Whoever holds it is alone among all processes; it ends when it is dropped.
pub(crate) struct Held {
    _file: File,
}

/// Waits for the lock, which is a file of its own.
///
/// # Errors
/// When another process holds it for five seconds, or the file can't be used.
pub(crate) fn lock(path: &Path) -> Result<Held, FileError> {
    let file = open_private(path)?;
    let (mut pause, longest) = LOCK_PAUSE;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Held { _file: file }),
            Err(TryLockError::Error(source)) => return Err(FileError::io("lock", path)(source)),
            Err(TryLockError::WouldBlock) if since.elapsed() >= LOCK_WAIT => {
                return Err(FileError::Locked {
                    path: path.to_owned(),
                    seconds: LOCK_WAIT.as_secs(),
                });
            }
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(longest);
            }
        }
    }
}

/// Which file it is, whatever it is called by now.
#[cfg(unix)]
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Which file it is, whatever it is called by now: as near as the standard library gets.
#[cfg(not(unix))]
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    let since = metadata
        .created()
        .ok()
        .and_then(|created| created.duration_since(std::time::UNIX_EPOCH).ok())
        .unwrap_or_default();
    (since.as_secs(), u64::from(since.subsec_nanos()))
}

/// Makes a directory, and those above it, for us alone. One that is there is left as it is.
pub(crate) fn make_directory(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(FileError::io("create", path))
}

/// Makes sure that a directory is one, is ours, and is closed to others.
pub(crate) fn close_directory(path: &Path) -> Result<(), FileError> {
    let metadata = fs::symlink_metadata(path).map_err(FileError::io("look at", path))?;
    if !metadata.is_dir() {
        return Err(FileError::NotAFile {
            path: path.to_owned(),
            what: "no directory",
        });
    }
    ours(path, &metadata)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(FileError::io("close", path))?;
        }
    }
    Ok(())
}

/// Creates a file that only its owner can read and write; there must be none, and no link.
pub(super) fn create_private(path: &Path) -> Result<File, FileError> {
    options()
        .create_new(true)
        .open(path)
        .map_err(FileError::io("create", path))
}

/// Opens a file for reading and appending, or creates it. Only its owner may read it, and that must be us.
pub(crate) fn open_private(path: &Path) -> Result<File, FileError> {
    match create_private(path) {
        Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {}
        other => return other,
    }
    open_there(path)
}

/// Opens a file that is there, for reading and appending; nothing where there is none. Only its owner may read it, and that must
/// be us.
pub(super) fn open_existing(path: &Path) -> Result<Option<File>, FileError> {
    match open_there(path) {
        Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Reads a file of ours that is no larger than `most` bytes; nothing where there is none.
///
/// # Errors
/// When something else than a file stands there, such as a link or a pipe; when it is another user's, larger, or can't be read.
pub(crate) fn read_private(path: &Path, most: u64) -> Result<Option<Vec<u8>>, FileError> {
    let Some(file) = open_existing(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(FileError::io("read", path))?;
    if bytes.len() as u64 > most {
        return Err(FileError::NotAFile {
            path: path.to_owned(),
            what: "larger than any such file is",
        });
    }
    Ok(Some(bytes))
}

fn open_there(path: &Path) -> Result<File, FileError> {
    // What isn't a file isn't even opened: opening a pipe waits for its other end.
    let there = fs::symlink_metadata(path).map_err(FileError::io("look at", path))?;
    regular(path, &there)?;
    let file = options().open(path).map_err(FileError::io("open", path))?;
    let opened = file.metadata().map_err(FileError::io("look at", path))?;
    regular(path, &opened)?;
    if identity(&there) != identity(&opened) {
        return Err(FileError::NotAFile {
            path: path.to_owned(),
            what: "replaced at this moment",
        });
    }
    ours(path, &opened)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if opened.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))
                .map_err(FileError::io("close", path))?;
        }
    }
    Ok(file)
}

/// Writes a file that only its owner can read, in the place of whatever stood there: whoever reads it sees the old one or the new
/// one. The directory is made, for its owner alone, where there is none.
///
/// # Errors
/// When it can't be written.
pub(crate) fn replace_private(
    path: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), FileError> {
    if let Some(directory) = path.parent() {
        make_directory(directory)?;
    }
    let mut draft = draft_beside(path)?;
    let written = write(draft.as_file_mut()).and_then(|()| draft.as_file().sync_all());
    written.map_err(FileError::io("write", path))?;
    let moved = draft.persist(path);
    moved.map_err(|failure| FileError::io("write", path)(failure.error))?;
    Ok(())
}

/// A new file beside another one, for its owner alone, under a name that nothing else holds: `NAME.RANDOM.new`. It is removed when it
/// isn't moved over the other one.
pub(super) fn draft_beside(path: &Path) -> Result<NamedTempFile, FileError> {
    let mut prefix = path.file_stem().unwrap_or_default().to_owned();
    prefix.push(".");
    tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".new")
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))
        .map_err(FileError::io("create a draft of", path))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
        // What was a file when it was looked at is one now, or isn't opened, and a pipe isn't waited for.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    }
    options
}

/// Whether it is a file. A link is refused too: rotation would move the link, and whoever owns it could point it elsewhere.
pub(super) fn regular(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a link: name the file itself"
    } else {
        "no regular file"
    };
    Err(FileError::NotAFile {
        path: path.to_owned(),
        what,
    })
}

#[cfg(unix)]
fn ours(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    use std::os::unix::fs::MetadataExt as _;
    if metadata.uid() == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(FileError::NotOurs { path: path.to_owned() })
    }
}

#[cfg(not(unix))]
fn ours(_path: &Path, _metadata: &Metadata) -> Result<(), FileError> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn draft_takes_no_notice_of_what_stands_in_its_way() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("kept.json");
        let others = place.path().join("others.txt");
        fs::write(&others, "theirs").unwrap();
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        let plant: [(&str, &dyn Fn()); 6] = [
            ("nothing", &|| {}),
            ("a file", &|| {
                fs::write(&draft, "left over, and longer than what is written").unwrap()
            }),
            ("an empty directory", &|| fs::create_dir(&draft).unwrap()),
            ("a directory with something in it", &|| {
                fs::create_dir_all(draft.join("in/it")).unwrap()
            }),
            ("a link to another file", &|| symlink(&others, &draft).unwrap()),
            ("a pipe", &|| {
                assert!(
                    std::process::Command::new("mkfifo")
                        .arg(&draft)
                        .status()
                        .unwrap()
                        .success()
                );
            }),
        ];
        for (what, plant) in plant {
            let _ = fs::remove_file(&draft);
            let _ = fs::remove_dir_all(&draft);
            plant();
            replace_private(&path, |file| file.write_all(what.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), what);
            assert_eq!(fs::read_to_string(&others).unwrap(), "theirs", "{what}");
        }
    }

    #[test]
    fn file_is_not_replaced_where_a_directory_stands() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("kept.json");
        fs::create_dir(&path).unwrap();
        replace_private(&path, |file| file.write_all(b"x")).unwrap_err();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "a draft was left");
    }
}
