//! Operations: work that takes time. Where one stands follows from the clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, delta};

/// What an operation does, of Neon's actions those that the sandbox uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    CreateTimeline,
    CreateBranch,
    DeleteTimeline,
    StartCompute,
    SuspendCompute,
    ApplyConfig,
    ApplyStorageConfig,
    TimelineArchive,
    TimelineUnarchive,
}

/// Where an operation stands, of Neon's statuses those that the sandbox reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OperationStatus {
    Scheduling,
    Running,
    Finished,
    Failed,
}

/// How the operations of a call end. A fault can choose another outcome than success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They finish.
    Finished,
    /// They fail, with this text.
    Failed(String),
    /// They never end.
    Stuck,
}

/// A piece of work that takes time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) branch_id: Option<String>,
    pub(crate) endpoint_id: Option<String>,
    pub(crate) action: Action,
    pub(crate) created_at: Timestamp,
    /// `None`: waits for ever behind a stuck operation.
    pub(crate) runs_at: Option<Timestamp>,
    /// `None`: never ends.
    pub(crate) ends_at: Option<Timestamp>,
    pub(crate) failure: Option<String>,
}

impl Operation {
    /// The status at a moment.
    pub(crate) fn status(&self, now: Timestamp) -> OperationStatus {
        if self.ends_at.is_some_and(|ends| now >= ends) {
            if self.failure.is_some() {
                OperationStatus::Failed
            } else {
                OperationStatus::Finished
            }
        } else if self.runs_at.is_some_and(|runs| now >= runs) {
            OperationStatus::Running
        } else {
            OperationStatus::Scheduling
        }
    }

    /// Whether it still holds the project.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|ends| now < ends)
    }

    /// When the status last changed.
    pub(crate) fn updated_at(&self, now: Timestamp) -> Timestamp {
        [self.ends_at, self.runs_at]
            .into_iter()
            .flatten()
            .find(|moment| *moment <= now)
            .unwrap_or(self.created_at)
    }
}

/// The times of a chain of operations: the first runs at once, each later one is scheduled when the one before has ended.
#[derive(Debug)]
pub(crate) struct Timetable {
    next: Option<Timestamp>,
    step: chrono::TimeDelta,
    first: bool,
    stuck: bool,
}

impl Timetable {
    pub(crate) fn new(now: Timestamp, step: Duration, outcome: &Outcome) -> Self {
        Self {
            next: Some(now),
            step: delta(step),
            first: true,
            stuck: *outcome == Outcome::Stuck,
        }
    }

    /// When the next operation of the chain runs and ends.
    pub(crate) fn take(&mut self) -> (Option<Timestamp>, Option<Timestamp>) {
        let runs = if self.first {
            self.next
        } else {
            self.next.map(|next| next + self.step)
        };
        self.first = false;
        self.next = if self.stuck {
            None
        } else {
            runs.map(|runs| runs + self.step)
        };
        (runs, self.next)
    }
}
