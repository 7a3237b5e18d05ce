//! What a client is made of.

use std::sync::Arc;
use std::time::Duration;

use super::credential_source::CredentialSource;
use super::limits::RateLimits;
use super::poll::PollPolicy;
use super::retry::RetryPolicy;
use crate::base_url::BaseUrl;

/// What a client is made of. [`ClientConfig::new`] fills in the defaults.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where the API is.
    pub base: BaseUrl,
    /// What requests are sent with.
    pub credential: Arc<dyn CredentialSource>,
    /// The account that all requests are of, as [`Bearer::account_digest`](super::Bearer::account_digest) has it; requests of
    /// another one aren't sent. Default: whoever is signed in.
    pub account: Option<[u8; 32]>,
    /// The `User-Agent`. Default: `neon-mcp/VERSION`, with the project's address.
    pub user_agent: String,
    /// The longest that one attempt may take, from sending to the last byte. Default: 30 s.
    pub request_timeout: Duration,
    /// The longest that making a connection may take, TLS included. Default: 10 s. Within it, a failure is known to have
    /// changed nothing.
    pub connect_timeout: Duration,
    /// The credential's budget; clients with the same credential share one.
    pub limits: RateLimits,
    /// How often and how far apart attempts are.
    pub retry: RetryPolicy,
    /// How often operations are looked at while waiting for them.
    pub poll: PollPolicy,
    /// The largest answer that is read, in bytes, after decompression. Default: 16 MiB.
    pub max_response_bytes: usize,
}

impl ClientConfig {
    /// The defaults for a base and a credential, or what gives one.
    #[must_use]
    pub fn new(base: BaseUrl, credential: impl Into<Arc<dyn CredentialSource>>) -> Self {
        Self {
            base,
            credential: credential.into(),
            account: None,
            user_agent: user_agent(),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            limits: RateLimits::default(),
            retry: RetryPolicy::default(),
            poll: PollPolicy::default(),
            max_response_bytes: 16 * 1_024 * 1_024,
        }
    }
}

/// `neon-mcp/VERSION`, and where the project is at home, once the manifest says so.
fn user_agent() -> String {
    let name = concat!("neon-mcp/", env!("CARGO_PKG_VERSION"));
    match env!("CARGO_PKG_REPOSITORY") {
        "" => name.to_owned(),
        home => format!("{name} (+{home})"),
    }
}
