//! A change to one project: the project, and what a change needs beside it.

use std::time::Duration;

use super::{
    State,
    branch::{BranchState, BranchTransition},
    data::{Contents, Lsn, Version},
    endpoint::{Endpoint, EndpointState, EndpointTransition},
    keys::Caller,
    operation::{Action, Operation, Outcome, Timetable},
    project::Project,
};
use crate::{clock::Timestamp, error::ApiError, ids::Ids, options::Limits, ports::Ports};

/// When and how an operation ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// `None`: never.
    pub(crate) at: Option<Timestamp>,
    /// Whether it brings about what it is for.
    pub(crate) succeeds: bool,
}

/// A change to one project. The operations that it starts form one chain.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) project: &'a mut Project,
    pub(crate) ids: &'a mut Ids,
    pub(crate) limits: &'a Limits,
    pub(crate) now: Timestamp,
    ports: Option<&'a mut Ports>,
    outcome: &'a Outcome,
    timetable: Timetable,
    /// What was started so far, in order.
    pub(crate) operations: Vec<Operation>,
}

impl State {
    /// A project that exists and that the caller can see, or 404.
    pub(crate) fn project(&self, caller: &Caller, id: &str) -> Result<&Project, ApiError> {
        self.projects
            .iter()
            .find(|project| project.id == id && project.deleted_at.is_none() && caller.can_see(project))
            .ok_or_else(|| ApiError::not_found(format!("project {id} not found")))
    }

    /// Opens a project for a change at a moment, or 404. Whether it is locked is asked with [`Change::check_lock`].
    pub(crate) fn change_at<'a>(
        &'a mut self,
        now: Timestamp,
        caller: &Caller,
        id: &str,
        outcome: &'a Outcome,
    ) -> Result<Change<'a>, ApiError> {
        self.project(caller, id)?;
        let Self {
            projects,
            ids,
            limits,
            operation_time,
            ports,
            ..
        } = self;
        let project = projects
            .iter_mut()
            .find(|project| project.id == id)
            .ok_or_else(|| ApiError::not_found(format!("project {id} not found")))?;
        Ok(Change::new(
            project,
            ids,
            limits,
            ports.as_mut(),
            *operation_time,
            now,
            outcome,
        ))
    }
}

impl<'a> Change<'a> {
    pub(crate) fn new(
        project: &'a mut Project,
        ids: &'a mut Ids,
        limits: &'a Limits,
        ports: Option<&'a mut Ports>,
        operation_time: Duration,
        now: Timestamp,
        outcome: &'a Outcome,
    ) -> Self {
        Self {
            project,
            ids,
            limits,
            now,
            ports,
            outcome,
            timetable: Timetable::new(now, operation_time, outcome),
            operations: Vec::new(),
        }
    }

    /// A port for a new compute, where there is a data plane.
    pub(crate) fn open_port(&mut self) -> Result<Option<u16>, ApiError> {
        match &mut self.ports {
            None => Ok(None),
            Some(ports) => ports
                .open()
                .map(Some)
                .map_err(|error| ApiError::refused(format!("the sandbox has no port for another compute: {error}"))),
        }
    }

    /// The place of the log that the project's next change is said to be at. Where PostgreSQL has a log, that is as far as
    /// it is known.
    fn next_lsn(&mut self) -> Lsn {
        if self.ports.is_some() {
            self.project.lsn
        } else {
            Lsn(self.project.lsn.0 + self.ids.log_step())
        }
    }

    /// 423 while operations of the project run.
    pub(crate) fn check_lock(&self) -> Result<(), ApiError> {
        if self.project.is_locked(self.now) {
            Err(ApiError::locked())
        } else {
            Ok(())
        }
    }

    /// 422 where roles or databases of a branch can't be changed: its data is not there yet, or its compute would have to
    /// start, which the project's quota keeps it from.
    pub(crate) fn check_configurable(&self, branch_id: &str) -> Result<(), ApiError> {
        self.project.branch(branch_id)?.check_ready()?;
        let sleeps = |endpoint: &&Endpoint| !endpoint.disabled && endpoint.state == EndpointState::Idle;
        match self.project.write_endpoint(branch_id).filter(sleeps) {
            Some(_) => self.project.check_quota(self.now),
            None => Ok(()),
        }
    }

    /// Starts the next operation of the chain.
    pub(crate) fn run(&mut self, action: Action, branch_id: Option<&str>, endpoint_id: Option<&str>) -> Ending {
        let (runs_at, ends_at) = self.timetable.take();
        let failure = match self.outcome {
            Outcome::Failed(text) => Some(text.clone()),
            Outcome::Finished | Outcome::Stuck => None,
        };
        let ending = Ending {
            at: ends_at,
            succeeds: failure.is_none(),
        };
        let operation = Operation {
            id: self.ids.uuid(),
            branch_id: branch_id.map(str::to_owned),
            endpoint_id: endpoint_id.map(str::to_owned),
            action,
            created_at: self.now,
            runs_at,
            ends_at,
            failure,
        };
        self.project.record(operation.clone());
        self.operations.push(operation);
        ending
    }

    /// Starts the operation that makes a branch, which is ready when it has ended. Returns whether it succeeds:
    /// if not, the branch never gets ready.
    pub(crate) fn make_branch(&mut self, action: Action, branch_id: &str, then: BranchState) -> Result<bool, ApiError> {
        let ending = self.run(action, Some(branch_id), None);
        let now = self.now;
        let branch = self.project.branch_mut(branch_id)?;
        branch.state = BranchState::Init;
        branch.state_changed_at = now;
        branch.transition = Some(BranchTransition {
            at: ending.at.filter(|_| ending.succeeds),
            to: then,
        });
        Ok(ending.succeeds)
    }

