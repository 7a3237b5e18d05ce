//! Projects: their parts, and how time changes them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{
    access::Access,
    branch::{Branch, Deletion, DeletionMethod, RECOVERY_DAYS},
    data::Lsn,
    endpoint::{Endpoint, EndpointType},
    operation::{Action, Operation},
    scheduled,
    settings::{DefaultEndpointSettings, ProjectSettings},
    snapshot::Snapshot,
    usage::Usage,
};
use crate::{
    clock::{Timestamp, seconds},
    error::ApiError,
    ids::Ids,
};

/// What holds a project's future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// The goal of the data plane that is waited for.
    pub(crate) goal: u64,
    /// Since when.
    pub(crate) since: Timestamp,
}

/// A project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Project {
    pub(crate) id: String,
    /// The organization that it belongs to.
    pub(crate) org_id: String,
    pub(crate) name: String,
    pub(crate) region_id: String,
    pub(crate) pg_version: u32,
    pub(crate) provisioner: String,
    pub(crate) store_passwords: bool,
    pub(crate) history_retention_seconds: i64,
    pub(crate) settings: ProjectSettings,
    pub(crate) default_endpoint_settings: DefaultEndpointSettings,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) deleted_at: Option<Timestamp>,
    /// Since when its data are handled by the rules for health data.
    #[serde(default)]
    pub(crate) hipaa_enabled_at: Option<Timestamp>,
    pub(crate) branches: Vec<Branch>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) operations: Vec<Operation>,
    #[serde(default)]
    pub(crate) access: Access,
    /// How far the write-ahead log has come.
    pub(crate) lsn: Lsn,
    pub(crate) last_database_id: i64,
    pub(crate) usage: Usage,
    /// Set while the data plane works on it.
    #[serde(default)]
    pub(crate) held: Option<Hold>,
    /// The timelines that the data plane has made: their data must be there.
    #[serde(default)]
    pub(crate) made: BTreeSet<String>,
}

/// How many operations of a project are kept.
const MAX_OPERATIONS: usize = 5_000;

impl Project {
    /// Until when a deleted project can be recovered.
    pub(crate) fn recoverable_until(&self) -> Option<Timestamp> {
        self.deleted_at.map(|deleted| deleted + TimeDelta::days(RECOVERY_DAYS))
    }

    /// How far back branches can be read and restored.
    pub(crate) fn window(&self) -> TimeDelta {
        seconds(self.history_retention_seconds)
    }

    /// Branches that are not deleted.
    pub(crate) fn live_branches(&self) -> impl Iterator<Item = &Branch> {
        self.branches.iter().filter(|branch| branch.is_live())
    }

    /// A branch that is not deleted, or 404.
    pub(crate) fn branch(&self, id: &str) -> Result<&Branch, ApiError> {
        self.live_branches()
            .find(|branch| branch.id == id)
            .ok_or_else(|| ApiError::not_found(format!("branch {id} not found")))
    }

    /// A branch that is not deleted, or 404.
    pub(crate) fn branch_mut(&mut self, id: &str) -> Result<&mut Branch, ApiError> {
        self.branches
            .iter_mut()
            .find(|branch| branch.is_live() && branch.id == id)
            .ok_or_else(|| ApiError::not_found(format!("branch {id} not found")))
    }

    /// The default branch.
    pub(crate) fn default_branch(&self) -> Result<&Branch, ApiError> {
        self.live_branches()
            .find(|branch| branch.default)
            .ok_or_else(|| ApiError::not_found("the project has no default branch"))
    }

    /// Branches that came off this one and are not deleted.
    pub(crate) fn children(&self, id: &str) -> impl Iterator<Item = &Branch> {
        self.live_branches()
            .filter(move |branch| branch.parent_id() == Some(id))
    }

    /// Whether branches came off this one.
    pub(crate) fn has_children(&self, id: &str) -> bool {
        self.children(id).next().is_some()
    }

