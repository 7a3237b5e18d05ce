//! What all requests share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use http::{HeaderMap, header::AUTHORIZATION};
use tokio_util::sync::CancellationToken;

use super::{
    clock::Timestamp,
    data_plane::{Control, DataPlane},
    error::ApiError,
    faults::Faults,
    limits::RateLimits,
    listener::Connection,
    log::RequestLog,
    options::SandboxOptions,
    saver::{Saver, Source},
    state::{State, keys::Caller},
};

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    faults: Mutex<Faults>,
    log: Mutex<RequestLog>,
    rates: Option<Mutex<RateLimits>>,
    stop: CancellationToken,
    plane: Option<Arc<DataPlane>>,
    saver: Option<Arc<Saver>>,
    myself: Weak<Self>,
}

impl Shared {
    pub(crate) fn new(
        options: &SandboxOptions,
        state: State,
        stop: CancellationToken,
        plane: Option<DataPlane>,
        saver: Option<Saver>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|myself| Self {
            state: Mutex::new(state),
            faults: Mutex::new(Faults::new(options.faults.clone(), options.seed)),
            log: Mutex::default(),
            rates: options.rate_limits.then(Mutex::default),
            stop,
            plane: plane.map(Arc::new),
            saver: saver.map(Arc::new),
            myself: Weak::clone(myself),
        })
    }

    /// Where branches are data, if they are.
    pub(crate) fn plane(&self) -> Option<&Arc<DataPlane>> {
        self.plane.as_ref()
    }

    /// What writes the state down, if it is kept.
    pub(crate) fn saver(&self) -> Option<&Arc<Saver>> {
        self.saver.as_ref()
    }

    /// Notes that the state has changed: it is written soon.
    pub(crate) fn touch(&self) {
        if let Some(saver) = &self.saver {
            saver.touch();
        }
    }

    /// Waits until the state is written as it is now.
    pub(crate) async fn saved(&self) {
        if let Some(saver) = &self.saver {
            saver.wait_for(saver.touch()).await;
        }
    }

    /// Lets the data plane do what the state asks for.
    pub(crate) fn reconcile(&self, state: &mut State, now: Timestamp) {
        if let Some(plane) = &self.plane {
            let control: Weak<dyn Control> = self.myself.clone();
            plane.reconcile(&control, state, now);
        }
    }

    /// Until the sandbox ends.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, RequestLog> {
        lock(&self.log)
    }

    /// How fast callers may send, where there is a limit.
    pub(crate) fn rates(&self) -> Option<MutexGuard<'_, RateLimits>> {
        self.rates.as_ref().map(lock)
    }

    /// Waits, but not beyond the sandbox's end.
    pub(crate) async fn wait(&self, millis: u64) {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(millis)) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Who sends a request with these headers, or 401.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, connection: &Connection) -> Result<Caller, ApiError> {
        let secret = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, secret)| secret.trim())
            .ok_or_else(|| ApiError::unauthorized("the request carries no API key (Authorization: Bearer …)"))?;
        let mut state = self.state();
        let now = state.clock.now();
        state
            .keys
            .authenticate(secret, now, connection.peer.ip().to_string())
            .ok_or_else(|| ApiError::unauthorized("the API key is not known to the sandbox"))
    }
}

impl Source for Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        Self::state(self)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
