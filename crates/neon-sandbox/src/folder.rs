//! The folder of a sandbox that outlives its process: one sandbox at a time uses it, and its state is written whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use local_files::leftover;

/// Held while a sandbox uses the folder.
const LOCK: &str = "lock";

/// What the control plane knows. It holds keys and passwords.
const STATE: &str = "state.json";

/// The largest state that is read, in bytes: 64 MiB. That of a thousand branches takes one.
const MAX_STATE_BYTES: u64 = 64 * 1024 * 1024;

/// A folder that is ours.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// `None`: it is ours no longer.
    lock: Mutex<Option<File>>,
}

impl Folder {
    /// Makes the folder where it isn't there, and takes it.
    ///
    /// # Errors
    ///
    /// When it can't be made, or another sandbox uses it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let told = |action: &str, error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("can't {action} the sandbox's folder {}: {error}", path.display()),
            )
        };
        fs::create_dir_all(path).map_err(|error| told("make", error))?;
        let path = path.canonicalize().map_err(|error| told("find", error))?;
        let lock = leftover::open_lock(&path.join(LOCK)).map_err(|error| told("lock", error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path,
                lock: Mutex::new(Some(lock)),
            }),
            Err(fs::TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!(
                    "another sandbox uses {}: stop it, or name another folder",
                    path.display()
                ),
            )),
            Err(fs::TryLockError::Error(error)) => Err(told("lock", error)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The state that was written last; nothing in a new folder.
    pub(crate) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        // Whoever else could write it could say which data is served, and with which passwords.
        let is_anothers = fs::symlink_metadata(self.state()).is_ok_and(|metadata| !leftover::is_ours(&metadata));
        if is_anothers {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("can't read {}: it belongs to another user", self.state().display()),
            ));
        }
        match leftover::read(&self.state(), MAX_STATE_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("can't read {}: {error}", self.state().display()),
            )),
        }
    }

    /// Writes the state in one step: whoever is killed meanwhile leaves the old one.
    ///
    /// # Errors
    ///
    /// When it can't be written, or is larger than what the next start reads: then the old one stays.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        if size > MAX_STATE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "the state has {size} bytes, and at most {MAX_STATE_BYTES} are read again: what was written before stays"
                ),
            ));
        }
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            // Another sandbox may write there by now.
            return Ok(());
        }
        leftover::replace(&self.state(), bytes)
    }

    /// Leaves the folder to the next sandbox: from now on, nothing is written.
    pub(crate) fn release(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The file with the state.
    pub(crate) fn state(&self) -> PathBuf {
        self.path.join(STATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_that_could_not_be_read_again_is_not_written() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(&place.path().join("kept")).unwrap();
        folder.write(b"first").unwrap();
        let most = usize::try_from(MAX_STATE_BYTES).unwrap();
        let error = folder.write(&vec![b' '; most + 1]).unwrap_err();
        harness::assert_worded!("refusals", "state that could not be read again", error.to_string());
        assert_eq!(folder.read().unwrap().unwrap(), b"first");
        folder.write(&vec![b' '; most]).unwrap();
        assert_eq!(folder.read().unwrap().unwrap().len(), most);
    }
}
