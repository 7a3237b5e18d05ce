//! The store of a server with replicas, as commands of its operator name it.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::guard::StoreAddress;
use crate::settings::{StoreSettings, StoreText};

/// Which store a command works with.
#[derive(Debug, clap::Args)]
pub(super) struct StoreArguments {
    /// The server's store, `dir:PATH` or `redis://...`; also NEON_MCP_STORE, which keeps a password out of the list of processes
    #[arg(long, value_name = "STORE", value_parser = text, conflicts_with_all = ["dir", "state_dir"])]
    store: Option<StoreText>,
    /// What the names of everything in a Redis store begin with; also NEON_MCP_STORE_PREFIX [default: neon-mcp]
    #[arg(long, value_name = "TEXT")]
    store_prefix: Option<String>,
    /// The certificate authority of a Redis store, PEM; also NEON_MCP_STORE_CA
    #[arg(long, value_name = "FILE")]
    store_ca: Option<PathBuf>,
    /// The key that the server's replicas share, for a Redis store; also NEON_MCP_SEAL_KEY_FILE
    #[arg(long, value_name = "FILE")]
    seal_key_file: Option<PathBuf>,
}

/// Whatever it holds: an error of a parser would show a password.
pub(super) fn text(text: &str) -> Result<StoreText, std::convert::Infallible> {
    Ok(text.into())
}

impl StoreArguments {
    /// The store that is named, with the file of its key; nothing where none is, or a directory is named otherwise.
    pub(super) fn resolve(self, otherwise: bool) -> anyhow::Result<Option<(StoreSettings, Option<PathBuf>)>> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = match self.store {
            Some(text) => Some(text),
            None if otherwise => None,
            None => match variable("NEON_MCP_STORE") {
                Some(text) => Some(StoreText::from(text.to_str().context("NEON_MCP_STORE isn't UTF-8")?)),
                None => None,
            },
        };
        if text.is_none() {
            return Ok(None);
        }
        let prefix = self.store_prefix.or_else(|| {
            let prefix = variable("NEON_MCP_STORE_PREFIX")?;
            prefix.into_string().ok()
        });
        let path = |given: Option<PathBuf>, name: &str| given.or_else(|| variable(name).map(PathBuf::from));
        let ca = path(self.store_ca, "NEON_MCP_STORE_CA");
        let key = path(self.seal_key_file, "NEON_MCP_SEAL_KEY_FILE");
        let Some(store) = StoreSettings::resolve(text.as_ref(), prefix, ca)? else {
            return Ok(None);
        };
        if matches!(store.address, StoreAddress::Memory) {
            bail!(
                "--store memory is the server's own memory, which no other process reads: decide on the approval page"
            );
        }
        Ok(Some((store, key)))
    }
}
