//! Computes: their size, their state, and how it changes with time.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{session::Session, settings::EndpointSettings};
use crate::clock::{Timestamp, seconds};

/// What `suspend_timeout_seconds: 0` stands for.
pub(crate) const DEFAULT_SUSPEND_TIMEOUT: i64 = 300;

/// Whether a compute can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointType {
    ReadOnly,
    ReadWrite,
}

/// What a compute does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointState {
    Init,
    Active,
    Idle,
}

/// A change of state that lies ahead; `at: None` never comes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct EndpointTransition {
    pub(crate) at: Option<Timestamp>,
    pub(crate) to: EndpointState,
    /// Whether it comes about; if not, the compute stays what it is.
    pub(crate) succeeds: bool,
}

/// A compute's size and when it suspends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ComputeSize {
    pub(crate) min_cu: f64,
    pub(crate) max_cu: f64,
    /// -1 never, 0 the default.
    pub(crate) suspend_timeout_seconds: i64,
}

impl Default for ComputeSize {
    fn default() -> Self {
        Self {
            min_cu: 0.25,
            max_cu: 2.0,
            suspend_timeout_seconds: 0,
        }
    }
}

/// A compute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) branch_id: String,
    pub(crate) name: Option<String>,
    pub(crate) kind: EndpointType,
    pub(crate) size: ComputeSize,
    pub(crate) settings: EndpointSettings,
    pub(crate) pooler_enabled: bool,
    pub(crate) disabled: bool,
    pub(crate) passwordless_access: bool,
    pub(crate) provisioner: String,
    pub(crate) state: EndpointState,
    pub(crate) transitions: VecDeque<EndpointTransition>,
    pub(crate) last_active: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) suspended_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// Where clients find it on 127.0.0.1, where there is a data plane.
    pub(crate) port: Option<u16>,
    /// How often it was restarted.
    pub(crate) restarts: u64,
    /// Set while the branch that it belonged to can be recovered.
    pub(crate) deleted_with_branch: bool,
    /// Since when it works, at which size.
    pub(crate) session: Option<Session>,
    /// When it worked before, as long as nobody took it over.
    pub(crate) past_sessions: Vec<Session>,
}

impl Endpoint {
    /// The state that comes next, if a change is under way.
    pub(crate) fn pending_state(&self) -> Option<EndpointState> {
        self.transitions
            .front()
            .map(|transition| transition.to)
            .filter(|state| *state != self.state || self.transitions.len() > 1)
    }

    /// Whether a change is under way.
    pub(crate) fn is_in_transition(&self) -> bool {
        !self.transitions.is_empty()
    }

    /// Lets due changes happen. Returns when the compute suspended itself for want of work.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some(transition) = self.transitions.front().copied() {
            let Some(at) = transition.at.filter(|at| *at <= now) else {
                break;
            };
            self.transitions.pop_front();
            if transition.succeeds {
                self.enter(transition.to, at);
            }
        }
        let idle_at = self.idle_at().filter(|at| *at <= now)?;
        self.enter(EndpointState::Idle, idle_at);
        Some(idle_at)
    }

    /// Enters a state at a moment.
    pub(crate) fn enter(&mut self, state: EndpointState, at: Timestamp) {
        match state {
            EndpointState::Active => {
                if self.state != EndpointState::Active {
                    self.started_at = Some(at);
                    self.begin_session(at);
                }
                self.last_active = Some(at);
            }
            EndpointState::Idle => {
                self.suspended_at = Some(at);
                self.end_session(at);
            }
            EndpointState::Init => {}
        }
        self.state = state;
        self.updated_at = at;
    }

    fn begin_session(&mut self, at: Timestamp) {
        self.session = Some(Session {
            branch_id: self.branch_id.clone(),
            cu: self.size.min_cu,
            from: at,
            until: None,
        });
    }

    fn end_session(&mut self, at: Timestamp) {
        if let Some(session) = self.session.take() {
            self.past_sessions.push(Session {
                until: Some(at),
                ..session
            });
        }
    }

    /// What it uses from now on counts at its present size and for its present branch.
    pub(crate) fn divide_session(&mut self, at: Timestamp) {
        if self.session.is_some() {
            self.end_session(at);
            self.begin_session(at);
        }
    }

    /// Suspends at once and forgets what lay ahead.
    pub(crate) fn stop(&mut self, at: Timestamp) {
        self.transitions.clear();
        if self.state != EndpointState::Idle {
            self.enter(EndpointState::Idle, at);
        }
    }

    /// When it suspends by itself, if nothing happens.
    fn idle_at(&self) -> Option<Timestamp> {
        let timeout = match self.size.suspend_timeout_seconds {
            0 => DEFAULT_SUSPEND_TIMEOUT,
            -1 => return None,
            timeout => timeout,
        };
        if self.state != EndpointState::Active || self.is_in_transition() {
            return None;
        }
        self.last_active
            .and_then(|active| active.checked_add_signed(seconds(timeout)))
    }
}
