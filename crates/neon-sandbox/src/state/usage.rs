//! What a project used, and when: the ledger that consumption is computed from.
//!
//! A compute writes down when it began and stopped to work, and at which size. Branches and snapshots are looked at after
//! every request, so that each change of their size is known with its time.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{branch::Branch, data::Lsn, endpoint::Endpoint, session::Session, snapshot::Snapshot};
use crate::clock::Timestamp;

/// How long anything is remembered: longer than anybody may ask for.
const REMEMBERED: TimeDelta = TimeDelta::days(400);

/// How large a branch was from a moment on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Level {
    pub(crate) at: Timestamp,
    pub(crate) size: u64,
    /// All that was written to it until then.
    pub(crate) written: u64,
}

/// A write to a branch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Write {
    pub(crate) at: Timestamp,
    pub(crate) bytes: u64,
}

/// A branch's life and size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BranchUse {
    pub(crate) root: bool,
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
    pub(crate) levels: Vec<Level>,
    pub(crate) writes: Vec<Write>,
}

/// A snapshot's life and size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotUse {
    snapshot_id: String,
    pub(crate) bytes: u64,
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

/// What a project used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Those that are over.
    pub(crate) sessions: Vec<Session>,
    /// By id.
    pub(crate) branches: BTreeMap<String, BranchUse>,
    pub(crate) snapshots: Vec<SnapshotUse>,
    /// How far the write-ahead log had come when it was last looked at.
    lsn: Option<Lsn>,
}

impl Usage {
    /// Takes over what a compute wrote down about work that is over.
    pub(crate) fn collect(&mut self, endpoint: &mut Endpoint) {
        self.sessions.append(&mut endpoint.past_sessions);
    }

    /// Looks at everything, after a request or when time has passed.
    pub(crate) fn observe(
        &mut self,
        now: Timestamp,
        lsn: Lsn,
        branches: &[Branch],
        endpoints: &mut [Endpoint],
        snapshots: &[Snapshot],
    ) {
        for endpoint in endpoints {
            self.collect(endpoint);
        }
        let mut written = self.lsn.map_or(0, |before| lsn.0.saturating_sub(before.0));
        self.lsn = Some(lsn);
        for branch in branches {
            self.observe_branch(branch, lsn, &mut written);
        }
        for snapshot in snapshots {
            match self.snapshots.iter_mut().find(|use_| use_.snapshot_id == snapshot.id) {
                Some(known) => known.expires_at = snapshot.expires_at,
                None => self.snapshots.push(SnapshotUse {
                    snapshot_id: snapshot.id.clone(),
                    bytes: snapshot.version.contents.logical_size(),
                    from: snapshot.created_at,
                    until: None,
                    expires_at: snapshot.expires_at,
                }),
            }
        }
        for known in self.snapshots.iter_mut().filter(|known| known.until.is_none()) {
            if !snapshots.iter().any(|snapshot| snapshot.id == known.snapshot_id) {
                known.until = Some(known.expires_at.map_or(now, |expires| expires.min(now)));
            }
        }
        self.forget(now - REMEMBERED);
    }

    fn observe_branch(&mut self, branch: &Branch, lsn: Lsn, written: &mut u64) {
        let head = branch.history.head();
        let until = branch.deletion.map(|deletion| deletion.at);
        let size = head.contents.logical_size();
        let Some(known) = self.branches.get_mut(&branch.id) else {
            let new = BranchUse {
                root: branch.is_root(),
                from: branch.created_at,
                until,
                levels: vec![Level {
                    at: branch.created_at,
                    size,
                    written: 0,
                }],
                writes: Vec::new(),
            };
            self.branches.insert(branch.id.clone(), new);
            return;
        };
        known.until = until;
        let last = known.levels.last().map(|level| (level.at, level.written));
        let (last_at, before) = last.unwrap_or((known.from, 0));
        if head.at > last_at {
            // Of the project's log, the part since the last look belongs to the branch whose head is at its end.
            let bytes = if head.lsn == lsn { std::mem::take(written) } else { 0 };
            known.levels.push(Level {
                at: head.at,
                size,
                written: before + bytes,
            });
            known.writes.push(Write { at: head.at, bytes });
        }
    }

    /// Ends a branch that is about to be forgotten.
    pub(crate) fn end_branch(&mut self, id: &str, at: Timestamp) {
        if let Some(known) = self.branches.get_mut(id) {
            known.until = Some(at);
        }
    }

    fn forget(&mut self, before: Timestamp) {
        let is_past = |until: Option<Timestamp>| until.is_some_and(|until| until < before);
        self.sessions.retain(|session| !is_past(session.until));
        self.snapshots.retain(|snapshot| !is_past(snapshot.until));
        self.branches.retain(|_, branch| !is_past(branch.until));
        for branch in self.branches.values_mut() {
            branch.writes.retain(|write| write.at >= before);
            // The level that held when the remembered time began still counts.
            let held = branch.levels.iter().rposition(|level| level.at <= before).unwrap_or(0);
            branch.levels.drain(..held);
        }
    }
}
