//! The snapshots that schedules make.

use chrono::TimeDelta;

use super::{branch::Branch, data::Point, snapshot::Snapshot};
use crate::{
    clock::{Timestamp, seconds},
    ids::Ids,
};

/// The snapshots that a branch's schedule has made since it was last looked at, those that are expired left out.
pub(crate) fn due_snapshots(branch: &Branch, now: Timestamp, window: TimeDelta, ids: &mut Ids) -> Vec<Snapshot> {
    let mut made = Vec::new();
    for entry in &branch.schedule.schedule {
        for at in entry.due(branch.schedule_since, now) {
            let expires_at = at + seconds(entry.retention_seconds);
            if expires_at <= now {
                continue;
            }
            let version = branch
                .history
                .at(Point::Time(at), now, window)
                .unwrap_or_else(|_| branch.history.head().clone());
            let id = ids.snapshot();
            made.push(Snapshot {
                name: format!(
                    "{} {} {}",
                    branch.name,
                    entry.frequency.name(),
                    at.format("%Y-%m-%dT%H:%MZ")
                ),
                slug: id.clone(),
                id,
                source_branch_id: branch.id.clone(),
                lsn: None,
                timestamp: None,
                created_at: at,
                expires_at: Some(expires_at),
                manual: false,
                version,
                lineage: branch.history.lineage().copy(Point::Time(at)),
            });
        }
    }
    made.sort_by_key(|snapshot| snapshot.created_at);
    made
}
