//! A store of one process: it ends with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::contract::{Admission, Caps, Full, Put, Record, StateStore, Taken};
use super::error::StoreError;

/// How many taken records are remembered as such.
const MAX_TAKEN: usize = 200;

/// Records in memory. What was taken is remembered until it ends, or until more than [`MAX_TAKEN`] are.
#[derive(Debug)]
pub(in crate::guard) struct MemoryStore<R> {
    /// With whether it was taken.
    all: Mutex<HashMap<String, (R, bool)>>,
}

impl<R> Default for MemoryStore<R> {
    fn default() -> Self {
        Self { all: Mutex::default() }
    }
}

impl<R: Record> MemoryStore<R> {
    fn all(&self) -> MutexGuard<'_, HashMap<String, (R, bool)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn swept(&self, now: DateTime<Utc>) -> MutexGuard<'_, HashMap<String, (R, bool)>> {
        let mut all = self.all();
        all.retain(|_, (record, _)| record.ends_at() > now);
        while all.values().filter(|(_, taken)| *taken).count() > MAX_TAKEN {
            let taken = all.iter().filter(|(_, (_, taken))| *taken);
            let first = taken
                .min_by_key(|(_, (record, _))| record.ends_at())
                .map(|(id, _)| id.clone());
            first.and_then(|id| all.remove(&id));
        }
        all
    }
}

impl<R: Record> StateStore<R> for MemoryStore<R> {
    fn put(&self, id: &str, record: R, caps: &Caps, now: DateTime<Utc>) -> Result<Put<R>, StoreError> {
        let mut all = self.swept(now);
        let known = all.iter().filter(|(_, (_, taken))| !taken);
        let known: Vec<_> = known.map(|(id, (record, _))| (id.clone(), record.clone())).collect();
        match caps.admit(&record, &known) {
            Admission::Known(same) => return Ok(Put::Known(same)),
            Admission::Full(full) => return Ok(Put::Full(full)),
            _ if all.contains_key(id) => return Ok(Put::IdTaken),
            Admission::InPlaceOf(oldest) => drop(all.remove(&oldest)),
            Admission::Room => {}
        }
        all.insert(id.to_owned(), (record, false));
        Ok(Put::Stored)
    }

    fn room(&self, (owner, group): (&str, &str), caps: &Caps, now: DateTime<Utc>) -> Result<Option<Full>, StoreError> {
        let all = self.swept(now);
        let known = all.values().filter(|(_, taken)| !taken).map(|(record, _)| record);
        Ok(caps.met_in_the_end((owner, group), known))
    }

    fn get(&self, id: &str) -> Result<Option<(R, bool)>, StoreError> {
        Ok(self.all().get(id).cloned())
    }

    fn list(&self) -> Result<Vec<(String, R)>, StoreError> {
        let all = self.all();
        let known = all.iter().filter(|(_, (_, taken))| !taken);
        Ok(known.map(|(id, (record, _))| (id.clone(), record.clone())).collect())
    }

    fn change(&self, id: &str, change: &mut dyn FnMut(&mut R) -> bool) -> Result<(), StoreError> {
        if let Some((known, false)) = self.all().get_mut(id) {
            let mut changed = known.clone();
            if change(&mut changed) {
                *known = changed;
            }
        }
        Ok(())
    }

    fn take(&self, id: &str, may: &dyn Fn(&R) -> bool) -> Result<Taken<R>, StoreError> {
        Ok(match self.all().get_mut(id) {
            Some((_, true)) => Taken::Before,
            Some((record, taken)) if may(record) => {
                *taken = true;
                Taken::Now(record.clone())
            }
            _ => Taken::Nothing,
        })
    }

    fn give_back(&self, id: &str) -> Result<(), StoreError> {
        if let Some((_, taken)) = self.all().get_mut(id) {
            *taken = false;
        }
        Ok(())
    }
}
