//! What was prepared to be completed later: kept here, and known outside by a handle that is sealed.
//!
//! A handle is `id.tag`: the tag is an HMAC over the id, the caller, the end and all of what is kept, so another handle, another
//! caller, or something else in place of what was prepared opens nothing. Each is completed once, by one of those who try at
//! the same time.
//!
//! Where the seal key outlives the process and there is a state directory, what is prepared lies in it, encrypted under that key
//! (statements can hold passwords), and any process with the key completes it; otherwise it ends with the process.
//!
//! What was completed or ran out makes room. A client that has prepared too much is told so before any work.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::files::{self, FileError};
use super::seal::Sealer;

/// The most that wait at the same time in one process, or in one state directory.
pub(super) const MAX_WAITING: usize = 200;

/// The most of those that are one client's.
pub(super) const MAX_OF_ONE: usize = 50;

/// The largest that is kept, in bytes.
pub(super) const MAX_BYTES: usize = 2 * 1024 * 1024;

/// How many characters an id has.
pub(super) const ID: usize = 16;

pub(super) const PURPOSE: &str = "prepared";

/// Why a handle opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotPrepared {
    /// It isn't one that this server gave to this caller, or it was changed.
    #[error("is none that this server gave to this client, or it was changed, or the server was restarted since")]
    Unknown,
    /// It ran out.
    #[error("has run out")]
    Expired,
    /// It was completed, or is being completed.
    #[error("was used already: each is good for one completion")]
    Used,
    /// Too much waits already.
    #[error("isn't kept: {0}")]
    Full(String),
    /// It is larger than what is kept.
    #[error("isn't kept: it has {0} bytes, and at most {MAX_BYTES} are kept of one")]
    TooLarge(usize),
    /// What was prepared can't be kept or read.
    #[error("can't be read or kept: {0}")]
    Store(String),
}

impl From<FileError> for NotPrepared {
    fn from(error: FileError) -> Self {
        Self::Store(error.to_string())
    }
}

/// What is kept of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    /// Who prepared it, as a keyed digest.
    pub(super) caller: String,
    /// When it ends: seconds since 1970.
    pub(super) until: i64,
    /// What was prepared.
    pub(super) content: Value,
}

/// What lies in the state directory of one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub(super) caller: String,
    pub(super) until: i64,
    /// The content, encrypted for its id.
    pub(super) encrypted: String,
}

/// What was prepared and isn't over.
#[derive(Debug, Default)]
pub(super) struct Preparations {
    /// With whether it was taken.
    pub(super) kept: Mutex<HashMap<String, (Kept, bool)>>,
}

impl Kept {
    fn parts(&self, id: &str) -> [String; 4] {
        [
            id.to_owned(),
            self.caller.clone(),
            self.until.to_string(),
            super::digest(&self.content),
        ]
    }

    pub(super) fn tag(&self, sealer: &Sealer, id: &str) -> String {
        sealer.tag(PURPOSE, &self.parts(id).each_ref().map(String::as_str))
    }

    pub(super) fn has_tag(&self, sealer: &Sealer, id: &str, tag: &str) -> bool {
        sealer.is_tag(PURPOSE, &self.parts(id).each_ref().map(String::as_str), tag)
    }
}

/// Id and tag of a handle. Nothing else gets into the name of a file.
pub(super) fn parts(handle: &str) -> Result<(&str, &str), NotPrepared> {
    let (id, tag) = handle.trim().split_once('.').ok_or(NotPrepared::Unknown)?;
    if is_id(id) {
        Ok((id, tag))
    } else {
        Err(NotPrepared::Unknown)
    }
}

pub(super) fn is_id(id: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    id.len() == ID && id.bytes().all(is_digit)
}

/// Where one lies before and after it is taken.
pub(super) fn places(folder: &Path, id: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{id}.json")), folder.join(format!("{id}.taken")))
}

/// Whether a path is called as one of [`places`] is.
pub(super) fn is_ours_by_name(path: &Path) -> bool {
    let ends = path.extension().is_some_and(|ends| ends == "json" || ends == "taken");
    ends && path.file_stem().and_then(|id| id.to_str()).is_some_and(is_id)
}

/// What a file holds; nothing where that is larger than what is written, or nothing of ours.
pub(super) fn stored(path: &Path) -> Result<Option<Stored>, FileError> {
    // Another may take it at this moment.
    let Some(file) = files::open_existing(path)? else {
        return Ok(None);
    };
    let mut text = String::new();
    // Encrypted it is larger by a third.
    file.take(MAX_BYTES as u64 * 2)
        .read_to_string(&mut text)
        .map_err(FileError::io("read", path))?;
    Ok(serde_json::from_str(&text).ok())
}

/// How long a file is left that can't be read.
pub(super) const UNREADABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes what is over, and gives the callers of what waits.
pub(super) fn sweep(folder: &Path, now: DateTime<Utc>) -> Vec<String> {
    let mut waiting = Vec::new();
    // Behind a link, or in a folder that is no longer ours alone, nothing is ours to remove. The write that follows says why.
    if files::close_directory(folder).is_err() {
        return waiting;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if !is_ours_by_name(&path) {
            continue;
        }
        let over = match stored(&path) {
            Ok(Some(stored)) if stored.until >= now.timestamp() => {
                if path.extension().is_some_and(|extension| extension == "json") {
                    waiting.push(stored.caller);
                }
                false
            }
            Ok(Some(_)) => true,
            Ok(None) | Err(_) => {
                let changed = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
                changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > UNREADABLE))
            }
        };
        if over {
            let _ = fs::remove_file(path);
        }
    }
    waiting
}
