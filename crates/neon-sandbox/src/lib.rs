//! The Neon that we carry: an HTTP server on loopback that behaves like Neon's control plane, in memory.
//!
//! A request passes the files in this order:
//!
//! ```text
//! listener  accepts the socket, and can reset it
//! serve     request id, log, key, rate limits, faults, then the handler
//! api/      one file per area of the Neon API: checks a request, changes the state, shapes the answer
//! state/    what exists: projects, branches, computes, operations, snapshots, keys, and how time changes them
//! ```
//!
//! Each of them needs what stands below it and nothing above. `shared` is what all requests share; `plane` is the data plane,
//! which knows the state, and what is above it only as `plane::Control`, which `compute` implements.
//!
//! Beside them: `folder` and `saver` (what is kept over a restart), `admin` (routes that only the sandbox has), `storage` (links to objects, which need no key), `faults`, `limits`, `log`, `ids`, `clock`, `hosts`.
//! Everything a branch holds *inside* Postgres (roles, databases, schemas) is one value, `state::data::Contents`:
//! a data plane replaces what is in it without touching the rules around it.
//!
//! ```no_run
//! use neon_sandbox::{Sandbox, SandboxOptions};
//!
//! /// Starts a Neon on this machine, which is gone when it is dropped.
//! async fn start() -> std::io::Result<()> {
//!     let sandbox = Sandbox::start(SandboxOptions::default()).await?;
//!     println!("NEON_API_HOST={} NEON_API_KEY={}", sandbox.api_url(), sandbox.api_key());
//!     Ok(())
//! }
//! ```

mod admin;
mod answer;
mod api;
mod call;
mod clock;
#[cfg(feature = "cli")]
pub mod command;
mod compute;
mod data_plane;
mod error;
mod faults;
mod folder;
mod form;
mod hosts;
mod ids;
mod limits;
mod listener;
mod log;
#[cfg(feature = "cli")]
mod offer;
mod options;
mod pages;
mod ports;
mod request;
mod saver;
mod serve;
mod shared;
mod sql;
mod state;
mod storage;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use faults::{Fault, FaultKind};
pub use options::{ExtraKey, ExtraMember, FetchPostgres, KeyKind, Limits, Postgres, SandboxOptions};

use data_plane::{DataPlane, Leftovers};
use folder::Folder;
use listener::{Connection, SandboxListener};
use ports::Ports;
use saver::Saver;
use shared::Shared;
use state::{
    State,
    persisted::{Life, Persisted},
};

/// SQL over HTTP in front of the Postgres that listens at `socket`, whatever host the requests name.
///
/// It is how the tests reach the protocol alone. It goes once a sandbox has computes that answer SQL.
#[doc(hidden)]
pub fn sql_router_for(socket: std::path::PathBuf) -> axum::Router {
    let target = sql::Target { socket };
    sql::routes(move |_| std::future::ready(Ok(target.clone())))
}

/// What every key of a sandbox begins with, so that nobody takes one for Neon's.
pub const KEY_PREFIX: &str = "sandbox_";

/// How long a shutdown waits for requests in flight.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(200);

/// A running sandbox. Dropping it stops the server.
pub struct Sandbox {
    port: u16,
    api_key: String,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Sandbox {
    /// Binds 127.0.0.1 and starts serving.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound, a fault of the options makes no sense, PostgreSQL is demanded and can't be run, or the
    /// folder can't be used.
    pub async fn start(options: SandboxOptions) -> std::io::Result<Self> {
        if let Some(problem) = options.faults.iter().find_map(Fault::problem) {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, problem));
        }
        let folder = options.dir.as_deref().map(Folder::open).transpose()?;
        let kept = folder.as_ref().map(read_state).transpose()?.flatten();
        let former = kept.as_ref().map(|kept| kept.life);
        let listener = bind(options.port, former.map(|life| life.port)).await?;
        let port = listener.local_addr()?.port();
        let stop = CancellationToken::new();
        let options = with_fetched(options).await?;
        let plane = open_plane(&options, folder.as_ref().map(Folder::path))?;
        let ports = plane.is_some().then(Ports::default);
        let (state, api_key) = begin(&options, kept, ports);
        if let Some(plane) = &plane {
            plane.keep_only(&state.timelines());
        }
        let saver = folder.map(|folder| {
            let starts = former.map_or(0, |life| life.starts) + 1;
            Saver::new(folder, Life { starts, port })
        });
        let shared = Shared::new(&options, state, stop.clone(), plane, saver);
        if let Some(saver) = shared.saver() {
            // The next start must have other ids than this one, however this one ends.
            saver.save(&*shared).await?;
            tokio::spawn(Arc::clone(saver).run(Arc::downgrade(&shared)));
        }
        if shared.plane().is_some() {
            shared.go_on();
            let ticking = Arc::clone(&shared);
            tokio::spawn(async move { ticking.tick().await });
        }
        let service = serve::router(Arc::clone(&shared)).into_make_service_with_connect_info::<Connection>();
        let stopped = stop.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            let served = axum::serve(SandboxListener::new(listener), service)
                .with_graceful_shutdown(stopped)
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the sandbox stopped serving");
            }
        });
        Ok(Self {
            port,
            api_key,
            stop,
            server: Some(server),
            shared,
        })
    }

    /// The base URL of the Neon API, to be used as `NEON_API_HOST`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v2", self.port)
    }

    /// The first API key, a personal one, to be used as `NEON_API_KEY`.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The base URL of the routes that only the sandbox has.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}/sandbox", self.port)
    }

    /// The version of the PostgreSQL that its branches run on, such as `15.18`; `None` where they hold no data.
    #[must_use]
    pub fn postgres_version(&self) -> Option<&str> {
        self.shared.plane().map(|plane| plane.version())
    }

    /// Stops accepting, lets requests in flight end, and returns when the server has stopped.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(SHUTDOWN_PATIENCE, &mut server).await.is_err()
        {
            server.abort();
        }
        if let Some(plane) = self.shared.plane() {
            plane.stop().await;
        }
        if let Some(saver) = self.shared.saver()
            && let Err(error) = saver.finish(&*self.shared).await
        {
            tracing::error!(%error, "the sandbox's state can't be written");
        }
    }

    /// The PostgreSQL that branches run on; `None` where they hold no data.
    #[cfg(feature = "cli")]
    pub(crate) fn postgres(&self) -> Option<&local_postgres::Install> {
        self.shared.plane().map(|plane| plane.install())
    }
}

