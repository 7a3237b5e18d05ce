//! Bounds on what clients may hold of the server.

use std::time::Duration;

/// The largest request that is read, in bytes: 1 MiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Bounds on what clients may hold of the server, each of which costs it memory or time.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// The largest request that is read, in bytes. Default [`MAX_BODY_BYTES`].
    pub body_bytes: usize,
    /// Sessions in all. Default 1,000. One that nothing uses costs some 2 kB once it sleeps; [`Self::sessions_awake`] bounds the others.
    pub sessions: usize,
    /// Sessions of one caller that is told from others, else of one address. Default 1,000: on loopback, all come from one as a rule.
    pub sessions_of_one: usize,
    /// How many idle sessions are kept awake, at some 80 kB each: of more, those that were used longest ago sleep until their
    /// clients' next requests. Default 100.
    pub sessions_awake: usize,
    /// How long a session lasts that has no open stream and gets no request. Default 12 hours: a client may be left alone over a
    /// long lunch, and how many there may be is bounded by itself.
    pub session_idle: Duration,
    /// Connections in all. Default 1,500.
    pub connections: usize,
    /// Connections from one address; of an address behind a proxy, its requests at once. Default 1,200.
    pub connections_of_one: usize,
    /// How long a connection has for the head of a request, counted from its start or from the last answer, and for the handshake
    /// of TLS. Default 30 seconds.
    pub head: Duration,
    /// How long a request has for its body after that, and its client to read on in its answer. Default 30 seconds.
    pub body: Duration,
    /// Tool calls that run at once, of all callers. Default 256.
    pub calls: usize,
    /// Tool calls that run at once of one caller that is told from others, else of one address. Default 32.
    pub calls_of_one: usize,
    /// Tool calls in a minute, counted as the former are; as many may come at once. Default 600.
    pub calls_per_minute: u32,
    /// How long running calls have to end after a stop. Default 10 seconds.
    pub drain: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes: MAX_BODY_BYTES,
            sessions: 1_000,
            sessions_of_one: 1_000,
            sessions_awake: 100,
            session_idle: Duration::from_secs(12 * 3_600),
            connections: 1_500,
            connections_of_one: 1_200,
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
            calls: 256,
            calls_of_one: 32,
            calls_per_minute: 600,
            drain: Duration::from_secs(10),
        }
    }
}
