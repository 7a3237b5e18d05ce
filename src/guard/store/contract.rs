//! The trait of stores, and what they keep.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Debug;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;

/// What is kept under an id until it ends.
pub(in crate::guard) trait Record:
    Clone + Debug + Serialize + DeserializeOwned + Send + 'static
{
    /// Whether a text is an id of such records. Nothing else gets into the name of a file.
    fn is_id(id: &str) -> bool;

    /// Whether the record belongs under the id that it was found under.
    fn is_of(&self, _id: &str) -> bool {
        true
    }

    /// When it is forgotten.
    fn ends_at(&self) -> DateTime<Utc>;

    /// Whose it is.
    fn owner(&self) -> &str;

    /// Which owners share a bound.
    fn group(&self) -> &str {
        ""
    }

    /// Whether it counts against the bounds.
    fn waits(&self) -> bool {
        true
    }

    /// Since when it waits: the oldest gives way.
    fn since(&self) -> DateTime<Utc> {
        self.ends_at()
    }

    /// What it asks for: of two that wait for the same, one is enough. Nothing where none is like another.
    fn same(&self) -> Option<String> {
        None
    }

    /// Under what it is found, beside its id.
    fn found_by(&self) -> &str {
        ""
    }
}

/// How many records may wait.
#[derive(Debug, Clone, Copy)]
pub(in crate::guard) struct Caps {
    /// Of all owners.
    pub(in crate::guard) all: usize,
    /// Of one group.
    pub(in crate::guard) group: usize,
    /// Of one owner.
    pub(in crate::guard) owner: usize,
    /// Whether the owner's oldest gives way to one too many. Another owner's does only where those of all are too many, and it is of
    /// whoever has most of them, who has at least two more than the owner of the new one.
    pub(in crate::guard) oldest_gives_way: bool,
}

/// Whose a record is where all are too many: its group's, or where it has none, its owner's.
fn share<'r>(owner: &'r str, group: &'r str) -> &'r str {
    if group.is_empty() { owner } else { group }
}

impl Caps {
    /// No bound.
    pub(in crate::guard) const NONE: Self = Self {
        all: usize::MAX,
        group: usize::MAX,
        owner: usize::MAX,
        oldest_gives_way: false,
    };

    /// The bound that one more of this owner and group meets.
    pub(super) fn met<'r, R: Record>(
        &self,
        owner: &str,
        group: &str,
        known: impl Iterator<Item = &'r R>,
    ) -> Option<Full> {
        let (mut all, mut of_group, mut of_owner) = (0, 0, 0);
        for known in known.filter(|known| known.waits()) {
            all += 1;
            of_group += usize::from(!group.is_empty() && known.group() == group);
            of_owner += usize::from(known.owner() == owner);
        }
        if of_owner >= self.owner {
            Some(Full::Owner)
        } else if all >= self.all {
            Some(Full::All)
        } else if of_group >= self.group {
            Some(Full::Group)
        } else {
            None
        }
    }

    /// The bound that one more of this owner meets, where nobody else's would give way to it.
    pub(super) fn met_in_the_end<'r, R: Record>(
        &self,
        (owner, group): (&str, &str),
        known: impl Iterator<Item = &'r R> + Clone,
    ) -> Option<Full> {
        let full = self.met(owner, group, known.clone())?;
        let makes_room = full == Full::All && of_the_most(owner, group, known.map(|known| ((), known))).is_some();
        (!makes_room).then_some(full)
    }

    /// What a new record does to those that are known, which no one changes meanwhile.
    pub(super) fn admit<R: Record>(&self, new: &R, known: &[(String, R)]) -> Admission<R> {
        if let Some(asked) = new.same()
            && let Some((_, same)) = known
                .iter()
                .find(|(_, known)| known.waits() && known.same().as_ref() == Some(&asked))
        {
            return Admission::Known(same.clone());
        }
        let Some(full) = self.met(new.owner(), new.group(), known.iter().map(|(_, known)| known)) else {
            return Admission::Room;
        };
        let own = known
            .iter()
            .filter(|(_, known)| self.oldest_gives_way && known.waits() && known.owner() == new.owner());
        if let Some((id, _)) = own.min_by_key(|(_, known)| known.since()) {
            return Admission::InPlaceOf(id.clone());
        }
        let known = known.iter().map(|(id, known)| (id, known));
        let most = match full {
            Full::All => of_the_most(new.owner(), new.group(), known),
            Full::Group | Full::Owner => None,
        };
        match most {
            Some(id) => Admission::InPlaceOf(id.clone()),
            None => Admission::Full(full),
        }
    }
}

