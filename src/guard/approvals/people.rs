//! Who signed in to approve: what tells the name of a person that the operator wrote by hand from one that the issuer uses.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::guard::store::{Caps, Record, StateStore, StoreError};

/// How long a sign-in proves that the issuer names somebody so, in days.
const DAYS: i64 = 90;

/// The largest file of one, in bytes.
pub(super) const MAX_PERSON_BYTES: u64 = 1_024;

/// How many people are remembered. One more takes the place of whoever signed in longest ago.
const MAX_PEOPLE: usize = 2_000;

const CAPS: Caps = Caps {
    all: MAX_PEOPLE,
    group: usize::MAX,
    owner: MAX_PEOPLE,
    oldest_gives_way: true,
};

/// A sign-in of somebody, whose name nothing here tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::guard) struct SignedInBefore {
    at: DateTime<Utc>,
}

impl SignedInBefore {
    pub(in crate::guard) fn at(at: DateTime<Utc>) -> Self {
        Self { at }
    }

    /// Whether it counts still.
    pub(in crate::guard) fn counts(&self, now: DateTime<Utc>) -> bool {
        now < self.ends_at()
    }

    /// Keeps it under an id, in place of an earlier one.
    pub(in crate::guard) fn keep(
        self,
        people: &dyn StateStore<Self>,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut is_known = false;
        let at = self.at;
        people.change(id, &mut |known| {
            is_known = true;
            known.at = at;
            true
        })?;
        if !is_known {
            people.put(id, self, &CAPS, now)?;
        }
        Ok(())
    }
}

impl Record for SignedInBefore {
    /// A digest.
    fn is_id(id: &str) -> bool {
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=64).contains(&id.len()) && id.bytes().all(is_digit)
    }

    fn ends_at(&self) -> DateTime<Utc> {
        self.at + TimeDelta::days(DAYS)
    }

    fn owner(&self) -> &str {
        ""
    }

    fn since(&self) -> DateTime<Utc> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::store::MemoryStore;

    #[test]
    fn sign_in_is_remembered_for_ninety_days_after_the_last() {
        let people = MemoryStore::default();
        let now = Utc::now();
        let counts = |days: i64| {
            let known = people.get("a").unwrap();
            known.is_some_and(|(seen, _): (SignedInBefore, bool)| seen.counts(now + TimeDelta::days(days)))
        };
        assert!(!counts(0));
        SignedInBefore::at(now).keep(&people, "a", now).unwrap();
        assert!(counts(89) && !counts(90));
        let later = now + TimeDelta::days(10);
        SignedInBefore::at(later).keep(&people, "a", later).unwrap();
        assert!(counts(99) && !counts(100));
    }
}
