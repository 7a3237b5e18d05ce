//! Preparing, opening and taking what is completed later: what [`ApprovalFlow`] does with it.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::approval_flow::ApprovalFlow;
use super::prepared::*;
use super::store::{Put, Taken};

/// How many ids are tried for one that nothing has: each has 60 random bits.
const MAX_IDS: usize = 4;

impl ApprovalFlow {
    /// Keeps what was prepared until then, and gives the handle.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn prepare<'a>(
        &self,
        whose: impl Into<Preparer<'a>>,
        content: Value,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<String, NotPrepared> {
        let text = content.to_string();
        if text.len() > MAX_BYTES {
            return Err(NotPrepared::TooLarge(text.len()));
        }
        let mark = self.mark()?;
        let whose = whose.into();
        for _ in 0..MAX_IDS {
            let id: String = uuid::Uuid::new_v4().simple().to_string().chars().take(ID).collect();
            let encrypted = self.sealer.encrypt(PURPOSE, &id, text.as_bytes());
            let stored = Stored {
                caller: self.preparer(whose.caller),
                group: self.preparers(whose.group),
                until: until.timestamp(),
                encrypted: encrypted.ok_or_else(|| NotPrepared::Store("it can't be encrypted".to_owned()))?,
                mark: mark.clone(),
            };
            let handle = format!("{id}.{}", stored.tag(&self.sealer, &id, &content));
            match self.preparations.put(&id, stored, &CAPS, now)? {
                Put::Stored => return Ok(handle),
                Put::Full(bound) => return Err(full(bound)),
                Put::IdTaken | Put::Known(_) => {}
            }
        }
        Err(NotPrepared::Store("no id is free".to_owned()))
    }

