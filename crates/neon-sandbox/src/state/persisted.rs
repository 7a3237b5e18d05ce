//! The state as a file, and how it goes on from one.
//!
//! Computes are idle after a restart, as their processes ended with the sandbox. What a project was in the middle of is taken
//! up again where there is a data plane: the state says what is to be there, and half-made data was removed. Without one, it
//! has failed.

use std::{
    collections::{BTreeSet, HashMap},
    io,
};

use serde::{Deserialize, Serialize};

use super::{
    State, account::Account, data::TimelineOrigin, endpoint::EndpointState, keys::Keys, pending::WorkResult,
    services::Link,
};
use crate::{
    clock::{Clock, Timestamp},
    ids::Ids,
    options::SandboxOptions,
    ports::Ports,
    state::project::Project,
};

/// Raised when a file of before can't be read any more.
const VERSION: u32 = 1;

/// Why work that was under way has failed.
const INTERRUPTED: &str = "the sandbox was stopped in the middle of this";

/// What a file says of the process that wrote it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Life {
    /// How often a sandbox was started on it. Ids of each time differ.
    pub(crate) starts: u64,
    /// Where the API was served.
    pub(crate) port: u16,
}

#[derive(Serialize)]
struct Writing<'a> {
    version: u32,
    saved_at: Timestamp,
    #[serde(flatten)]
    life: Life,
    clock: &'a Clock,
    account: &'a Account,
    keys: &'a Keys,
    links: &'a HashMap<String, Link>,
    projects: &'a [Project],
}

/// A state that was read.
#[derive(Deserialize)]
pub(crate) struct Persisted {
    saved_at: Timestamp,
    #[serde(flatten)]
    pub(crate) life: Life,
    clock: Clock,
    account: Account,
    keys: Keys,
    links: HashMap<String, Link>,
    projects: Vec<Project>,
}

/// The state as bytes.
pub(crate) fn write(state: &State, life: Life) -> io::Result<Vec<u8>> {
    serde_json::to_vec(&Writing {
        version: VERSION,
        saved_at: state.clock.now(),
        life,
        clock: &state.clock,
        account: &state.account,
        keys: &state.keys,
        links: &state.links,
        projects: &state.projects,
    })
    .map_err(io::Error::other)
}

/// Reads what [`write`] wrote.
///
/// # Errors
///
/// When it is something else, or another version's.
pub(crate) fn read(bytes: &[u8]) -> Result<Persisted, String> {
    #[derive(Deserialize)]
    struct Form {
        version: u32,
    }
    let Form { version } =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no state of a sandbox: {error}"))?;
    if version != VERSION {
        return Err(format!(
            "it has the form {version}, and this neon-mcp knows the form {VERSION} alone: use the neon-mcp that wrote it, \
             or another folder"
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| format!("it can't be understood: {error}"))
}

/// A state that goes on.
pub(crate) struct Resumed {
    pub(crate) state: State,
    /// The key to hand out.
    pub(crate) api_key: String,
    /// The projects that were in the middle of something.
    pub(crate) interrupted: Vec<String>,
}

impl Persisted {
    /// Goes on from here. With `ports`, there is a data plane.
    pub(crate) fn resume(self, options: &SandboxOptions, mut ports: Option<Ports>) -> Resumed {
        let Self {
            saved_at,
            life,
            clock,
            mut account,
            mut keys,
            links,
            mut projects,
        } = self;
        let now = clock.now();
        account.plan = options.limits.plan;
        let api_key = keys.first(options.api_key.as_deref(), &account.home.id, now);
        let mut interrupted = Vec::new();
        for project in &mut projects {
            if project.held.is_some() {
                interrupted.push(project.id.clone());
            }
            project.resume(saved_at.min(now), now, ports.as_mut());
        }
        let state = State {
            clock,
            ids: Ids::later(options.seed, life.starts),
            limits: options.limits.clone(),
            operation_time: options.operation_time,
            require_org_id: options.require_org_id,
            account,
            keys,
            projects,
            links,
            ports,
        };
        Resumed {
            state,
            api_key,
            interrupted,
        }
    }
}

impl State {
    /// The timelines that are asked for, with those that an interrupted restore would go back to.
    pub(crate) fn timelines(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for project in &self.projects {
            for branch in &project.branches {
                ids.insert(branch.history.lineage().id.clone());
                if project.held.is_some() {
                    ids.extend(branch.history.former().map(|former| former.id.clone()));
                    ids.extend(source(&branch.history.lineage().origin));
                }
            }
            for snapshot in &project.snapshots {
                ids.insert(snapshot.lineage.id.clone());
            }
        }
        ids
    }
}

fn source(origin: &TimelineOrigin) -> Option<String> {
    match origin {
        TimelineOrigin::Template => None,
        TimelineOrigin::Copy { from, .. } | TimelineOrigin::Schema { from, .. } => Some(from.clone()),
    }
}

impl Project {
    fn resume(&mut self, stopped: Timestamp, now: Timestamp, ports: Option<&mut Ports>) {
        for endpoint in &mut self.endpoints {
            if endpoint.state == EndpointState::Active {
                endpoint.enter(EndpointState::Idle, stopped.max(endpoint.updated_at));
            }
        }
        match ports {
            Some(ports) => {
                for endpoint in &mut self.endpoints {
                    let port = match endpoint.port {
                        Some(port) => ports.reopen(port),
                        None => ports.open(),
                    };
                    if let Err(error) = &port {
                        tracing::warn!(%error, compute = %endpoint.id, "the sandbox has no port for a compute");
                    }
                    endpoint.port = port.ok();
                }
            }
            None => {
                if let Some(hold) = self.held {
                    let failed = WorkResult {
                        failure: Some(INTERRUPTED.to_owned()),
                        ..WorkResult::default()
                    };
                    self.release(hold.goal, now, &failed);
                }
                for endpoint in &mut self.endpoints {
                    endpoint.port = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_form_is_refused_in_words() {
        let refused = |text: &str| read(text.as_bytes()).err().unwrap();
        for text in [r#"{"version": 7, "projects": "else"}"#, "{", r#"{"version": 1}"#] {
            harness::assert_worded!("refusals", &format!("state that can't be read: {text}"), refused(text));
        }
    }
}