    /// Starts the operation that gives a branch other contents. Returns whether it succeeds: if not, the branch is ready
    /// again when it has ended, with what it held before.
    pub(crate) fn refill_branch(&mut self, branch_id: &str) -> Result<bool, ApiError> {
        let ending = self.run(Action::CreateBranch, Some(branch_id), None);
        let now = self.now;
        let branch = self.project.branch_mut(branch_id)?;
        branch.state = BranchState::Resetting;
        branch.state_changed_at = now;
        branch.transition = Some(BranchTransition {
            at: ending.at,
            to: BranchState::Ready,
        });
        Ok(ending.succeeds)
    }

    /// Starts the operation that archives a new branch, in place of its getting ready.
    pub(crate) fn archive_branch(&mut self, branch_id: &str) -> Result<(), ApiError> {
        let ending = self.run(Action::TimelineArchive, Some(branch_id), None);
        self.project.branch_mut(branch_id)?.transition = Some(BranchTransition {
            at: ending.at.filter(|_| ending.succeeds),
            to: BranchState::Archived,
        });
        Ok(())
    }

    /// Takes a branch out of the archive, if it is there: whatever needs its data comes after that.
    pub(crate) fn unarchive_branch(&mut self, branch_id: &str) -> Result<(), ApiError> {
        if self.project.branch(branch_id)?.state != BranchState::Archived {
            return Ok(());
        }
        let succeeds = self.run(Action::TimelineUnarchive, Some(branch_id), None).succeeds;
        let now = self.now;
        let branch = self.project.branch_mut(branch_id)?;
        if succeeds {
            branch.state = BranchState::Ready;
            branch.state_changed_at = now;
        }
        Ok(())
    }

    /// Starts a compute; it is active when the operation has ended. An archived branch comes back.
    pub(crate) fn start_endpoint(&mut self, endpoint_id: &str) -> Result<(), ApiError> {
        let branch_id = self.project.endpoint(endpoint_id)?.branch_id.clone();
        self.unarchive_branch(&branch_id)?;
        self.move_endpoint(Action::StartCompute, endpoint_id, EndpointState::Active)
    }

    /// Suspends a compute; it is idle when the operation has ended.
    pub(crate) fn suspend_endpoint(&mut self, endpoint_id: &str) -> Result<(), ApiError> {
        self.move_endpoint(Action::SuspendCompute, endpoint_id, EndpointState::Idle)
    }

    /// Suspends and starts a compute.
    pub(crate) fn restart_endpoint(&mut self, endpoint_id: &str) -> Result<(), ApiError> {
        self.project.endpoint_mut(endpoint_id)?.restarts += 1;
        self.suspend_endpoint(endpoint_id)?;
        self.start_endpoint(endpoint_id)
    }

    /// Starts an operation on a compute that ends in another state.
    pub(crate) fn move_endpoint(
        &mut self,
        action: Action,
        endpoint_id: &str,
        to: EndpointState,
    ) -> Result<(), ApiError> {
        let branch_id = self.project.endpoint(endpoint_id)?.branch_id.clone();
        let ending = self.run(action, Some(&branch_id), Some(endpoint_id));
        let endpoint = self.project.endpoint_mut(endpoint_id)?;
        endpoint.transitions.push_back(EndpointTransition {
            at: ending.at,
            to,
            succeeds: ending.succeeds,
        });
        Ok(())
    }

    /// Applies a changed configuration to a compute. An idle one wakes for it, and then suspends again if asked to.
    pub(crate) fn configure_endpoint(&mut self, endpoint_id: &str, suspend_again: bool) -> Result<(), ApiError> {
        let endpoint = self.project.endpoint(endpoint_id)?;
        let was_idle = endpoint.state == EndpointState::Idle;
        let branch_id = endpoint.branch_id.clone();
        self.unarchive_branch(&branch_id)?;
        self.move_endpoint(Action::ApplyConfig, endpoint_id, EndpointState::Active)?;
        if was_idle && suspend_again {
            self.suspend_endpoint(endpoint_id)?;
        }
        Ok(())
    }

    /// Applies changed roles or databases to a branch, through its compute if it has one.
    pub(crate) fn configure_branch(&mut self, branch_id: &str, suspend_again: bool) -> Result<(), ApiError> {
        let endpoint = self
            .project
            .write_endpoint(branch_id)
            .filter(|endpoint| !endpoint.disabled)
            .map(|endpoint| endpoint.id.clone());
        match endpoint {
            Some(endpoint_id) => self.configure_endpoint(&endpoint_id, suspend_again),
            None => {
                self.unarchive_branch(branch_id)?;
                self.run(Action::ApplyConfig, Some(branch_id), None);
                Ok(())
            }
        }
    }

    /// Gives a branch other contents from now on.
    pub(crate) fn write(&mut self, branch_id: &str, contents: Contents) -> Result<(), ApiError> {
        let mut version = self.version(contents);
        let window = self.project.window();
        let branch = self.project.branch_mut(branch_id)?;
        // Each branch has a log of its own, and they are not equally long.
        if let Some(reached) = branch.history.reached() {
            version.lsn = reached;
        }
        branch.updated_at = version.at;
        branch.history.push(version, window);
        Ok(())
    }

    /// These contents as of now, at the next place of the write-ahead log.
    pub(crate) fn version(&mut self, contents: Contents) -> Version {
        self.project.lsn = self.next_lsn();
        Version {
            at: self.now,
            lsn: self.project.lsn,
            contents,
        }
    }
}
