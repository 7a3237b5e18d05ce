//! Where the operator has kept what replicas share.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use url::Url;

/// Where what replicas share is kept. `Debug` shows no password.
#[derive(Debug, Clone)]
pub enum StoreAddress {
    /// In the memory of one process.
    Memory,
    /// In a directory, for the processes of one machine.
    Directory(PathBuf),
    /// In a Redis or Valkey server, for processes anywhere.
    Redis(RedisAddress),
}

/// The address of a Redis or Valkey server.
#[derive(Debug, Clone)]
pub struct RedisAddress {
    url: SecretString,
    shown: String,
    has_password: bool,
}

/// A store that there isn't. It shows nothing of a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}: write memory, dir:PATH, redis://HOST:6379/0, or rediss://USER:PASSWORD@HOST:6379/0 for TLS")]
pub struct InvalidStore(&'static str);

impl StoreAddress {
    /// Reads `memory`, `dir:PATH`, `redis://…` or `rediss://…`.
    ///
    /// # Errors
    /// When it is none of them, or the URL holds what isn't taken.
    pub fn parse(text: &str) -> Result<Self, InvalidStore> {
        let text = text.trim();
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if let Some(path) = text.strip_prefix("dir:") {
            return match path {
                "" => Err(InvalidStore("the directory has no path")),
                path => Ok(Self::Directory(path.into())),
            };
        }
        if !text.starts_with("redis://") && !text.starts_with("rediss://") {
            return Err(InvalidStore("there is no such store"));
        }
        RedisAddress::parse(text).map(Self::Redis)
    }
}

impl RedisAddress {
    fn parse(text: &str) -> Result<Self, InvalidStore> {
        let url = Url::parse(text).map_err(|_| InvalidStore("the URL can't be read"))?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidStore("the URL has no host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidStore(
                "the URL holds more than user, password, host, port and database",
            ));
        }
        let database = url.path().trim_start_matches('/');
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return Err(InvalidStore("the database is no number"));
        }
        let mut shown = url.clone();
        // Where there is no password, the user's name isn't taken either.
        let _ = shown.set_password(None);
        Ok(Self {
            has_password: url.password().is_some(),
            shown: shown.to_string(),
            url: SecretString::from(text.to_owned()),
        })
    }

    /// The address without the password.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether it holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.shown.starts_with("rediss:")
    }

    #[cfg_attr(not(feature = "http-server"), allow(dead_code))]
    pub(super) fn url(&self) -> &str {
        self.url.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_shows_its_place_and_never_its_password() {
        for (text, shown) in [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            (
                "rediss://me:hunter2hunter2@store.example/3",
                "rediss://me@store.example/3",
            ),
            (
                "redis://:hunter2hunter2@store.example:7000",
                "redis://store.example:7000",
            ),
        ] {
            let parsed = StoreAddress::parse(text).unwrap();
            assert!(!format!("{parsed:?}").contains("hunter2"), "{parsed:?}");
            let StoreAddress::Redis(address) = parsed else {
                panic!("{text}")
            };
            assert_eq!(address.shown(), shown);
            assert_eq!(address.url(), text);
            assert_eq!(address.has_password(), text.contains("hunter2"));
            assert_eq!(address.is_encrypted(), text.starts_with("rediss"));
        }
        assert!(matches!(StoreAddress::parse("memory"), Ok(StoreAddress::Memory)));
        let parsed = StoreAddress::parse("dir:/var/lib/neon");
        assert!(matches!(parsed, Ok(StoreAddress::Directory(path)) if path.to_str() == Some("/var/lib/neon")));
    }

    #[test]
    fn address_that_is_none_is_refused_without_its_password() {
        for text in [
            "",
            "disk",
            "dir:",
            "redis:",
            "redis://",
            "redis://:hunter2hunter2@",
            "http://store.example",
            "rediss://:hunter2hunter2@store.example/#insecure",
            "redis://:hunter2hunter2@store.example/?protocol=resp3",
            "redis://:hunter2hunter2@store.example/sessions",
        ] {
            let error = StoreAddress::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
