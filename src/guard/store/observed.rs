//! A store whose failures are counted.

use chrono::{DateTime, Utc};

use super::contract::{Caps, Full, Put, Record, Redeemed, Redemption, StateStore, Taken};
use super::error::StoreError;
use crate::telemetry;

/// A store of any kind. Whoever asks it gets what it says, failures too.
#[derive(Debug)]
pub(in crate::guard) struct Observed<S>(pub(in crate::guard) S);

fn counted<T>(operation: &'static str, ended: Result<T, StoreError>) -> Result<T, StoreError> {
    if ended.is_err() {
        telemetry::store_error(operation);
    }
    ended
}

impl<R: Record, S: StateStore<R>> StateStore<R> for Observed<S> {
    fn put(&self, id: &str, record: R, caps: &Caps, now: DateTime<Utc>) -> Result<Put<R>, StoreError> {
        counted("put", self.0.put(id, record, caps, now))
    }

    fn room(&self, whose: (&str, &str), caps: &Caps, now: DateTime<Utc>) -> Result<Option<Full>, StoreError> {
        counted("room", self.0.room(whose, caps, now))
    }

    fn get(&self, id: &str) -> Result<Option<(R, bool)>, StoreError> {
        counted("get", self.0.get(id))
    }

    fn list(&self) -> Result<Vec<(String, R)>, StoreError> {
        counted("list", self.0.list())
    }

    fn find(&self, by: &str) -> Result<Vec<(String, R)>, StoreError> {
        counted("find", self.0.find(by))
    }

    fn change(&self, id: &str, change: &mut dyn FnMut(&mut R) -> bool) -> Result<(), StoreError> {
        counted("change", self.0.change(id, change))
    }

    fn take(&self, id: &str, may: &dyn Fn(&R) -> bool) -> Result<Taken<R>, StoreError> {
        counted("take", self.0.take(id, may))
    }

    fn give_back(&self, id: &str) -> Result<(), StoreError> {
        counted("give_back", self.0.give_back(id))
    }
}

impl<S: Redeemed> Redeemed for Observed<S> {
    fn mark(&self) -> Result<String, StoreError> {
        counted("mark", self.0.mark())
    }

    fn redeem(&self, nonce: &str, mark: &str, until: DateTime<Utc>) -> Result<Redemption, StoreError> {
        counted("redeem", self.0.redeem(nonce, mark, until))
    }
}
