//! Holding a project's future back until PostgreSQL has done the work that it is about.
//!
//! The state says when an operation ends and what becomes of a branch then. Where the work is real, that is known only
//! afterwards: what lies ahead is moved out of reach, and back, from the moment when the work is done, in the order in which
//! it was planned. The project is locked meanwhile, as its operations are open.

use chrono::TimeDelta;

use super::{
    branch::{Branch, BranchState},
    data::Lsn,
    operation::Action,
    project::{Hold, Project},
};
use crate::clock::Timestamp;

/// Out of reach.
const FAR: TimeDelta = TimeDelta::days(400 * 365);

/// How the work came out.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkResult {
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// How far the logs have come, by timeline.
    pub(crate) reached: Vec<(String, Lsn)>,
    /// Where new timelines came off, by timeline.
    pub(crate) came_off: Vec<(String, Lsn)>,
    /// The timelines that are there, where all were looked at.
    pub(crate) there: Option<Vec<String>>,
}

impl Project {
    /// Holds back what lies ahead until a goal is reached. Returns whether anything did.
    pub(crate) fn hold(&mut self, goal: u64, now: Timestamp) -> bool {
        let masks = |branch: &Branch| {
            let anonymization = branch.anonymization.as_ref();
            anonymization.is_some_and(|anonymization| anonymization.lies_ahead(now))
        };
        if !self.is_locked(now) && !self.branches.iter().any(masks) {
            return false;
        }
        if let Some(hold) = &mut self.held {
            hold.goal = goal;
            return true;
        }
        self.held = Some(Hold { goal, since: now });
        self.shift(now, FAR);
        true
    }

    /// Goes on from the moment when the goal is reached, or failed.
    pub(crate) fn release(&mut self, goal: u64, now: Timestamp, result: &WorkResult) {
        self.note(result, now);
        let Some(hold) = self.held.filter(|hold| hold.goal == goal) else {
            return;
        };
        self.held = None;
        if let Some(reason) = &result.failure {
            self.fail(hold.since, reason);
        }
        self.shift(hold.since + FAR, (now - hold.since) - FAR);
    }

    /// Notes which timelines there are, and how far logs have come.
    pub(crate) fn note(&mut self, result: &WorkResult, now: Timestamp) {
        if let Some(there) = &result.there {
            self.made = there.iter().cloned().collect();
        }
        for (timeline, lsn) in &result.reached {
            self.lsn = self.lsn.max(*lsn);
            for branch in &mut self.branches {
                if branch.history.lineage().id == *timeline {
                    branch.history.reach(*lsn, now);
                }
            }
        }
        for (timeline, lsn) in &result.came_off {
            for branch in &mut self.branches {
                if branch.history.lineage().id != *timeline {
                    continue;
                }
                branch.history.begin(*lsn);
                if let Some(parent) = &mut branch.parent {
                    parent.lsn = *lsn;
                }
            }
        }
    }

    /// Moves everything that lies after a moment.
    fn shift(&mut self, after: Timestamp, by: TimeDelta) {
        let move_one = |at: &mut Option<Timestamp>| {
            if let Some(at) = at.as_mut().filter(|at| **at > after) {
                *at += by;
            }
        };
        for operation in &mut self.operations {
            move_one(&mut operation.runs_at);
            move_one(&mut operation.ends_at);
        }
        for branch in &mut self.branches {
            if let Some(transition) = &mut branch.transition {
                move_one(&mut transition.at);
            }
            if let Some(anonymization) = &mut branch.anonymization {
                anonymization.shift(after, by);
            }
        }
        for endpoint in &mut self.endpoints {
            for transition in &mut endpoint.transitions {
                move_one(&mut transition.at);
            }
        }
    }

    /// What was held doesn't come about.
    fn fail(&mut self, since: Timestamp, reason: &str) {
        let mut making = Vec::new();
        for operation in self.operations.iter_mut().filter(|operation| operation.is_open(since)) {
            operation.failure.get_or_insert_with(|| reason.to_owned());
            if matches!(operation.action, Action::CreateBranch | Action::CreateTimeline) {
                making.extend(operation.branch_id.clone());
            }
        }
        let used: Vec<String> = self
            .branches
            .iter()
            .map(|branch| branch.history.lineage().id.clone())
            .collect();
        for branch in &mut self.branches {
            let former = branch.history.former().map(|former| &former.id);
            let is_made = matches!(branch.state, BranchState::Ready | BranchState::Archived);
            if !making.contains(&branch.id) || is_made {
                // Not what failed.
            } else if former.is_some_and(|former| !used.contains(former)) {
                // A restore that didn't come about leaves the branch with the data that it had.
                branch.history.revert();
            } else if let Some(transition) = &mut branch.transition {
                transition.at = None;
            }
            if let Some(anonymization) = &mut branch.anonymization {
                anonymization.fail(reason);
            }
        }
        for endpoint in &mut self.endpoints {
            for transition in &mut endpoint.transitions {
                transition.succeeds = false;
            }
        }
    }
}
