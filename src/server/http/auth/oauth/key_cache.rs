//! The issuer's keys, kept: fetched when first needed, again before they are old, and for a key that nobody knows at most once a
//! minute. Those that are kept go on while the issuer is away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey};
use url::Url;

use super::issuer::{Issuer, IssuerError, Metadata};
use super::key::{Keys, ToldKeys};
use super::wire::Wire;
use crate::server::http::auth::challenge::Denial;

/// How long keys count as new.
const FRESH: Duration = Duration::from_secs(600);

/// How long keys go on while the issuer is away.
const MAX_STALE: Duration = Duration::from_secs(86_400);

/// How far apart two fetches for keys that nobody knows are, and two that renew old keys.
const REFETCH: Duration = Duration::from_secs(60);

/// How far apart two tries are while there are no keys at all.
const RETRY: Duration = Duration::from_secs(5);

const AWAY: Denial = Denial::Away("The issuer of tokens can't be asked now: try again.");
const BROKEN: Denial = Denial::Broken(
    "The issuer of tokens can't be used as it is set up here, so no token can be checked. Whoever runs this server finds out why in its log: trying again changes nothing.",
);
const UNKNOWN: Denial = Denial::Invalid("the token is signed with a key that its issuer does not name");

/// The issuer, and its keys as they were fetched last.
pub(super) struct KeyCache {
    issuer: Issuer,
    wire: Wire,
    state: Mutex<State>,
    /// Held by whoever fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    metadata: Option<Metadata>,
    keys: Option<(Arc<Keys>, Instant)>,
    /// When keys were last asked for, however that ended.
    tried: Option<Instant>,
    /// How callers are answered since the last try failed.
    failed: Option<Denial>,
    /// When they were last asked for since nobody knew a key.
    asked: Option<Instant>,
}

impl KeyCache {
    pub(super) fn new(issuer: Issuer) -> Result<Self, String> {
        Ok(Self {
            wire: issuer.wire()?,
            issuer,
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// Exactly as the issuer writes itself.
    pub(super) fn issuer(&self) -> &str {
        self.issuer.name()
    }

    /// The way to the issuer.
    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that a token names.
    ///
    /// # Errors
    /// The answer to a request with a token whose key isn't there.
    pub(super) async fn key(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, Denial> {
        let keys = self.keys().await?;
        if let Some(key) = keys.find(id, algorithm) {
            return Ok(key.clone());
        }
        // The issuer has the key, and it is for something else.
        if keys.names(id) {
            return Err(Denial::Invalid("the token is signed in a way that its key is not for"));
        }
        let keys = self.asked_again(&keys).await?;
        keys.find(id, algorithm).cloned().ok_or(UNKNOWN)
    }

    /// The keys that there are.
    async fn keys(self: &Arc<Self>) -> Result<Arc<Keys>, Denial> {
        let known = self.known();
        if let Some((keys, age)) = known {
            let is_due = age >= FRESH && self.state().tried.is_none_or(|tried| tried.elapsed() >= REFETCH);
            if is_due {
                let cache = self.clone();
                // Nobody waits for it: the keys that are there go on.
                tokio::spawn(async move {
                    if let Ok(_turn) = cache.fetching.try_lock() {
                        cache.fetch().await;
                    }
                });
            }
            return Ok(keys);
        }
        let _turn = self.fetching.lock().await;
        if let Some((keys, _)) = self.known() {
            return Ok(keys);
        }
        if self.state().tried.is_some_and(|tried| tried.elapsed() < RETRY) {
            return Err(self.state().failed.unwrap_or(AWAY));
        }
        self.fetch().await;
        self.known()
            .map(|(keys, _)| keys)
            .ok_or_else(|| self.state().failed.unwrap_or(AWAY))
    }

    fn known(&self) -> Option<(Arc<Keys>, Duration)> {
        let state = self.state();
        let (keys, since) = state.keys.as_ref()?;
        let age = since.elapsed();
        (age < MAX_STALE).then(|| (keys.clone(), age))
    }

    /// The keys that there are now that nobody knew one of those that were seen.
    async fn asked_again(&self, seen: &Arc<Keys>) -> Result<Arc<Keys>, Denial> {
        let _turn = self.fetching.lock().await;
        // While this waited, another one asked.
        if let Some((keys, _)) = self.known().filter(|(keys, _)| !Arc::ptr_eq(keys, seen)) {
            return Ok(keys);
        }
        let may = {
            let mut state = self.state();
            let may = state.asked.is_none_or(|asked| asked.elapsed() >= REFETCH);
            if may {
                state.asked = Some(Instant::now());
            }
            may
        };
        if may {
            self.fetch().await;
        }
        if let Some(denial) = self.state().failed {
            return Err(denial);
        }
        self.known().map(|(keys, _)| keys).ok_or(AWAY)
    }

    /// Fetches the keys. What was there stays where that fails.
    async fn fetch(&self) {
        let fetched = self.fetched().await;
        let mut state = self.state();
        state.tried = Some(Instant::now());
        state.failed = fetched.as_ref().err().map(|error| match error.is_permanent() {
            true => BROKEN,
            false => AWAY,
        });
        match fetched {
            Ok((metadata, keys)) => {
                state.metadata = Some(metadata);
                state.keys = Some((Arc::new(keys), Instant::now()));
            }
            Err(error) => error.log(self.issuer.name()),
        }
    }

    /// Reads the issuer's metadata, keeps nothing of them, and says in the log where they can't be used.
    pub(super) async fn look(&self) {
        if let Err(error) = self.issuer.discover(&self.wire).await {
            error.log(self.issuer.name());
        }
    }

    async fn fetched(&self) -> Result<(Metadata, Keys), IssuerError> {
        let metadata = self.issuer.discover(&self.wire).await?;
        let keys = Keys::of(self.wire.get::<ToldKeys>(metadata.keys.clone()).await?);
        if keys.is_empty() {
            return Err(IssuerError::Metadata("none of its keys can be used"));
        }
        Ok((metadata, keys))
    }

    /// Where the issuer is asked about tokens.
    ///
    /// # Errors
    /// The answer to a request while the issuer is away. Nothing where it names no such place.
    pub(super) async fn introspection(self: &Arc<Self>) -> Result<Option<Url>, Denial> {
        self.keys().await?;
        let metadata = self.state().metadata.clone();
        Ok(metadata.and_then(|metadata| metadata.introspection))
    }
}
