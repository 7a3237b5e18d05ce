//! How a Redis store is reached.

use std::time::Duration;

use crate::guard::store::address::RedisAddress;

/// How a Redis store is reached.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Where it is.
    pub address: RedisAddress,
    /// What all names in it begin with.
    pub prefix: String,
    /// The certificate authority that it is known by, PEM; without one, those that the program carries.
    pub ca: Option<Vec<u8>>,
    /// How long replicas have to tell what they saw, after the store was restarted.
    pub settles: Duration,
}

impl RedisOptions {
    /// What names begin with by default.
    pub const PREFIX: &str = "neon-mcp";

    /// The defaults for an address: [`Self::PREFIX`], and three seconds to settle.
    #[must_use]
    pub fn new(address: RedisAddress) -> Self {
        Self {
            address,
            prefix: Self::PREFIX.to_owned(),
            ca: None,
            settles: Duration::from_secs(3),
        }
    }
}
