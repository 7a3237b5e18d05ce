//! What was prepared to be completed later: kept here, and known outside by a handle that is sealed.
//!
//! A handle is `id.tag`: the tag is an HMAC over the id, the caller, the end and all of what is kept, so another handle, another
//! caller, or something else in place of what was prepared opens nothing. Each is completed once, by one of those who try at
//! the same time.
//!
//! Where the seal key outlives the process and there is a state directory, what is prepared lies in it, and any process with
//! that key completes it; otherwise it ends with the process.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::confirm::Confirmations;
use super::files::{self, FileError};
use super::seal::Sealer;

/// The most that one process keeps.
const MOST: usize = 200;

/// The largest that is kept, in bytes.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// How many characters an id has.
const ID: usize = 16;

const PURPOSE: &str = "prepared";

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Who prepared it, as a keyed digest.
    caller: String,
    /// When it ends: seconds since 1970.
    until: i64,
    /// What was prepared.
    content: Value,
}

/// What was prepared and isn't over.
#[derive(Debug, Default)]
pub(super) struct Preparations {
    /// With whether it was taken.
    kept: Mutex<HashMap<String, (Kept, bool)>>,
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

    fn tag(&self, sealer: &Sealer, id: &str) -> String {
        sealer.tag(PURPOSE, &self.parts(id).each_ref().map(String::as_str))
    }

    fn has_tag(&self, sealer: &Sealer, id: &str, tag: &str) -> bool {
        sealer.is_tag(PURPOSE, &self.parts(id).each_ref().map(String::as_str), tag)
    }
}

impl Confirmations {
    /// Keeps what was prepared until then, and gives the handle.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn prepare(
        &self,
        caller: &str,
        content: Value,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<String, NotPrepared> {
        let kept = Kept {
            caller: self.preparer(caller),
            until: until.timestamp(),
            content,
        };
        let text = serde_json::to_string(&kept).map_err(|error| NotPrepared::Store(error.to_string()))?;
        if text.len() > MOST_BYTES {
            return Err(NotPrepared::Store("it is larger than 2 MiB".to_owned()));
        }
        let id: String = uuid::Uuid::new_v4().simple().to_string().chars().take(ID).collect();
        let handle = format!("{id}.{}", kept.tag(&self.sealer, &id));
        match self.prepared_folder() {
            Some(folder) => {
                files::make_directory(&folder)?;
                files::close_directory(&folder)?;
                sweep(&folder, now);
                let path = folder.join(format!("{id}.json"));
                let mut file = files::create_private(&path)?;
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(FileError::io("write", &path))?;
            }
            None => {
                let mut all = self.preparations.kept.lock().unwrap_or_else(PoisonError::into_inner);
                all.retain(|_, (kept, _)| kept.until >= now.timestamp());
                if all.len() >= MOST {
                    return Err(NotPrepared::Store(format!("{MOST} wait already")));
                }
                all.insert(id, (kept, false));
            }
        }
        Ok(handle)
    }

    /// What was prepared under a handle, by this caller.
    ///
    /// # Errors
    /// When there is nothing to complete.
    pub fn prepared(&self, caller: &str, handle: &str, now: DateTime<Utc>) -> Result<Value, NotPrepared> {
        let (id, tag) = parts(handle)?;
        let (kept, taken) = match self.prepared_folder() {
            Some(folder) => read(&folder, id)?,
            None => {
                let all = self.preparations.kept.lock().unwrap_or_else(PoisonError::into_inner);
                all.get(id).cloned().ok_or(NotPrepared::Unknown)?
            }
        };
        // Whose it is comes first: to anyone else there is none.
        if kept.caller != self.preparer(caller) || !kept.has_tag(&self.sealer, id, tag) {
            return Err(NotPrepared::Unknown);
        }
        if kept.until < now.timestamp() {
            return Err(NotPrepared::Expired);
        }
        if taken {
            return Err(NotPrepared::Used);
        }
        Ok(kept.content)
    }

