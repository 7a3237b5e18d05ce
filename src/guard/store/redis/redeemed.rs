//! Redeemed approvals, in Redis.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, TimeDelta, Utc};
use redis::Script;

use super::connection::Connection;
use crate::guard::seal::Sealer;
use crate::guard::session::random_id;
use crate::guard::store::contract::{Record as _, Redeemed, Redemption};
use crate::guard::store::error::StoreError;
use crate::guard::store::memory::MemoryStore;
use crate::guard::store::nonce::{Nonce, Nonces as Own};

static REDEEM: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("start.lua"), include_str!("redeem.lua"))));

/// How much longer than needed a nonce is remembered: clocks differ.
const SLACK: TimeDelta = TimeDelta::seconds(121);

/// Redeemed approvals of all replicas.
#[derive(Debug)]
pub(super) struct Nonces {
    connection: Arc<Connection>,
    sealer: Arc<Sealer>,
    /// What this process redeemed: it doesn't again, whatever somebody took out of the store.
    own: Own<MemoryStore<Nonce>>,
}

impl Nonces {
    pub(super) fn new(connection: Arc<Connection>, sealer: Arc<Sealer>) -> Self {
        Self {
            connection,
            sealer,
            own: Own::lasting(MemoryStore::default()),
        }
    }
}

impl Redeemed for Nonces {
    fn mark(&self) -> Result<String, StoreError> {
        self.connection.mark()
    }

    fn redeem(&self, nonce: &str, mark: &str, until: DateTime<Utc>) -> Result<Redemption, StoreError> {
        if !Nonce::is_id(nonce) {
            return Ok(Redemption::Before);
        }
        let nonce = self.sealer.digest("store used", &[nonce]);
        let lasts = (until + SLACK - Utc::now()).max(SLACK).num_milliseconds();
        let arguments = [mark, &nonce, &random_id(), &lasts.to_string()];
        let arguments = arguments.map(|argument| argument.as_bytes().to_vec()).to_vec();
        let answer = self.connection.run(&REDEEM, arguments)?;
        Ok(match answer.word.as_str() {
            "first" => self.own.redeem(&nonce, "", until)?,
            "other" => Redemption::OtherMark,
            _ => Redemption::Before,
        })
    }
}
