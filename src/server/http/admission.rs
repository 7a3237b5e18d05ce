//! What each caller is served: the operator's engine, narrowed by what is set up for the caller.
//!
//! All of it is made from one snapshot of what the operator set up. When that is read again, the next request is served by another
//! snapshot, wholly.

use std::sync::{Arc, PoisonError, RwLock};

use quick_cache::sync::Cache;

use super::auth::Grant;
use super::reload::Reload;
use crate::engine::{Engine, Narrowing};
use crate::neon::FairQueue;
use crate::server::handler::{Admitted, Offer};

/// For how many callers what they are served is kept: it is made again for others.
const MAX_KEPT: usize = 1_000;

/// Makes what callers are served, and keeps it for their next requests.
#[derive(Debug)]
pub(in crate::server) struct Admission {
    current: RwLock<Arc<Snapshot>>,
    /// The places of callers in the line, which outlast what they are served.
    lanes: Cache<String, FairQueue>,
}

/// What is served under one set of rules.
#[derive(Debug)]
struct Snapshot {
    /// What is served to whom nothing is set up for.
    offer: Arc<Offer>,
    /// What is served to the others.
    kept: Cache<String, Arc<Offer>>,
}

impl Snapshot {
    fn new(offer: Arc<Offer>) -> Arc<Self> {
        Arc::new(Self {
            offer,
            kept: Cache::new(MAX_KEPT),
        })
    }

    fn offer_for(&self, grant: &Grant, id: &str) -> Arc<Offer> {
        if grant.policy.is_none() && grant.accounts.is_none() {
            return self.offer.clone();
        }
        if let Some(offer) = self.kept.get(id) {
            return offer;
        }
        let engine = self.offer.engine();
        let narrowing = Narrowing {
            selection: None,
            policy: grant
                .policy
                .clone()
                .map(|narrower| (*engine.guards().policy).clone().narrowed_by(narrower)),
            accounts: grant.accounts.clone(),
        };
        let offer = Arc::new(Offer::new(engine.narrowed(narrowing)));
        self.kept.insert(id.to_owned(), offer.clone());
        offer
    }
}

impl Admission {
    pub(super) fn new(offer: Arc<Offer>) -> Self {
        Self {
            current: RwLock::new(Snapshot::new(offer)),
            lanes: Cache::new(MAX_KEPT),
        }
    }

    fn current(&self) -> Arc<Snapshot> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is served at this moment to whom nothing is set up for.
    pub(super) fn offer(&self) -> Arc<Offer> {
        self.current().offer.clone()
    }

    /// The engine of this moment.
    pub(in crate::server) fn engine(&self) -> Engine {
        self.current().offer.engine().clone()
    }

    /// Serves another engine from the next request on. What was made of the one before is forgotten.
    pub(super) fn replace(&self, engine: Engine) {
        let snapshot = Snapshot::new(Arc::new(Offer::new(engine)));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// What a caller is served.
    pub(super) fn admit(&self, grant: &Grant, id: &str) -> Admitted {
        Admitted {
            principal: grant.principal.clone(),
            offer: self.current().offer_for(grant, id),
            // Callers that aren't told apart don't wait for each other.
            lane: match grant.is_told_apart() {
                true => self.lane(id),
                false => FairQueue::new(),
            },
        }
    }

    fn lane(&self, id: &str) -> FairQueue {
        match self.lanes.get(id) {
            Some(lane) => lane,
            None => {
                let lane = FairQueue::new();
                self.lanes.insert(id.to_owned(), lane.clone());
                lane
            }
        }
    }
}

/// What makes the engine anew of what the operator set up, from the one that is served.
#[derive(Clone)]
pub struct Remake(Arc<Making>);

/// It says why what is there now can't be used.
type Making = dyn Fn(&Engine) -> Result<Engine, String> + Send + Sync;

impl Remake {
    /// Makes engines that way. It may block.
    pub fn new(making: impl Fn(&Engine) -> Result<Engine, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(making))
    }
}

impl std::fmt::Debug for Remake {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Remake").finish_non_exhaustive()
    }
}

/// The policy, which is read again.
pub(super) struct Policy {
    admission: Arc<Admission>,
    remake: Option<Remake>,
}

impl Policy {
    pub(super) fn new(admission: Arc<Admission>, remake: Option<Remake>) -> Self {
        Self { admission, remake }
    }
}

impl Reload for Policy {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn reload(&self) -> Result<(), String> {
        let engine = self.admission.engine();
        let remade = match &self.remake {
            Some(Remake(making)) => making(&engine),
            None => Ok(engine.clone()),
        };
        // What was made for callers is forgotten in any case: it may be that they are given something else now.
        let (engine, went) = match remade {
            Ok(remade) => (remade, Ok(())),
            Err(why) => (engine, Err(why)),
        };
        self.admission.replace(engine);
        went
    }
}
