//! A store in a directory that only its owner can read: a file for each record, changed only under a lock, for the processes of one
//! machine.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::contract::{Admission, Caps, Full, Put, Record, StateStore, Taken};
use super::error::StoreError;
use crate::guard::files::{FileError, Held, close_directory, draft_beside, lock, make_directory, read_private};

/// What a file is called that holds a record, that holds one which was taken, and that isn't written yet.
const KEPT: &str = "json";
const TAKEN: &str = "taken";
const DRAFT: &str = "new";

/// How long a file is left that holds no record.
const UNREADABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// Records in a directory, which is made when the first is put down.
#[derive(Debug)]
pub(in crate::guard) struct DirectoryStore<R> {
    directory: PathBuf,
    /// The largest file, in bytes.
    largest: u64,
    /// Whether what was taken is told from what never was there.
    remembers_taken: bool,
    records: PhantomData<fn() -> R>,
}

impl<R: Record> DirectoryStore<R> {
    pub(in crate::guard) fn new(directory: PathBuf, largest: u64, remembers_taken: bool) -> Self {
        Self {
            directory,
            largest,
            remembers_taken,
            records: PhantomData,
        }
    }

    fn hold(&self) -> Result<Held, FileError> {
        make_directory(&self.directory)?;
        close_directory(&self.directory)?;
        lock(&self.directory.join("lock"))
    }

    fn path(&self, id: &str, kind: &str) -> PathBuf {
        self.directory.join(format!("{id}.{kind}"))
    }

    /// Reads a record. Nobody who may put one here leaves anything else: what is none is passed over.
    fn read(&self, id: &str, kind: &str) -> Result<Option<R>, FileError> {
        if !R::is_id(id) {
            return Ok(None);
        }
        let path = self.path(id, kind);
        let bytes = match read_private(&path, self.largest) {
            Ok(Some(bytes)) => bytes,
            // It was taken at this moment.
            Ok(None) => return Ok(None),
            Err(error @ (FileError::NotAFile { .. } | FileError::NotOurs { .. })) => {
                tracing::warn!("{error}: it is passed over");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match serde_json::from_slice::<R>(&bytes) {
            Ok(record) if record.is_of(id) => Ok(Some(record)),
            _ => {
                tracing::warn!("{} holds nothing of ours, and is passed over", path.display());
                Ok(None)
            }
        }
    }

    /// The files that are called as ours are: the id, and what comes behind it.
    fn files(&self) -> Result<Vec<(String, String)>, FileError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(FileError::io("read", &self.directory))?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let name = entry.map_err(FileError::io("read", &self.directory))?.file_name();
            let name = name.to_str().and_then(|name| name.split_once('.'));
            if let Some((id, kind)) = name.filter(|(id, _)| R::is_id(id)) {
                files.push((id.to_owned(), kind.to_owned()));
            }
        }
        Ok(files)
    }

    /// Removes what is over, and returns what waits.
    fn sweep(&self, _held: &Held, now: DateTime<Utc>) -> Result<Vec<(String, R)>, FileError> {
        let mut known = Vec::new();
        for (id, kind) in self.files()? {
            let path = self.path(&id, &kind);
            let over = match kind.as_str() {
                KEPT | TAKEN => match self.read(&id, &kind)? {
                    Some(record) if record.ends_at() <= now => true,
                    Some(record) => {
                        if kind == KEPT {
                            known.push((id, record));
                        }
                        false
                    }
                    None => is_old(&path),
                },
                // Under the lock nobody else writes: what a process that was killed had begun is nobody's.
                _ => kind.ends_with(&format!(".{DRAFT}")),
            };
            if over {
                let _ = fs::remove_file(path);
            }
        }
        Ok(known)
    }

    /// Writes a record: whoever reads it sees the old one or the new one.
    fn write(&self, _held: &Held, id: &str, record: &R) -> Result<(), FileError> {
        let path = self.path(id, KEPT);
        let failed = || FileError::io("write", &path);
        let bytes = serde_json::to_vec_pretty(record).map_err(|error| failed()(std::io::Error::other(error)))?;
        // What couldn't be read whole again would wait for ever.
        let size = bytes.len() as u64;
        if size > self.largest {
            let most = self.largest;
            let why = format!("it has {size} bytes, and at most {most} are read");
            return Err(failed()(std::io::Error::new(ErrorKind::FileTooLarge, why)));
        }
        let mut draft = draft_beside(&path)?;
        let written = draft.write_all(&bytes).and_then(|()| draft.as_file().sync_all());
        written.map_err(failed())?;
        draft.persist(&path).map_err(|failure| failed()(failure.error))?;
        Ok(())
    }

