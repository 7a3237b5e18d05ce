//! What each caller is served: the operator's engine, narrowed by what is set up for the caller, and by what a request asks for.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::auth::Grant;
use super::narrowing::{Asked, NotOffered};
use crate::engine::Narrowing;
use crate::guard::Policy;
use crate::neon::FairQueue;
use crate::server::handler::{Admitted, NeonServer, Offer};

/// For how many callers what they are served is kept: it is made again for others.
const MAX_KEPT: usize = 1_000;

/// How many offers that requests narrowed are kept: each has a list of tools of its own.
const MAX_NARROWED: usize = 128;

/// Makes what callers are served, and keeps it for their next requests.
#[derive(Debug)]
pub(super) struct Admission {
    /// What is served to whom nothing is set up for.
    offer: Arc<Offer>,
    /// By the caller.
    kept: Cache<String, Served>,
    /// By the caller, and what its request asks for.
    narrowed: Cache<(String, String), Arc<Offer>>,
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
            narrowed: Cache::new(MAX_NARROWED),
        }
    }

    /// What a caller is served whose request asks for this. Lists and calls follow it alike.
    ///
    /// # Errors
    /// When the request asks for what the caller isn't offered.
    pub(super) fn admit(&self, grant: &Grant, asked: &Asked) -> Result<Admitted, NotOffered> {
        let id = grant.principal.id();
        let served = match self.kept.get(&id) {
            Some(served) => served,
            None => {
                let served = self.make(grant);
                self.kept.insert(id.clone(), served.clone());
                served
            }
        };
        let offer = match asked.is_nothing() {
            true => served.offer,
            false => {
                let key = (id, asked.canonical());
                match self.narrowed.get(&key) {
                    Some(offer) => offer,
                    None => {
                        let offer = Arc::new(narrowed(&served.offer, asked)?);
                        self.narrowed.insert(key, offer.clone());
                        offer
                    }
                }
            }
        };
        Ok(Admitted {
            principal: grant.principal.clone(),
            offer,
            // Callers that aren't told apart don't wait for each other.
            lane: match grant.is_told_apart() {
                true => served.lane,
                false => FairQueue::new(),
            },
        })
    }

    /// What is set up for a caller: its list of tools is what its own policy leaves.
    fn make(&self, grant: &Grant) -> Served {
        let own = self.offer.engine();
        let policy = policy_of(own.guards().policy.as_ref(), grant);
        let offer = match (policy, &grant.accounts) {
            (None, None) => self.offer.clone(),
            (policy, accounts) => {
                let selection = policy.as_ref().map(|policy| own.selection().for_caller(policy));
                Arc::new(Offer::new(
                    own.narrowed(Narrowing {
                        selection: selection.map(Arc::new),
                        own_cap: grant
                            .policy
                            .as_ref()
                            .and_then(Policy::changes_per_minute)
                            .map(|most| (grant.principal.id(), most)),
                        policy,
                        accounts: accounts.clone(),
                    }),
                ))
            }
        };
        Served {
            offer,
            lane: FairQueue::new(),
        }
    }
}

/// The server's policy, narrowed by what is set up for a caller, where that is anything.
fn policy_of(own: &Policy, grant: &Grant) -> Option<Policy> {
    grant.policy.clone().map(|narrower| own.clone().narrowed_by(narrower))
}

/// What a caller is offered, narrowed to what its request asks for. Accounts and counts stay the caller's.
fn narrowed(offer: &Offer, asked: &Asked) -> Result<Offer, NotOffered> {
    let engine = offer.engine();
    let guards = engine.guards();
    asked.check(engine.selection().options(), &guards.policy)?;
    let narrowing = asked.selection();
    let policy = guards
        .policy
        .as_ref()
        .clone()
        .for_request(narrowing.read_only, &narrowing.pins);
    let selection = engine.selection().narrowed(&narrowing, &policy)?;
    Ok(Offer::new(engine.narrowed(Narrowing {
        selection: Some(Arc::new(selection)),
        policy: Some(policy),
        ..Narrowing::default()
    })))
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
