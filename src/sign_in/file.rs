//! A file that holds a login: read, and replaced whole under its lock.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use super::error::SignInError;
use super::lock::{self, Held as Locked};
use super::session::{self, Held, Session};
use crate::guard::{
    FileError, Untrusted, close_directory, make_directory, read_private, read_trusted, replace_private,
};

/// The largest file of ours that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1_024;

/// Where a login lies, and what keeps others from writing at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) owner: Owner,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Ours.
    Us,
    /// The neon command line's, which goes on with what is written.
    NeonCli,
}

impl Place {
    /// What it holds; nothing where there is no file.
    pub(super) fn read(&self) -> Result<Option<Held>, SignInError> {
        let bytes = match self.owner {
            Owner::Us => read_private(&self.path, MAX_BYTES)?,
            Owner::NeonCli => match read_trusted(&self.path) {
                Ok(bytes) => Some(bytes),
                Err(Untrusted::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(error.into()),
            },
        };
        bytes.map(|bytes| session::read(&self.path, &bytes)).transpose()
    }

    /// Waits until nobody else renews it.
    pub(super) async fn lock(&self) -> Result<Locked, SignInError> {
        if let Some(folder) = self.lock.parent() {
            make_directory(folder)?;
            if self.owner == Owner::Us {
                close_directory(folder)?;
            }
        }
        match self.owner {
            Owner::Us => lock::own(&self.lock).await,
            Owner::NeonCli => lock::neon_cli(&self.lock).await,
        }
    }

    /// Writes it: whoever reads sees the old one or the new one, and nobody but its owner does.
    pub(super) fn replace(&self, session: &Session) -> Result<(), SignInError> {
        let text = session.written();
        replace_private(&self.target(), |file| file.write_all(text.expose_secret().as_bytes()))?;
        Ok(())
    }

    /// Makes sure that it could be written, before a token is used up for what is to be written.
    pub(super) fn can_be_replaced(&self) -> Result<(), SignInError> {
        let target = self.target();
        let folder = target.parent().unwrap_or(Path::new("."));
        match tempfile::Builder::new().prefix(".draft").tempfile_in(folder) {
            Ok(_) => Ok(()),
            Err(source) => Err(FileError::Io {
                action: "write",
                path: self.path.clone(),
                source,
            }
            .into()),
        }
    }

    /// The file itself, where a link leads to it: the link stays.
    fn target(&self) -> PathBuf {
        match self.owner {
            Owner::Us => self.path.clone(),
            Owner::NeonCli => std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()),
        }
    }

    /// Removes it.
    pub(super) fn remove(&self) -> Result<(), SignInError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::Io {
                action: "remove",
                path: self.path.clone(),
                source: error,
            }
            .into()),
            _ => Ok(()),
        }
    }
}
