//! The Neon that we carry: an HTTP server on loopback that behaves like Neon's control plane, in memory.
//!
//! A request passes the files in this order:
//!
//! ```text
//! listener  accepts the socket, and can reset it
//! serve     request id, log, key, rate limits, faults, then the handler
//! api/      one file per area of the Neon API: checks a request, changes the state, shapes the answer
//! state/    what exists: projects, branches, computes, operations, snapshots, and how time changes them
//! ```
//!
//! Beside them: `admin` (routes that only the sandbox has), `storage` (links to objects, which need no key), `faults`, `limits`, `keys`, `log`, `ids`, `clock`, `hosts`.
//! Everything a branch holds *inside* Postgres (roles, databases, schemas) is one value, `state::data::Contents`:
//! a data plane replaces what is in it without touching the rules around it.

mod admin;
mod answer;
mod api;
mod call;
mod clock;
mod compute;
mod error;
mod faults;
mod form;
mod hosts;
mod ids;
mod keys;
mod limits;
mod listener;
mod log;
mod options;
mod pages;
mod plane;
mod serve;
mod sql;
mod state;
mod storage;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use faults::{Fault, FaultKind};
pub use options::{ExtraKey, ExtraMember, KeyKind, Limits, Postgres, SandboxOptions};

use listener::{Connection, SandboxListener};
use plane::{Leftovers, Plane, Ports};
use serve::Shared;
use state::State;

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
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

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
    /// When the port cannot be bound, a fault of the options makes no sense, or PostgreSQL is demanded and can't be run.
    pub async fn start(options: SandboxOptions) -> std::io::Result<Self> {
        if let Some(problem) = options.faults.iter().find_map(Fault::problem) {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, problem));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let port = listener.local_addr()?.port();
        let api_key = options.api_key.clone().unwrap_or_else(ids::secret_key);
        let stop = CancellationToken::new();
        let plane = open_plane(&options)?;
        let mut state = State::new(&options, &api_key);
        state.ports = plane.is_some().then(Ports::default);
        let shared = Shared::new(&options, state, stop.clone(), plane);
        if shared.plane().is_some() {
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
    }
}

/// Makes what branches are data in, unless they are to hold none.
fn open_plane(options: &SandboxOptions) -> std::io::Result<Option<Plane>> {
    let required = match options.postgres {
        Postgres::Off => return Ok(None),
        Postgres::IfFound => false,
        Postgres::Required => true,
    };
    match Plane::open(options.postgres_bin.as_deref(), None) {
        Ok((plane, left)) => {
            if left != Leftovers::default() {
                tracing::warn!(
                    "a sandbox before this one ended without cleaning up: {} of its folders removed, {} of its servers stopped",
                    left.folders,
                    left.processes
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
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("api_url", &self.api_url())
            .finish_non_exhaustive()
    }
}