/// Where those of all are too many: what the oldest of whoever has most is known by, if that still has as many afterwards as the owner of
/// a new one.
fn of_the_most<'r, K: Copy, R: Record>(owner: &str, group: &str, known: impl Iterator<Item = (K, &'r R)>) -> Option<K> {
    let mut shares: HashMap<&str, (usize, K, &R)> = HashMap::new();
    for (key, known) in known.filter(|(_, known)| known.waits()) {
        let whose = share(known.owner(), known.group());
        let (count, oldest_key, oldest) = shares.entry(whose).or_insert((0, key, known));
        *count += 1;
        if known.since() < oldest.since() {
            (*oldest_key, *oldest) = (key, known);
        }
    }
    let own = shares.get(share(owner, group)).map_or(0, |(count, ..)| *count);
    // Of two that have as many, whoever waits longest.
    let most = shares
        .into_values()
        .max_by_key(|(count, _, oldest)| (*count, Reverse(oldest.since())));
    most.filter(|(count, ..)| *count > own + 1).map(|(_, key, _)| key)
}

/// Whether a record gets in.
#[derive(Debug)]
pub(super) enum Admission<R> {
    Room,
    InPlaceOf(String),
    Known(R),
    Full(Full),
}

/// The bound that is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::guard) enum Full {
    All,
    Group,
    Owner,
}

/// What became of a record that was put down.
#[derive(Debug)]
pub(in crate::guard) enum Put<R> {
    /// It is kept.
    Stored,
    /// The id has one already, which stays.
    IdTaken,
    /// One that asks for the same is kept already.
    Known(R),
    /// There is no room.
    Full(Full),
}

/// What came of taking.
#[derive(Debug)]
pub(in crate::guard) enum Taken<R> {
    /// The record: whoever gets it is alone.
    Now(R),
    /// Another took it before.
    Before,
    /// There is none that can be taken.
    Nothing,
}

/// Keeps records for all who share it. Each operation is one step: of several at the same time, in one process or in many, one comes
/// first. A store may forget a record any time after its end, and never before; who reads looks at the end.
pub(in crate::guard) trait StateStore<R: Record>: Debug + Send + Sync {
    /// Keeps a record under an id until its end, if there is room. What ended before `now` is removed first.
    fn put(&self, id: &str, record: R, caps: &Caps, now: DateTime<Utc>) -> Result<Put<R>, StoreError>;

    /// The bound that one more would meet. What ended before `now` is removed first.
    fn room(&self, whose: (&str, &str), caps: &Caps, now: DateTime<Utc>) -> Result<Option<Full>, StoreError>;

    /// The record under an id, and whether it was taken.
    fn get(&self, id: &str) -> Result<Option<(R, bool)>, StoreError>;

    /// All that weren't taken, with their ids.
    fn list(&self) -> Result<Vec<(String, R)>, StoreError>;

    /// Those that weren't taken and are found by this.
    fn find(&self, by: &str) -> Result<Vec<(String, R)>, StoreError> {
        let mut all = self.list()?;
        all.retain(|(_, record)| record.found_by() == by);
        Ok(all)
    }

    /// Shows the record under an id, if there is one, to a function that may change it, and keeps it where that says so. The function
    /// is called again where another change came between.
    fn change(&self, id: &str, change: &mut dyn FnMut(&mut R) -> bool) -> Result<(), StoreError>;

    /// Takes the record under an id, if it may be: of all who try, one gets it.
    fn take(&self, id: &str, may: &dyn Fn(&R) -> bool) -> Result<Taken<R>, StoreError>;

    /// Undoes a take, where the store remembers what was taken.
    fn give_back(&self, id: &str) -> Result<(), StoreError>;
}

/// Approvals that were redeemed.
pub(in crate::guard) trait Redeemed: Debug + Send + Sync {
    /// What tells the store from what was there before it came back without what it had: what was asked under another mark counts no
    /// more.
    fn mark(&self) -> Result<String, StoreError>;

    /// Uses a nonce up that was made under a mark, for all who share the store. It may be forgotten after `until`.
    fn redeem(&self, nonce: &str, mark: &str, until: DateTime<Utc>) -> Result<Redemption, StoreError>;
}

/// What came of redeeming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::guard) enum Redemption {
    /// It is used up now, by this one alone.
    First,
    /// It was used before.
    Before,
    /// It was made under another mark.
    OtherMark,
}
