//! Approvals that were redeemed, in a store that no one else clears.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::contract::{Caps, Put, Record, Redeemed, Redemption, StateStore};
use super::error::StoreError;

/// An approval that was redeemed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::guard) struct Nonce {
    /// After this no seal can bring it any more.
    until: DateTime<Utc>,
}

impl Record for Nonce {
    fn is_id(id: &str) -> bool {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }

    /// A minute later than needed: clocks differ.
    fn ends_at(&self) -> DateTime<Utc> {
        self.until + TimeDelta::seconds(61)
    }

    fn owner(&self) -> &str {
        ""
    }
}

/// Redeemed approvals as records. Its mark says when the store began.
#[derive(Debug)]
pub(in crate::guard) struct Nonces<S> {
    used: S,
    mark: String,
}

impl<S: StateStore<Nonce>> Nonces<S> {
    /// In a store that keeps what it has.
    pub(in crate::guard) fn lasting(used: S) -> Self {
        Self {
            used,
            mark: String::new(),
        }
    }

    /// In a store that begins now, with nothing.
    pub(in crate::guard) fn beginning(used: S) -> Self {
        Self {
            used,
            mark: crate::guard::session::random_id(),
        }
    }
}

impl<S: StateStore<Nonce>> Redeemed for Nonces<S> {
    fn mark(&self) -> Result<String, StoreError> {
        Ok(self.mark.clone())
    }

    fn redeem(&self, nonce: &str, mark: &str, until: DateTime<Utc>) -> Result<Redemption, StoreError> {
        if mark != self.mark {
            return Ok(Redemption::OtherMark);
        }
        let id: String = nonce.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        Ok(match self.used.put(&id, Nonce { until }, &Caps::NONE, Utc::now())? {
            Put::Stored => Redemption::First,
            _ => Redemption::Before,
        })
    }
}