/// The PostgreSQL that a sandbox would run its branches on: its version, and the folder of its programs. It is looked for where the
/// sandbox looks for it.
///
/// # Errors
/// When there is none that can be run; the text says how to get one.
pub fn find_postgres(given: Option<&std::path::Path>) -> Result<(String, std::path::PathBuf), String> {
    data_plane::find_postgres(given)
}

/// What the folder holds from before.
fn read_state(folder: &Folder) -> std::io::Result<Option<Persisted>> {
    let Some(bytes) = folder.read()? else { return Ok(None) };
    let kept = state::persisted::read(&bytes).map_err(|problem| {
        let text = format!("{} can't be used: {problem}", folder.state().display());
        std::io::Error::new(std::io::ErrorKind::InvalidData, text)
    })?;
    Ok(Some(kept))
}

/// The port that is asked for; without one, that of before where it is free.
async fn bind(port: u16, before: Option<u16>) -> std::io::Result<TcpListener> {
    if let Some(before) = before.filter(|_| port == 0)
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, before)).await
    {
        return Ok(listener);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        let text = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!(
                    "port {port} of 127.0.0.1 is in use: stop what listens there, or leave the port out for a free one"
                )
            }
            _ => format!("port {port} of 127.0.0.1 can't be listened on: {error}"),
        };
        std::io::Error::new(error.kind(), text)
    })
}

/// The state to start with, and the key to hand out.
fn begin(options: &SandboxOptions, kept: Option<Persisted>, ports: Option<Ports>) -> (State, String) {
    let Some(kept) = kept else {
        let api_key = options.api_key.clone().unwrap_or_else(ids::secret_key);
        let mut state = State::new(options, &api_key);
        state.ports = ports;
        return (state, api_key);
    };
    let goes_on = ports.is_some();
    let resumed = kept.resume(options, ports);
    if !resumed.interrupted.is_empty() {
        tracing::warn!(
            "the sandbox before this one was stopped in the middle of operations on {}, which {}",
            resumed.interrupted.join(", "),
            if goes_on { "are taken up again" } else { "have failed" }
        );
    }
    (resumed.state, resumed.api_key)
}

/// Fetches the PostgreSQL that branches are to hold their data in, where that is wanted.
async fn with_fetched(mut options: SandboxOptions) -> std::io::Result<SandboxOptions> {
    if options.postgres == Postgres::Off || options.postgres_bin.is_some() {
        return Ok(options);
    }
    let when = options.fetch_postgres;
    let fetched = tokio::task::spawn_blocking(move || match when {
        FetchPostgres::Never => None,
        FetchPostgres::Missing if local_postgres::find(None).is_ok() => None,
        FetchPostgres::Missing | FetchPostgres::Always => Some(local_postgres::fetch()),
    });
    match fetched.await.map_err(std::io::Error::other)? {
        None => {}
        Some(Ok(bin)) => options.postgres_bin = Some(bin),
        // Who asked for this one wants no other.
        Some(Err(error)) if options.postgres == Postgres::Required || when == FetchPostgres::Always => {
            return Err(std::io::Error::other(error.to_string()));
        }
        Some(Err(error)) => local_postgres::tell(&error),
    }
    Ok(options)
}

/// Makes what branches are data in, unless they are to hold none.
fn open_plane(options: &SandboxOptions, kept: Option<&std::path::Path>) -> std::io::Result<Option<DataPlane>> {
    let required = match options.postgres {
        Postgres::Off => return Ok(None),
        Postgres::IfFound => false,
        Postgres::Required => true,
    };
    match DataPlane::open(options.postgres_bin.as_deref(), options.temporary_dir.as_deref(), kept) {
        Ok((plane, left)) => {
            if left != Leftovers::default() {
                tracing::warn!(
                    "a sandbox before this one ended without cleaning up: {} of its folders removed, {} of its servers stopped, \
                     {} unfinished data directories removed",
                    left.folders,
                    left.processes,
                    left.unfinished
                );
            }
            Ok(Some(plane))
        }
        Err(error) if required => Err(std::io::Error::other(error.to_string())),
        Err(error) => {
            tracing::warn!("branches of the sandbox hold no data: {error}");
            Ok(None)
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(plane) = self.shared.plane() {
            // The tasks go on by themselves, as long as there is a runtime; without one, they are dropped with their servers.
            drop(plane.let_go());
        }
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("api_url", &self.api_url())
            .finish_non_exhaustive()
    }
}