    fn remove(&self, _held: &Held, id: &str) -> Result<(), FileError> {
        let path = self.path(id, KEPT);
        fs::remove_file(&path).map_err(FileError::io("remove", path))
    }
}

impl<R: Record> StateStore<R> for DirectoryStore<R> {
    fn put(&self, id: &str, record: R, caps: &Caps, now: DateTime<Utc>) -> Result<Put<R>, StoreError> {
        let held = self.hold()?;
        let known = self.sweep(&held, now)?;
        let gives_way = match caps.admit(&record, &known) {
            Admission::Known(same) => return Ok(Put::Known(same)),
            Admission::Full(full) => return Ok(Put::Full(full)),
            Admission::InPlaceOf(oldest) => Some(oldest),
            Admission::Room => None,
        };
        let is_there = |kind| self.path(id, kind).symlink_metadata().is_ok();
        if !R::is_id(id) || is_there(KEPT) || is_there(TAKEN) {
            return Ok(Put::IdTaken);
        }
        if let Some(oldest) = gives_way {
            self.remove(&held, &oldest)?;
        }
        self.write(&held, id, &record)?;
        Ok(Put::Stored)
    }

    fn room(&self, (owner, group): (&str, &str), caps: &Caps, now: DateTime<Utc>) -> Result<Option<Full>, StoreError> {
        if self.directory.symlink_metadata().is_err() {
            return Ok(None);
        }
        let held = self.hold()?;
        let known = self.sweep(&held, now)?;
        Ok(caps.met_in_the_end((owner, group), known.iter().map(|(_, record)| record)))
    }

    fn get(&self, id: &str) -> Result<Option<(R, bool)>, StoreError> {
        if let Some(record) = self.read(id, KEPT)? {
            return Ok(Some((record, false)));
        }
        if !self.remembers_taken {
            return Ok(None);
        }
        Ok(self.read(id, TAKEN)?.map(|record| (record, true)))
    }

    fn list(&self) -> Result<Vec<(String, R)>, StoreError> {
        let mut all = Vec::new();
        for (id, kind) in self.files()? {
            if kind == KEPT
                && let Some(record) = self.read(&id, KEPT)?
            {
                all.push((id, record));
            }
        }
        Ok(all)
    }

    fn change(&self, id: &str, change: &mut dyn FnMut(&mut R) -> bool) -> Result<(), StoreError> {
        let held = self.hold()?;
        let Some(mut record) = self.read(id, KEPT)? else {
            return Ok(());
        };
        if change(&mut record) {
            self.write(&held, id, &record)?;
        }
        Ok(())
    }

    fn take(&self, id: &str, may: &dyn Fn(&R) -> bool) -> Result<Taken<R>, StoreError> {
        let held = self.hold()?;
        let Some((record, taken)) = self.get(id)? else {
            return Ok(Taken::Nothing);
        };
        if taken {
            return Ok(Taken::Before);
        }
        if !may(&record) {
            return Ok(Taken::Nothing);
        }
        // What can't be removed could be taken twice.
        if self.remembers_taken {
            let path = self.path(id, KEPT);
            fs::rename(&path, self.path(id, TAKEN)).map_err(FileError::io("take", path))?;
        } else {
            self.remove(&held, id)?;
        }
        Ok(Taken::Now(record))
    }

    fn give_back(&self, id: &str) -> Result<(), StoreError> {
        if !R::is_id(id) {
            return Ok(());
        }
        let _held = self.hold()?;
        let path = self.path(id, TAKEN);
        fs::rename(&path, self.path(id, KEPT)).map_err(FileError::io("give back", path))?;
        Ok(())
    }
}

/// Whether a file was left alone for long.
fn is_old(path: &Path) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > UNREADABLE))
}
