//! What each caller is served: the operator's engine, narrowed by what is set up for the caller.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::auth::Grant;
use crate::engine::Narrowing;
use crate::neon::FairQueue;
use crate::server::handler::{Admitted, NeonServer, Offer};

/// For how many callers what they are served is kept: it is made again for others.
const MAX_KEPT: usize = 1_000;

/// Makes what callers are served, and keeps it for their next requests.
#[derive(Debug)]
pub(super) struct Admission {
    /// What is served to whom nothing is set up for.
    offer: Arc<Offer>,
    kept: Cache<String, Served>,
}

/// What a caller is served, and its place in the line.
#[derive(Debug, Clone)]
struct Served {
    offer: Arc<Offer>,
    lane: FairQueue,
}

impl Admission {
    pub(super) fn new(server: &NeonServer) -> Self {
        Self {
            offer: server.offer().clone(),
            kept: Cache::new(MAX_KEPT),
        }
    }

    /// What a caller is served.
    pub(super) fn admit(&self, grant: &Grant) -> Admitted {
        let id = grant.principal.id();
        let served = match self.kept.get(&id) {
            Some(served) => served,
            None => {
                let served = self.make(grant);
                self.kept.insert(id, served.clone());
                served
            }
        };
        Admitted {
            principal: grant.principal.clone(),
            offer: served.offer,
            // Callers that aren't told apart don't wait for each other.
            lane: match grant.is_told_apart() {
                true => served.lane,
                false => FairQueue::new(),
            },
        }
    }

    fn make(&self, grant: &Grant) -> Served {
        let offer = match (&grant.policy, &grant.accounts) {
            (None, None) => self.offer.clone(),
            (policy, accounts) => {
                let engine = self.offer.engine();
                let narrowing = Narrowing {
                    selection: None,
                    policy: policy
                        .clone()
                        .map(|narrower| (*engine.guards().policy).clone().narrowed_by(narrower)),
                    accounts: accounts.clone(),
                };
                Arc::new(Offer::new(engine.narrowed(narrowing)))
            }
        };
        Served {
            offer,
            lane: FairQueue::new(),
        }
    }
}
