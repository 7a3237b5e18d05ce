//! Who renews a sign-in is alone among all processes: a refresh token counts once, and showing it twice ends the sign-in.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::error::SignInError;
use crate::guard::{FileError, open_private};

/// How long a process waits for another one that renews, as the neon command line does.
const WAIT: Duration = Duration::from_secs(20);

/// How long the pauses are between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// When the neon command line takes a lock for one that a dead process left.
const STALE: Duration = Duration::from_secs(60);

/// A lock. It ends when it is dropped.
#[derive(Debug)]
pub(super) enum Held {
    /// Of our own files: the operating system's, which ends with its process.
    File { _file: File },
    /// Of the neon command line's files: a file that is there.
    Presence(PathBuf),
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Presence(path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

/// Waits for the lock of our own files.
pub(super) async fn own(path: &Path) -> Result<Held, SignInError> {
    own_within(path, WAIT).await
}

async fn own_within(path: &Path, wait: Duration) -> Result<Held, SignInError> {
    let file = open_private(path)?;
    let end = Instant::now() + wait;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Held::File { _file: file }),
            Err(TryLockError::Error(source)) => return Err(io("lock", path, source)),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => return Err(SignInError::Locked(path.to_owned())),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Waits for the lock of the neon command line, which is a file that there is or isn't.
pub(super) async fn neon_cli(path: &Path) -> Result<Held, SignInError> {
    neon_cli_within(path, WAIT).await
}

async fn neon_cli_within(path: &Path, wait: Duration) -> Result<Held, SignInError> {
    let end = Instant::now() + wait;
    loop {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(_) => return Ok(Held::Presence(path.to_owned())),
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(io("create", path, error)),
            Err(_) if is_stale(path) => {
                let _ = fs::remove_file(path);
            }
            Err(_) if Instant::now() >= end => return Err(SignInError::Locked(path.to_owned())),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn is_stale(path: &Path) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    // What is gone by now needn't be waited for, and a time to come is no age.
    changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > STALE))
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> SignInError {
    FileError::Io {
        action,
        path: path.to_owned(),
        source,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(120);

    #[tokio::test]
    async fn lock_of_the_command_line_is_waited_for_and_one_of_a_dead_process_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".refresh-1.lock");
        let held = neon_cli_within(&path, SHORT).await.unwrap();
        assert!(path.exists());
        assert!(matches!(
            neon_cli_within(&path, SHORT).await,
            Err(SignInError::Locked(_))
        ));
        drop(held);
        assert!(!path.exists());
        let left = File::create(&path).unwrap();
        left.set_modified(SystemTime::now() - 2 * STALE).unwrap();
        let held = neon_cli_within(&path, SHORT).await.unwrap();
        drop(held);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn lock_of_our_own_is_held_by_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let held = own_within(&path, SHORT).await.unwrap();
        assert!(matches!(own_within(&path, SHORT).await, Err(SignInError::Locked(_))));
        drop(held);
        assert!(own_within(&path, SHORT).await.is_ok());
    }
}
