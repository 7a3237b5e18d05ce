//! Callers that show a Neon API key of their own, with which their calls are made. Each key is checked at Neon, and is kept in memory
//! alone, as long as its caller calls.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::asking::{Asking, Bounds, Counts, Shows, Unanswered};
use super::challenge::Denial;
use super::grant::Grant;
use super::setup::{CallerAccounts, Setup};
use super::shown;
use crate::guard::{ApprovalFlow, Identity, Principal, Scopes};
use crate::neon::{self, Client, Context, Credential};

/// What Neon's keys begin with, and those of a sandbox.
const PREFIXES: [&str; 2] = ["napi_", "sandbox_"];

/// How many callers are kept, for how long after their last check, and how many keys are checked at once.
const BOUNDS: Bounds = Bounds {
    kept: 1_000,
    keeps: Duration::from_secs(600),
    places: 16,
    of_one: 16,
};

/// How long Neon has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const WRONG: &str = "Neon does not take this key";

/// Callers with keys of their own.
pub(in crate::server::http) struct NeonKeys {
    accounts: Arc<dyn CallerAccounts>,
    /// What tells keys apart.
    digests: ApprovalFlow,
    callers: Asking<Kept>,
}

#[derive(Clone)]
struct Kept {
    grant: Arc<Grant>,
    client: Client,
}

/// Each key is a caller of its own.
impl Counts for Kept {
    fn owner(&self) -> Option<&str> {
        None
    }
}

impl NeonKeys {
    pub(in crate::server::http) fn new(accounts: Arc<dyn CallerAccounts>, digests: ApprovalFlow) -> Self {
        Self {
            accounts,
            digests,
            callers: Asking::new(BOUNDS),
        }
    }

    /// Whose key a request of that peer shows.
    pub(super) async fn grant(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Arc<Grant>, Denial> {
        let key = shown::token(headers)?;
        if !PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            return Err(Denial::Invalid("this is no Neon API key"));
        }
        let digest = self.digests.key_digest(key);
        let question = async |known: Option<Kept>| {
            let kept = match known {
                Some(kept) => kept,
                None => self.made(key, &digest).map_err(Unanswered::not_asked)?,
            };
            match neon::is_api_key(&kept.client, &Context::within(PATIENCE)).await {
                Ok(true) => Ok(Ok(kept)),
                Ok(false) => Ok(Err(Denial::Invalid(WRONG))),
                Err(error) => {
                    tracing::warn!("Neon couldn't be asked about a caller's key: {error}");
                    let away = Denial::Away("Neon can't be asked about this key now: try again.");
                    Err(Unanswered::asked(away, error.retry_after()))
                }
            }
        };
        let kept = self.callers.answer(&digest, Shows::Stranger(peer), question).await?;
        Ok(kept.grant)
    }

    fn made(&self, key: &str, digest: &str) -> Result<Kept, Denial> {
        let credential = Credential::new(key.to_owned()).map_err(|_| Denial::Invalid("this is no Neon API key"))?;
        let account = self.accounts.of_key(credential);
        let client = account.client.clone();
        let identity = Identity::NeonKey(digest.to_owned());
        Ok(Kept {
            grant: Arc::new(Grant {
                principal: Principal::new(identity),
                issued: Scopes::ALL,
                setup: Some(Arc::new(Setup::of_own(account))),
                groups_untold: None,
            }),
            client,
        })
    }

    /// Lets go of callers that haven't called for long, and of what Neon said long ago.
    pub(super) fn tidy(&self) {
        self.callers.tidy();
    }
}
