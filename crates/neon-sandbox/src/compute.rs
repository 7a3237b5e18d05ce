//! Where the control plane and the data plane meet: waking computes, and what the data plane reports.

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use super::{
    clock::Timestamp,
    data_plane::{Control, DataPlaneError, SUPERUSER, Target},
    shared::Shared,
    sql::{self, ConnectionString, SqlError},
    state::{
        State,
        branch::BranchState,
        data::Lsn,
        endpoint::EndpointState,
        operation::{Action, Operation},
        pending::WorkResult,
    },
};

/// How often time is let pass where computes are processes: they suspend and branches expire without a request.
const TICK: Duration = Duration::from_secs(1);

/// How long a connection waits for a compute that is being suspended or moved.
const WAKE_PAUSE: Duration = Duration::from_millis(50);

/// How often it looks.
const WAKE_TRIES: usize = 40;

impl Shared {
    /// The compute that a port belongs to.
    pub(crate) fn compute_at(&self, port: u16) -> Option<String> {
        let state = self.state();
        state
            .projects
            .iter()
            .flat_map(|project| project.live_endpoints())
            .find(|endpoint| endpoint.port == Some(port))
            .map(|endpoint| endpoint.id.clone())
    }

    /// Sees to it that a compute runs, and that it knows it is used.
    pub(crate) async fn wake(&self, compute: &str) -> Result<Target, DataPlaneError> {
        let plane = self
            .plane()
            .ok_or_else(|| DataPlaneError::new("the sandbox runs no PostgreSQL"))?;
        let mut reason = None;
        for _ in 0..WAKE_TRIES {
            let project_id = {
                let mut state = self.state();
                let now = state.settle();
                let project_id = start(&mut state, compute, now)?;
                state.observe(now);
                self.reconcile(&mut state, now);
                project_id
            };
            self.touch();
            if let Some(target) = plane.target(compute) {
                return Ok(target);
            }
            reason = plane.settled(&project_id).await;
            if let Some(target) = plane.target(compute) {
                return Ok(target);
            }
            reason = reason.or_else(|| plane.refused(compute));
            if reason.is_some() {
                break;
            }
            tokio::time::sleep(WAKE_PAUSE).await;
        }
        Err(DataPlaneError::new(format!(
            "the compute {compute} can't be started: {}",
            reason.unwrap_or_else(|| "it is being moved or suspended; try again".to_owned())
        )))
    }

    /// Lets the data plane take up what the state says, at the start.
    pub(crate) fn go_on(&self) {
        let mut state = self.state();
        let now = state.settle();
        self.reconcile(&mut state, now);
    }

    /// Lets time pass until the sandbox ends.
    pub(crate) async fn tick(&self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = self.stop().cancelled() => return,
            }
            let Some(plane) = self.plane() else { return };
            let active = plane.take_activity();
            let mut state = self.state();
            let ahead = state.clock.now() - Utc::now();
            for (compute, seen) in active {
                if let Some(seen) = DateTime::<Utc>::from_timestamp_millis(seen) {
                    use_compute(&mut state, &compute, seen + ahead);
                }
            }
            let now = state.settle();
            self.reconcile(&mut state, now);
        }
    }
}

impl Control for Shared {
    fn compute_at(&self, port: u16) -> Option<String> {
        Self::compute_at(self, port)
    }

    fn wake<'a>(&'a self, compute: &'a str) -> BoxFuture<'a, Result<Target, DataPlaneError>> {
        Box::pin(Self::wake(self, compute))
    }

    fn activity(&self, compute: &str) -> Arc<AtomicI64> {
        self.plane().map(|plane| plane.activity(compute)).unwrap_or_default()
    }

    fn lost(&self, compute: &str) {
        if let Some(plane) = self.plane() {
            plane.lost(compute);
        }
    }

