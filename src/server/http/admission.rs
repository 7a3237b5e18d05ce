//! What each caller is served: the operator's engine, narrowed by what is set up for the caller and by its scopes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use super::auth::{Grant, Setup};
use crate::catalog::SelectedTool;
use crate::engine::Narrowing;
use crate::guard::Scopes;
use crate::neon::FairQueue;
use crate::server::handler::{Admitted, NeonServer, Offer};

/// For how many callers what they are served is kept: it is made again for others.
const MAX_KEPT: usize = 1_000;

/// How long it is kept for a caller that doesn't call.
const IDLE: Duration = Duration::from_secs(900);

/// Makes what callers are served, and keeps it for their next requests.
#[derive(Debug)]
pub(super) struct Admission {
    /// What is served to whom nothing is set up for.
    offer: Arc<Offer>,
    kept: Cache<String, Served>,
    lanes: Cache<String, (FairQueue, Instant)>,
}

/// What a caller is served.
#[derive(Debug, Clone)]
struct Served {
    offer: Arc<Offer>,
    used: Instant,
    /// Lasts as long as what was made of it.
    _setup: Option<Arc<Setup>>,
}

/// A call of a tool that the operator offers, seen before it is made.
pub(super) struct Called {
    selected: Arc<SelectedTool>,
    arguments: Map<String, Value>,
}

impl Called {
    /// The scopes that it needs whatever its arguments are.
    pub(super) fn needed(&self) -> Scopes {
        Scopes::needed_by(&self.selected.tool)
    }
}

impl Admission {
    pub(super) fn new(server: &NeonServer) -> Self {
        Self {
            offer: server.offer().clone(),
            kept: Cache::new(MAX_KEPT),
            lanes: Cache::new(MAX_KEPT),
        }
    }

    /// What a caller is served.
    pub(super) fn admit(&self, grant: &Grant) -> Admitted {
        let key = grant.key();
        let now = Instant::now();
        let served = match self.kept.get(&key) {
            Some(served) => Served { used: now, ..served },
            None => self.make(grant, now),
        };
        let offer = served.offer.clone();
        self.kept.insert(key, served);
        Admitted {
            principal: grant.principal.clone(),
            offer,
            // Callers that aren't told apart don't wait for each other.
            lane: match grant.is_told_apart() {
                true => self.lane(grant.principal.id(), now),
                false => FairQueue::new(),
            },
        }
    }

    /// A caller's place in the line, whatever token it shows.
    fn lane(&self, principal: String, now: Instant) -> FairQueue {
        let lane = match self.lanes.get(&principal) {
            Some((lane, _)) => lane,
            None => FairQueue::new(),
        };
        self.lanes.insert(principal, (lane.clone(), now));
        lane
    }

    fn make(&self, grant: &Grant, now: Instant) -> Served {
        let setup = grant.setup.as_ref();
        let policy = setup.and_then(|setup| setup.policy.clone());
        let accounts = setup.and_then(|setup| setup.accounts.clone());
        let scopes = grant.principal.scopes();
        let offer = match (policy, accounts) {
            (None, None) if scopes == Scopes::ALL => self.offer.clone(),
            (policy, accounts) => {
                let engine = self.offer.engine();
                let mut narrowed = (*engine.guards().policy).clone().with_scopes(scopes);
                if let Some(narrower) = policy {
                    narrowed = narrowed.narrowed_by(narrower);
                }
                let narrowing = Narrowing {
                    selection: Some(Arc::new(engine.selection().under(&narrowed))),
                    policy: Some(narrowed),
                    accounts,
                };
                Arc::new(Offer::new(engine.narrowed(narrowing)))
            }
        };
        Served {
            offer,
            used: now,
            _setup: grant.setup.clone(),
        }
    }

    /// The tool that a message calls, itself or through a caller of discovery mode, if the operator offers it.
    pub(super) fn called(&self, message: &[u8]) -> Option<Called> {
        let message: Value = serde_json::from_slice(message).ok()?;
        if message.get("method")?.as_str()? != "tools/call" {
            return None;
        }
        let params = message.get("params")?;
        let arguments = params.get("arguments").and_then(Value::as_object);
        let arguments = arguments.cloned().unwrap_or_default();
        let (selected, arguments) = self.offer.called(params.get("name")?.as_str()?, arguments)?;
        Some(Called { selected, arguments })
    }

    /// Notes a call that isn't made since its caller's token lacks a scope, as every refusal is.
    pub(super) fn note_missing_scope(&self, call: &Called, admitted: &Admitted) {
        self.offer
            .note_refusal(&call.selected, "the token lacks a scope", &call.arguments, admitted);
    }

    /// Lets go of what is served to callers that haven't called for long.
    pub(super) fn tidy(&self) {
        self.kept.retain(|_, served| served.used.elapsed() < IDLE);
        self.lanes.retain(|_, (_, used)| used.elapsed() < IDLE);
    }
}
