//! The work on one project: from the goals that the control plane sets to directories and processes.
//!
//! One task does all of a project's work, one thing after the other, so nothing has to be locked against itself.

mod computes;
mod parts;
mod schema;
mod timelines;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parts::{Compute, Timeline};

use crate::data_plane::base::Base;
use crate::data_plane::desired_state::DesiredState;
use crate::state::data::Lsn;
use crate::state::pending::WorkResult;

/// What is known of a project from before this sandbox started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// The timelines that had been made.
    pub(crate) made: BTreeSet<String>,
    /// It was in the middle of something.
    pub(crate) interrupted: bool,
}

/// A project's timelines and computes.
pub(crate) struct Work {
    base: Arc<Base>,
    before: Before,
    timelines: HashMap<String, Timeline>,
    computes: HashMap<String, Compute>,
    came_off: Vec<(String, Lsn)>,
}

impl Work {
    pub(crate) fn new(base: Arc<Base>, before: Before) -> Self {
        Self {
            base,
            before,
            timelines: HashMap::new(),
            computes: HashMap::new(),
            came_off: Vec::new(),
        }
    }

    /// Brings a goal about, as far as it can be.
    pub(crate) async fn reconcile(&mut self, goal: &DesiredState) -> WorkResult {
        let mut failures = Vec::new();
        self.came_off.clear();
        if let Err(error) = self.base.prepare().await {
            failures.push(error.to_string());
        } else {
            self.stop_computes(goal).await;
            let broken = self.broken();
            self.make_timelines(goal, &mut failures).await;
            self.fill_timelines(goal, &mut failures).await;
            self.start_computes(goal, &broken, &mut failures).await;
        }
        self.rest(goal).await;
        let reached = self.positions().await;
        let there = self
            .timelines
            .iter()
            .filter(|(_, timeline)| !timeline.gone && timeline.broken.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        WorkResult {
            there: Some(there),
            failure: failures.into_iter().next(),
            reached,
            came_off: std::mem::take(&mut self.came_off),
        }
    }

    /// How far the logs of running timelines have come.
    pub(crate) async fn positions(&mut self) -> Vec<(String, Lsn)> {
        let mut reached = Vec::new();
        for (id, timeline) in &mut self.timelines {
            timeline.look().await;
            reached.extend(timeline.reached.map(|lsn| (id.clone(), lsn)));
        }
        reached
    }

    /// Stops everything. With `orderly`, what runs is shut down so that it needs no recovery.
    pub(crate) async fn stop(&mut self, orderly: bool) {
        for (id, compute) in self.computes.drain() {
            self.base.forget_target(&id);
            if let Some(replica) = compute.replica {
                replica.abort().await;
            }
        }
        for timeline in self.timelines.values_mut() {
            if let Some(server) = timeline.server.take() {
                if orderly {
                    server.stop().await;
                } else {
                    server.abort().await;
                }
            }
        }
    }
}
