//! What is known of sessions: whose they are, whether they are in use, and which sleep.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::InitializeRequestParams;
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::guard::Session;
use crate::server::handler::RunningCalls;

/// The longest that a client may say of itself for its session to sleep, in bytes. One that says more ends where others sleep.
const MAX_KEPT: usize = 16 * 1024;

/// Whose sessions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server::http) struct Owner {
    /// The id of the principal: to every other, they are unknown.
    pub(in crate::server::http) principal: Arc<str>,
    /// Which sessions are counted together: those of the principal, or of an address.
    pub(in crate::server::http) share: Arc<str>,
}

/// What is known of a session.
#[derive(Debug)]
pub(super) struct Known {
    owner: Owner,
    /// How many streams of it are open, and requests: running calls, and what only listens.
    open: usize,
    /// Whether anything came after its first request.
    used: bool,
    last: Instant,
    /// What its client said of itself, as JSON, where it isn't too much.
    hello: Option<Box<[u8]>>,
    /// What tells it from others to the guard, and the calls that it runs: those go on where their client only broke off.
    server: Option<(Session, RunningCalls)>,
    state: State,
    /// How many ends of rmcp's sessions are still to be told that only went to sleep.
    ends: usize,
}

/// Whether a session is one of rmcp's.
#[derive(Debug)]
enum State {
    /// It is.
    Awake,
    /// It is becoming one: whoever wants it waits for the other end to be dropped.
    Waking(watch::Receiver<()>),
    /// It isn't.
    Asleep,
}

/// Whether a session can take a request now.
#[derive(Debug)]
pub(super) enum Whether {
    /// It can.
    Awake,
    /// It sleeps: whoever is told so wakes it.
    Asleep(Box<Waking>),
    /// Another wakes it: the end of that is waited for.
    Waking(watch::Receiver<()>),
    /// There is none.
    Gone,
}

/// A session that is being woken.
#[derive(Debug)]
pub(super) struct Waking {
    /// What its client said of itself.
    pub(super) hello: InitializeRequestParams,
    /// Who it was before.
    pub(super) session: Session,
    /// Dropped when it is over, which is what the others wait for.
    _over: watch::Sender<()>,
}

impl Known {
    fn is_idle(&self) -> bool {
        self.open == 0 && self.server.as_ref().is_none_or(|(_, calls)| calls.are_none())
    }

    /// In which order sessions give way: first one that was opened and never used, then the one that was used longest ago.
    fn age(&self) -> (bool, Instant) {
        (self.used, self.last)
    }
}

/// How many sessions there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) all: usize,
    pub(super) of_one: usize,
    /// How many of those that nothing uses are awake.
    pub(super) awake: usize,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Table {
    bounds: Bounds,
    known: HashMap<SessionId, Known>,
    /// How many each share has.
    shares: HashMap<Arc<str>, usize>,
    awake: HashSet<SessionId>,
}