    /// Refuses a name that another branch has.
    pub(crate) fn check_branch_name(&self, name: &str) -> Result<(), ApiError> {
        check_length("branch name", name, 256)?;
        if self.live_branches().any(|branch| branch.name == name) {
            return Err(ApiError::conflict(format!(
                "a branch named {name:?} already exists in the project"
            )));
        }
        Ok(())
    }

    /// Computes that are not deleted.
    pub(crate) fn live_endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(|endpoint| !endpoint.deleted_with_branch)
    }

    /// A compute, or 404.
    pub(crate) fn endpoint(&self, id: &str) -> Result<&Endpoint, ApiError> {
        self.live_endpoints()
            .find(|endpoint| endpoint.id == id)
            .ok_or_else(|| ApiError::not_found(format!("endpoint {id} not found")))
    }

    /// A compute, or 404.
    pub(crate) fn endpoint_mut(&mut self, id: &str) -> Result<&mut Endpoint, ApiError> {
        self.endpoints
            .iter_mut()
            .find(|endpoint| !endpoint.deleted_with_branch && endpoint.id == id)
            .ok_or_else(|| ApiError::not_found(format!("endpoint {id} not found")))
    }

    /// The computes of a branch.
    pub(crate) fn endpoints_of(&self, branch_id: &str) -> impl Iterator<Item = &Endpoint> {
        self.live_endpoints()
            .filter(move |endpoint| endpoint.branch_id == branch_id)
    }

    /// The compute of a branch that can write.
    pub(crate) fn write_endpoint(&self, branch_id: &str) -> Option<&Endpoint> {
        self.endpoints_of(branch_id)
            .find(|endpoint| endpoint.kind == EndpointType::ReadWrite)
    }

    /// A snapshot, or 404.
    pub(crate) fn snapshot(&self, id: &str) -> Result<&Snapshot, ApiError> {
        self.snapshots
            .iter()
            .find(|snapshot| snapshot.id == id)
            .ok_or_else(|| ApiError::not_found(format!("snapshot {id} not found")))
    }

    /// Whether operations still hold the project.
    pub(crate) fn is_locked(&self, now: Timestamp) -> bool {
        self.operations.iter().any(|operation| operation.is_open(now))
    }

    /// When a compute of the project last worked.
    pub(crate) fn compute_last_active_at(&self) -> Option<Timestamp> {
        self.endpoints.iter().filter_map(|endpoint| endpoint.last_active).max()
    }

    /// Marks a branch deleted and stops its computes. They come back when the branch is recovered.
    pub(crate) fn delete_branch(&mut self, id: &str, deletion: Deletion) {
        for branch in &mut self.branches {
            if branch.id == id {
                branch.deletion = Some(deletion);
                branch.updated_at = deletion.at;
                branch.transition = None;
            }
        }
        for endpoint in &mut self.endpoints {
            if endpoint.branch_id == id {
                endpoint.stop(deletion.at);
                endpoint.deleted_with_branch = true;
            }
        }
    }

    /// Forgets a branch and its computes for good.
    pub(crate) fn purge_branch(&mut self, id: &str) {
        let branch = self.branches.iter().find(|branch| branch.id == id);
        if let Some(deletion) = branch.and_then(|branch| branch.deletion) {
            self.usage.end_branch(id, deletion.at);
        }
        self.branches.retain(|branch| branch.id != id);
        self.forget_endpoints(|endpoint| endpoint.branch_id == id);
        self.access.jwks.retain(|jwks| jwks.branch_id.as_deref() != Some(id));
    }

    /// Forgets computes, but not what they used. They must be stopped.
    pub(crate) fn forget_endpoints(&mut self, gone: impl Fn(&Endpoint) -> bool) {
        for endpoint in self.endpoints.iter_mut().filter(|endpoint| gone(endpoint)) {
            self.usage.collect(endpoint);
        }
        self.endpoints.retain(|endpoint| !gone(endpoint));
    }

    /// Writes down what there is, for consumption.
    pub(crate) fn observe(&mut self, now: Timestamp) {
        if self.deleted_at.is_none() {
            self.usage
                .observe(now, self.lsn, &self.branches, &mut self.endpoints, &self.snapshots);
        }
    }

    /// Lets the time that has passed take effect.
    pub(crate) fn settle(&mut self, now: Timestamp, ids: &mut Ids) {
        if self.deleted_at.is_some() {
            return;
        }
        for branch in &mut self.branches {
            branch.settle(now);
        }
        let mut suspended = Vec::new();
        for endpoint in &mut self.endpoints {
            if let Some(at) = endpoint.settle(now) {
                suspended.push((at, endpoint.branch_id.clone(), endpoint.id.clone()));
            }
        }
        for (at, branch_id, endpoint_id) in suspended {
            self.record_past(ids, at, Action::SuspendCompute, branch_id, Some(endpoint_id));
        }
        self.maintain(now, ids);
        self.enforce_quota(now, ids);
        self.take_scheduled_snapshots(now, ids);
        self.expire_branches(now, ids);
        self.snapshots
            .retain(|snapshot| snapshot.expires_at.is_none_or(|expires| now < expires));
    }

    fn take_scheduled_snapshots(&mut self, now: Timestamp, ids: &mut Ids) {
        let window = self.window();
        let mut due = Vec::new();
        for branch in self.branches.iter_mut().filter(|branch| branch.is_live()) {
            due.extend(scheduled::due_snapshots(branch, now, window, ids));
            branch.schedule_since = now;
        }
        for snapshot in due {
            let branch_id = snapshot.source_branch_id.clone();
            self.record_past(ids, snapshot.created_at, Action::CreateTimeline, branch_id, None);
            self.snapshots.push(snapshot);
        }
    }

    fn expire_branches(&mut self, now: Timestamp, ids: &mut Ids) {
        let due: Vec<(String, Timestamp)> = self
            .live_branches()
            .filter_map(|branch| {
                let expiry = branch.expiry.filter(|expiry| expiry.at <= now)?;
                Some((branch.id.clone(), expiry.at))
            })
            .collect();
        for (id, at) in due {
            self.delete_branch(
                &id,
                Deletion {
                    at,
                    method: DeletionMethod::Ttl,
                },
            );
            self.record_past(ids, at, Action::DeleteTimeline, id, None);
        }
        let gone: Vec<String> = self
            .branches
            .iter()
            .filter(|branch| {
                branch
                    .deletion
                    .is_some_and(|deletion| deletion.recoverable_until() <= now)
            })
            .map(|branch| branch.id.clone())
            .collect();
        for id in gone {
            self.purge_branch(&id);
        }
    }

    /// Records an operation. Those that ended longest ago make room, as Neon prunes old ones.
    pub(super) fn record(&mut self, operation: Operation) {
        let now = operation.created_at;
        let over = (self.operations.len() + 1).saturating_sub(MAX_OPERATIONS);
        if over > 0 {
            let mut left = over;
            self.operations.retain(|known| {
                let goes = left > 0 && !known.is_open(now);
                left -= usize::from(goes);
                !goes
            });
        }
        self.operations.push(operation);
    }

    /// Records an operation that nobody asked for and that is over.
    pub(super) fn record_past(
        &mut self,
        ids: &mut Ids,
        at: Timestamp,
        action: Action,
        branch_id: String,
        endpoint_id: Option<String>,
    ) {
        self.record(Operation {
            id: ids.uuid(),
            branch_id: Some(branch_id),
            endpoint_id,
            action,
            created_at: at,
            runs_at: Some(at),
            ends_at: Some(at),
            failure: None,
        });
    }
}

/// Refuses an empty text, or one with too many characters.
pub(crate) fn check_length(what: &str, text: &str, most: usize) -> Result<(), ApiError> {
    if (1..=most).contains(&text.chars().count()) {
        Ok(())
    } else {
        Err(ApiError::bad_request(format!(
            "the {what} must have 1 to {most} characters"
        )))
    }
}
