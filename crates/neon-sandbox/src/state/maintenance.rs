//! What stops or restarts the computes of a project from outside: its quota, and maintenance.

use chrono::TimeDelta;

use super::{
    endpoint::{Endpoint, EndpointState},
    operation::Action,
    project::Project,
    usage_sum::{Span, Sums, month_around, whole},
};
use crate::{clock::Timestamp, error::ApiError, ids::Ids};

/// How long a compute runs before an update for it is out.
const UP_TO_DATE: TimeDelta = TimeDelta::days(7);

impl Project {
    /// The limit of its quota that this month's use has reached, if any. Nothing leaves a compute of the sandbox, so that the
    /// one on traffic never is.
    fn quota_breach(&self, now: Timestamp) -> Option<&'static str> {
        let (from, until) = month_around(now);
        let used = Sums::new(self, None, Span { from, until }, now);
        let is_reached = |(name, limit): &(&'static str, u64)| {
            let used = match *name {
                "active_time_seconds" => whole(used.active_seconds()),
                "compute_time_seconds" => whole(used.compute_unit_seconds()),
                _ => used.written_bytes(),
            };
            used >= *limit
        };
        self.settings.quota().find(is_reached).map(|(name, _)| name)
    }

    /// 422 where the quota keeps computes from starting.
    pub(crate) fn check_quota(&self, now: Timestamp) -> Result<(), ApiError> {
        match self.quota_breach(now) {
            None => Ok(()),
            Some(limit) => Err(ApiError::refused(format!(
                "the project has reached its quota of {limit}, so no compute can start"
            ))),
        }
    }

    /// Suspends every compute when the quota is reached, as soon as anybody looks.
    pub(super) fn enforce_quota(&mut self, now: Timestamp, ids: &mut Ids) {
        if self.quota_breach(now).is_none() {
            return;
        }
        let mut stopped = Vec::new();
        for endpoint in &mut self.endpoints {
            if endpoint.state == EndpointState::Active && !endpoint.is_in_transition() {
                endpoint.stop(now);
                stopped.push((endpoint.branch_id.clone(), endpoint.id.clone()));
            }
        }
        for (branch_id, endpoint_id) in stopped {
            self.record_past(ids, now, Action::SuspendCompute, branch_id, Some(endpoint_id));
        }
    }

    /// When a compute is updated: at the first maintenance window after it has run for a week. A project that has chosen no
    /// window is left alone.
    fn update_due(&self, endpoint: &Endpoint) -> Option<Timestamp> {
        if endpoint.state != EndpointState::Active || endpoint.is_in_transition() {
            return None;
        }
        self.settings.next_maintenance(endpoint.started_at? + UP_TO_DATE)
    }

    /// When the next maintenance is planned: an update is out for a compute that nobody has restarted.
    pub(crate) fn maintenance_scheduled_for(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = |endpoint: &&Endpoint| endpoint.started_at.is_some_and(|started| started + UP_TO_DATE <= now);
        self.live_endpoints()
            .filter(waits)
            .filter_map(|endpoint| self.update_due(endpoint))
            .min()
    }

    /// Restarts the computes whose maintenance window has begun.
    pub(super) fn maintain(&mut self, now: Timestamp, ids: &mut Ids) {
        let due = |project: &Self| {
            project.live_endpoints().find_map(|endpoint| {
                let at = project.update_due(endpoint).filter(|at| *at <= now)?;
                Some((at, endpoint.branch_id.clone(), endpoint.id.clone()))
            })
        };
        while let Some((at, branch_id, endpoint_id)) = due(self) {
            for endpoint in self.endpoints.iter_mut().filter(|endpoint| endpoint.id == endpoint_id) {
                endpoint.enter(EndpointState::Idle, at);
                endpoint.enter(EndpointState::Active, at);
            }
            for action in [Action::SuspendCompute, Action::StartCompute] {
                self.record_past(ids, at, action, branch_id.clone(), Some(endpoint_id.clone()));
            }
        }
    }
}
