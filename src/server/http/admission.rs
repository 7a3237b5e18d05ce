//! What each caller is served: the operator's engine, narrowed by what is set up for the caller, by its scopes, and by what a request
//! asks for.
//!
//! All of it is made from one snapshot of what the operator set up. When that is read again, the next request is served by another
//! snapshot, wholly.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use super::auth::{Grant, Setup};
use super::narrowing::{Asked, NotOffered};
use super::reload::{POLICY, Reload};
use crate::catalog::SelectedTool;
use crate::engine::{Engine, Narrowing};
use crate::guard::{Policy as GuardPolicy, Scopes};
use crate::neon::FairQueue;
use crate::server::offer::{Admitted, Offer};

/// Why a request isn't served.
#[derive(Debug)]
pub(super) enum NotAdmitted {
    /// It asks for what its caller isn't offered.
    NotOffered(NotOffered),
    /// What it would be served has to be made, and its caller had as much done in this minute as it may: in so many seconds it may again.
    TooMany(u64),
    /// It couldn't be made.
    Broken,
}

/// Counts what is made for a caller as a call of it.
///
/// # Errors
/// In how many seconds it may again.
pub(super) type Count<'a> = &'a dyn Fn() -> Result<(), u64>;

/// For how many callers what they are served is kept: it is made again for others.
const MAX_KEPT: usize = 1_000;

/// How many offers that requests narrowed are kept, of all callers and of one: each may have a list of tools of its own, of a megabyte or
/// two.
const MAX_NARROWED: usize = 64;
const MAX_NARROWED_OF_ONE: usize = 8;

/// How long it is kept for a caller that doesn't call.
const IDLE: Duration = Duration::from_secs(900);

/// Makes what callers are served, and keeps it for their next requests.
#[derive(Debug)]
pub(in crate::server) struct Admission {
    current: RwLock<Arc<Snapshot>>,
    /// The places of callers in the line, which outlast what they are served.
    lanes: Cache<String, (FairQueue, Instant)>,
}

/// What is served under one set of rules.
#[derive(Debug)]
struct Snapshot {
    /// What is served to whom nothing is set up for.
    offer: Arc<Offer>,
    /// What is served to the others.
    kept: Cache<String, Served>,
    /// What is served to requests that ask for less: by the caller, and what its request asks for.
    narrowed: Mutex<NarrowedOffers>,
}

/// How many offers are remembered that had to make room for those of others.
const MAX_DISPLACED: usize = 1_024;

/// Offers that requests narrowed, by the caller and what its request asks for.
#[derive(Debug, Default)]
struct NarrowedOffers {
    kept: Vec<(String, String, Served)>,
    /// What had to make room for another caller's: it is made anew without being counted, which is nothing that its caller could help.
    displaced: HashSet<(String, String)>,
}

impl NarrowedOffers {
    fn get(&mut self, caller: &str, asked: &str, now: Instant) -> Option<Arc<Offer>> {
        let mut all = self.kept.iter_mut();
        let (.., served) = all.find(|(of, for_this, _)| of == caller && for_this == asked)?;
        served.used = now;
        Some(served.offer.clone())
    }

    /// Keeps one. What a caller has too many of makes room itself; where those of all are too many, whoever has most does.
    fn keep(&mut self, caller: String, asked: String, served: Served) {
        self.kept
            .retain(|(of, for_this, _)| *of != caller || *for_this != asked);
        let of = |whose: &str| self.kept.iter().filter(|(of, ..)| of == whose).count();
        let gives_way = if of(&caller) >= MAX_NARROWED_OF_ONE {
            Some(caller.clone())
        } else if self.kept.len() >= MAX_NARROWED {
            self.kept
                .iter()
                .max_by_key(|(whose, ..)| of(whose))
                .map(|(whose, ..)| whose.clone())
        } else {
            None
        };
        if let Some(whose) = gives_way {
            let all = self.kept.iter().enumerate().filter(|(_, (of, ..))| *of == whose);
            let oldest = all.min_by_key(|(_, (.., served))| served.used).map(|(at, _)| at);
            if let Some((of, for_this, _)) = oldest.map(|at| self.kept.swap_remove(at))
                && of != caller
                && self.displaced.len() < MAX_DISPLACED
            {
                self.displaced.insert((of, for_this));
            }
        }
        self.kept.push((caller, asked, served));
    }

    /// Whether it had to make room for another caller's; told once.
    fn was_displaced(&mut self, caller: &str, asked: &str) -> bool {
        self.displaced.remove(&(caller.to_owned(), asked.to_owned()))
    }
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

impl Snapshot {
    fn new(offer: Arc<Offer>) -> Arc<Self> {
        Arc::new(Self {
            offer,
            kept: Cache::new(MAX_KEPT),
            narrowed: Mutex::default(),
        })
    }

