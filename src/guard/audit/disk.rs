//! The log's files: who may read them, who holds them, and how a line gets in.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::guard::files::{FileError, Held, lock, make_directory, open_private, regular};

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
    pub(super) fn lock(&self) -> Result<Held, FileError> {
        // Before anything is put beside it.
        if let Ok(there) = fs::symlink_metadata(&self.log) {
            regular(&self.log, &there)?;
        }
        if let Some(directory) = self.log.parent() {
            make_directory(directory)?;
        }
        lock(&beside(&self.log, "lock"))
    }

    /// Opens the file that is written now. It is opened anew for every line: another process, or a human, may have
    /// moved it away since the last one.
    pub(super) fn open(&self, _held: &Held) -> Result<File, FileError> {
        open_private(&self.log)
    }

    /// Appends a line, its end included, in one write; a full file is moved away first.
    pub(super) fn append(&self, held: &Held, line: &str) -> Result<(), FileError> {
        let failed = || FileError::io("write to", &self.log);
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

/// Whether the last line is whole. A process that was stopped by a power cut may have left half of one.
fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