impl Table {
    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            known: HashMap::new(),
            shares: HashMap::new(),
            awake: HashSet::new(),
        }
    }

    /// Takes a place for a new session. Where none is left, an idle one goes: of whoever has the most, and never of one that has fewer
    /// than the owner. Whoever is over its share makes room of its own. What comes back is to be ended.
    ///
    /// # Errors
    /// When all that could go are in use: their number.
    pub(super) fn place(&mut self, id: &SessionId, owner: Owner) -> Result<Option<SessionId>, usize> {
        let of_one = self.shares.get(&owner.share).copied().unwrap_or_default();
        let is_over = of_one >= self.bounds.of_one;
        let mut goes = None;
        if is_over || self.known.len() >= self.bounds.all {
            let may_go = |known: &Known| match known.owner.share == owner.share {
                true => true,
                false => !is_over && self.many(known) > of_one,
            };
            let oldest = self.oldest_idle(may_go);
            let full = if is_over { of_one } else { self.known.len() };
            let oldest = oldest.ok_or(full)?;
            self.remove(&oldest);
            goes = Some(oldest);
        }
        *self.shares.entry(owner.share.clone()).or_default() += 1;
        self.awake.insert(id.clone());
        let known = Known {
            owner,
            open: 0,
            used: false,
            last: Instant::now(),
            hello: None,
            server: None,
            state: State::Awake,
            ends: 0,
        };
        self.known.insert(id.clone(), known);
        Ok(goes)
    }

    /// How many sessions there are of whoever has this one.
    fn many(&self, known: &Known) -> usize {
        self.shares.get(&known.owner.share).copied().unwrap_or_default()
    }

    fn oldest_idle(&self, of: impl Fn(&Known) -> bool) -> Option<SessionId> {
        let idle = self.known.iter().filter(|(_, known)| known.is_idle() && of(known));
        let first = idle.min_by_key(|(_, known)| (Reverse(self.many(known)), known.age()));
        first.map(|(id, _)| id.clone())
    }

    /// Forgets a session.
    pub(super) fn remove(&mut self, id: &SessionId) {
        self.awake.remove(id);
        let Some(known) = self.known.remove(id) else { return };
        if let Some(of_one) = self.shares.get_mut(&known.owner.share) {
            *of_one = of_one.saturating_sub(1);
            if *of_one == 0 {
                self.shares.remove(&known.owner.share);
            }
        }
    }

    /// Whether a session is of that owner, which uses it now.
    pub(super) fn takes(&mut self, id: &SessionId, owner: &Owner) -> bool {
        match self.known.get_mut(id) {
            Some(known) if known.owner.principal == owner.principal => {
                known.last = Instant::now();
                known.used = true;
                true
            }
            _ => false,
        }
    }

    /// Counts something of a session as open.
    pub(super) fn open(&mut self, id: &SessionId) {
        if let Some(known) = self.known.get_mut(id) {
            known.open += 1;
            known.last = Instant::now();
        }
    }

    /// Counts it as over.
    pub(super) fn closed(&mut self, id: &SessionId) {
        if let Some(known) = self.known.get_mut(id) {
            known.open = known.open.saturating_sub(1);
            known.last = Instant::now();
        }
    }

    /// Notes the server of a session that begins, or wakes.
    pub(super) fn begins(&mut self, id: &SessionId, session: Session, calls: RunningCalls) {
        if let Some(known) = self.known.get_mut(id) {
            known.server = Some((session, calls));
        }
    }

    /// Notes what the client of a new session said of itself.
    pub(super) fn note(&mut self, id: &SessionId, hello: &InitializeRequestParams) {
        if let Some(known) = self.known.get_mut(id) {
            let written = serde_json::to_vec(hello).ok();
            known.hello = written.filter(|text| text.len() <= MAX_KEPT).map(Vec::into_boxed_slice);
        }
    }

    /// Whether a session can take a request now. One that sleeps is being woken from then on.
    pub(super) fn whether(&mut self, id: &SessionId) -> Whether {
        let Some(known) = self.known.get_mut(id) else {
            return Whether::Gone;
        };
        match &known.state {
            State::Awake => Whether::Awake,
            // Whoever woke it is gone, and neither told that it woke nor that it didn't.
            State::Waking(others) if others.has_changed().is_err() => {
                self.remove(id);
                Whether::Gone
            }
            State::Waking(others) => Whether::Waking(others.clone()),
            State::Asleep => {
                let hello = known
                    .hello
                    .as_deref()
                    .and_then(|text| serde_json::from_slice(text).ok());
                let session = known.server.as_ref().map(|(session, _)| session.clone());
                // Only those with both were put to sleep.
                let (Some(hello), Some(session)) = (hello, session) else {
                    return Whether::Gone;
                };
                let (over, others) = watch::channel(());
                known.state = State::Waking(others);
                Whether::Asleep(Box::new(Waking {
                    hello,
                    session,
                    _over: over,
                }))
            }
        }
    }

    /// Notes that a session is one of rmcp's again. False where it was ended meanwhile, and so must be at rmcp, too.
    pub(super) fn woke(&mut self, id: &SessionId) -> bool {
        let Some(known) = self.known.get_mut(id) else {
            return false;
        };
        known.state = State::Awake;
        self.awake.insert(id.clone());
        true
    }

    /// Whether a session that rmcp ended is over, and forgotten: not where it only went to sleep.
    pub(super) fn ended(&mut self, id: &SessionId) -> bool {
        match self.known.get_mut(id) {
            Some(known) if known.ends > 0 => {
                known.ends -= 1;
                false
            }
            Some(_) => {
                self.remove(id);
                true
            }
            None => false,
        }
    }

    /// Puts idle sessions to sleep, those that were used longest ago, until no more are awake than may be. What comes back is to be
    /// ended at rmcp.
    pub(super) fn put_to_sleep(&mut self) -> Vec<SessionId> {
        if self.awake.len() <= self.bounds.awake {
            return Vec::new();
        }
        let idle = self.awake.iter().filter_map(|id| {
            let known = self.known.get(id)?;
            known.is_idle().then(|| (known.last, id.clone()))
        });
        let mut idle: Vec<(Instant, SessionId)> = idle.collect();
        let many = idle.len().saturating_sub(self.bounds.awake);
        idle.sort_by_key(|(last, _)| *last);
        let tired: Vec<SessionId> = idle.into_iter().take(many).map(|(_, id)| id).collect();
        for id in &tired {
            self.awake.remove(id);
            match self.known.get_mut(id) {
                Some(known) if known.hello.is_some() && known.server.is_some() => {
                    known.state = State::Asleep;
                    known.ends += 1;
                }
                // It couldn't be woken.
                _ => self.remove(id),
            }
        }
        tired
    }

    /// Forgets the sessions that were idle that long: they are to be ended.
    pub(super) fn over(&mut self, idle: Duration) -> Vec<SessionId> {
        let over = self
            .known
            .iter()
            .filter(|(_, known)| known.is_idle() && known.last.elapsed() >= idle);
        let over: Vec<SessionId> = over.map(|(id, _)| id.clone()).collect();
        for id in &over {
            self.remove(id);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner {
            principal: name.into(),
            share: name.into(),
        }
    }

    fn id(name: &str, number: usize) -> SessionId {
        format!("{name}-{number}").into()
    }

    fn table(all: usize, of_one: usize) -> Table {
        Table::new(Bounds { all, of_one, awake: 10 })
    }

    #[test]
    fn whoever_has_the_most_makes_room_and_never_one_that_has_fewer() {
        let mut table = table(10, 8);
        for number in 0..2 {
            table.place(&id("ann", number), owner("ann")).unwrap();
        }
        for number in 0..8 {
            table.place(&id("mallory", number), owner("mallory")).unwrap();
        }
        // Of those of whoever has the most, though one of another was unused for longer.
        assert_eq!(table.place(&id("bob", 0), owner("bob")), Ok(Some(id("mallory", 0))));
        assert_eq!(
            table.place(&id("mallory", 8), owner("mallory")),
            Ok(Some(id("mallory", 1)))
        );
        // With all of those in use, nobody's who has fewer goes.
        for number in 0..9 {
            table.open(&id("mallory", number));
        }
        assert_eq!(table.place(&id("mallory", 9), owner("mallory")), Err(10));
        assert_eq!(table.place(&id("bob", 1), owner("bob")), Ok(Some(id("ann", 0))));
        assert_eq!(table.place(&id("bob", 2), owner("bob")), Ok(Some(id("bob", 0))));
        assert!(table.takes(&id("ann", 1), &owner("ann")));
    }

    #[test]
    fn whoever_is_over_its_share_makes_room_of_its_own() {
        let mut table = table(10, 2);
        table.place(&id("ann", 0), owner("ann")).unwrap();
        for number in 0..2 {
            table.place(&id("bob", number), owner("bob")).unwrap();
        }
        assert_eq!(table.place(&id("bob", 2), owner("bob")), Ok(Some(id("bob", 0))));
        table.open(&id("bob", 1));
        table.open(&id("bob", 2));
        assert_eq!(table.place(&id("bob", 3), owner("bob")), Err(2));
    }
}
