//! What was prepared to be completed later: kept here, and known outside by a handle that is sealed.
//!
//! A handle is `id.tag`: the tag is an HMAC over the id, the caller, the end and all of what is kept, so another handle, another
//! caller, or something else in place of what was prepared opens nothing. Each is completed once, by one of those who try at
//! the same time.
//!
//! Where the seal key outlives the process and there is a state directory, what is prepared lies in it, and any process with the key
//! completes it; otherwise it ends with the process. It is encrypted under that key: statements can hold passwords.
//!
//! What was completed or ran out makes room. A client that has prepared too much is told so before any work.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::seal::Sealer;
use super::store::{Caps, Full, Record, StoreError};

/// The most that wait at the same time in one process, or in one state directory.
const MAX_WAITING: usize = 200;

/// The most of those that are one principal's, whatever its clients call themselves.
const MAX_OF_ONE: usize = 50;

/// The largest that is kept, in bytes.
pub(super) const MAX_BYTES: usize = 2 * 1024 * 1024;

/// How much may wait, and whose.
pub(super) const CAPS: Caps = Caps {
    all: MAX_WAITING,
    group: MAX_OF_ONE,
    owner: MAX_OF_ONE,
    oldest_gives_way: false,
};

/// The largest file that is read, in bytes: encrypted, what is kept is larger by a third.
pub(super) const MAX_FILE: u64 = MAX_BYTES as u64 * 2;

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
    /// The store that replicas share can't be used.
    #[error("can't be read or kept now: {0}")]
    Away(String),
    /// The store came back without what it had since it was prepared.
    #[error("no longer counts: the store came back without all that it had since")]
    StoreBegan,
    /// What was prepared can't be kept or read.
    #[error("can't be read or kept: {0}")]
    Store(String),
}

impl From<StoreError> for NotPrepared {
    fn from(error: StoreError) -> Self {
        if error.is_away() {
            Self::Away(error.to_string())
        } else {
            Self::Store(error.to_string())
        }
    }
}

/// Who prepares something.
#[derive(Debug, Clone, Copy)]
pub struct Preparer<'a> {
    /// Who may complete it.
    pub caller: &'a str,
    /// Whose share of the places it takes: what no client says of itself is part of it.
    pub group: &'a str,
}

#[cfg(test)]
impl<'a> From<&'a str> for Preparer<'a> {
    fn from(caller: &'a str) -> Self {
        Self { caller, group: "" }
    }
}

/// What is kept of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    /// Who prepared it, as a keyed digest.
    pub(super) caller: String,
    /// Whose share of the places it takes: the principal's and the credential's, as a keyed digest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) group: String,
    /// When it ends: seconds since 1970.
    pub(super) until: i64,
    /// What was prepared, encrypted for its id.
    pub(super) encrypted: String,
    /// The mark of the store when it was prepared.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) mark: String,
}

impl Stored {
    fn parts(&self, id: &str, content: &Value) -> Vec<String> {
        let digest = super::digest(content);
        let mut parts = vec![id.to_owned(), self.caller.clone(), self.until.to_string(), digest];
        if !self.mark.is_empty() {
            parts.push(self.mark.clone());
        }
        parts
    }

    pub(super) fn tag(&self, sealer: &Sealer, id: &str, content: &Value) -> String {
        let parts = self.parts(id, content);
        sealer.tag(PURPOSE, &parts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(super) fn has_tag(&self, sealer: &Sealer, id: &str, content: &Value, tag: &str) -> bool {
        let parts = self.parts(id, content);
        sealer.is_tag(PURPOSE, &parts.iter().map(String::as_str).collect::<Vec<_>>(), tag)
    }

    /// What was prepared; nothing where it was kept under another key or id, or was changed.
    pub(super) fn content(&self, sealer: &Sealer, id: &str) -> Option<Value> {
        let content = sealer.decrypt(PURPOSE, id, &self.encrypted)?;
        serde_json::from_slice(&content).ok()
    }
}

impl Record for Stored {
    fn is_id(id: &str) -> bool {
        is_id(id)
    }

    /// It counts through its last second.
    fn ends_at(&self) -> DateTime<Utc> {
        let until = DateTime::from_timestamp(self.until, 0).unwrap_or_default();
        until + TimeDelta::seconds(1)
    }

    fn owner(&self) -> &str {
        &self.caller
    }

    fn group(&self) -> &str {
        &self.group
    }
}

/// The bound that is met, in words.
pub(super) fn full(full: Full) -> NotPrepared {
    NotPrepared::Full(match full {
        Full::Owner | Full::Group => format!("{MAX_OF_ONE} of this client wait already"),
        Full::All => format!("{MAX_WAITING} of all clients wait already"),
    })
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

fn is_id(id: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    id.len() == ID && id.bytes().all(is_digit)
}
