//! How much of something is taken, in all and by each who takes: what is taken is given back when it is dropped.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is taken of something.
#[derive(Debug)]
pub(in crate::server) struct Taken<K>(Mutex<Amounts<K>>);

#[derive(Debug)]
struct Amounts<K> {
    all: usize,
    by_one: HashMap<K, usize>,
}

/// How much would be taken with what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct With {
    /// In all.
    pub(in crate::server) all: usize,
    /// By whoever asks.
    pub(in crate::server) of_one: usize,
}

/// What somebody took, as long as this is there.
#[derive(Debug)]
pub(in crate::server) struct Share<K: Eq + Hash> {
    taken: Arc<Taken<K>>,
    key: K,
    amount: With,
}

impl<K: Eq + Hash + Clone> Taken<K> {
    pub(in crate::server) fn nothing() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Amounts {
            all: 0,
            by_one: HashMap::new(),
        })))
    }

    fn amounts(&self) -> MutexGuard<'_, Amounts<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is taken in all.
    pub(in crate::server) fn all(&self) -> usize {
        self.amounts().all
    }

    /// Whether nobody has anything.
    #[cfg(test)]
    pub(in crate::server) fn is_nothing(&self) -> bool {
        let amounts = self.amounts();
        amounts.all == 0 && amounts.by_one.is_empty()
    }

    /// Takes that much, if it may be.
    ///
    /// # Errors
    /// Why it may not be.
    pub(in crate::server) fn take<E>(
        self: &Arc<Self>,
        key: K,
        amount: usize,
        may: impl FnOnce(With) -> Result<(), E>,
    ) -> Result<Share<K>, E> {
        let both = With {
            all: amount,
            of_one: amount,
        };
        self.take_of(key, both, may)
    }

    /// Takes something that counts differently in all and of one.
    ///
    /// # Errors
    /// Why it may not be.
    pub(in crate::server) fn take_of<E>(
        self: &Arc<Self>,
        key: K,
        amount: With,
        may: impl FnOnce(With) -> Result<(), E>,
    ) -> Result<Share<K>, E> {
        let mut share = Share {
            taken: self.clone(),
            key,
            amount: With { all: 0, of_one: 0 },
        };
        share.more(amount, may)?;
        Ok(share)
    }
}

impl<K: Eq + Hash + Clone> Share<K> {
    /// Takes that much more, if it may be.
    ///
    /// # Errors
    /// Why it may not be.
    pub(in crate::server) fn grow<E>(
        &mut self,
        amount: usize,
        may: impl FnOnce(With) -> Result<(), E>,
    ) -> Result<(), E> {
        let both = With {
            all: amount,
            of_one: amount,
        };
        self.more(both, may)
    }

    fn more<E>(&mut self, amount: With, may: impl FnOnce(With) -> Result<(), E>) -> Result<(), E> {
        let taken = self.taken.clone();
        let mut amounts = taken.amounts();
        let with = With {
            all: amounts.all.saturating_add(amount.all),
            of_one: amounts
                .by_one
                .get(&self.key)
                .copied()
                .unwrap_or_default()
                .saturating_add(amount.of_one),
        };
        may(with)?;
        amounts.all = with.all;
        if with.of_one > 0 {
            amounts.by_one.insert(self.key.clone(), with.of_one);
        }
        self.amount.all += amount.all;
        self.amount.of_one += amount.of_one;
        Ok(())
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut amounts = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        amounts.all = amounts.all.saturating_sub(self.amount.all);
        let Some(of_one) = amounts.by_one.get_mut(&self.key) else {
            return;
        };
        *of_one = of_one.saturating_sub(self.amount.of_one);
        if *of_one == 0 {
            amounts.by_one.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_counts_until_it_is_dropped_and_what_is_refused_never() {
        let taken: Arc<Taken<u8>> = Taken::nothing();
        let most = |with: With| (with.all <= 5 && with.of_one <= 3).then_some(()).ok_or(with);
        let mut one = taken.take(1, 2, most).unwrap();
        assert_eq!(taken.take(1, 2, most).unwrap_err(), With { all: 4, of_one: 4 });
        one.grow(1, most).unwrap();
        assert!(one.grow(1, most).is_err());
        let two = taken.take(2, 2, most).unwrap();
        assert!(taken.take(3, 1, most).is_err());
        assert_eq!(taken.all(), 5);
        drop(one);
        assert_eq!(taken.all(), 2);
        drop(two);
        assert!(taken.is_nothing());
    }
}
