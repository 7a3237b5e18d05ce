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
pub(crate) mod hold;
pub(crate) mod kept;
pub(crate) mod operation;
pub(crate) mod project;
pub(crate) mod schedule;
pub(crate) mod services;
pub(crate) mod settings;
pub(crate) mod snapshot;
pub(crate) mod upkeep;
pub(crate) mod usage;
pub(crate) mod usage_sum;

use std::{collections::HashMap, time::Duration};

use super::{
    clock::{Clock, Moment},
    ids::Ids,
    keys::Keys,
    options::{Limits, SandboxOptions},
    plane::Ports,
};
use account::Account;
use project::Project;
use services::Link;

/// How long a deleted project or branch can be recovered.
pub(crate) const RECOVERY_DAYS: i64 = 7;

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
    pub(crate) fn settle(&mut self) -> Moment {
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
    pub(crate) fn observe(&mut self, now: Moment) {
        for project in &mut self.projects {
            project.observe(now);
        }
    }
}
