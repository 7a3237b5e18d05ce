//! Records in Redis: an entry in the index, which scripts read, and a body that nobody reads without the key.

use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, TimeDelta, Utc};
use redis::Script;
use serde::{Deserialize, Serialize};

use super::connection::{Answer, Arguments, Connection};
use crate::guard::seal::Sealer;
use crate::guard::session::random_id;
use crate::guard::store::contract::{Caps, Full, Put, Record, StateStore, Taken};
use crate::guard::store::error::StoreError;

macro_rules! script {
    ($file:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                include_str!("start.lua"),
                include_str!("record.lua"),
                include_str!($file)
            ))
        })
    };
}

static PUT: LazyLock<Script> = script!("put.lua");
static ROOM: LazyLock<Script> = script!("room.lua");
static GET: LazyLock<Script> = script!("get.lua");
static LIST: LazyLock<Script> = script!("list.lua");
static SWAP: LazyLock<Script> = script!("swap.lua");

/// What bodies are encrypted for.
const PURPOSE: &str = "store record";

/// How much longer than its time a record is kept: clocks differ.
const SLACK: TimeDelta = TimeDelta::seconds(60);

/// How many taken records are remembered as such.
const MAX_TAKEN: u64 = 200;

/// How often a record is looked at again that others change at the same time.
const MAX_TRIES: usize = 200;

/// What scripts see of a record: times in milliseconds since 1970, and keyed digests.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    ends: i64,
    since: i64,
    waits: bool,
    taken: bool,
    owner: String,
    group: String,
    same: String,
    found: String,
    /// No two writes make the same entry, so that one tells whether the record was changed.
    write: String,
}

/// A record as it was read.
struct Read<R> {
    /// The entry, byte for byte.
    seen: String,
    entry: Entry,
    record: R,
}

/// Records of one kind.
#[derive(Debug)]
pub(super) struct Records<R> {
    connection: Arc<Connection>,
    sealer: Arc<Sealer>,
    kind: &'static str,
    /// The largest record, in bytes.
    largest: usize,
    /// Whether what was taken is told from what never was there.
    remembers_taken: bool,
    records: PhantomData<fn() -> R>,
}

impl<R: Record> Records<R> {
    pub(super) fn new(
        connection: Arc<Connection>,
        sealer: Arc<Sealer>,
        kind: &'static str,
        largest: usize,
        remembers_taken: bool,
    ) -> Self {
        Self {
            connection,
            sealer,
            kind,
            largest,
            remembers_taken,
            records: PhantomData,
        }
    }

    /// What an id is called in the store.
    fn name(&self, id: &str) -> String {
        self.sealer.digest("store id", &[self.kind, id])
    }

    /// A text as scripts compare it: nothing stays nothing.
    fn hidden(&self, what: &str, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        self.sealer.digest("store", &[what, self.kind, text])
    }

    fn entry(&self, record: &R, taken: bool) -> Entry {
        Entry {
            ends: record.ends_at().timestamp_millis(),
            since: record.since().timestamp_millis(),
            waits: record.waits(),
            taken,
            owner: self.hidden("owner", record.owner()),
            group: self.hidden("group", record.group()),
            same: self.hidden("same", &record.same().unwrap_or_default()),
            found: self.hidden("found", record.found_by()),
            write: random_id(),
        }
    }

    fn sealed(&self, id: &str, record: &R) -> Result<String, StoreError> {
        let plain = serde_json::to_vec(&(id, record)).map_err(|error| self.refused(error.to_string()))?;
        if plain.len() > self.largest {
            let most = self.largest;
            return Err(self.refused(format!("it has {} bytes, and at most {most} are kept", plain.len())));
        }
        let name = format!("{} {}", self.kind, self.name(id));
        let sealed = self.sealer.encrypt(PURPOSE, &name, &plain);
        sealed.ok_or_else(|| self.refused("it can't be encrypted".to_owned()))
    }

    /// What a body holds; nothing where we didn't write it, or not for this name.
    fn opened(&self, name: &str, body: &str) -> Option<(String, R)> {
        let plain = self.sealer.decrypt(PURPOSE, &format!("{} {name}", self.kind), body);
        let opened: Option<(String, R)> = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        let opened = opened.filter(|(id, record)| R::is_id(id) && record.is_of(id) && self.name(id) == name);
        if opened.is_none() {
            tracing::warn!("the store holds what is none of ours, and it is passed over");
        }
        opened
    }

    fn refused(&self, why: String) -> StoreError {
        self.connection.away(why)
    }

    fn run(&self, script: &'static Script, arguments: &[&str]) -> Result<Answer, StoreError> {
        let kind = std::iter::once(&self.kind).chain(arguments);
        let arguments: Arguments = kind.map(|argument| argument.as_bytes().to_vec()).collect();
        self.connection.run(script, arguments)
    }

    fn read(&self, id: &str) -> Result<Option<Read<R>>, StoreError> {
        if !R::is_id(id) {
            return Ok(None);
        }
        let name = self.name(id);
        let mut answer = self.run(&GET, &[&name])?;
        if answer.word != "there" {
            return Ok(None);
        }
        let (Some(seen), Some(body)) = (answer.next::<String>(), answer.next::<String>()) else {
            return Ok(None);
        };
        let (Ok(entry), Some((_, record))) = (serde_json::from_str(&seen), self.opened(&name, &body)) else {
            return Ok(None);
        };
        Ok(Some(Read { seen, entry, record }))
    }

