//! The notes of calls under way, and what a crash left of them.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use uuid::Uuid;

use super::disk::{Disk, generation};
use super::entry::{AuditOutcome, Entry};
use super::line::line;
use crate::guard::Effect;
use crate::guard::files::{
    FileError, Held, close_directory, create_private, make_directory, open_existing, open_private,
};

/// How a note's name ends.
const ENDING: &str = "json";

/// The largest note that is read, in bytes: 1 MiB. A line has a small part of that.
const MAX_BYTES: u64 = 1024 * 1024;

/// The note of a call under way: a file that holds the line as it must be should this process end now.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    /// Locked as long as this process lives.
    _file: File,
}

impl Note {
    /// Writes the note. The log's lock keeps others from taking it for a leftover before it is locked itself.
    pub(super) fn create(disk: &Disk, _held: &Held, id: Uuid, line: &str) -> Result<Self, FileError> {
        let directory = disk.pending();
        make_directory(&directory)?;
        close_directory(&directory)?;
        let path = directory.join(format!("{}-{id}.{ENDING}", std::process::id()));
        let mut file = create_private(&path)?;
        let written = file.lock().and_then(|()| file.write_all(line.as_bytes()));
        if let Err(source) = written {
            let _ = fs::remove_file(&path);
            return Err(FileError::io("write to", path)(source));
        }
        Ok(Self { path, _file: file })
    }

    /// Removes the note, once its line is in the log.
    pub(super) fn remove(self) {
        // Another process would find the call in the log, and not note it a second time.
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!("can't remove {}: {error}", self.path.display());
        }
    }
}

/// Brings the calls that ended with their process into the log.
pub(super) fn adopt(disk: &Disk, held: &Held) -> Result<(), FileError> {
    let directory = disk.pending();
    // A link that leads nowhere is no folder that isn't there: the next note couldn't be written.
    match close_directory(&directory) {
        Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(()),
        closed => closed?,
    }
    let entries = fs::read_dir(&directory).map_err(FileError::io("read", &directory))?;
    for entry in entries {
        let path = entry.map_err(FileError::io("read", &directory))?.path();
        if path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        let mut file = match open_private(&path) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!("a note of the audit log is left alone: {error}");
                continue;
            }
        };
        match file.try_lock() {
            Ok(()) => {}
            // Its process lives.
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(source)) => return Err(FileError::io("lock", path)(source)),
        }
        let mut text = String::new();
        let (line, id) = match (&mut file).take(MAX_BYTES).read_to_string(&mut text) {
            Err(error) if error.kind() != ErrorKind::InvalidData => return Err(FileError::io("read", path)(error)),
            _ => whole(&text).unwrap_or_else(|| illegible(&file)),
        };
        // The process may have ended between the line and the removal of the note.
        if !(in_file(disk.log(), &id)? || in_file(&generation(disk.log(), 1), &id)?) {
            disk.append(held, &line)?;
        }
        fs::remove_file(&path).map_err(FileError::io("remove", &path))?;
    }
    Ok(())
}

/// The line that the note holds, and the call's id.
fn whole(text: &str) -> Option<(String, String)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let id = value.get("id")?.as_str()?.to_owned();
    Some((format!("{value}\n"), id))
}

/// What is noted about a call of which only a piece of a note is left.
fn illegible(file: &File) -> (String, String) {
    let id = Uuid::new_v4();
    let mut entry = Entry::new("unknown", Effect::Write, AuditOutcome::Unknown);
    entry.service = "unknown".to_owned();
    entry.reason = Some("a call was under way when this server stopped, and the note of it can't be read".to_owned());
    if let Ok(written) = file.metadata().and_then(|metadata| metadata.modified()) {
        entry.time = written.into();
    }
    (line(&entry, id), id.to_string())
}

/// Whether the file has a line about the call.
fn in_file(path: &Path, id: &str) -> Result<bool, FileError> {
    // A pipe in the place of a full file would be waited for.
    let Some(file) = open_existing(path)? else {
        return Ok(false);
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .map_err(FileError::io("read", path))?
        > 0
    {
        if line.windows(id.len()).any(|part| part == id.as_bytes()) {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}
