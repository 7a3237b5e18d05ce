//! What the data plane is to bring about: the timelines and computes that the control plane's state asks for.
//!
//! The state is read as a whole after every change; the data plane works on the difference. So nothing can be forgotten
//! by a handler, and a goal that was missed is part of the next one.

use std::collections::BTreeMap;

use crate::{
    clock::Clock,
    state::{
        anonymization::MaskingRule,
        branch::Branch,
        data::{Cluster, Lineage, Point, TimelineOrigin},
        endpoint::{Endpoint, EndpointState, EndpointType},
        project::Project,
    },
};

/// Everything that a project needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DesiredState {
    pub(crate) timelines: BTreeMap<String, DesiredTimeline>,
    pub(crate) computes: BTreeMap<String, DesiredCompute>,
}

/// A timeline that is to be there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DesiredTimeline {
    pub(crate) origin: Origin,
    /// The roles and databases in it; `None`: it is left as it is, as a snapshot is.
    pub(crate) contents: Option<Cluster>,
    /// What is masked in it.
    pub(crate) masking: Option<DesiredMasking>,
}

/// What a timeline is made from, with moments in the machine's own time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Origin {
    Template,
    Copy { from: String, at: Point },
    Schema { from: String, at: Point },
}

/// A run of the masking.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DesiredMasking {
    /// Which run: another one masks again.
    pub(crate) run: u64,
    pub(crate) rules: Vec<MaskingRule>,
}

/// A compute that is to be there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DesiredCompute {
    pub(crate) timeline: String,
    pub(crate) read_only: bool,
    pub(crate) running: bool,
    /// How often it was restarted: another number restarts it.
    pub(crate) restarts: u64,
    pub(crate) settings: Vec<(String, String)>,
    /// Where clients find it.
    pub(crate) port: u16,
}

impl DesiredState {
    /// What a project asks for. A deleted one keeps its data until it can't be recovered any more, and runs nothing.
    pub(crate) fn of(project: &Project, clock: &Clock) -> Self {
        let mut goal = Self::default();
        for branch in &project.branches {
            let lineage = branch.history.lineage();
            goal.timelines.insert(
                lineage.id.clone(),
                DesiredTimeline {
                    origin: origin(lineage, clock),
                    contents: Some(branch.contents().cluster()),
                    masking: masking(branch),
                },
            );
        }
        for snapshot in &project.snapshots {
            goal.timelines.insert(
                snapshot.lineage.id.clone(),
                DesiredTimeline {
                    origin: origin(&snapshot.lineage, clock),
                    contents: None,
                    masking: None,
                },
            );
        }
        for endpoint in project.live_endpoints() {
            let branch = project.branches.iter().find(|branch| branch.id == endpoint.branch_id);
            if let (Some(branch), Some(port)) = (branch, endpoint.port) {
                goal.computes.insert(
                    endpoint.id.clone(),
                    DesiredCompute {
                        timeline: branch.history.lineage().id.clone(),
                        read_only: endpoint.kind == EndpointType::ReadOnly,
                        running: project.deleted_at.is_none() && !endpoint.disabled && will_run(endpoint),
                        restarts: endpoint.restarts,
                        settings: settings(project, endpoint),
                        port,
                    },
                );
            }
        }
        goal
    }
}

/// Whether a compute is active when all that lies ahead of it has happened.
fn will_run(endpoint: &Endpoint) -> bool {
    let last = endpoint
        .transitions
        .iter()
        .rev()
        .find(|transition| transition.succeeds && transition.at.is_some())
        .map_or(endpoint.state, |transition| transition.to);
    last == EndpointState::Active
}

/// What a compute's server is set to: what was asked for this one, what the project wants of all, and who it is.
///
/// Neon's computes are told the ids of their project, branch and endpoint when they start, in `neon.project_id`,
/// `neon.branch_id` and `neon.endpoint_id`, so that a client can ask the server itself what it is connected to. A compute
/// that moves to another branch gets other settings, and so is restarted.
///
/// <https://github.com/neondatabase/neon/blob/main/pgxn/neon/libpagestore.c>
fn settings(project: &Project, endpoint: &Endpoint) -> Vec<(String, String)> {
    let logical = project.settings.has_logical_replication();
    let replication = logical.then(|| ("wal_level".to_owned(), "logical".to_owned()));
    let own = endpoint.settings.pg_settings.iter().flatten();
    let own = own.map(|(name, value)| (name.clone(), value.clone()));
    let identity = [
        ("neon.project_id", &project.id),
        ("neon.branch_id", &endpoint.branch_id),
        ("neon.endpoint_id", &endpoint.id),
    ];
    let identity = identity.map(|(name, id)| (name.to_owned(), id.clone()));
    // The last one counts, so nothing that was asked for makes a compute say that it is another one.
    own.chain(replication).chain(identity).collect()
}

fn origin(lineage: &Lineage, clock: &Clock) -> Origin {
    let real = |at: Point| match at {
        Point::Time(moment) => Point::Time(clock.real(moment)),
        other => other,
    };
    match &lineage.origin {
        TimelineOrigin::Template => Origin::Template,
        TimelineOrigin::Copy { from, at } => Origin::Copy {
            from: from.clone(),
            at: real(*at),
        },
        TimelineOrigin::Schema { from, at } => Origin::Schema {
            from: from.clone(),
            at: real(*at),
        },
    }
}

fn masking(branch: &Branch) -> Option<DesiredMasking> {
    let anonymization = branch.anonymization.as_ref()?;
    anonymization.masks().then(|| DesiredMasking {
        run: anonymization.runs,
        rules: anonymization.run_rules.clone(),
    })
}