    /// Takes what was prepared, to complete it. Of those who try, one does.
    ///
    /// # Errors
    /// As [`Self::prepared`], and when another took it.
    pub fn take_prepared(&self, caller: &str, handle: &str, now: DateTime<Utc>) -> Result<(), NotPrepared> {
        self.prepared(caller, handle, now)?;
        let (id, _) = parts(handle)?;
        match self.prepared_folder() {
            Some(folder) => {
                let (from, to) = places(&folder, id);
                // Of several that rename one file, one finds it.
                fs::rename(&from, to).map_err(|error| match error.kind() {
                    ErrorKind::NotFound => NotPrepared::Used,
                    _ => FileError::io("take", &from)(error).into(),
                })
            }
            None => {
                let mut all = self.preparations.kept.lock().unwrap_or_else(PoisonError::into_inner);
                match all.get_mut(id) {
                    Some((_, taken)) if !*taken => {
                        *taken = true;
                        Ok(())
                    }
                    Some(_) => Err(NotPrepared::Used),
                    None => Err(NotPrepared::Unknown),
                }
            }
        }
    }

    /// Gives back what was taken: nothing came of it, so it can be tried again.
    pub fn give_back_prepared(&self, handle: &str) {
        let Ok((id, _)) = parts(handle) else { return };
        match self.prepared_folder() {
            Some(folder) => {
                let (to, from) = places(&folder, id);
                if let Err(error) = fs::rename(from, to) {
                    tracing::warn!(%error, "what was prepared can't be given back, and so can't be tried again");
                }
            }
            None => {
                let mut all = self.preparations.kept.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((_, taken)) = all.get_mut(id) {
                    *taken = false;
                }
            }
        }
    }

    fn preparer(&self, caller: &str) -> String {
        self.sealer.digest("preparer", &[caller])
    }

    /// Beside the approvals, and only where another process could open what lies there.
    fn prepared_folder(&self) -> Option<PathBuf> {
        let approvals = self.approvals().filter(|_| self.sealer.is_shared())?;
        Some(approvals.directory().with_file_name("prepared"))
    }
}

/// Id and tag of a handle. Nothing else gets into the name of a file.
fn parts(handle: &str) -> Result<(&str, &str), NotPrepared> {
    let (id, tag) = handle.trim().split_once('.').ok_or(NotPrepared::Unknown)?;
    let is_id = id.len() == ID
        && id
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if is_id {
        Ok((id, tag))
    } else {
        Err(NotPrepared::Unknown)
    }
}

/// Where one lies before and after it is taken.
fn places(folder: &Path, id: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{id}.json")), folder.join(format!("{id}.taken")))
}

fn read(folder: &Path, id: &str) -> Result<(Kept, bool), NotPrepared> {
    let (open, taken) = places(folder, id);
    for (path, taken) in [(open, false), (taken, true)] {
        if !path.is_file() {
            continue;
        }
        let file = match files::open_private(&path) {
            // Taken at this moment.
            Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => continue,
            other => other?,
        };
        let mut text = String::new();
        file.take(MOST_BYTES as u64 + 1)
            .read_to_string(&mut text)
            .map_err(FileError::io("read", &path))?;
        let kept = serde_json::from_str(&text).map_err(|_| NotPrepared::Unknown)?;
        return Ok((kept, taken));
    }
    Err(NotPrepared::Unknown)
}

