//! Connections for SQL that are known: what Neon said, kept for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use crate::neon::sql::{Connection, SqlHosts};
use crate::neon::{BranchId, ProjectId};

/// How long a connection string is used before Neon is asked again.
const KEPT: Duration = Duration::from_secs(600);

/// How many are kept.
const MOST: usize = 1_000;

/// The role and database are told apart by what was asked for, not by what was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::engine) struct Key {
    pub(in crate::engine) project: ProjectId,
    pub(in crate::engine) branch: BranchId,
    pub(in crate::engine) database: Option<String>,
    pub(in crate::engine) role: Option<String>,
    /// Whether the call only reads: of several databases, a read without a name takes one that a change doesn't.
    pub(in crate::engine) reads: bool,
}

/// Connection strings that are known. `Debug` shows none.
#[derive(Debug)]
pub(in crate::engine) struct Connections {
    known: Mutex<Cache<Key, (Instant, Connection)>>,
    pub(in crate::engine) hosts: SqlHosts,
}

impl Connections {
    pub(in crate::engine) fn new(hosts: SqlHosts) -> Self {
        Self {
            known: Mutex::new(Cache::new(MOST)),
            hosts,
        }
    }

    pub(in crate::engine) fn get(&self, key: &Key) -> Option<Connection> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(key)
            .filter(|(at, _)| at.elapsed() < KEPT)
            .map(|(_, connection)| Connection {
                fresh: false,
                ..connection.clone()
            })
    }

    pub(in crate::engine) fn keep(&self, key: Key, connection: Connection) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, (Instant::now(), connection));
    }

    /// Forgets a connection that didn't work, whoever asked for it and by whatever names.
    pub(in crate::engine) fn forget(&self, connection: &Connection) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, other)| other.string.expose_secret() != connection.string.expose_secret());
    }

    /// Forgets what is known of a branch: it was reset, restored or deleted.
    pub(in crate::engine) fn forget_branch(&self, project: &ProjectId, branch: &BranchId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|key, _| key.project != *project || key.branch != *branch);
    }

    /// Forgets what is known of a project: something in it was changed.
    pub(in crate::engine) fn forget_project(&self, project: &ProjectId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|key, _| key.project != *project);
    }
}
