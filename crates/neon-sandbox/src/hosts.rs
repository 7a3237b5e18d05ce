//! Where the sandbox's computes are said to be, and the connection URIs made from it.
//!
//! A compute `ep-sandbox-word-xxxxxxxx` has the host `ep-sandbox-word-xxxxxxxx.sandbox.localhost`; its pooler has
//! `-pooler` behind the first label, as at Neon. `*.localhost` never leaves the machine (RFC 6761).
//! Where computes are processes, the host is `127.0.0.1` with the compute's own port: few systems resolve names below
//! `localhost`, and a port can stand in every place where Neon has a host.
//! The URIs say `sslmode=disable`, because many drivers refuse the certificate, which is the sandbox's own.

use super::state::endpoint::Endpoint;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The domain of every compute.
pub(crate) const DOMAIN: &str = "sandbox.localhost";

/// What stays as it is in the user, password and path of a URI.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The host of a compute: where it can be connected to, its port included, else a name that says whose it is.
pub(crate) fn host(endpoint: &Endpoint) -> String {
    match endpoint.port {
        Some(port) => format!("127.0.0.1:{port}"),
        None => format!("{}.{DOMAIN}", endpoint.id),
    }
}

/// The host of a compute's connection pooler. One that can be connected to has none of its own.
pub(crate) fn pooler_host(endpoint: &Endpoint) -> String {
    match endpoint.port {
        Some(_) => host(endpoint),
        None => format!("{}-pooler.{DOMAIN}", endpoint.id),
    }
}

/// A text as one part of a URI.
pub(crate) fn escaped(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, PART)
}

/// The URI that connects a role to a database at a host.
pub(crate) fn connection_uri(role: &str, password: &str, host: &str, database: &str) -> String {
    format!(
        "postgresql://{}:{}@{host}/{}?sslmode=disable",
        escaped(role),
        escaped(password),
        escaped(database),
    )
}
