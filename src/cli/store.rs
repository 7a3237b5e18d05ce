//! Where a server keeps what waits and what was done, as commands of its operator name it.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use super::reach::quoted;
use crate::guard::{Approvals, StoreAddress, state_dir};
use crate::settings::{KeptPlaces, StoreSettings, StoreText};

/// Which place a command works with.
#[derive(Debug, clap::Args)]
pub(super) struct StoreArguments {
    /// The server's settings file, which says where it keeps what waits; also NEON_MCP_CONFIG
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's state directory; also NEON_MCP_STATE_DIR
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where the server keeps what waits [default: approvals in the state directory]
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "state_dir")]
    dir: Option<PathBuf>,
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

/// Where a server keeps what waits.
pub(super) struct KeptApprovals {
    /// What waits.
    pub(super) approvals: Approvals,
    /// The audit log of that server, where its place is known.
    pub(super) audit_log: Option<PathBuf>,
    /// What clients see as its address, where it is known.
    pub(super) public_url: Option<String>,
    /// The settings file that the command line names.
    config: Option<PathBuf>,
    /// Somebody said where it is.
    is_named: bool,
}

impl StoreArguments {
    /// Finds it: what the command line names, else what the environment does, else the settings file, else the state directory.
    pub(super) fn find(self) -> anyhow::Result<KeptApprovals> {
        let config = self.config.clone();
        let known = KeptPlaces::read(self.config, std::env::vars_os())?;
        let places_itself = self.dir.is_some() || self.state_dir.is_some();
        let store = match self.store {
            Some(text) => Some(text),
            None => known.store.filter(|_| !places_itself),
        };
        let is_named = places_itself || store.is_some() || known.config.is_some() || known.state_dir.is_some();
        let found = |approvals: Approvals, audit: Option<PathBuf>| KeptApprovals {
            audit_log: known.audit_log.clone().or(audit),
            approvals,
            public_url: known.public_url.clone(),
            config: config.clone(),
            is_named,
        };
        if let Some(text) = store {
            let prefix = self.store_prefix.or(known.store_prefix);
            let ca = self.store_ca.or(known.store_ca);
            let key = self.seal_key_file.or(known.seal_key);
            let store = StoreSettings::resolve(Some(&text), prefix, ca)?.context("it names no store")?;
            let log = |directory: PathBuf| directory.join("audit.jsonl");
            let audit = match &store.address {
                StoreAddress::Memory => bail!(
                    "--store memory is the server's own memory, which no other process reads: decide on the approval page"
                ),
                StoreAddress::Directory(directory) => Some(log(directory.clone())),
                StoreAddress::Redis(_) => known.state_dir.clone().map(log),
            };
            return Ok(found(store.approvals(key.as_deref())?, audit));
        }
        let state = || {
            let own = || state_dir(|name| std::env::var_os(name));
            self.state_dir.or_else(|| known.state_dir.clone()).or_else(own)
        };
        let directory = self
            .dir
            .or_else(|| Some(state()?.join("approvals")))
            .context("there is no state directory, because HOME isn't set: name the server's with --state-dir")?;
        let is_ours = directory.file_name().is_some_and(|name| name == "approvals");
        let beside = directory
            .parent()
            .filter(|_| is_ours)
            .map(|state| state.join("audit.jsonl"));
        Ok(found(Approvals::new(directory), beside))
    }
}

impl KeptApprovals {
    /// The command that decides about a code, found as these were.
    pub(super) fn command(&self, code: &str) -> Option<String> {
        match &self.config {
            Some(config) => Some(format!(
                "neon-mcp approve {code} --config {}",
                quoted(&config.to_string_lossy())
            )),
            None => self.approvals.command(code),
        }
    }

    /// Where was looked, and where else it could be.
    pub(super) fn looked(&self) -> String {
        let place = self.approvals.place();
        match self.is_named {
            true => format!("looked in {place}"),
            false => format!(
                "looked in {place}; of a server with other settings, name them: --config FILE, --state-dir DIR or --store STORE"
            ),
        }
    }
}