    fn saved(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::saved(self))
    }

    fn work_done(&self, project_id: &str, goal: u64, result: &WorkResult) {
        let mut state = self.state();
        let now = state.clock.now();
        if let Some(project) = state.projects.iter_mut().find(|project| project.id == project_id) {
            project.release(goal, now, result);
        }
        drop(state);
        self.touch();
    }

    fn positions(&self, project_id: &str, reached: Vec<(String, Lsn)>) {
        let mut state = self.state();
        let now = state.clock.now();
        if let Some(project) = state.projects.iter_mut().find(|project| project.id == project_id) {
            let seen = WorkResult {
                reached,
                ..WorkResult::default()
            };
            project.note(&seen, now);
        }
    }
}

/// Whom a connection string asks for.
pub(crate) struct Asked {
    host: String,
    port: Option<u16>,
    user: String,
}

impl Asked {
    pub(crate) fn of(connection: &ConnectionString) -> Self {
        Self {
            host: connection.host.clone(),
            port: connection.port,
            user: connection.user.clone(),
        }
    }
}

impl Shared {
    /// The server of the compute that a connection string means: by its port, or by its name as the host's first label.
    pub(crate) async fn compute_for_sql(&self, asked: &Asked) -> Result<sql::Target, SqlError> {
        if self.plane().is_none() {
            return Err(SqlError::without_postgres());
        }
        // Whoever reaches the socket as this one is let in by who runs the sandbox, not by a password.
        if asked.user == SUPERUSER {
            return Err(SqlError::bad_request(format!(
                "password authentication failed for user '{SUPERUSER}'"
            )));
        }
        let by_name = asked.host.split('.').next().unwrap_or_default();
        let by_name = by_name.strip_suffix("-pooler").unwrap_or(by_name);
        let compute = if by_name.starts_with("ep-") {
            Some(by_name.to_owned())
        } else {
            asked.port.and_then(|port| self.compute_at(port))
        };
        let compute = compute.ok_or_else(|| {
            SqlError::bad_request(
                "the connection string's host is none of the sandbox's computes: take it as the API gives it",
            )
        })?;
        let target = self
            .wake(&compute)
            .await
            .map_err(|error| SqlError::bad_request(error.to_string()))?;
        Ok(sql::Target { socket: target.socket })
    }
}

/// Starts a compute that is idle. Returns the project.
fn start(state: &mut State, compute: &str, now: Timestamp) -> Result<String, DataPlaneError> {
    let gone = || DataPlaneError::new(format!("the compute {compute} is gone"));
    let State { projects, ids, .. } = state;
    let project = projects
        .iter_mut()
        .filter(|project| project.deleted_at.is_none())
        .find(|project| project.endpoint(compute).is_ok())
        .ok_or_else(gone)?;
    let endpoint = project.endpoint_mut(compute).map_err(|_| gone())?;
    if endpoint.disabled {
        return Err(DataPlaneError::new(format!("the compute {compute} is disabled")));
    }
    let branch_id = endpoint.branch_id.clone();
    if endpoint.state == EndpointState::Active {
        endpoint.last_active = endpoint.last_active.max(Some(now));
    } else if !endpoint.is_in_transition() {
        endpoint.enter(EndpointState::Active, now);
        project.operations.push(Operation {
            id: ids.uuid(),
            branch_id: Some(branch_id.clone()),
            endpoint_id: Some(compute.to_owned()),
            action: Action::StartCompute,
            created_at: now,
            runs_at: Some(now),
            ends_at: Some(now),
            failure: None,
        });
        if let Ok(branch) = project.branch_mut(&branch_id)
            && branch.state == BranchState::Archived
        {
            branch.state = BranchState::Ready;
            branch.state_changed_at = now;
        }
    }
    Ok(project.id.clone())
}

/// Notes that a client of a compute has sent something.
fn use_compute(state: &mut State, compute: &str, at: Timestamp) {
    for project in &mut state.projects {
        if let Ok(endpoint) = project.endpoint_mut(compute)
            && endpoint.state == EndpointState::Active
        {
            endpoint.last_active = endpoint.last_active.max(Some(at));
        }
    }
}
