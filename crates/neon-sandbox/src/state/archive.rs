//! The archive: where branches go that nobody uses, on plans that have it.

use chrono::TimeDelta;

use super::{
    branch::{Branch, BranchState},
    endpoint::EndpointState,
    operation::Action,
    project::Project,
};
use crate::{clock::Timestamp, ids::Ids};

/// Younger branches stay where they are.
const AGE: TimeDelta = TimeDelta::days(14);

/// How long nobody must have used a branch.
const UNUSED: TimeDelta = TimeDelta::hours(24);

impl Project {
    /// Archives the branches that are old and that nobody uses. A branch waits for its children, which read from it.
    pub(crate) fn archive_branches(&mut self, now: Timestamp, ids: &mut Ids) {
        if self.deleted_at.is_some() {
            return;
        }
        // Each round may let the parents of the last one go.
        let next = |project: &Self| project.live_branches().find_map(|branch| project.archival(branch, now));
        while let Some((id, at)) = next(self) {
            for branch in self.branches.iter_mut().filter(|branch| branch.id == id) {
                branch.state = BranchState::Archived;
                branch.state_changed_at = at;
            }
            self.record_past(ids, at, Action::TimelineArchive, id, None);
        }
    }

    /// Which branch went to the archive and when, if it did.
    fn archival(&self, branch: &Branch, now: Timestamp) -> Option<(String, Timestamp)> {
        let is_free = branch.state == BranchState::Ready && branch.transition.is_none() && !branch.protected;
        let in_use = |branch: &Branch| branch.state != BranchState::Archived;
        if !is_free || self.children(&branch.id).any(in_use) {
            return None;
        }
        let mut used = branch.updated_at.max(branch.state_changed_at);
        for endpoint in self.endpoints_of(&branch.id) {
            if endpoint.state == EndpointState::Active || endpoint.is_in_transition() {
                return None;
            }
            used = used.max(endpoint.suspended_at.unwrap_or(used));
        }
        let children = self.children(&branch.id).map(|child| child.state_changed_at).max();
        let at = (branch.created_at + AGE)
            .max(used + UNUSED)
            .max(children.unwrap_or(used));
        (at <= now).then(|| (branch.id.clone(), at))
    }
}
