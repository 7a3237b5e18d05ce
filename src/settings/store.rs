//! Where what replicas share is kept, as the operator said it.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::SettingsError;
#[cfg(feature = "http-server")]
use super::key::read_seal_key;
use crate::guard::{Approvals, InvalidStore, StoreAddress};
#[cfg(feature = "http-server")]
use crate::guard::{RedisOptions, RedisStore, Sealer, read_trusted};

/// The setting `store`: it may hold a password, which `Debug` doesn't show.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct StoreText(String);

impl StoreText {
    /// The store that it names.
    ///
    /// # Errors
    /// When it names none. The error shows no password.
    pub fn address(&self) -> Result<StoreAddress, InvalidStore> {
        StoreAddress::parse(&self.0)
    }

    /// Has a relative directory start at another one.
    pub(super) fn start_at(&mut self, directory: &Path) {
        if let Ok(StoreAddress::Directory(place)) = self.address() {
            self.0 = format!("dir:{}", directory.join(place).display());
        }
    }
}

impl From<&str> for StoreText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for StoreText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Ok(StoreAddress::Redis(address)) => formatter.write_str(address.shown()),
            Ok(_) => formatter.write_str(&self.0),
            Err(_) => formatter.write_str("a store that can't be read"),
        }
    }
}

/// A store, and what a Redis store is known by.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Where it is.
    pub address: StoreAddress,
    /// What names in a Redis store begin with, where the operator says so.
    pub prefix: Option<String>,
    /// The certificate authority of a Redis store, a file.
    pub ca: Option<PathBuf>,
}

impl StoreSettings {
    /// What the settings say of a store; nothing where they say nothing.
    ///
    /// # Errors
    /// When the store is none, or what is for Redis alone is said of another.
    pub fn resolve(
        text: Option<&StoreText>,
        prefix: Option<String>,
        ca: Option<PathBuf>,
    ) -> Result<Option<Self>, SettingsError> {
        let address = text.map(StoreText::address).transpose()?;
        let is_redis = matches!(address, Some(StoreAddress::Redis(_)));
        if !is_redis && (prefix.is_some() || ca.is_some()) {
            return Err(SettingsError::Conflict(
                "--store-prefix and --store-ca are for --store redis:// or rediss://".into(),
            ));
        }
        if prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
            return Err(SettingsError::Conflict(
                "--store-prefix is 1 to 64 letters, digits, `-`, `_`, `.` or `:`".into(),
            ));
        }
        if is_redis && cfg!(not(feature = "http-server")) {
            return Err(SettingsError::Conflict(
                "this build has no Redis: use --store dir:PATH, or a build with the feature http-server".into(),
            ));
        }
        Ok(address.map(|address| Self { address, prefix, ca }))
    }

    /// The directory, where the store is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &self.address {
            StoreAddress::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// Whether replicas on other machines share it.
    #[must_use]
    pub fn is_redis(&self) -> bool {
        matches!(self.address, StoreAddress::Redis(_))
    }

    /// Where calls wait for approval. `key` is the file of the key that replicas share.
    ///
    /// # Errors
    /// When a Redis store has no key, or its key or certificate authority can't be used.
    pub fn approvals(&self, key: Option<&Path>) -> Result<Approvals, SettingsError> {
        match &self.address {
            StoreAddress::Memory => Ok(Approvals::in_memory()),
            StoreAddress::Directory(directory) => Ok(Approvals::new(directory.join("approvals"))),
            #[cfg(not(feature = "http-server"))]
            StoreAddress::Redis(_) => {
                let _ = key;
                Ok(Approvals::in_memory())
            }
            #[cfg(feature = "http-server")]
            StoreAddress::Redis(address) => {
                let Some(key) = key else { return Err(wants_key()) };
                let sealer = Sealer::shared(&read_seal_key(key)?).map_err(|source| SettingsError::SealKey {
                    path: key.to_owned(),
                    source,
                })?;
                let mut options = RedisOptions::new(address.clone());
                if let Some(prefix) = &self.prefix {
                    options.prefix.clone_from(prefix);
                }
                options.ca = self.ca.as_deref().map(read_trusted).transpose()?;
                // It may be run in another folder.
                let key = std::path::absolute(key).unwrap_or_else(|_| key.to_owned());
                Ok(Approvals::in_redis(RedisStore::open(options, sealer)?, Some(key)))
            }
        }
    }
}

/// What is said where replicas would have no key.
pub(super) fn wants_key() -> SettingsError {
    SettingsError::Conflict(
        "--store redis:// wants --seal-key-file: what lies there is encrypted with one key that all replicas and `neon-mcp approve` have"
            .into(),
    )
}

fn is_prefix(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_shows_no_password_and_takes_no_setting_of_another() {
        let text = StoreText::from("rediss://me:hunter2hunter2@store.example");
        assert_eq!(format!("{text:?}"), "rediss://me@store.example");
        let broken = StoreText::from("rediss://me:hunter2hunter2@");
        assert!(!format!("{broken:?}").contains("hunter2"));
        let error = StoreSettings::resolve(Some(&broken), None, None).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        let memory = StoreText::from("memory");
        for (text, prefix) in [
            (Some(&memory), "a"),
            (None, "a"),
            (Some(&text), ""),
            (Some(&text), "{a}"),
        ] {
            assert!(
                StoreSettings::resolve(text, Some(prefix.to_owned()), None).is_err(),
                "{prefix}"
            );
        }
        assert!(StoreSettings::resolve(None, None, None).unwrap().is_none());
    }

    #[cfg(feature = "http-server")]
    #[test]
    fn redis_store_wants_the_key_that_replicas_share() {
        let text = StoreText::from("redis://127.0.0.1:1");
        let store = StoreSettings::resolve(Some(&text), None, None).unwrap().unwrap();
        let error = store.approvals(None).unwrap_err().to_string();
        assert!(error.contains("--seal-key-file"), "{error}");
    }
}
