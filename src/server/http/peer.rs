//! From where a request comes.

use std::net::IpAddr;

/// From where a request comes: of one that a known proxy passes on, the client's address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);
