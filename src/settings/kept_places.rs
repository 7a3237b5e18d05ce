//! Where a server keeps what waits and what was done, for commands of its operator: found as the server finds it, and nothing else of its
//! settings is used, so that a key that this user can't read keeps nobody from deciding.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::{PREFIX, SettingsError};
use super::store::StoreText;
use super::{file, layer};

/// The settings that say it, as variables spell them.
const NAMES: [&str; 8] = [
    "CONFIG",
    "STORE",
    "STORE_PREFIX",
    "STORE_CA",
    "SEAL_KEY_FILE",
    "STATE_DIR",
    "AUDIT_LOG",
    "PUBLIC_URL",
];

/// Where a server keeps what waits and what was done.
#[derive(Debug, Clone, Default)]
pub struct KeptPlaces {
    /// The settings file that was read.
    pub config: Option<PathBuf>,
    /// What replicas share is kept there.
    pub store: Option<StoreText>,
    /// What names in a Redis store begin with.
    pub store_prefix: Option<String>,
    /// The certificate authority of a Redis store.
    pub store_ca: Option<PathBuf>,
    /// The key that replicas share.
    pub seal_key: Option<PathBuf>,
    /// The state directory, where one is named.
    pub state_dir: Option<PathBuf>,
    /// The audit log, where one is named.
    pub audit_log: Option<PathBuf>,
    /// What clients see as the server's address.
    pub public_url: Option<String>,
}

impl KeptPlaces {
    /// What the environment says, and below it the settings file: the one that is named here, else by the environment.
    ///
    /// # Errors
    /// When the file can't be used, or a variable isn't text.
    pub fn read(
        config: Option<PathBuf>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let is_one = |name: &OsString| {
            let name = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            name.is_some_and(|name| NAMES.contains(&name))
        };
        let environment = environment.into_iter().filter(|(name, _)| is_one(name));
        let (mut layer, _) = layer::from_environment(environment)?;
        let config = config.or(layer.config.take());
        if let Some(path) = &config {
            layer = layer.over(file::read(path)?);
        }
        let http = layer.http.unwrap_or_default();
        Ok(Self {
            config,
            store: http.store,
            store_prefix: http.store_prefix,
            store_ca: http.store_ca,
            seal_key: layer.seal_key_file,
            state_dir: layer.state_dir,
            audit_log: layer.audit_log,
            public_url: http.public_url,
        })
    }
}