    /// Puts another entry in the place of what was read, or none; false where that isn't there any more.
    fn swap(
        &self,
        id: &str,
        read: &Read<R>,
        entry: Option<&Entry>,
        body: &str,
        uses_up: bool,
    ) -> Result<bool, StoreError> {
        let new = entry.map(serde_json::to_string).transpose();
        let new = new
            .map_err(|error| self.refused(error.to_string()))?
            .unwrap_or_default();
        let ends = entry.map_or(read.entry.ends, |entry| entry.ends);
        let lasts = lasts(ends, Utc::now());
        let uses_up = if uses_up { "1" } else { "0" };
        let answer = self.run(&SWAP, &[&self.name(id), &read.seen, &new, body, &lasts, uses_up])?;
        Ok(answer.word == "done")
    }

    fn listed(&self, by: &str) -> Result<Vec<(String, R)>, StoreError> {
        let mut answer = self.run(&LIST, &[by])?;
        let mut all = Vec::new();
        while let (Some(name), Some(body)) = (answer.next::<String>(), answer.next::<String>()) {
            all.extend(self.opened(&name, &body));
        }
        Ok(all)
    }
}

/// How long a record is kept that ends then, in milliseconds.
fn lasts(ends: i64, now: DateTime<Utc>) -> String {
    let left = ends.saturating_sub(now.timestamp_millis()).max(0);
    left.saturating_add(SLACK.num_milliseconds()).to_string()
}

fn full(answer: &mut Answer) -> Full {
    match answer.next::<String>().as_deref() {
        Some("owner") => Full::Owner,
        Some("group") => Full::Group,
        _ => Full::All,
    }
}

impl<R: Record> StateStore<R> for Records<R> {
    fn put(&self, id: &str, record: R, caps: &Caps, now: DateTime<Utc>) -> Result<Put<R>, StoreError> {
        if !R::is_id(id) {
            return Ok(Put::IdTaken);
        }
        let entry = self.entry(&record, false);
        let written = serde_json::to_string(&entry).map_err(|error| self.refused(error.to_string()))?;
        let mut answer = self.run(
            &PUT,
            &[
                &self.name(id),
                &self.sealed(id, &record)?,
                &written,
                &lasts(entry.ends, now),
                &now.timestamp_millis().to_string(),
                &entry.owner,
                &entry.group,
                &entry.same,
                &caps.all.to_string(),
                &caps.group.to_string(),
                &caps.owner.to_string(),
                if caps.oldest_gives_way { "1" } else { "0" },
                &MAX_TAKEN.to_string(),
            ],
        )?;
        Ok(match answer.word.as_str() {
            "stored" => Put::Stored,
            "full" => Put::Full(full(&mut answer)),
            "known" => {
                let same = match (answer.next::<String>(), answer.next::<String>()) {
                    (Some(name), Some(body)) => self.opened(&name, &body),
                    _ => None,
                };
                match same {
                    Some((_, same)) => Put::Known(same),
                    None => return Err(self.refused("it holds what is none of ours".to_owned())),
                }
            }
            _ => Put::IdTaken,
        })
    }

    fn room(&self, (owner, group): (&str, &str), caps: &Caps, now: DateTime<Utc>) -> Result<Option<Full>, StoreError> {
        let mut answer = self.run(
            &ROOM,
            &[
                &now.timestamp_millis().to_string(),
                &self.hidden("owner", owner),
                &self.hidden("group", group),
                &caps.all.to_string(),
                &caps.group.to_string(),
                &caps.owner.to_string(),
            ],
        )?;
        Ok((answer.word == "full").then(|| full(&mut answer)))
    }

    fn get(&self, id: &str) -> Result<Option<(R, bool)>, StoreError> {
        Ok(self.read(id)?.map(|read| (read.record, read.entry.taken)))
    }

    fn list(&self) -> Result<Vec<(String, R)>, StoreError> {
        self.listed("")
    }

    fn find(&self, by: &str) -> Result<Vec<(String, R)>, StoreError> {
        let mut found = self.listed(&self.hidden("found", by))?;
        found.retain(|(_, record)| record.found_by() == by);
        Ok(found)
    }

    fn change(&self, id: &str, change: &mut dyn FnMut(&mut R) -> bool) -> Result<(), StoreError> {
        for _ in 0..MAX_TRIES {
            let Some(mut read) = self.read(id)?.filter(|read| !read.entry.taken) else {
                return Ok(());
            };
            if !change(&mut read.record) {
                return Ok(());
            }
            let entry = self.entry(&read.record, false);
            let body = self.sealed(id, &read.record)?;
            if self.swap(id, &read, Some(&entry), &body, false)? {
                return Ok(());
            }
        }
        Err(self.refused("others change the same all the time".to_owned()))
    }

    fn take(&self, id: &str, may: &dyn Fn(&R) -> bool) -> Result<Taken<R>, StoreError> {
        for _ in 0..MAX_TRIES {
            let Some(read) = self.read(id)? else {
                return Ok(Taken::Nothing);
            };
            if read.entry.taken {
                return Ok(Taken::Before);
            }
            if !may(&read.record) {
                return Ok(Taken::Nothing);
            }
            let entry = self.remembers_taken.then(|| self.entry(&read.record, true));
            if self.swap(id, &read, entry.as_ref(), "", true)? {
                return Ok(Taken::Now(read.record));
            }
        }
        Err(self.refused("others change the same all the time".to_owned()))
    }

    fn give_back(&self, id: &str) -> Result<(), StoreError> {
        if let Some(read) = self.read(id)?.filter(|read| read.entry.taken) {
            let entry = self.entry(&read.record, false);
            self.swap(id, &read, Some(&entry), "", false)?;
        }
        Ok(())
    }
}
