//! The log's files: who may read them, who holds them, and how a line gets in.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::AuditError;

/// How long a process waits for another one's lock, which is held for one line.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How long the pauses are between two tries to get the lock: from, to.
const LOCK_PAUSE: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(5));

/// How much the log may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditLimits {
    /// The size in bytes at which a file is full and the next one begins.
    pub max_bytes: u64,
    /// How many full files are kept beside the one that is written, at least one.
    pub keep: u32,
}

impl Default for AuditLimits {
    /// 10 MiB, five times.
    fn default() -> Self {
        Self {
            max_bytes: 10 * 1024 * 1024,
            keep: 5,
        }
    }
}

/// Where a log is, with what lies beside it.
#[derive(Debug)]
pub(super) struct Disk {
    log: PathBuf,
    limits: AuditLimits,
}

/// The lock on a log. Whoever holds it is alone among all processes; it ends when it is dropped.
pub(super) struct Held {
    _file: File,
}

impl Disk {
    pub(super) fn new(path: PathBuf, limits: AuditLimits) -> Self {
        // The working directory may change later.
        let log = std::path::absolute(&path).unwrap_or(path);
        Self { log, limits }
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// The directory of the calls under way.
    pub(super) fn pending(&self) -> PathBuf {
        beside(&self.log, "pending")
    }

    /// Waits for the lock. Makes the log's directory where there is none.
    pub(super) fn lock(&self) -> Result<Held, AuditError> {
        // Before anything is put beside it.
        if let Ok(there) = fs::symlink_metadata(&self.log) {
            regular(&self.log, &there)?;
        }
        if let Some(directory) = self.log.parent() {
            make_directory(directory)?;
        }
        let path = beside(&self.log, "lock");
        let file = open_private(&path)?;
        let (mut pause, longest) = LOCK_PAUSE;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Held { _file: file }),
                Err(TryLockError::Error(source)) => return Err(AuditError::io("lock", path)(source)),
                Err(TryLockError::WouldBlock) if since.elapsed() >= LOCK_WAIT => {
                    let seconds = LOCK_WAIT.as_secs();
                    return Err(AuditError::Locked { path, seconds });
                }
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }

    /// Opens the file that is written now. It is opened anew for every line: another process, or a human, may have
    /// moved it away since the last one.
    pub(super) fn open(&self, _held: &Held) -> Result<File, AuditError> {
        open_private(&self.log)
    }

    /// Appends a line, its end included, in one write; a full file is moved away first.
    pub(super) fn append(&self, held: &Held, line: &str) -> Result<(), AuditError> {
        let failed = || AuditError::io("write to", &self.log);
        let mut file = self.open(held)?;
        let mut length = file.metadata().map_err(failed())?.len();
        if length > 0 && length.saturating_add(line.len() as u64) > self.limits.max_bytes {
            match self.rotate() {
                Ok(()) => {
                    file = self.open(held)?;
                    length = 0;
                }
                // A file that is too long is better than a line that is lost.
                Err(error) => tracing::warn!("the audit log {} can't be rotated: {error}", self.log.display()),
            }
        }
        let mut bytes = Vec::with_capacity(line.len() + 1);
        if length > 0 && !ends_a_line(&mut file).map_err(failed())? {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(line.as_bytes());
        let written = loop {
            match file.write(&bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match written {
            Ok(written) if written == bytes.len() => Ok(()),
            other => {
                // Half a line is taken back: the whole one is tried again.
                let _ = file.set_len(length);
                let full = || std::io::Error::new(ErrorKind::StorageFull, "only a part of a line could be written");
                Err(failed()(other.err().unwrap_or_else(full)))
            }
        }
    }

    fn rotate(&self) -> std::io::Result<()> {
        for number in (1..self.limits.keep.max(1)).rev() {
            match fs::rename(generation(&self.log, number), generation(&self.log, number + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.log, generation(&self.log, 1))
    }
}

/// The path of a full file: 1 is the youngest.
pub(super) fn generation(log: &Path, number: u32) -> PathBuf {
    beside(log, &number.to_string())
}

fn beside(log: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(".");
    name.push(ending);
    name.into()
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
pub(super) fn make_directory(path: &Path) -> Result<(), AuditError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(AuditError::io("create", path))
}

/// Makes sure that a directory is one, is ours, and is closed to others.
pub(super) fn close_directory(path: &Path) -> Result<(), AuditError> {
    let metadata = fs::symlink_metadata(path).map_err(AuditError::io("look at", path))?;
    if !metadata.is_dir() {
        return Err(AuditError::NotAFile {
            path: path.to_owned(),
            what: "no directory",
        });
    }
    ours(path, &metadata)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(AuditError::io("close", path))?;
        }
    }
    Ok(())
}

/// Creates a file that only its owner can read and write; there must be none, and no link.
pub(super) fn create_private(path: &Path) -> Result<File, AuditError> {
    options()
        .create_new(true)
        .open(path)
        .map_err(AuditError::io("create", path))
}

/// Opens a file for reading and appending, or creates it. Only its owner may read it, and that must be us.
pub(super) fn open_private(path: &Path) -> Result<File, AuditError> {
    match create_private(path) {
        Err(AuditError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {}
        other => return other,
    }
    // What isn't a file isn't even opened: opening a pipe waits for its other end.
    let there = fs::symlink_metadata(path).map_err(AuditError::io("look at", path))?;
    regular(path, &there)?;
    let file = options().open(path).map_err(AuditError::io("open", path))?;
    let opened = file.metadata().map_err(AuditError::io("look at", path))?;
    regular(path, &opened)?;
    if identity(&there) != identity(&opened) {
        return Err(AuditError::NotAFile {
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
                .map_err(AuditError::io("close", path))?;
        }
    }
    Ok(file)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A link is refused too: rotation would move the link, and whoever owns it could point it elsewhere.
fn regular(path: &Path, metadata: &Metadata) -> Result<(), AuditError> {
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
    Err(AuditError::NotAFile {
        path: path.to_owned(),
        what,
    })
}

#[cfg(unix)]
fn ours(path: &Path, metadata: &Metadata) -> Result<(), AuditError> {
    use std::os::unix::fs::MetadataExt as _;
    if metadata.uid() == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(AuditError::NotOurs { path: path.to_owned() })
    }
}

#[cfg(not(unix))]
fn ours(_path: &Path, _metadata: &Metadata) -> Result<(), AuditError> {
    Ok(())
}

/// Whether the last line is whole. A process that was stopped by a power cut may have left half of one.
fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
