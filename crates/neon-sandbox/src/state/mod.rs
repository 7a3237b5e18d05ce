//! What exists in the sandbox, and how time changes it.
//!
//! Nothing here runs in the background: every request first lets the time that has passed take effect
//! ([`State::settle`]), then reads or changes.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod anonymization;
pub(crate) mod archive;
pub(crate) mod auth;
pub(crate) mod branch;
pub(crate) mod change;
pub(crate) mod credential;
pub(crate) mod cron;
pub(crate) mod data;
pub(crate) mod data_api;
pub(crate) mod endpoint;
pub(crate) mod keys;
pub(crate) mod maintenance;
pub(crate) mod operation;
pub(crate) mod pending;
pub(crate) mod persisted;
pub(crate) mod project;
pub(crate) mod schedule;
pub(crate) mod scheduled;
pub(crate) mod services;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod snapshot;
pub(crate) mod usage;
pub(crate) mod usage_sum;

use std::{collections::HashMap, time::Duration};

use super::{
    clock::{Clock, Timestamp},
    error::ApiError,
    ids::Ids,
    options::{Limits, SandboxOptions},
    ports::Ports,
};
use account::Account;
use keys::Keys;
use project::Project;
use services::{Link, MAX_OBJECT_BYTES};

/// Everything that exists.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) limits: Limits,
    pub(crate) operation_time: Duration,
    pub(crate) require_org_id: bool,
    pub(crate) account: Account,
    pub(crate) keys: Keys,
    pub(crate) projects: Vec<Project>,
    /// Links to objects, by their tokens.
    pub(crate) links: HashMap<String, Link>,
    /// Ports for computes, where there is a data plane.
    pub(crate) ports: Option<Ports>,
}

impl State {
    /// How many bytes the objects have that a new branch off this one starts with; off the default branch where none is named.
    pub(crate) fn objects_on(&self, project: &str, branch: Option<&str>) -> usize {
        let project = self.projects.iter().find(|known| known.id == project);
        let branch = project.and_then(|project| match branch {
            Some(id) => project.branch(id).ok(),
            None => project.default_branch().ok(),
        });
        branch.map_or(0, |branch| branch.services.object_bytes())
    }

    /// Refuses more bytes of objects than there is room for, before they are taken in.
    pub(crate) fn room_for_objects(&self, more: usize) -> Result<(), ApiError> {
        let branches = self.projects.iter().flat_map(|project| &project.branches);
        let kept: usize = branches.map(|branch| branch.services.object_bytes()).sum();
        if kept.saturating_add(more) <= MAX_OBJECT_BYTES {
            return Ok(());
        }
        Err(ApiError::limit(
            "SANDBOX_STORAGE_FULL",
            format!(
                "the sandbox's object storage is full: its branches hold {kept} bytes, {more} more were to be kept, and it takes \
                 {MAX_OBJECT_BYTES}; delete objects"
            ),
        ))
    }

    pub(crate) fn new(options: &SandboxOptions, api_key: &str) -> Self {
        let clock = Clock::default();
        let mut ids = Ids::new(options.seed);
        let account = Account::new(&mut ids, clock.now(), options);
        let keys = Keys::new(api_key, &options.extra_keys, &account.home.id, clock.now());
        Self {
            clock,
            ids,
            limits: options.limits.clone(),
            operation_time: options.operation_time,
            require_org_id: options.require_org_id,
            account,
            keys,
            projects: Vec::new(),
            links: HashMap::new(),
            ports: None,
        }
    }

    /// Lets the time that has passed take effect, and returns the present.
    pub(crate) fn settle(&mut self) -> Timestamp {
        let now = self.clock.now();
        self.projects
            .retain(|project| project.recoverable_until().is_none_or(|until| now < until));
        self.links.retain(|_, link| now < link.expires_at);
        for project in &mut self.projects {
            project.settle(now, &mut self.ids);
            if self.limits.archives_branches {
                project.archive_branches(now, &mut self.ids);
            }
        }
        self.observe(now);
        now
    }

    /// Writes down what there is, for consumption: after every request, and when time has passed.
    pub(crate) fn observe(&mut self, now: Timestamp) {
        for project in &mut self.projects {
            project.observe(now);
        }
    }
}
