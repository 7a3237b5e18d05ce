//! SQL over HTTP, the protocol of Neon's proxy: one POST runs one statement, or several in one transaction.
//!
//! A request passes the files in this order:
//!
//! ```text
//! routes      the path `/sql`, CORS, the size of the body
//! connection  the header Neon-Connection-String: who connects to what
//! request     the other headers and the JSON body
//! answer      reads, runs, answers
//! session     a connection to Postgres: startup, authentication, cancellation
//! batch       one statement, or a transaction of them
//! statement   Parse, Describe, Bind, Execute, Sync
//! response    fields, rows and command as JSON; `value` and `types` turn Postgres' text into JSON values
//! ```
//!
//! Beside them: `wire` (messages on the socket), `error` (refusals in the proxy's shape).
//! There is no pool: every request has a session of its own, so that no setting of one reaches another.

mod answer;
mod batch;
mod connection;
mod error;
mod lookup;
mod request;
mod response;
mod routes;
mod session;
mod statement;
mod types;
mod value;
mod wire;

use std::path::PathBuf;

pub(crate) use connection::ConnectionString;
pub(crate) use error::SqlError;
pub(crate) use routes::routes;

/// The largest request, and the largest response, in bytes.
///
/// Both are what the open-source proxy has by default (its options `sql-over-http-max-request-size-bytes` and
/// `sql-over-http-max-response-size-bytes`). Neon's documentation speaks of 64 MB for the service.
pub(crate) const MAX_BYTES: usize = 10 * 1024 * 1024;

/// Where a compute's Postgres listens.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its unix socket, the file itself (`…/.s.PGSQL.5432`).
    pub(crate) socket: PathBuf,
}