    /// Whether this caller can prepare one more, of at least so many bytes: to be asked before the work. What is over is removed.
    ///
    /// # Errors
    /// [`NotPrepared::Full`] when 200 wait, or 50 of this caller's or its principal's, and [`NotPrepared::TooLarge`] over 2 MiB.
    pub fn room_to_prepare<'a>(
        &self,
        whose: impl Into<Preparer<'a>>,
        bytes: usize,
        now: DateTime<Utc>,
    ) -> Result<(), NotPrepared> {
        if bytes > MAX_BYTES {
            return Err(NotPrepared::TooLarge(bytes));
        }
        let whose = whose.into();
        let (owner, group) = (self.preparer(whose.caller), self.preparers(whose.group));
        match self.preparations.room((&owner, &group), &CAPS, now)? {
            Some(bound) => Err(full(bound)),
            None => Ok(()),
        }
    }

    /// What waits of this caller's: handles, with when each ends and what was prepared, the first to end first.
    #[must_use]
    pub fn waiting(&self, caller: &str, now: DateTime<Utc>) -> Vec<(String, DateTime<Utc>, Value)> {
        let own = self.preparer(caller);
        let all = self.preparations.list().unwrap_or_default();
        let own = all
            .into_iter()
            .filter(|(_, stored)| stored.caller == own && stored.until >= now.timestamp());
        let mut waiting: Vec<(String, DateTime<Utc>, Value)> = own
            .filter_map(|(id, stored)| {
                let content = stored.content(&self.sealer, &id)?;
                let handle = format!("{id}.{}", stored.tag(&self.sealer, &id, &content));
                Some((handle, DateTime::from_timestamp(stored.until, 0)?, content))
            })
            .collect();
        waiting.sort_by_key(|(_, until, _)| *until);
        waiting
    }

    /// What was prepared under a handle, by this caller.
    ///
    /// # Errors
    /// When there is nothing to complete.
    pub fn prepared(&self, caller: &str, handle: &str, now: DateTime<Utc>) -> Result<Value, NotPrepared> {
        let (id, tag) = parts(handle)?;
        let (stored, taken) = self.preparations.get(id)?.ok_or(NotPrepared::Unknown)?;
        let content = stored.content(&self.sealer, id).ok_or(NotPrepared::Unknown)?;
        // Whose it is comes first: to anyone else there is none.
        if stored.caller != self.preparer(caller) || !stored.has_tag(&self.sealer, id, &content, tag) {
            return Err(NotPrepared::Unknown);
        }
        if stored.until < now.timestamp() {
            return Err(NotPrepared::Expired);
        }
        if stored.mark != self.mark()? {
            return Err(NotPrepared::StoreBegan);
        }
        if taken {
            return Err(NotPrepared::Used);
        }
        Ok(content)
    }

    /// Takes what was prepared, to complete it. Of those who try, one does.
    ///
    /// # Errors
    /// As [`Self::prepared`], and when another took it.
    pub fn take_prepared(&self, caller: &str, handle: &str, now: DateTime<Utc>) -> Result<(), NotPrepared> {
        self.prepared(caller, handle, now)?;
        let (id, _) = parts(handle)?;
        match self.preparations.take(id, &|_| true)? {
            Taken::Now(_) => Ok(()),
            Taken::Before | Taken::Nothing => Err(NotPrepared::Used),
        }
    }

    /// Gives back what was taken: nothing came of it, so it can be tried again.
    pub fn give_back_prepared(&self, handle: &str) {
        let Ok((id, _)) = parts(handle) else { return };
        if let Err(error) = self.preparations.give_back(id) {
            tracing::warn!(%error, "what was prepared can't be given back, and so can't be tried again");
        }
    }

    fn preparer(&self, caller: &str) -> String {
        self.sealer.digest("preparer", &[caller])
    }

    /// The digest of a group; nothing stays nothing.
    fn preparers(&self, group: &str) -> String {
        match group.is_empty() {
            true => String::new(),
            false => self.sealer.digest("preparers", &[group]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use chrono::TimeDelta;
    use serde_json::json;

    use super::super::approvals::Approvals;
    use super::super::policy::ApprovalRules;
    use super::super::seal::Sealer;
    use super::*;

    fn shared(folder: &Path, key: u8) -> ApprovalFlow {
        ApprovalFlow::new(
            Sealer::shared(&[key; 32]).unwrap(),
            ApprovalRules::default(),
            Some(Approvals::new(folder.join("approvals"))),
        )
    }

    fn alone() -> ApprovalFlow {
        ApprovalFlow::new(Sealer::random(), ApprovalRules::default(), None)
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_removed_behind_a_link_nor_what_is_called_otherwise() {
        let place = tempfile::tempdir().unwrap();
        let old = std::time::SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
        let put = |path: PathBuf| fs::File::create(path).unwrap().set_modified(old).unwrap();
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        // Called as ours are, and otherwise.
        let names = ["0123456789abcdef.json", "thesis.json", "photo.jpg"];
        names.iter().for_each(|name| put(outside.join(name)));
        std::os::unix::fs::symlink(&outside, place.path().join("prepared")).unwrap();
        let keeper = shared(place.path(), 7);
        let now = Utc::now();
        let refused = keeper
            .prepare("me", json!({}), now + TimeDelta::hours(1), now)
            .unwrap_err();
        assert!(refused.to_string().contains("prepared"), "{refused}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 3);

        fs::remove_file(place.path().join("prepared")).unwrap();
        fs::rename(&outside, place.path().join("prepared")).unwrap();
        keeper.prepare("me", json!({}), now + TimeDelta::hours(1), now).unwrap();
        let left = |name: &str| place.path().join("prepared").join(name).exists();
        assert!(!left(names[0]) && left(names[1]) && left(names[2]));
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
    fn what_waits_is_listed_to_its_caller_alone() {
        let folder = tempfile::tempdir().unwrap();
        for keeper in [alone(), shared(folder.path(), 7)] {
            let now = Utc::now();
            let prepare = |caller: &str, hours: i64| {
                keeper
                    .prepare(caller, json!({"tool": "t"}), now + TimeDelta::hours(hours), now)
                    .unwrap()
            };
            let (later, sooner, taken, _others) =
                (prepare("me", 2), prepare("me", 1), prepare("me", 3), prepare("you", 1));
            keeper.take_prepared("me", &taken, now).unwrap();
            let waiting: Vec<String> = keeper
                .waiting("me", now)
                .into_iter()
                .map(|(handle, ..)| handle)
                .collect();
            assert_eq!(waiting, [sooner, later]);
            assert!(keeper.prepared("me", &waiting[0], now).is_ok());
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
        assert!(!text.contains("br-a") && !text.contains("branch_id"), "{text}");
        let sealed: Stored = serde_json::from_str(&text).unwrap();
        let other = shared(folder.path(), 7)
            .prepare("me", json!({"branch_id": "br-b"}), until, now)
            .unwrap();
        let of_other = path.with_file_name(format!("{}.json", other.split_once('.').unwrap().0));
        let of_other: Stored = serde_json::from_str(&fs::read_to_string(of_other).unwrap()).unwrap();
        let mut changed = sealed.encrypted.clone().into_bytes();
        changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
        for encrypted in [of_other.encrypted, String::from_utf8(changed).unwrap(), String::new()] {
            fs::write(&path, text.replace(&sealed.encrypted, &encrypted)).unwrap();
            assert_eq!(
                shared(folder.path(), 7).prepared("me", &handle, now),
                Err(NotPrepared::Unknown)
            );
        }
        fs::write(&path, text).unwrap();
        // What is over is swept away by the next.
        let later = until + TimeDelta::seconds(2);
        shared(folder.path(), 7)
            .prepare("me", json!({}), later + TimeDelta::hours(1), later)
            .unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn completed_work_makes_room_and_waiting_work_is_bounded_for_each_client() {
        let folder = tempfile::tempdir().unwrap();
        for keeper in [alone(), shared(folder.path(), 7)] {
            let now = Utc::now();
            let until = now + TimeDelta::hours(1);
            for _ in 0..CAPS.all + 20 {
                let handle = keeper.prepare("busy", json!({}), until, now).unwrap();
                keeper.take_prepared("busy", &handle, now).unwrap();
            }
            // What is too large is told before the work, as what it is.
            assert_eq!(keeper.room_to_prepare("busy", MAX_BYTES, now), Ok(()));
            assert_eq!(
                keeper.room_to_prepare("busy", MAX_BYTES + 1, now),
                Err(NotPrepared::TooLarge(MAX_BYTES + 1))
            );
            for client in 0..4 {
                for _ in 0..CAPS.owner {
                    keeper
                        .prepare(client.to_string().as_str(), json!({}), until, now)
                        .unwrap();
                }
                let full = keeper.room_to_prepare(client.to_string().as_str(), 0, now).unwrap_err();
                assert!(
                    matches!(&full, NotPrepared::Full(why) if why.contains(&CAPS.owner.to_string())),
                    "{full}"
                );
            }
            // Of all that wait, whoever has most makes room for one that has fewer, whatever the clients call themselves.
            assert_eq!(keeper.room_to_prepare("another", 0, now), Ok(()));
            keeper.prepare("another", json!({}), until, now).unwrap();
            let left: usize = (0..4)
                .map(|client| keeper.waiting(&client.to_string(), now).len())
                .sum();
            assert_eq!(left, CAPS.all - 1);
            assert_eq!(keeper.waiting("another", now).len(), 1);
        }
    }

    #[test]
    fn share_of_prepared_work_is_the_principals_whatever_its_clients_call_themselves() {
        let folder = tempfile::tempdir().unwrap();
        for keeper in [alone(), shared(folder.path(), 7)] {
            let now = Utc::now();
            let until = now + TimeDelta::hours(1);
            let of = |caller: &'static str, group: &'static str| Preparer { caller, group };
            keeper.prepare(of("victim", "victim"), json!({}), until, now).unwrap();
            for number in 0..CAPS.group {
                let caller = if number % 2 == 0 { "mallory one" } else { "mallory two" };
                keeper.prepare(of(caller, "mallory"), json!({}), until, now).unwrap();
            }
            let full = keeper.prepare(of("mallory three", "mallory"), json!({}), until, now);
            assert!(matches!(full, Err(NotPrepared::Full(_))), "{full:?}");
            assert!(keeper.room_to_prepare(of("mallory three", "mallory"), 0, now).is_err());
            assert_eq!(keeper.waiting("victim", now).len(), 1);
        }
    }
}
