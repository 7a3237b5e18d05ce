//! Branches: what they are, and how their state changes with time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    anonymization::Anonymization,
    credential::Credential,
    data::{Contents, History, Lsn},
    data_api::DataApi,
    schedule::Schedule,
    services::Services,
};
use crate::{
    clock::{Timestamp, seconds},
    error::ApiError,
};

/// How long a deleted project or branch can be recovered.
pub(crate) const RECOVERY_DAYS: i64 = 7;

/// How a new branch is filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InitSource {
    /// Schema and data of the parent.
    #[default]
    ParentData,
    /// The parent's schema without data; the branch is a root.
    SchemaOnly,
    /// Another name for the parent's schema without data.
    ParentSchema,
    /// Filled from outside.
    Import,
}

/// Where a branch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BranchState {
    /// Being made.
    Init,
    /// Being given other contents.
    Resetting,
    Ready,
    Archived,
}

/// A change of state that lies ahead; `at: None` never comes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct BranchTransition {
    pub(crate) at: Option<Timestamp>,
    pub(crate) to: BranchState,
}

/// Who deleted a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeletionMethod {
    User,
    Ttl,
}

/// A deletion that can still be taken back.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Deletion {
    pub(crate) at: Timestamp,
    pub(crate) method: DeletionMethod,
}

impl Deletion {
    /// Until when it can be taken back.
    pub(crate) fn recoverable_until(&self) -> Timestamp {
        self.at + chrono::TimeDelta::days(RECOVERY_DAYS)
    }
}

/// A branch's end, and the span that it was set with, which a reset starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Expiry {
    pub(crate) at: Timestamp,
    pub(crate) ttl_seconds: i64,
}

impl Expiry {
    pub(crate) fn new(now: Timestamp, at: Timestamp) -> Self {
        Self {
            at,
            ttl_seconds: (at - now).num_seconds(),
        }
    }

    /// The same span from now on.
    pub(crate) fn restarted(self, now: Timestamp) -> Self {
        Self {
            at: now + seconds(self.ttl_seconds),
            ..self
        }
    }
}

/// Whether the restore that made a branch was finalized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RestoreStatus {
    /// Restored, and may still take a branch's place.
    Restored,
    /// Has taken a branch's place.
    Finalized,
}

/// What a branch that came out of a snapshot remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotRestore {
    pub(crate) status: RestoreStatus,
    pub(crate) snapshot_id: String,
    /// The branch whose place it is meant to take.
    pub(crate) target_branch_id: Option<String>,
    pub(crate) at: Timestamp,
}

/// Labels on a branch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Annotation {
    pub(crate) value: BTreeMap<String, String>,
    pub(crate) created_at: Option<Timestamp>,
}

/// Where a branch came off its parent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) branch_id: String,
    pub(crate) lsn: Lsn,
    pub(crate) timestamp: Timestamp,
}

/// A branch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Branch {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `None` for a root branch.
    pub(crate) parent: Option<Origin>,
    pub(crate) init_source: InitSource,
    pub(crate) default: bool,
    pub(crate) protected: bool,
    pub(crate) state: BranchState,
    pub(crate) transition: Option<BranchTransition>,
    pub(crate) state_changed_at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) last_reset_at: Option<Timestamp>,
    /// The branch that a restore last took its contents from.
    pub(crate) restored_from: Option<String>,
    pub(crate) snapshot_restore: Option<SnapshotRestore>,
    /// The backup of a root branch that was restored from another branch.
    pub(crate) undeletable_backup: bool,
    pub(crate) annotation: Annotation,
    pub(crate) schedule: Schedule,
    /// Until when the schedule's snapshots were made.
    pub(crate) schedule_since: Timestamp,
    pub(crate) deletion: Option<Deletion>,
    pub(crate) history: History,
    pub(crate) data_apis: Vec<DataApi>,
    pub(crate) credentials: Vec<Credential>,
    /// For a branch that was made to be anonymized.
    pub(crate) anonymization: Option<Anonymization>,
    /// What it has beside Postgres.
    pub(crate) services: Services,
}

impl Branch {
    /// A new branch, ready at once, without anything set.
    pub(crate) fn new(id: String, name: String, history: History, now: Timestamp) -> Self {
        Self {
            id,
            name,
            parent: None,
            init_source: InitSource::ParentData,
            default: false,
            protected: false,
            state: BranchState::Ready,
            transition: None,
            state_changed_at: now,
            created_at: now,
            updated_at: now,
            expiry: None,
            last_reset_at: None,
            restored_from: None,
            snapshot_restore: None,
            undeletable_backup: false,
            annotation: Annotation::default(),
            schedule: Schedule::default(),
            schedule_since: now,
            deletion: None,
            history,
            data_apis: Vec::new(),
            credentials: Vec::new(),
            anonymization: None,
            services: Services::default(),
        }
    }

    /// Whether it has no parent.
    pub(crate) fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// Whether it is not deleted.
    pub(crate) fn is_live(&self) -> bool {
        self.deletion.is_none()
    }

    /// The parent's id.
    pub(crate) fn parent_id(&self) -> Option<&str> {
        self.parent.as_ref().map(|parent| parent.branch_id.as_str())
    }

    /// 422 while its data is not there: it is being made or reset, or that failed.
    pub(crate) fn check_ready(&self) -> Result<(), ApiError> {
        match self.state {
            BranchState::Init | BranchState::Resetting => Err(ApiError::refused("branch not ready yet")),
            BranchState::Ready | BranchState::Archived => Ok(()),
        }
    }

    /// What it holds now.
    pub(crate) fn contents(&self) -> &Contents {
        &self.history.head().contents
    }

    /// Lets a due change of state happen.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        if let Some(BranchTransition { at: Some(at), to }) = self.transition
            && at <= now
        {
            self.state = to;
            self.state_changed_at = at;
            self.transition = None;
        }
        if let Some(anonymization) = &mut self.anonymization {
            anonymization.settle(now);
        }
    }
}
