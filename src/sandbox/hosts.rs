//! Where the sandbox's computes are said to be, and the connection URIs made from it.
//!
//! A compute `ep-sandbox-word-xxxxxxxx` has the host `ep-sandbox-word-xxxxxxxx.sandbox.localhost`; its pooler has
//! `-pooler` behind the first label, as at Neon. `*.localhost` never leaves the machine (RFC 6761).
//! The URIs say `sslmode=disable`, because the sandbox serves no TLS.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The domain of every compute.
pub(crate) const DOMAIN: &str = "sandbox.localhost";

/// What stays as it is in the user, password and path of a URI.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The host of a compute.
pub(crate) fn host(endpoint_id: &str) -> String {
    format!("{endpoint_id}.{DOMAIN}")
}

/// The host of a compute's connection pooler.
pub(crate) fn pooler_host(endpoint_id: &str) -> String {
    format!("{endpoint_id}-pooler.{DOMAIN}")
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
