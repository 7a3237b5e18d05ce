//! A store whose failures are counted.

use chrono::{DateTime, Utc};

use super::contract::{Caps, Full, Put, Record, StateStore, Taken};
use crate::guard::files::FileError;
use crate::telemetry;

/// A store of any kind. Whoever asks it gets what it says, failures too.
#[derive(Debug)]
pub(in crate::guard) struct Observed<S>(pub(in crate::guard) S);

fn counted<T>(operation: &'static str, ended: Result<T, FileError>) -> Result<T, FileError> {
    if ended.is_err() {
        telemetry::store_error(operation);
    }
    ended
}

impl<R: Record, S: StateStore<R>> StateStore<R> for Observed<S> {
    fn put(&self, id: &str, record: R, caps: &Caps, now: DateTime<Utc>) -> Result<Put<R>, FileError> {
        counted("put", self.0.put(id, record, caps, now))
    }

    fn room(&self, owner: &str, caps: &Caps, now: DateTime<Utc>) -> Result<Option<Full>, FileError> {
        counted("room", self.0.room(owner, caps, now))
    }

    fn get(&self, id: &str) -> Result<Option<(R, bool)>, FileError> {
        counted("get", self.0.get(id))
    }

    fn list(&self) -> Result<Vec<(String, R)>, FileError> {
        counted("list", self.0.list())
    }

    fn change(&self, id: &str, change: &mut dyn FnMut(&mut R) -> bool) -> Result<(), FileError> {
        counted("change", self.0.change(id, change))
    }

    fn take(&self, id: &str, may: &dyn Fn(&R) -> bool) -> Result<Taken<R>, FileError> {
        counted("take", self.0.take(id, may))
    }

    fn give_back(&self, id: &str) -> Result<(), FileError> {
        counted("give_back", self.0.give_back(id))
    }
}
