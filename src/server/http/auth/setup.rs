//! What the operator set up for a caller: a policy, a credential, limits. Files name it; it is loaded with them.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::{Deserialize, Serialize};

use super::challenge::Denial;
use super::watched::{Stamped, stamped};
use crate::engine::EngineAccount;
use crate::guard::{OwnKey, Policy};

/// How many callers' calls are counted before those are let go of that made none lately.
const MAX_COUNTED: usize = 10_000;

/// The answer to a caller of whose setup a file can't be used: what was set up for it before counts no more.
pub(super) const UNUSABLE: Denial =
    Denial::Away("What the operator of this server set up for you can't be used now: the server's log says why.");

/// Makes accounts of what files name.
pub trait CallerAccounts: Send + Sync + std::fmt::Debug {
    /// The account of a key.
    fn of_key(&self, key: crate::neon::Credential) -> EngineAccount;

    /// The account of the key in a file.
    ///
    /// # Errors
    /// Why the file can't be used, as a sentence without its content.
    fn of_key_file(&self, path: &Path) -> Result<EngineAccount, String>;

    /// The account that a profile is signed in to.
    ///
    /// # Errors
    /// Why there can't be such a profile.
    fn of_profile(&self, profile: &str) -> Result<EngineAccount, String>;
}

/// What a file says about a caller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CallerSettings {
    pub(super) policy: Option<PathBuf>,
    pub(super) api_key_file: Option<PathBuf>,
    pub(super) profile: Option<String>,
    pub(super) calls_per_minute: Option<NonZeroU32>,
}

/// What is set up for a caller, loaded.
#[derive(Debug)]
pub(in crate::server::http) struct Setup {
    /// What narrows the server's policy for it.
    pub(in crate::server::http) policy: Option<Policy>,
    /// With which accounts its calls are made, in place of the server's own.
    pub(in crate::server::http) accounts: Option<Vec<EngineAccount>>,
    /// Which setup it is: none that was loaded at another time has the same number.
    pub(in crate::server::http) revision: u64,
    calls: Option<DefaultKeyedRateLimiter<String>>,
    /// What log lines leave out as long as this setup is there.
    own: Option<OwnKey>,
}

impl Drop for Setup {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            own.forget();
        }
    }
}

impl Setup {
    fn new(policy: Option<Policy>, accounts: Option<Vec<EngineAccount>>, calls_per_minute: Option<NonZeroU32>) -> Self {
        static LOADED: AtomicU64 = AtomicU64::new(1);
        let own = accounts.iter().flatten().next().map(|account| account.key.clone());
        Self {
            policy,
            accounts,
            revision: LOADED.fetch_add(1, Ordering::Relaxed),
            calls: calls_per_minute.map(|most| RateLimiter::keyed(Quota::per_minute(most))),
            own,
        }
    }

    /// A policy alone.
    #[cfg(test)]
    pub(in crate::server::http) fn of_policy(policy: Policy) -> Arc<Self> {
        Arc::new(Self::new(Some(policy), None, None))
    }

    /// So many calls a minute alone.
    #[cfg(test)]
    pub(in crate::server::http) fn of_calls(calls_per_minute: NonZeroU32) -> Arc<Self> {
        Arc::new(Self::new(None, None, Some(calls_per_minute)))
    }

    /// A caller's own account.
    pub(super) fn of_own(account: EngineAccount) -> Self {
        Self::new(None, Some(vec![account]), None)
    }

    /// Counts a call of a caller.
    ///
    /// # Errors
    /// In how many seconds it may try again, where it made as many calls as it may.
    pub(in crate::server::http) fn count(&self, principal: &str) -> Result<(), u64> {
        let Some(calls) = &self.calls else { return Ok(()) };
        if calls.len() > MAX_COUNTED {
            calls.retain_recent();
        }
        calls.check_key(&principal.to_owned()).map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            wait.as_secs().saturating_add(1)
        })
    }
}

/// What is set up for one caller of a file, and of which files it was made.
type Known = (CallerSettings, Vec<Stamped>, Weak<Setup>);

/// What a file says of a caller, as far as it can be used.
pub(super) struct Prepared {
    /// What is set up, or why it can't be, as a sentence.
    pub(super) setup: Result<Arc<Setup>, String>,
    /// The files that it is made of, each with its stamp of before it was read.
    pub(super) files: Vec<Stamped>,
}

/// What loading needs.
#[derive(Debug, Clone)]
pub(super) struct Loader {
    /// The tools that a policy may speak of.
    tools: Arc<[String]>,
    accounts: Arc<dyn CallerAccounts>,
    /// What was loaded before: whoever nothing changed for goes on with it, and with what was counted.
    known: Arc<Mutex<HashMap<String, Known>>>,
}

