//! Turns: while a statement runs outside of a transaction unheld, nothing else of this program changes definitions in that database.
//!
//! What indexes call is looked up right before such a statement. Another call could change it between that look and the statement's
//! lock, and even have its change wait there, uncommitted and unseen, until the statement waits for it. So the look and the statement
//! have a turn of their own, and what changes definitions shares the other one. It holds among the calls of one process; what isn't
//! committed yet is waited for in the database, whoever began it ([`super::measure::OWN_TURN`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::answer::SqlError;
use super::query::Connection;
use crate::neon::context::Context;

/// How much longer than its time a statement outside of a transaction may go on whose answer was lost: it is cancelled, and what it did
/// is undone.
const ENDING: Duration = Duration::from_secs(15);

/// How long a transaction whose answer was lost may take to begin: from then on its lock in the database tells whether it is over.
const BEGINNING: Duration = Duration::from_secs(2);

/// Which statements wait for a turn, and how long they may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turns {
    /// None: they are never committed.
    None,
    /// Those that change definitions.
    ToDefine(Duration),
    /// All.
    Always(Duration),
}

/// The turns of each database, by project, branch and name.
#[derive(Debug, Default)]
pub(crate) struct Databases(Mutex<HashMap<[String; 3], Weak<RwLock<()>>>>);

/// A turn. One that isn't known to have ended is kept for a while after it was let go.
#[derive(Debug)]
pub(super) struct Turn {
    held: Option<Held>,
    kept: Duration,
}

/// It is only kept, and let go.
#[derive(Debug)]
enum Held {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

impl Databases {
    /// The turn of what changes definitions in transactions: many have it at once.
    ///
    /// # Errors
    /// When it doesn't come in time: nothing was sent.
    pub(super) async fn to_define(
        &self,
        connection: &Connection,
        time: Duration,
        context: &Context,
    ) -> Result<Turn, SqlError> {
        let turn = self.of(connection).read_owned();
        let guard = waited(turn, time, context, "a statement that runs outside of a transaction").await?;
        Ok(Turn::new(Held::Shared { _guard: guard }, BEGINNING))
    }

    /// The turn of a statement outside of a transaction: it has it alone.
    ///
    /// # Errors
    /// When it doesn't come in time: nothing was sent.
    pub(super) async fn alone(
        &self,
        connection: &Connection,
        time: Duration,
        context: &Context,
    ) -> Result<Turn, SqlError> {
        let turn = self.of(connection).write_owned();
        let guard = waited(turn, time, context, "another call that changes the schema").await?;
        Ok(Turn::new(Held::Alone { _guard: guard }, time + ENDING))
    }

    fn of(&self, connection: &Connection) -> Arc<RwLock<()>> {
        let key = [
            connection.identity.project.to_string(),
            connection.identity.branch.to_string(),
            connection.database.clone(),
        ];
        let mut databases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = databases.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        databases.retain(|_, known| known.strong_count() > 0);
        let new = Arc::new(RwLock::new(()));
        databases.insert(key, Arc::downgrade(&new));
        new
    }
}

async fn waited<G>(turn: impl Future<Output = G>, time: Duration, context: &Context, who: &str) -> Result<G, SqlError> {
    tokio::select! {
        biased;
        guard = turn => Ok(guard),
        () = context.cancel.cancelled() => Err(SqlError::cancelled_before()),
        () = tokio::time::sleep(time.min(context.left())) => {
            Err(SqlError::not_sent(&format!("{who} is still at work in this database; try again when it has ended")))
        }
    }
}

impl Turn {
    /// `kept` is how long it is kept from now on at least, unless it is known to have ended.
    fn new(held: Held, kept: Duration) -> Self {
        Self { held: Some(held), kept }
    }

    /// What it was for has ended: the next may go.
    pub(super) fn ended(mut self) {
        self.held = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let kept = self.kept;
        if let Some(held) = self.held.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                tokio::time::sleep(kept).await;
                drop(held);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(lock: &Arc<RwLock<()>>) -> Turn {
        let guard = Arc::clone(lock).try_read_owned().expect("nobody has it");
        Turn {
            held: Some(Held::Shared { _guard: guard }),
            kept: Duration::from_millis(300),
        }
    }

    #[tokio::test]
    async fn turn_whose_end_is_not_known_is_kept_until_its_statement_is_over() {
        let lock = Arc::new(RwLock::new(()));
        let began = std::time::Instant::now();
        drop(turn(&lock));
        drop(lock.write().await);
        assert!(began.elapsed() >= Duration::from_millis(290), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn turn_that_has_ended_lets_the_next_go() {
        let lock = Arc::new(RwLock::new(()));
        turn(&lock).ended();
        assert!(lock.try_write().is_ok());
    }
}
