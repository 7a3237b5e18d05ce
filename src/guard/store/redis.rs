//! A store in Redis or Valkey, for replicas of a server on any machines.
//!
//! Each operation is one script, so that of several at the same time one comes first and nothing is half done. Only where our own code
//! decides about a record (`change`, `take`) it is read first, and a second script puts the new one in its place if the entry is still
//! the one that was read. Whoever repeats a script after a lost answer gets the same answer.
//!
//! | key | holds |
//! |---|---|
//! | `{PREFIX}:start` | the mark, how many approvals were used under it, the run of the server that was seen last |
//! | `{PREFIX}:MARK:KIND:index` | an entry for each record: when it ends, what counts against bounds, whether it was taken |
//! | `{PREFIX}:MARK:KIND:body:ID` | the record, encrypted with the server's key for its kind and id |
//! | `{PREFIX}:MARK:used:NONCE` | who redeemed the approval |
//! | `{PREFIX}:requests:…`, `{PREFIX}:changes:…` | budgets |
//!
//! Ids, owners and what else names somebody are keyed digests: whoever reads the store learns nothing, and what somebody without the key
//! writes into it opens as nothing. Every key expires.
//!
//! **What came back.** A store that comes back empty has another mark, and nothing of before is found under it. One that comes back with
//! less than it had (an old snapshot, a failover) is noticed by the replicas that live: each tells with every script how many uses it
//! saw, and the script takes another mark where the store knows of fewer. Until all had the time to tell, nothing is used up.

mod budget;
mod connection;
mod options;
mod records;
mod redeemed;
#[cfg(test)]
pub(in crate::guard) mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::address::RedisAddress;
use super::contract::{Record, Redeemed, StateStore};
use super::error::StoreError;
use crate::guard::seal::Sealer;
use crate::neon::{LimitSettings, RateLimits};
use connection::Connection;
pub use options::RedisOptions;

/// What replicas share, in Redis or Valkey. Cheap to clone: clones share connections.
#[derive(Debug, Clone)]
pub struct RedisStore {
    connection: Arc<Connection>,
    sealer: Arc<Sealer>,
    address: RedisAddress,
    prefix: String,
}

impl RedisStore {
    /// A store that is connected to when it is first used. `sealer` has the key that all replicas have.
    ///
    /// # Errors
    /// When the certificate authority can't be read, or no thread can be started.
    pub fn open(options: RedisOptions, sealer: Sealer) -> Result<Self, StoreError> {
        Ok(Self {
            connection: Connection::open(&options)?,
            sealer: Arc::new(sealer),
            address: options.address,
            prefix: options.prefix,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// What all names in it begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether it answered in the last seconds. Asks nothing by itself.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.connection.is_available()
    }

    /// Looks whether it can be used.
    ///
    /// # Errors
    /// [`StoreError::Away`] when it can't be reached now, [`StoreError::Refused`] when it says no: a wrong password, a user who may not
    /// do what is needed.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.connection.check().await
    }

    /// The budget of an account, shared with all replicas: reads fall back on this process's own when the store is away, and what
    /// changes something isn't sent then. `account` is whatever tells the account from others; the store holds a keyed digest of it.
    #[must_use]
    pub fn rate_limits(&self, settings: LimitSettings, account: &str) -> RateLimits {
        let account = self.sealer.digest("store account", &[account]);
        let budget = budget::Requests::new(self.connection.clone(), account, settings);
        RateLimits::shared(settings, Arc::new(budget))
    }

    /// Counts a change of the last minute, where fewer than `most` were made; or says whether one more would fit. `whose` count it is
    /// stands in the store as a keyed digest.
    ///
    /// # Errors
    /// When the store can't be used: then nothing was counted.
    pub fn count_change(&self, whose: &str, most: u32, count: bool) -> Result<bool, StoreError> {
        let whose = self.sealer.digest("store changes", &[whose]);
        budget::change(&self.connection, &whose, most, count)
    }

    pub(in crate::guard) fn redeemed(&self) -> Arc<dyn Redeemed> {
        Arc::new(redeemed::Nonces::new(self.connection.clone(), self.sealer.clone()))
    }

    /// Records of a kind, each of at most so many bytes.
    pub(in crate::guard) fn records<R: Record>(
        &self,
        kind: &'static str,
        largest: usize,
        remembers_taken: bool,
    ) -> impl StateStore<R> + use<R> + 'static {
        records::Records::<R>::new(
            self.connection.clone(),
            self.sealer.clone(),
            kind,
            largest,
            remembers_taken,
        )
    }
}