    /// What a caller is served whose request asks for this.
    fn offer_for(
        &self,
        grant: &Grant,
        asked: &Asked,
        count: Count<'_>,
        now: Instant,
    ) -> Result<Arc<Offer>, NotAdmitted> {
        if asked.is_nothing() {
            return Ok(self.own_offer(grant, now));
        }
        let (caller, asked_for) = (grant.key(), asked.canonical());
        let displaced = {
            let mut narrowed = self.narrowed();
            if let Some(offer) = narrowed.get(&caller, &asked_for, now) {
                return Ok(offer);
            }
            narrowed.was_displaced(&caller, &asked_for)
        };
        // To make one takes as long as many calls: whoever asks for ever new ones is counted as if it called.
        if !displaced {
            count().map_err(NotAdmitted::TooMany)?;
        }
        let offer = narrowed(&self.own_offer(grant, now), asked).map_err(NotAdmitted::NotOffered)?;
        let offer = Arc::new(offer);
        let served = Served {
            offer: offer.clone(),
            used: now,
            _setup: grant.setup.clone(),
        };
        self.narrowed().keep(caller, asked_for, served);
        Ok(offer)
    }

    fn narrowed(&self) -> MutexGuard<'_, NarrowedOffers> {
        self.narrowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a caller is served whose request asks for nothing less.
    fn own_offer(&self, grant: &Grant, now: Instant) -> Arc<Offer> {
        if grant.setup.is_none() && grant.principal.scopes() == Scopes::ALL {
            return self.offer.clone();
        }
        let key = grant.key();
        let served = match self.kept.get(&key) {
            Some(served) => Served { used: now, ..served },
            None => Served {
                offer: self.make(grant),
                used: now,
                _setup: grant.setup.clone(),
            },
        };
        let offer = served.offer.clone();
        self.kept.insert(key, served);
        offer
    }

    fn make(&self, grant: &Grant) -> Arc<Offer> {
        let setup = grant.setup.as_ref();
        let policy = setup.and_then(|setup| setup.policy.clone());
        let accounts = setup.and_then(|setup| setup.accounts.clone());
        let own_cap = policy.as_ref().and_then(GuardPolicy::changes_per_minute);
        let engine = self.offer.engine();
        let mut narrowed = (*engine.guards().policy)
            .clone()
            .with_scopes(grant.principal.scopes(), grant.issued);
        if let Some(narrower) = policy {
            narrowed = narrowed.narrowed_by(narrower);
        }
        let narrowing = Narrowing {
            selection: Some(Arc::new(engine.selection().for_caller(&narrowed))),
            policy: Some(narrowed),
            own_cap: own_cap.map(|most| (grant.principal.id(), most)),
            accounts,
        };
        Arc::new(self.offer.narrowed(narrowing))
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

    /// What a caller is served whose request asks for this. Lists and calls follow it alike.
    ///
    /// # Errors
    /// Why it isn't served.
    pub(super) fn admit(
        &self,
        grant: &Grant,
        id: &str,
        asked: &Asked,
        count: Count<'_>,
    ) -> Result<Admitted, NotAdmitted> {
        let now = Instant::now();
        Ok(Admitted {
            principal: grant.principal.clone(),
            offer: self.current().offer_for(grant, asked, count, now)?,
            // Callers that aren't told apart don't wait for each other.
            lane: match grant.is_told_apart() {
                true => self.lane(id, now),
                false => FairQueue::new(),
            },
        })
    }

    /// A caller's place in the line, whatever token it shows.
    fn lane(&self, id: &str, now: Instant) -> FairQueue {
        let lane = match self.lanes.get(id) {
            Some((lane, _)) => lane,
            None => FairQueue::new(),
        };
        self.lanes.insert(id.to_owned(), (lane.clone(), now));
        lane
    }

    /// The tool that a message calls, itself or through a caller of discovery mode, if the operator offers it and the request itself
    /// doesn't leave it out.
    pub(super) fn called(&self, message: &[u8], admitted: &Admitted, asked: &Asked) -> Option<Called> {
        let message: Value = serde_json::from_slice(message).ok()?;
        if message.get("method")?.as_str()? != "tools/call" {
            return None;
        }
        let params = message.get("params")?;
        let arguments = params.get("arguments").and_then(Value::as_object);
        let arguments = arguments.cloned().unwrap_or_default();
        let (name, arguments) = admitted.offer.called(params.get("name")?.as_str()?, arguments)?;
        let selected = self.offer().engine().selection().tool(&name)?.clone();
        let is_left = asked.selection().leaves(&selected.tool);
        is_left.then_some(Called { selected, arguments })
    }

    /// Notes a call that isn't made since its caller's token lacks a scope, as every refusal is.
    pub(super) fn note_missing_scope(&self, call: &Called, admitted: &Admitted) {
        self.offer()
            .note_refusal(&call.selected, "the token lacks a scope", &call.arguments, admitted);
    }

    /// Lets go of what is served to callers that haven't called for long.
    pub(super) fn tidy(&self) {
        let current = self.current();
        current.kept.retain(|_, served| served.used.elapsed() < IDLE);
        let mut narrowed = current.narrowed();
        narrowed.kept.retain(|(.., served)| served.used.elapsed() < IDLE);
        if narrowed.kept.len() < MAX_NARROWED {
            narrowed.displaced.clear();
        }
        drop(narrowed);
        self.lanes.retain(|_, (_, used)| used.elapsed() < IDLE);
    }
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
    Ok(offer.narrowed(Narrowing {
        selection: Some(Arc::new(selection)),
        policy: Some(policy),
        ..Narrowing::default()
    }))
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
        POLICY
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

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