impl Loader {
    pub(super) fn new(tools: Arc<[String]>, accounts: Arc<dyn CallerAccounts>) -> Self {
        Self {
            tools,
            accounts,
            known: Arc::default(),
        }
    }

    /// Loads what is set up for a caller of that name. Relative paths start at the directory of the file that names them.
    pub(super) fn load(&self, name: &str, settings: &CallerSettings, file: &Path) -> Prepared {
        let directory = file.parent().unwrap_or(Path::new("."));
        let named = [&settings.policy, &settings.api_key_file].into_iter().flatten();
        let files: Vec<Stamped> = named.map(|path| stamped(directory.join(path))).collect();
        let setup = self.known_or_loaded(name, settings, directory, &files);
        Prepared { setup, files }
    }

    fn known_or_loaded(
        &self,
        name: &str,
        settings: &CallerSettings,
        directory: &Path,
        files: &[Stamped],
    ) -> Result<Arc<Setup>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, of, setup)) = known.get(name)
            && let Some(setup) = setup.upgrade()
            && before == settings
            && *of == files
        {
            return Ok(setup);
        }
        let setup = self.loaded(settings, directory)?;
        known.retain(|_, (_, _, setup)| setup.strong_count() > 0);
        let entry = (settings.clone(), files.to_vec(), Arc::downgrade(&setup));
        known.insert(name.to_owned(), entry);
        Ok(setup)
    }

    fn loaded(&self, settings: &CallerSettings, directory: &Path) -> Result<Arc<Setup>, String> {
        let policy = settings
            .policy
            .as_ref()
            .map(|path| Policy::read_of_callers(&directory.join(path), self.tools.iter().map(String::as_str)))
            .transpose()
            .map_err(|error| error.to_string())?;
        let account = match (&settings.api_key_file, &settings.profile) {
            (Some(_), Some(_)) => return Err("api_key_file and profile exclude each other: keep one".to_owned()),
            (Some(path), None) => Some(self.accounts.of_key_file(&directory.join(path))?),
            (None, Some(profile)) => Some(self.accounts.of_profile(profile)?),
            (None, None) => None,
        };
        Ok(Arc::new(Setup::new(
            policy,
            account.map(|account| vec![account]),
            settings.calls_per_minute,
        )))
    }
}

/// Makes accounts of keys, and does something when a key's file is read.
#[cfg(test)]
pub(super) struct Hooked(Box<dyn Fn() + Send + Sync>);

#[cfg(test)]
impl std::fmt::Debug for Hooked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Hooked")
    }
}

#[cfg(test)]
impl CallerAccounts for Hooked {
    fn of_key(&self, key: crate::neon::Credential) -> EngineAccount {
        let base = crate::neon::api_base("http://127.0.0.1:1/api/v2").unwrap();
        EngineAccount::of_key(crate::neon::Client::new(crate::neon::ClientConfig::new(base, key)))
    }

    fn of_key_file(&self, _: &Path) -> Result<EngineAccount, String> {
        (self.0)();
        let key = crate::neon::Credential::new("napi_key_of_a_test_0123456789".to_owned());
        Ok(self.of_key(key.unwrap()))
    }

    fn of_profile(&self, _: &str) -> Result<EngineAccount, String> {
        Err("there is none".to_owned())
    }
}

#[cfg(test)]
impl Loader {
    /// One that does something when a key's file is read.
    pub(super) fn hooked(during: impl Fn() + Send + Sync + 'static) -> Self {
        Self::new(Arc::new([]), Arc::new(Hooked(Box::new(during))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setup_is_loaded_again_after_what_changed_while_it_was_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let (file, policy) = (directory.path().join("list"), directory.path().join("policy.toml"));
        std::fs::write(&policy, "# end\n").unwrap();
        let settings = CallerSettings {
            policy: Some("policy.toml".into()),
            api_key_file: Some("key".into()),
            ..CallerSettings::default()
        };
        // The policy was read by then.
        let loader = Loader::hooked({
            let policy = policy.clone();
            move || std::fs::write(&policy, "read_only = true\n# end\n").unwrap()
        });
        let load = || loader.load("a", &settings, &file);
        let first = load();
        assert_ne!(first.files[0], stamped(policy.clone()), "it is that of before");
        let (first, second) = (first.setup.unwrap(), load());
        assert_ne!(first.revision, second.setup.as_ref().unwrap().revision);
    }
}