/// Removes what is over. What can't be read is left: it opens nothing.
fn sweep(folder: &Path, now: DateTime<Utc>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let until = fs::read_to_string(&path)
            .ok()
            .and_then(|text| serde_json::from_str::<Kept>(&text).ok())
            .map(|kept| kept.until);
        if until.is_some_and(|until| until < now.timestamp()) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::super::approvals::Approvals;
    use super::super::policy::ConfirmRules;
    use super::*;

    fn shared(folder: &Path, key: u8) -> Confirmations {
        Confirmations::new(
            Sealer::shared(&[key; 32]).unwrap(),
            ConfirmRules::default(),
            Some(Approvals::new(folder.join("approvals"))),
        )
    }

    fn alone() -> Confirmations {
        Confirmations::new(Sealer::random(), ConfirmRules::default(), None)
    }

    #[test]
    fn a_handle_opens_what_was_prepared_for_its_caller_once() {
        let folder = tempfile::tempdir().unwrap();
        for keeper in [alone(), shared(folder.path(), 7)] {
            let now = Utc::now();
            let until = now + TimeDelta::hours(1);
            let handle = keeper
                .prepare("me", json!({"statements": ["DROP TABLE t"]}), until, now)
                .unwrap();
            let other = keeper
                .prepare("me", json!({"statements": ["SELECT 1"]}), until, now)
                .unwrap();
            assert!(handle.len() < 45, "{handle}");
            assert_eq!(
                keeper.prepared("me", &handle, now).unwrap()["statements"][0],
                "DROP TABLE t"
            );
            assert_eq!(keeper.prepared("you", &handle, now), Err(NotPrepared::Unknown));
            assert_eq!(
                keeper.prepared("me", &handle, until + TimeDelta::seconds(1)),
                Err(NotPrepared::Expired)
            );
            let (id, tag) = handle.split_once('.').unwrap();
            let (other_id, other_tag) = other.split_once('.').unwrap();
            for altered in [
                format!("{id}.{other_tag}"),
                format!("{other_id}.{tag}"),
                format!("{id}."),
                format!("{id}.{}", &tag[..tag.len() - 2]),
                format!("{id}.AAAAAAAAAAAAAAAAAAAAAA"),
                format!("../{id}.{tag}"),
                id.to_owned(),
                String::new(),
            ] {
                assert_eq!(
                    keeper.prepared("me", &altered, now),
                    Err(NotPrepared::Unknown),
                    "{altered}"
                );
                assert_eq!(
                    keeper.take_prepared("me", &altered, now),
                    Err(NotPrepared::Unknown),
                    "{altered}"
                );
            }
            assert_eq!(keeper.take_prepared("you", &handle, now), Err(NotPrepared::Unknown));
            assert_eq!(keeper.take_prepared("me", &handle, now), Ok(()));
            assert_eq!(keeper.take_prepared("me", &handle, now), Err(NotPrepared::Used));
            assert_eq!(keeper.prepared("me", &handle, now), Err(NotPrepared::Used));
            keeper.give_back_prepared(&handle);
            assert_eq!(keeper.take_prepared("me", &handle, now), Ok(()));
            assert_eq!(keeper.take_prepared("me", &other, now), Ok(()));
        }
    }

    #[test]
    fn of_many_that_take_at_once_one_does() {
        let folder = tempfile::tempdir().unwrap();
        for keeper in [alone(), shared(folder.path(), 7)] {
            let now = Utc::now();
            let handle = keeper.prepare("me", json!({}), now + TimeDelta::hours(1), now).unwrap();
            let took = std::thread::scope(|scope| {
                let takers: Vec<_> = (0..16)
                    .map(|_| scope.spawn(|| keeper.take_prepared("me", &handle, now).is_ok()))
                    .collect();
                takers
                    .into_iter()
                    .filter(|_| true)
                    .map(|taker| taker.join().unwrap())
                    .filter(|took| *took)
                    .count()
            });
            assert_eq!(took, 1);
        }
    }

    #[test]
    fn with_a_shared_key_another_process_completes_it_and_a_changed_file_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let now = Utc::now();
        let until = now + TimeDelta::hours(1);
        let handle = shared(folder.path(), 7)
            .prepare("me", json!({"branch_id": "br-a"}), until, now)
            .unwrap();
        assert_eq!(
            shared(folder.path(), 7).prepared("me", &handle, now).unwrap()["branch_id"],
            "br-a"
        );
        assert_eq!(
            shared(folder.path(), 8).prepared("me", &handle, now),
            Err(NotPrepared::Unknown)
        );
        assert_eq!(alone().prepared("me", &handle, now), Err(NotPrepared::Unknown));
        let path = folder
            .path()
            .join("prepared")
            .join(format!("{}.json", handle.split_once('.').unwrap().0));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("br-a", "br-b")).unwrap();
        assert_eq!(
            shared(folder.path(), 7).prepared("me", &handle, now),
            Err(NotPrepared::Unknown)
        );
        fs::write(&path, text).unwrap();
        // What is over is swept away by the next.
        let later = until + TimeDelta::seconds(2);
        shared(folder.path(), 7)
            .prepare("me", json!({}), later + TimeDelta::hours(1), later)
            .unwrap();
        assert!(!path.exists());
    }
}
