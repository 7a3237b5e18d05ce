//! Callers that show a Neon API key of their own, with which their calls are made. Each key is checked at Neon, and is kept in memory
//! alone, as long as its caller calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::challenge::Denial;
use super::grant::Grant;
use super::setup::{CallerAccounts, Setup};
use super::shown;
use crate::guard::{ApprovalFlow, Identity, Principal, Scopes};
use crate::neon::{self, Client, Context, Credential};

/// What Neon's keys begin with, and those of a sandbox.
const PREFIXES: [&str; 2] = ["napi_", "sandbox_"];

/// How long what Neon said of a key counts.
const CHECKED: Duration = Duration::from_secs(60);

/// How long a caller is kept that doesn't call.
const IDLE: Duration = Duration::from_secs(600);

/// How many callers are kept.
const MAX_CALLERS: usize = 1_000;

/// How many keys are remembered that Neon doesn't take. Apart from the others: whoever tries keys out drives no caller out.
const MAX_REFUSED: usize = 10_000;

/// How many keys are checked at once.
const MAX_CHECKS: usize = 16;

/// How long Neon has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const WRONG: &str = "Neon does not take this key";

/// Callers with keys of their own.
pub(in crate::server::http) struct NeonKeys {
    accounts: Arc<dyn CallerAccounts>,
    /// What tells keys apart.
    digests: ApprovalFlow,
    callers: Cache<String, Kept>,
    refused: Cache<String, Instant>,
    checks: Semaphore,
}

#[derive(Clone)]
struct Kept {
    grant: Arc<Grant>,
    client: Client,
    checked: Instant,
    used: Instant,
}

impl NeonKeys {
    pub(in crate::server::http) fn new(accounts: Arc<dyn CallerAccounts>, digests: ApprovalFlow) -> Self {
        Self {
            accounts,
            digests,
            callers: Cache::new(MAX_CALLERS),
            refused: Cache::new(MAX_REFUSED),
            checks: Semaphore::new(MAX_CHECKS),
        }
    }

    /// Whose key a request shows.
    pub(super) async fn grant(&self, headers: &HeaderMap) -> Result<Arc<Grant>, Denial> {
        let key = shown::token(headers)?;
        if !PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            return Err(Denial::Invalid("this is no Neon API key"));
        }
        let digest = self.digests.key_digest(key);
        if let Some(grant) = self.known(&digest)? {
            return Ok(grant);
        }
        let Ok(_turn) = self.checks.try_acquire() else {
            return Err(Denial::Away("Too many keys are being checked at once: try again."));
        };
        let kept = match self.callers.get(&digest) {
            Some(kept) => kept,
            None => self.made(key, &digest)?,
        };
        let is_taken = neon::is_api_key(&kept.client, &Context::within(PATIENCE)).await;
        match is_taken {
            Ok(true) => {
                let now = Instant::now();
                let kept = Kept {
                    checked: now,
                    used: now,
                    ..kept
                };
                let grant = kept.grant.clone();
                self.callers.insert(digest, kept);
                Ok(grant)
            }
            Ok(false) => {
                self.callers.remove(&digest);
                self.refused.insert(digest, Instant::now());
                Err(Denial::Invalid(WRONG))
            }
            Err(error) => {
                tracing::warn!("Neon couldn't be asked about a caller's key: {error}");
                Err(Denial::Away("Neon can't be asked about this key now: try again."))
            }
        }
    }

    /// What Neon said of a key not long ago.
    fn known(&self, digest: &str) -> Result<Option<Arc<Grant>>, Denial> {
        if self.refused.get(digest).is_some_and(|at| at.elapsed() < CHECKED) {
            return Err(Denial::Invalid(WRONG));
        }
        let Some(kept) = self.callers.get(digest).filter(|kept| kept.checked.elapsed() < CHECKED) else {
            return Ok(None);
        };
        let grant = kept.grant.clone();
        let used = Kept {
            used: Instant::now(),
            ..kept
        };
        self.callers.insert(digest.to_owned(), used);
        Ok(Some(grant))
    }

    fn made(&self, key: &str, digest: &str) -> Result<Kept, Denial> {
        let credential = Credential::new(key.to_owned()).map_err(|_| Denial::Invalid("this is no Neon API key"))?;
        let account = self.accounts.of_key(credential);
        let client = account.client.clone();
        let identity = Identity::NeonKey(digest.to_owned());
        let now = Instant::now();
        Ok(Kept {
            grant: Arc::new(Grant {
                principal: Principal::new(identity),
                issued: Scopes::ALL,
                setup: Some(Arc::new(Setup::of_own(account))),
            }),
            client,
            checked: now,
            used: now,
        })
    }

    /// Lets go of callers that haven't called for long, and of what Neon said long ago.
    pub(super) fn tidy(&self) {
        self.callers.retain(|_, kept| kept.used.elapsed() < IDLE);
        self.refused.retain(|_, at| at.elapsed() < CHECKED);
    }
}
